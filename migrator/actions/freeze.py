"""``freeze``: one signature of a TensorFlow 2 model as a frozen GraphDef, proven the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from migrator.actions.faces import Face, choose_signature, saved_model_face
from migrator.actions.keras import KerasExport, is_keras, keras_to_saved_model
from migrator.actions.proof import Check, Proof
from migrator.errors import (
    BlockedError,
    DestinationError,
    MigratorError,
    UnsupportedFormat,
    UsageError,
    WorkerError,
)
from migrator.files import exists, folder_beside, is_taken, put_in_place
from migrator.formats.encode import write_graph
from migrator.formats.load import load_on_disk, model_file
from migrator.formats.staging import named, takes_packed
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.choosing import choose_meta_graph
from migrator.migration.freezing.freezable import MOST_BYTES, freeze_blockers, leftovers, missing_in
from migrator.migration.freezing.frozen import FrozenGraph, finish_frozen
from migrator.migration.freezing.older import for_release
from migrator.migration.freezing.record import FAILED, FROZEN, FreezeRecord
from migrator.migration.plan import Blocker, Endpoint, Step
from migrator.migration.record import SignatureRecord
from migrator.model.graph import Graph
from migrator.model.model import OTHER_GRAPHS, MetaGraph, Model
from migrator.ops.older import older_releases, release_named
from migrator.runtime.client import Child, ChildLimits, require_tensorflow
from migrator.verification.cases import InputSpec
from migrator.verification.result import not_run
from migrator.verification.sides import GraphSide, SavedModelSide

Progress = Callable[[str], None]


@takes_packed
def freeze(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    signature: str | None = None,
    tag_set: Sequence[str] | None = None,
    for_runtime: str | None = None,
    overwrite: bool = False,
    verify: bool = True,
    keep_mismatch: bool = False,
    data: str | os.PathLike[str] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    seed: int = 0,
    timeout: float | None = 600.0,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> FreezeRecord:
    """Freeze one signature of a SavedModel or a Keras model into the GraphDef file ``dest``.

    Variables become constants, functions are inlined, control flow is lowered to TensorFlow 1's;
    input ``x`` is placeholder ``x:0``, and outputs are named alike. ``for_runtime`` is an older
    TensorFlow (``1.15``) that must be able to read the result. TensorFlow runs in child
    processes, each bounded by ``timeout`` seconds and ``memory_limit`` resident bytes. ``dest``
    appears whole, after verification, or not at all; with ``keep_mismatch`` also when that failed.

    Raises NeedsDecision (several signatures), BlockedError (tables, state, more than 2 GiB, ops
    that the runtime lacks), UnsupportedFormat (no SavedModel or Keras model), DestinationError,
    UsageError, WorkerError, TensorFlowMissing, and what ``load`` raises. A mismatch is no error:
    see ``FreezeRecord.outcome``.
    """
    start = time.monotonic()
    tell = progress or (lambda _: None)
    target = Path(dest)
    release = _release(for_runtime)
    _check_destination(target, Path(source), overwrite=overwrite)
    child_limits = ChildLimits(timeout=timeout, memory=memory_limit)
    check = Check(data=data, rtol=rtol, atol=atol, seed=seed)
    with folder_beside(target) as work, ExitStack() as stack:
        tell("reading")
        child = keras = None
        if is_keras(source, limits):
            child = stack.enter_context(Child(child_limits))
            keras = keras_to_saved_model(source, work, child_limits, child)
        chosen = _choose(keras.path if keras else source, signature, tag_set, limits)
        if keras:
            chosen = replace(chosen, where=keras.source.path)
        require_tensorflow()
        tell("freezing")
        child = child or stack.enter_context(Child(child_limits))
        made = _freeze(chosen, work, child, limits)
        stack.close()
        if release:
            made = made.with_graph(*for_release(release, made.frozen.graph))
        lacking = {name: missing_in(name, made.frozen.graph) for name in older_releases()}
        _refuse(chosen.where, leftovers(made.frozen.graph))
        if release:
            _refuse(chosen.where, _lacks(release, lacking[release]))
        file = work / "frozen.pb"
        count = _write(made.frozen.graph, file, chosen.where)
        verification = not_run("not asked for (--no-verify)")
        peak = max(made.peak_rss_bytes, keras.peak_rss_bytes if keras else 0)
        if verify:
            tell("verifying")
            face = _face(chosen, made.frozen, keras)
            with Proof(face, check, work, child_limits) as proof:
                verification = proof.against(_side(face, made.frozen, file))
            peak = max(peak, proof.peak_rss_bytes)
        succeeded = verification.passed or not verify
        placed = succeeded or keep_mismatch
        if placed:
            put_in_place(file, target, overwrite=overwrite)
    frozen = made.frozen
    return FreezeRecord(
        outcome=FROZEN if succeeded else FAILED,
        source=named(keras.source if keras else chosen.model.source),
        dest=str(target) if placed else "",
        dest_bytes=count,
        signatures={chosen.key: _record(chosen, frozen)},
        source_tensors=_source_tensors(chosen),
        functions=tuple(frozen.graph.functions),
        min_consumer=frozen.graph.versions.min_consumer,
        producer=frozen.graph.versions.producer,
        missing=lacking,
        steps=(*(keras.steps if keras else ()), *made.steps, *frozen.steps),
        notes=tuple(keras.notes if keras else ()),
        verification=verification,
        seconds=round(time.monotonic() - start, 3),
        peak_rss_bytes=peak,
        versions=made.versions,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chosen:
    """The signature to freeze."""

    model: Model
    meta: MetaGraph
    key: str
    face: Face
    where: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Made:
    frozen: FrozenGraph
    steps: tuple[Step, ...]
    peak_rss_bytes: int
    versions: Mapping[str, str]

    def with_graph(self, graph: Graph, steps: tuple[Step, ...]) -> _Made:
        return replace(self, frozen=replace(self.frozen, graph=graph), steps=(*self.steps, *steps))


def _release(text: str | None) -> str | None:
    if text is None:
        return None
    found = release_named(text)
    if found is None:
        raise UsageError(
            f"nothing is known of TensorFlow {text!r} as a runtime",
            hint=f"known are: {', '.join(older_releases())}",
        )
    return found


def _check_destination(target: Path, source: Path, *, overwrite: bool) -> None:
    if is_taken(target) and target.is_dir():
        raise DestinationError(
            "is a folder, and the result is a file", where=str(target), hint="name a .pb file"
        )
    if not overwrite and is_taken(target):
        raise exists(target)
    if target.exists() and target.resolve() == model_file(source).resolve():
        raise UsageError("is the source itself", where=str(target))


def _choose(
    source: str | os.PathLike[str],
    signature: str | None,
    tag_set: Sequence[str] | None,
    limits: Limits,
) -> _Chosen:
    model = load_on_disk(source, limits=limits)
    where = model.source.path
    if model.source.kind == "graph_def":
        raise UnsupportedFormat(
            "is a GraphDef already, not a SavedModel or a Keras model",
            where=where,
            hint="migrate brings it to TensorFlow 2",
        )
    if model.source.format in OTHER_GRAPHS:
        model.require_tensorflow_graph()
    if model.source.kind != "saved_model":
        found = model.source.format.replace("_", " ")
        raise UnsupportedFormat(
            f"is a {found}; what is frozen is a SavedModel or a Keras model",
            where=where,
            hint="migrate it first, then freeze the result",
        )
    meta = choose_meta_graph(model, tag_set)
    key = choose_signature(model, meta, signature)
    face = saved_model_face(model, key, meta.tags)
    _refuse(where, freeze_blockers(meta.graph, meta.signatures[key]))
    return _Chosen(model=model, meta=meta, key=key, face=face, where=where)


def _refuse(where: str, blockers: Sequence[Blocker]) -> None:
    if blockers:
        raise BlockedError(
            "cannot be frozen", blockers=[_blocker_line(item) for item in blockers], where=where
        )


def _blocker_line(item: Blocker) -> str:
    place = f" (node {item.node!r})" if item.node else ""
    return f"{item.text}{place}; {item.fix}" if item.fix else f"{item.text}{place}"


def _lacks(release: str, missing: Mapping[str, str]) -> list[Blocker]:
    return [
        Blocker(code="runtime", text=f"{op}: TensorFlow {release} {why}", node="")
        for op, why in missing.items()
    ]


def _freeze(chosen: _Chosen, work: Path, child: Child, limits: Limits) -> _Made:
    """Let TensorFlow freeze, then give the result its names."""
    side = cast(SavedModelSide, chosen.face.side)
    raw = work / "raw.pb"
    try:
        outcome = child.run(
            "freeze",
            path=side.path,
            tags=list(chosen.meta.tags),
            signature=chosen.key,
            loader=side.loaders[0],
            dest=str(raw),
        )
    except WorkerError as error:
        raise error.at(f"freezing {chosen.where}") from None
    specs = chosen.meta.signatures[chosen.key].inputs
    inputs = {
        name: replace(specs[name], tensor=tensor) for name, tensor in outcome["inputs"].items()
    }
    # A graph too large to be read again is told of by the child.
    frozen = finish_frozen(
        load_on_disk(raw, limits=limits).graph, inputs, outcome["outputs"], outcome["weights"]
    )
    steps = []
    if outcome["variables"]:
        text = "variables become constants"
        steps.append(Step(code="freeze_variables", text=text, count=outcome["variables"]))
    if outcome["stripped"]:
        text = "attributes that older releases lack are left out where they stand at their default"
        steps.append(Step(code="strip_defaults", text=text, count=outcome["stripped"]))
    return _Made(
        frozen=frozen,
        steps=tuple(steps),
        peak_rss_bytes=outcome["peak_rss_bytes"],
        versions=outcome["versions"],
    )


def _write(graph: Graph, file: Path, where: str) -> int:
    try:
        with file.open("wb") as target:
            count = write_graph(target, graph.nodes, graph.functions.values(), graph.versions)
    except OSError as error:
        raise DestinationError(
            f"cannot be written: {error.strerror or error}", where=str(file.parent.parent)
        ) from None
    if count > MOST_BYTES:
        raise MigratorError(f"the frozen graph has {count:,} bytes, past 2 GiB", where=where)
    return count


def _face(chosen: _Chosen, frozen: FrozenGraph, keras: KerasExport | None) -> Face:
    """The source as reference. Inputs are made by what the frozen graph does with them: in a
    SavedModel the ops lie in functions."""
    inputs = tuple(
        InputSpec(
            name=item.name, tensor=frozen.inputs[item.name], dtype=item.dtype, shape=item.shape
        )
        for item in chosen.face.inputs
    )
    side = keras.side if keras else chosen.face.side
    return replace(chosen.face, graph=frozen.graph, inputs=inputs, side=side)


def _side(face: Face, frozen: FrozenGraph, file: Path) -> GraphSide:
    return GraphSide(
        path=str(file),
        feeds=dict(frozen.inputs),
        dtypes={item.name: item.dtype.name for item in face.inputs},
        fetches=dict(frozen.outputs),
    )


def _record(chosen: _Chosen, frozen: FrozenGraph) -> SignatureRecord:
    found = chosen.meta.signatures[chosen.key]
    return SignatureRecord(
        method_name=found.method_name,
        inputs={
            name: Endpoint(
                name=name, tensor=frozen.inputs[name], dtype=spec.dtype, shape=spec.shape
            )
            for name, spec in found.inputs.items()
        },
        outputs={
            name: Endpoint(
                name=name, tensor=frozen.outputs[name], dtype=spec.dtype, shape=spec.shape
            )
            for name, spec in found.outputs.items()
        },
    )


def _source_tensors(chosen: _Chosen) -> dict[str, str]:
    found = chosen.meta.signatures[chosen.key]
    return {
        **{f"in/{name}": spec.tensor for name, spec in found.inputs.items()},
        **{f"out/{name}": spec.tensor for name, spec in found.outputs.items()},
    }
