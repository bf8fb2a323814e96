"""``run``: call one signature of a model on given inputs, or on made-up ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from migrator.actions.faces import (
    Face,
    choose_signature,
    graph_face,
    saved_model_face,
    write_subgraph,
)
from migrator.actions.originals import Original, open_original
from migrator.arrays import load_arrays
from migrator.errors import UsageError, WorkerError
from migrator.files import temporary_folder
from migrator.formats.staging import named, takes_packed
from migrator.graph.wiring import Wiring
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.choosing import choose_meta_graph
from migrator.migration.options import Choice
from migrator.model.tensors import Shape, TensorRef
from migrator.runtime.client import ChildLimits
from migrator.verification.cases import Case, InputSpec, make_cases, tamer_cases
from migrator.verification.fitting import fitted
from migrator.verification.given import Given, read_given, with_array
from migrator.verification.pictures import Scale, batch_of, parse_scale
from migrator.verification.process import Outcomes, SideProcess
from migrator.verification.ranges import find_hints
from migrator.verification.run_result import InputValue, RunResult, Timing
from migrator.verification.sides import SavedModelSide


@takes_packed
def run(
    model: str | os.PathLike[str],
    values: Mapping[str, Any] | None = None,
    *,
    given: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    signature: str | None = None,
    tag_set: Sequence[str] | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    feeds: Sequence[str] = (),
    scale: str | None = None,
    generate: bool = False,
    batch: int | None = None,
    seed: int = 0,
    repeat: int = 0,
    op_libraries: Sequence[str] = (),
    timeout: float | None = 600.0,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[str], None] | None = None,
) -> RunResult:
    """Call ``signature`` of a SavedModel, or a GraphDef in a TensorFlow 1 session.

    ``values`` are arrays or nested lists by input name, ``given`` words as on the command line
    (``[NAME=]VALUE``, files among them), ``data`` an .npz or .json with all inputs. What is
    missing is made up with ``generate``, or where nothing is given at all: ``batch`` of each,
    from ``seed``. ``scale`` (see ``pictures.parse_scale``) is for pictures and float inputs.
    ``inputs``, ``outputs`` and ``feeds`` name a GraphDef's endpoints as for ``plan``; ``outputs``
    also chooses among those of a signature. ``repeat`` more calls are timed after the first.

    Raises UsageError and FormatError for inputs that do not fit, NeedsDecision where endpoints,
    signature or tag set are open, WorkerError (for inputs that the model refuses, too),
    TensorFlowMissing, and what ``load`` raises.
    """
    _check_numbers(repeat=(repeat, 0), batch=(batch, 1), seed=(seed, 0))
    scaled = parse_scale(scale) if scale is not None else None
    tell = progress or (lambda _: None)
    bounds = ChildLimits(timeout=timeout, memory=memory_limit, op_libraries=tuple(op_libraries))
    with temporary_folder() as work:
        original = open_original(model, work, bounds, limits, tell)
        choice = Choice(
            inputs=inputs,
            outputs=outputs,
            feeds=feeds,
            signatures=[] if signature is None else [signature],
            tag_set=tag_set,
            op_libraries=op_libraries,
        )
        face = _face(original, choice, work / "graph.pb")
        path = None if data is None else os.fspath(data)
        found, notes = read_given(face.inputs, given, data=path, values=values)
        nothing = not found and path is None
        missing = [item for item in face.inputs if item.name not in found]
        _check_missing(missing, generate or nothing)
        if scaled is not None and not any(item.pictures for item in found.values()):
            raise UsageError("is for pictures, and none is given", where=f"--scale {scale}")
        call = _Call(face=face, seed=seed, batch=batch, repeat=repeat)
        tell("loading")
        with SideProcess(face.side, work, "run", bounds) as process:
            found, more = _decoded(process, work, face, found, scaled)
            tell("running")
            case, outcome = call.perform(process, found, missing)
    notes = (*notes, *more, *_generated_notes(missing, case, nothing))
    results = {
        name: outcome.results[f"{case.name}/{name}"]
        for name in face.outputs
        if f"{case.name}/{name}" in outcome.results
    }
    load_seconds = outcome.load_seconds
    first, *further = outcome.seconds[case.name]
    return RunResult(
        source=named(original.source),
        signature=face.side.signature if isinstance(face.side, SavedModelSide) else None,
        ran=outcome.ran,
        inputs={
            item.name: InputValue(
                array=case.arrays[item.name],
                origin=found[item.name].origin if item.name in found else "made up",
            )
            for item in face.inputs
        },
        outputs=results,
        notes=(*notes, *([outcome.why] if outcome.why else [])),
        timing=Timing(load=load_seconds, first=first, further=tuple(further)),
        peak_rss_bytes=outcome.peak_rss_bytes,
        versions=outcome.versions,
    )


def _check_numbers(**numbers: tuple[int | None, int]) -> None:
    for name, (value, least) in numbers.items():
        if value is not None and value < least:
            raise UsageError(f"--{name} {value}", hint=f"it is {least} or more")


def _face(original: Original, choice: Choice, planned: Path) -> Face:
    """The one signature that is to be called."""
    model = original.model
    where = original.source.path
    if original.keras is not None or model.source.kind == "saved_model":
        for option, texts in (("--input", choice.inputs), ("--feed", choice.feeds)):
            if texts:
                raise UsageError(
                    f"{option} names the endpoints of a graph, and this has signatures",
                    where=where,
                    hint="give values as NAME=VALUE",
                )
        key = choice.signatures[0] if choice.signatures else None
        face = saved_model_face(model, key, choice.tag_set)
        if original.keras is not None:
            face = replace(face, side=original.keras.side)
        return _only(face, choice.outputs, where)
    signatures = choose_meta_graph(model, choice.tag_set).signatures
    if choice.signatures and not signatures:
        raise UsageError("is a graph, which has no signatures", where=where)
    if signatures and not (choice.inputs or choice.outputs or choice.signatures):
        meta = choose_meta_graph(model, choice.tag_set)
        choice = replace(choice, signatures=[choose_signature(model, meta, None)])
    plan = original.plan(choice)
    fallback = None
    if model.source.kind == "graph_def":
        fallback = write_subgraph(plan.subgraph, planned)
    return graph_face(model, plan, fallback)


def _only(face: Face, outputs: Sequence[str], where: str) -> Face:
    for name in outputs:
        if name not in face.outputs:
            raise UsageError(
                f"the signature has no output {name!r}; it has: {', '.join(face.outputs)}",
                where=where,
            )
    return replace(face, outputs=tuple(outputs)) if outputs else face


def _check_missing(missing: Sequence[InputSpec], may_generate: bool) -> None:
    """An input without a value is an error unless values may be made up, or it is fixed."""
    asked = [item for item in missing if item.fixed is None]
    if asked and not may_generate:
        shown = ", ".join(f"{item.name} ({item.dtype} {item.shape})" for item in asked)
        raise UsageError(
            f"no value is given for {shown}",
            hint=f"add {asked[0].name}=VALUE, or --generate to have it made up",
        )


def _decoded(
    process: SideProcess,
    work: Path,
    face: Face,
    found: Mapping[str, Given],
    scale: Scale | None,
) -> tuple[dict[str, Given], list[str]]:
    """The pictures among the values, decoded in the child, as arrays. Raises UsageError."""
    done = dict(found)
    notes: list[str] = []
    wanted = [(item, path) for item in found.values() for path in item.pictures]
    if not wanted:
        return done, notes
    target = work / "pictures.npz"
    outcome = process.ask(
        "read_pictures",
        pictures=[_request(item, path) for item, path in wanted],
        results=str(target),
    )
    for index, text in outcome["errors"].items():
        raise UsageError(
            f"cannot be decoded: {text}",
            where=wanted[int(index)][1],
            hint="pictures are JPEG, PNG, GIF or BMP",
        )
    arrays = load_arrays(target)
    specs = {item.name: item for item in face.inputs}
    by_name: dict[str, list[Any]] = {}
    for index, (given, path) in enumerate(wanted):
        picture = arrays[str(index)]
        height, width = outcome["sizes"][index]
        if picture.shape[:2] != (height, width):
            new = f"{picture.shape[1]} x {picture.shape[0]}"
            notes.append(f"{path}: resized from {width} x {height} to {new}")
        by_name.setdefault(given.name, []).append(picture)
    for name, pictures in by_name.items():
        item, given = specs[name], found[name]
        if given.form is None:
            continue
        used, note = _scale_for(face, item, scale)
        if note:
            notes.append(note)
        array = batch_of(pictures, given.form, item, used, where=given.origin)
        array, note = fitted(item, array, where=given.origin)
        done[name] = with_array(given, array)
    return done, notes


def _request(item: Given, path: str) -> dict[str, Any]:
    form = item.form
    return {
        "path": path,
        "channels": form.channels if form else 3,
        "height": form.height if form else None,
        "width": form.width if form else None,
    }


def _scale_for(face: Face, item: InputSpec, scale: Scale | None) -> tuple[Scale | None, str]:
    """How the pixels for ``item`` are scaled, and a note where that is our own decision."""
    if not item.dtype.is_floating:
        if scale is not None:
            raise UsageError(
                f"is for float inputs; {item.name!r} takes {item.dtype}",
                where=f"--scale {scale.text}",
            )
        return None, ""
    if scale is not None:
        return scale, ""
    text, why = "0..1", "the model does not say"
    wiring = Wiring(face.graph) if face.graph is not None else None
    number = wiring.index.get(TensorRef.parse(item.tensor).node) if wiring else None
    if wiring is not None and number is not None:
        hints = find_hints(wiring, number, item.dtype, item.shape)
        if hints.high == 255:
            text, why = "0..255", "the model scales them itself"
    return parse_scale(text), f"{item.name}: pixels are given as {text} ({why}); --scale sets it"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Call:
    """One call of a face: with all values given, or with the missing ones made up."""

    face: Face
    seed: int
    batch: int | None
    repeat: int

    def perform(
        self, process: SideProcess, found: Mapping[str, Given], missing: Sequence[InputSpec]
    ) -> tuple[Case, Outcomes]:
        """The case that was taken and what it gave. Raises WorkerError where none was."""
        arrays = {name: item.array for name, item in found.items()}
        refused = ""
        for case in self._cases(arrays, missing):
            process.start([case], repeat=self.repeat)
            outcome = process.wait()
            if outcome.taken:
                return case, outcome
            refused = refused or outcome.errors[case.name]
        hint = "give real inputs" if missing else ""
        raise WorkerError(
            f"the model refuses these inputs: {refused}", where=self.face.side.path, hint=hint
        )

    def _cases(self, arrays: Mapping[str, Any], missing: Sequence[InputSpec]) -> Iterable[Case]:
        """The one case, or made-up ones, of which the first that the model takes will do."""
        if not missing:
            yield Case(name="case0", about="given", arrays=arrays)
            return
        specs = self._narrowed(arrays)
        for make in (make_cases, tamer_cases):
            for case in make(self.face.graph, specs, seed=self.seed):
                yield replace(case, arrays={**case.arrays, **arrays})

    def _narrowed(self, arrays: Mapping[str, Any]) -> list[InputSpec]:
        """The inputs with the shapes that the given values have, and with their batch size."""
        batches = {
            arrays[item.name].shape[0]
            for item in self.face.inputs
            if item.name in arrays and item.shape.dims and item.shape.dims[0] is None
        }
        batch = self.batch if self.batch is not None else min(batches, default=None)
        narrowed = []
        for item in self.face.inputs:
            shape = item.shape
            if item.name in arrays:
                shape = Shape(tuple(arrays[item.name].shape))
            elif shape.dims and shape.dims[0] is None and batch is not None:
                shape = Shape((batch, *shape.dims[1:]))
            narrowed.append(replace(item, shape=shape))
        return narrowed


def _generated_notes(missing: Sequence[InputSpec], case: Case, nothing: bool) -> list[str]:
    fixed = [item for item in missing if item.fixed is not None]
    notes = [f"{item.name} is {item.fixed}, as nothing is given for it" for item in fixed]
    made = [item.name for item in missing if item.fixed is None]
    if made:
        why = "nothing was given" if nothing else "--generate"
        notes.append(f"made-up values for {', '.join(made)} ({why}; {case.about})")
    return notes
