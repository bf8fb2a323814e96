"""``verify``: do two models, of any two formats that are read, compute the same?"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from migrator.actions.faces import Face, graph_face, saved_model_face, write_subgraph
from migrator.actions.proof import Check, Proof
from migrator.errors import MigratorError, UsageError
from migrator.formats.load import load
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.naming import usable
from migrator.migration.planning import plan as make_plan
from migrator.migration.record import RECORD_PATH
from migrator.model.model import Model
from migrator.runtime.client import ChildLimits, require_tensorflow
from migrator.verification.result import Verification
from migrator.verification.sides import SavedModelSide, Side

_RECORD_BYTES = 16 << 20


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
    tell("reading")
    left, right = load(reference, limits=limits), load(candidate, limits=limits)
    named = _Named(inputs=tuple(inputs), outputs=tuple(outputs), feeds=tuple(feeds))
    if left.source.format == "graph_def" and not (named.inputs or named.outputs):
        named = _from_record(candidate, left, named) or named
    with tempfile.TemporaryDirectory(prefix="migrator-") as folder:
        work = Path(folder)
        first = _face(left, named, signature, tag_set, work / "reference.pb")
        second = _face(right, named, signature, tag_set, work / "candidate.pb")
        side = _matched(first, second)
        check = Check(data=data, rtol=rtol, atol=atol, seed=seed)
        tell("verifying")
        with Proof(first, check, work, ChildLimits(timeout=timeout, memory=memory_limit)) as proof:
            return proof.against(side)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    feeds: tuple[str, ...]


def _from_record(candidate: str | os.PathLike[str], left: Model, named: _Named) -> _Named | None:
    """The endpoints of ``left`` that the record inside of ``candidate`` names, if it fits."""
    folder = Path(candidate)
    file = (folder if folder.is_dir() else folder.parent) / RECORD_PATH
    try:
        if file.stat().st_size > _RECORD_BYTES:
            return None
        record = json.loads(file.read_text(encoding="utf-8"))
        signature = record["signatures"]["serving_default"]
        sides = [
            [f"{name}={item['source_tensor']}" for name, item in signature[side].items()]
            for side in ("inputs", "outputs")
        ]
        feeds = [f"{item['tensor']}={_text(item['value'])}" for item in record["feeds"]]
        feeds = [feed for feed in feeds if feed not in named.feeds]
        found = _Named(
            inputs=tuple(sides[0]), outputs=tuple(sides[1]), feeds=(*feeds, *named.feeds)
        )
        make_plan(left, inputs=found.inputs, outputs=found.outputs, feeds=found.feeds)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, MigratorError):
        return None  # no record, or one of another model: the names must do
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _face(
    model: Model,
    named: _Named,
    signature: str | None,
    tag_set: Sequence[str] | None,
    pruned: Path,
) -> Face:
    if model.source.format != "graph_def":
        return saved_model_face(model, signature, tag_set)
    plan = make_plan(model, inputs=named.inputs, outputs=named.outputs, feeds=named.feeds)
    return graph_face(model, plan, write_subgraph(plan.subgraph, pruned))


def _matched(first: Face, second: Face) -> Side:
    """The side of ``second``, called by the names of ``first``.

    Raises UsageError where the names do not match.
    """
    inputs = _pair([item.name for item in first.inputs], [i.name for i in second.inputs], "in")
    outputs = _pair(first.outputs, second.outputs, "out")
    side = second.side
    if isinstance(side, SavedModelSide):
        return replace(side, inputs=inputs, outputs=outputs)
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
