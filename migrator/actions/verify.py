"""``verify``: do two models, of any two formats that are read, compute the same?"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from migrator.actions.bisecting import find_parting
from migrator.actions.faces import (
    Face,
    graph_face,
    saved_model_face,
    signature_face,
    write_subgraph,
)
from migrator.actions.originals import Original, open_original
from migrator.actions.proof import Check
from migrator.actions.proving import BY_LOADER, saved_side
from migrator.actions.trial import Trial
from migrator.errors import MigratorError, UsageError
from migrator.files import temporary_folder
from migrator.formats.staging import staged
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.naming import usable
from migrator.migration.options import Choice
from migrator.migration.plan import IMAGES, SERVING, Plan
from migrator.migration.planning import GRAPHS
from migrator.migration.record import RECORD_PATH
from migrator.migration.recorded import recorded_choice
from migrator.runtime.client import ChildLimits, require_tensorflow
from migrator.runtime.forks import warm_tensorflow
from migrator.verification.bisect import Bisection
from migrator.verification.keras_side import KerasSide
from migrator.verification.result import MISMATCH, Verification
from migrator.verification.sides import GRAPH_DEF, GraphSide, SavedModelSide, Side

_RECORD_BYTES = 16 << 20


@warm_tensorflow()
def verify(
    reference: str | os.PathLike[str],
    candidate: str | os.PathLike[str],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    feeds: Sequence[str] = (),
    signature: str | None = None,
    tag_set: Sequence[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    seed: int = 0,
    op_libraries: Sequence[str] = (),
    bisect: bool = False,
    timeout: float | None = 600.0,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[str], None] | None = None,
) -> Verification:
    """Run both models on the same inputs, each in a fresh process, and compare.

    Either may be a GraphDef (run in a TensorFlow 1 session) or a SavedModel. ``inputs``,
    ``outputs`` and ``feeds`` name a GraphDef's endpoints. Where ``candidate`` was made by
    ``migrate``, its record tells how its names stand for the reference's tensors.

    Raises UsageError where the two cannot be matched, NeedsDecision where endpoints, signature or
    tag set are open, WorkerError, TensorFlowMissing, and what ``load`` raises.
    """
    require_tensorflow()
    tell = progress or (lambda _: None)
    choice = Choice(
        inputs=inputs,
        outputs=outputs,
        feeds=feeds,
        signatures=[] if signature is None else [signature],
        tag_set=tag_set,
        op_libraries=op_libraries,
    )
    child_limits = ChildLimits(
        timeout=timeout, memory=memory_limit, op_libraries=tuple(op_libraries)
    )
    check = Check(data=data, rtol=rtol, atol=atol, seed=seed)
    with (
        staged(reference, limits) as one,
        staged(candidate, limits) as other,
        temporary_folder() as work,
    ):
        sides = []
        for name, path in (("reference", one.path), ("candidate", other.path)):
            (work / name).mkdir()
            sides.append(open_original(path, work / name, child_limits, limits, tell))
        left, right = sides
        pairs = _recorded(left, other.path, choice, work) or _pairs(left, right, choice, work)
        tell("verifying")
        check = replace(check, by_largest=pairs.lifted)
        with Trial(pairs.faces, check, work, child_limits, fallback=None) as trial:
            found = trial.against(pairs.stages)
            if not (bisect and found.verdict == MISMATCH):
                return found
            tell("searching where they part")
            return replace(found, bisection=_parting(trial, pairs, found, work, check))


def _parting(
    trial: Trial, pairs: _Pairs, found: Verification, work: Path, check: Check
) -> Bisection | None:
    """Where they part on the first case that differs."""
    case = next((c for c in found.cases if c.verdict == MISMATCH and c.outputs), None)
    if case is None:
        return None
    return find_parting(
        pairs.faces[case.signature],
        pairs.stages[case.stage][case.signature],
        next(item for item in trial.expected()[case.signature].taken if item.name == case.name),
        work,
        trial.limits,
        rtol=check.rtol,
        atol=check.atol,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pairs:
    """The reference by signature, and what is held against it."""

    faces: Mapping[str, Face]
    stages: Mapping[str, Mapping[str, Side]]
    lifted: bool = False
    """Whether constants of the reference are variables of the candidate, by its record."""


def _pairs(left: Original, right: Original, choice: Choice, work: Path) -> _Pairs:
    """One signature of each, matched by name."""
    first = _face(left, choice, work / "reference.pb")
    second = _face(right, choice, work / "candidate.pb")
    key = choice.signatures[0] if choice.signatures else SERVING
    return _Pairs(faces={key: first}, stages={"candidate": {key: _matched(first, second)}})


def _recorded(
    left: Original, candidate: str | os.PathLike[str], choice: Choice, work: Path
) -> _Pairs | None:
    """What the record inside of ``candidate`` says of ``left``, if it fits; all its signatures."""
    if left.model.source.kind not in GRAPHS or choice.inputs or choice.outputs:
        return None
    folder = Path(candidate)
    folder = folder if folder.is_dir() else folder.parent
    try:
        plan = _recorded_plan(left, folder / RECORD_PATH, choice)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, MigratorError):
        return None  # no record, or one of another model: the names must do
    if plan is None:
        _refuse_pictures(choice, candidate)
        return None
    faces, sides = {}, {}
    for number, item in enumerate(plan.signatures):
        fallback = None
        if left.source.kind == GRAPH_DEF:
            subgraph = item.unlifted or item.subgraph
            fallback = write_subgraph(subgraph, work / f"planned-{number}.pb")
        face = signature_face(left.model, plan, item, fallback=fallback)
        side = left.side(item)
        faces[item.key] = face if side is None else replace(face, side=side)
        sides[item.key] = item
    stages = {
        name: {key: saved_side(item, folder, loader) for key, item in sides.items()}
        for loader, name in BY_LOADER.items()
    }
    return _Pairs(faces=faces, stages=stages, lifted=plan.is_lifted)


def _refuse_pictures(choice: Choice, candidate: str | os.PathLike[str]) -> None:
    for key in choice.signatures:
        if key.endswith(IMAGES):
            raise UsageError(
                f"{key!r} takes encoded pictures, which the original does not",
                where=os.fspath(candidate),
                hint=f"verify {key[: -len(IMAGES)]!r}; migrate has held the two against each other",
            )


def _recorded_plan(left: Original, file: Path, choice: Choice) -> Plan | None:
    if file.stat().st_size > _RECORD_BYTES:
        return None
    record = json.loads(file.read_text(encoding="utf-8"))
    asked = recorded_choice(record, choice, only=choice.signatures)
    return None if asked is None else left.plan(asked)


def _face(original: Original, choice: Choice, planned: Path) -> Face:
    model = original.model
    signature = choice.signatures[0] if choice.signatures else None
    if original.keras is not None:
        return replace(saved_model_face(model), side=original.keras.side)
    if model.source.kind in ("saved_model", "hub_module"):
        return saved_model_face(model, signature, choice.tag_set)
    plan = original.plan(replace(choice, signatures=[], tag_set=None))
    return graph_face(model, plan, write_subgraph(plan.subgraph, planned))


def _matched(first: Face, second: Face) -> Side:
    """The side of ``second``, called by the names of ``first``.

    Raises UsageError where the names do not match.
    """
    inputs = _pair([item.name for item in first.inputs], [i.name for i in second.inputs], "in")
    outputs = _pair(first.outputs, second.outputs, "out")
    side = second.side
    if isinstance(side, (SavedModelSide, KerasSide)):
        return replace(side, inputs=inputs, outputs=outputs)
    assert isinstance(side, GraphSide)
    moved: Mapping[str, Any] = {
        "feeds": {name: side.feeds[own] for name, own in inputs.items()},
        "dtypes": {name: side.dtypes[own] for name, own in inputs.items()},
        "fetches": {name: side.fetches[own] for name, own in outputs.items()},
    }
    return replace(side, **moved)


def _pair(ours: Sequence[str], theirs: Sequence[str], side: str) -> dict[str, str]:
    """Name -> the other model's name: equal ones, equal but for spelling, or the only ones."""
    if set(ours) <= set(theirs):
        return {name: name for name in ours}
    if len(ours) == 1 and len(theirs) == 1:
        return {ours[0]: theirs[0]}
    bent = {usable(name).lower(): name for name in theirs}
    if all(usable(name).lower() in bent for name in ours):
        return {name: bent[usable(name).lower()] for name in ours}
    raise UsageError(
        f"the {side}puts do not match by name: {', '.join(ours)} against {', '.join(theirs)}",
        hint=f"name the graph's with --{side}put NAME=TENSOR",
    )
