"""``migrate``: carry a plan out, prove the result, put it in place."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from migrator.actions.faces import graph_face, write_subgraph
from migrator.actions.proof import Check, Proof
from migrator.errors import BlockedError, UsageError, WorkerError
from migrator.files import exists, folder_beside, put_in_place
from migrator.formats.load import load
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.plan import Endpoint, Plan
from migrator.migration.planning import plan as make_plan
from migrator.migration.record import (
    FAILED,
    MIGRATED,
    RECORD_PATH,
    MigrationRecord,
    SignatureRecord,
)
from migrator.model.dtypes import dtype_named
from migrator.model.tensors import Shape
from migrator.report.json_record import migrate_result
from migrator.report.json_v1 import dumps
from migrator.runtime.client import Child, ChildLimits, require_tensorflow
from migrator.verification.result import not_run
from migrator.verification.sides import SavedModelSide

SIGNATURE = "serving_default"
PREDICT = "tensorflow/serving/predict"

Progress = Callable[[str], None]


def migrate(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    feeds: Sequence[str] = (),
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
) -> MigrationRecord:
    """Migrate a frozen graph to a TensorFlow 2 SavedModel in folder ``dest``, verified.

    ``inputs``, ``outputs``, ``feeds`` as for ``plan``. TensorFlow runs in child processes, each
    bounded by ``timeout`` seconds and ``memory_limit`` resident bytes. ``dest`` appears whole,
    after verification, or not at all; with ``keep_mismatch`` also when verification failed.
    ``progress`` is called with a few words at each stage.

    Raises NeedsDecision (endpoints open), BlockedError (the plan has blockers), DestinationError
    (``dest`` exists without ``overwrite``), WorkerError, TensorFlowMissing, and what ``load``
    raises. A mismatch is no error: see ``MigrationRecord.outcome``.
    """
    start = time.monotonic()
    tell = progress or (lambda _: None)
    target = Path(dest)
    _check_destination(target, Path(source), overwrite=overwrite)
    tell("reading")
    model = load(source, limits=limits)
    plan = make_plan(model, inputs=inputs, outputs=outputs, feeds=feeds)
    if plan.blockers:
        raise BlockedError(
            "cannot be migrated as it stands",
            blockers=[_blocker_line(item.text, item.node, item.fix) for item in plan.blockers],
            where=plan.source.path,
        )
    require_tensorflow()
    child_limits = ChildLimits(timeout=timeout, memory=memory_limit)
    check = Check(data=data, rtol=rtol, atol=atol, seed=seed)
    with folder_beside(target) as work, ExitStack() as stack:
        digest = _Digest(plan.source.path)
        tell("migrating")
        pruned = write_subgraph(plan.subgraph, work / "pruned.pb")
        made = work / "saved_model"
        rewriter = stack.enter_context(Child(child_limits))
        rewriter.start("rewrite", **_rewrite_task(plan, pruned, made))
        proof = None
        if verify:  # the original runs beside the rewriting
            face = graph_face(model, plan, pruned)
            proof = stack.enter_context(Proof(face, check, work, child_limits))
        try:
            rewritten = rewriter.finish()
        except WorkerError as error:
            raise error.at(f"migrating {plan.source.path}") from None
        rewriter.close()
        verification = not_run("not asked for (--no-verify)")
        if proof is not None:
            tell("verifying")
            verification = proof.against(_result_side(plan, made))
        succeeded = verification.passed or not verify
        placed = succeeded or keep_mismatch
        record = MigrationRecord(
            outcome=MIGRATED if succeeded else FAILED,
            source=plan.source,
            sha256=digest.wait(),
            dest=str(target) if placed else "",
            signatures={SIGNATURE: _signature(plan, rewritten)},
            feeds=plan.feeds,
            steps=plan.steps,
            notes=plan.notes,
            verification=verification,
            seconds=round(time.monotonic() - start, 3),
            peak_rss_bytes=max(rewritten["peak_rss_bytes"], proof.peak_rss_bytes if proof else 0),
            versions=rewritten["versions"],
        )
        if placed:
            _write_record(made, record)
            put_in_place(made, target, overwrite=overwrite)
    return record


def _rewrite_task(plan: Plan, pruned: Path, made: Path) -> dict[str, Any]:
    """What the child needs to know; nothing of plans."""
    return {
        "graph": str(pruned),
        "inputs": [_wire(item) for item in plan.inputs],
        "outputs": [_wire(item) for item in plan.outputs],
        "signature": SIGNATURE,
        "dest": str(made),
    }


def _result_side(plan: Plan, made: Path) -> SavedModelSide:
    return SavedModelSide(
        path=str(made),
        signature=SIGNATURE,
        inputs={item.name: item.name for item in plan.inputs},
        outputs={item.name: item.name for item in plan.outputs},
    )


class _Digest:
    """SHA-256 of a file, taken while other things go on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._value = ""
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        digest = hashlib.sha256()
        with open(self._path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
        self._value = digest.hexdigest()

    def wait(self) -> str:
        self._thread.join()
        return self._value


def _check_destination(target: Path, source: Path, *, overwrite: bool) -> None:
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise exists(target)
    if overwrite and target.exists():
        if not target.is_dir():
            raise UsageError("is a file, and the result is a folder", where=str(target))
        inside = (
            source.resolve() == target.resolve() or target.resolve() in source.resolve().parents
        )
        if inside:
            raise UsageError(
                "holds the source; replacing it would remove what is migrated", where=str(target)
            )


def _blocker_line(text: str, node: str, fix: str) -> str:
    place = f" (node {node!r})" if node and repr(node) not in text else ""
    return f"{text}{place}; {fix}" if fix else f"{text}{place}"


def _wire(item: Endpoint) -> dict[str, Any]:
    return {
        "name": item.name,
        "tensor": item.tensor,
        "dtype": item.dtype.name if item.dtype is not None else None,
        "shape": item.shape.as_list(),
    }


def _signature(plan: Plan, rewritten: Mapping[str, Any]) -> SignatureRecord:
    """The signature with the types and shapes that TensorFlow found."""

    def seen(items: Sequence[Endpoint], side: str) -> dict[str, Endpoint]:
        found = {}
        for item in items:
            spec = rewritten[side][item.name]
            shape = Shape(None if spec["shape"] is None else tuple(spec["shape"]))
            found[item.name] = Endpoint(
                name=item.name, tensor=item.tensor, dtype=dtype_named(spec["dtype"]), shape=shape
            )
        return found

    return SignatureRecord(
        method_name=PREDICT,
        inputs=seen(plan.inputs, "inputs"),
        outputs=seen(plan.outputs, "outputs"),
    )


def _write_record(made: Path, record: MigrationRecord) -> None:
    file = made / RECORD_PATH
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dumps(migrate_result(record)), encoding="utf-8")
