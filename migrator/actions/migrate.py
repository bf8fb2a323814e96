"""``migrate``: carry a plan out, prove the result, put it in place."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from migrator.actions.checksums import Checksums
from migrator.actions.originals import Original, open_original
from migrator.actions.payload import Payload
from migrator.actions.proof import Check
from migrator.actions.proving import Proving
from migrator.actions.trial import Trial
from migrator.auditing.facts.blocker_codes import rule_code
from migrator.errors import BlockedError, FormatError, UsageError, WorkerError
from migrator.files import exists, folder_beside, is_taken, put_in_place
from migrator.formats.staging import named, takes_packed
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.options import AUTO, Choice
from migrator.migration.plan import CONSTANTS, IMAGES, Blocker, Endpoint, Plan, SignaturePlan
from migrator.migration.readiness import NEEDS_YOU, readiness_of
from migrator.migration.record import (
    FAILED,
    MIGRATED,
    RECORD_PATH,
    MigrationRecord,
    SignatureRecord,
)
from migrator.model.dtypes import STRING, dtype_named
from migrator.model.tensors import Shape
from migrator.report.json_record import migrate_result
from migrator.report.json_v1 import dumps
from migrator.runtime.client import Child, ChildLimits, require_tensorflow
from migrator.runtime.forks import warm_tensorflow
from migrator.verification.judge import ORDER
from migrator.verification.result import MISMATCH, WITHIN_TOLERANCE, Verification, not_run

Progress = Callable[[str], None]


@takes_packed
@warm_tensorflow()
def migrate(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    feeds: Sequence[str] = (),
    choice: Choice | None = None,
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
    """Migrate a model to a TensorFlow 2 SavedModel in folder ``dest``, verified.

    ``inputs``, ``outputs``, ``feeds`` and ``choice`` as for ``plan``. TensorFlow runs in child
    processes, each bounded by ``timeout`` seconds and ``memory_limit`` resident
    bytes. ``dest`` appears whole, after verification, or not at all; with ``keep_mismatch`` also
    when verification failed.
    ``progress`` is called with a few words at each stage.

    Raises NeedsDecision (endpoints open), BlockedError (the plan has blockers), DestinationError
    (``dest`` exists without ``overwrite``), WorkerError, TensorFlowMissing, and what ``load``
    raises. A mismatch is no error: see ``MigrationRecord.outcome``.
    """
    start = time.monotonic()
    tell = progress or (lambda _: None)
    target = Path(dest)
    asked = choice or Choice()
    asked = replace(
        asked,
        inputs=inputs or asked.inputs,
        outputs=outputs or asked.outputs,
        feeds=feeds or asked.feeds,
    )
    needed = [Path(source), *map(Path, asked.op_libraries)]
    needed += [Path(item) for item in (asked.checkpoint, data) if item]
    _check_destination(target, needed, overwrite=overwrite)
    child_limits = ChildLimits(
        timeout=timeout, memory=memory_limit, op_libraries=tuple(asked.op_libraries)
    )
    check = Check(data=data, rtol=rtol, atol=atol, seed=seed)
    with folder_beside(target) as work:
        original = open_original(source, work, child_limits, limits, tell)
        plan = original.plan(asked)
        _no_blockers(plan)
        require_tensorflow()
        checksums = Checksums(plan, limits)

        def attempt(plan: Plan, name: str) -> tuple[Path, _Done]:
            folder = work / name
            folder.mkdir()
            return _carry_out(original, plan, folder, check, child_limits, verify, tell)

        try:
            plan, made, done = _best(original, plan, asked, attempt)
            checksums.wait()
        except WorkerError as error:
            if not error.stopped:
                checksums.wait()  # TensorFlow meets wrong bytes, too, and says it worse
            if asked.shapes and not (error.hint or error.stopped):
                error.hint = "does the graph take what --shape says?"
            raise
        succeeded = done.verification.passed or not verify
        placed = succeeded or keep_mismatch
        record = MigrationRecord(
            outcome=MIGRATED if succeeded else FAILED,
            source=named(plan.source),
            sha256=done.sha256,
            dest=str(target) if placed else "",
            signatures=done.signatures,
            feeds=tuple({f.tensor: f for s in plan.signatures for f in s.feeds}.values()),
            steps=plan.steps,
            notes=plan.notes,
            weights=plan.weights,
            weights_reason=plan.weights_reason,
            verification=done.verification,
            seconds=round(time.monotonic() - start, 3),
            peak_rss_bytes=max(done.peak_rss_bytes, original.peak_rss_bytes),
            versions=done.versions,
        )
        if placed:
            _write_record(made, record)
            put_in_place(made, target, overwrite=overwrite)
    return record


_Attempt = Callable[[Plan, str], "tuple[Path, _Done]"]


def _best(
    original: Original, plan: Plan, choice: Choice, attempt: _Attempt
) -> tuple[Plan, Path, _Done]:
    """Carry the plan out; where nobody asked for functional control flow and it fails, or costs
    the last bits of a model that keeps its constants, do it again with control flow as it was.
    """
    if not _may_keep_loops(plan, choice):
        return (plan, *attempt(plan, "first"))
    first = None
    try:
        first = attempt(plan, "first")
        found = first[1].verification
        if found.verdict == MISMATCH:
            failure = f"it failed ({found.reason})"
        elif found.verdict == WITHIN_TOLERANCE and plan.weights == CONSTANTS:
            failure = f"it agrees within {found.max_abs:.2g} only (--control-flow functional)"
        else:
            return (plan, *first)
    except WorkerError as error:
        if error.stopped:
            raise
        failure = f"it failed ({error.what})"
    kept = original.plan(replace(choice, control_flow="v1"))
    note = f"TensorFlow 1 control flow is kept: made functional, {failure}"
    kept = replace(kept, notes=(*kept.notes, note))
    try:
        second = attempt(kept, "second")
    except WorkerError:
        if first is None:
            raise
        return (plan, *first)
    better = first is None or _rank(second[1]) < _rank(first[1])
    return (kept, *second) if better or first is None else (plan, *first)


def _rank(done: _Done) -> int:
    return ORDER.index(done.verification.verdict)


def _may_keep_loops(plan: Plan, choice: Choice) -> bool:
    """True where control flow was rewritten although nobody asked for that."""
    return choice.control_flow == AUTO and any(
        step.code.startswith("functional_") for step in plan.steps
    )


def _no_blockers(plan: Plan) -> None:
    if plan.blockers:
        needs_you = readiness_of(plan).verdict == NEEDS_YOU
        rules = dict.fromkeys(filter(None, (rule_code(item.code) for item in plan.blockers)))
        raise BlockedError(
            "needs you before it can be migrated"
            if needs_you
            else "cannot be migrated as it stands",
            blockers=[_blocker_line(item) for item in plan.blockers],
            where=plan.source.path,
            hint=f"`migrator explain {next(iter(rules))}` says more" if rules else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    signatures: Mapping[str, SignatureRecord]
    verification: Verification
    sha256: str
    peak_rss_bytes: int
    versions: Mapping[str, str]


def _carry_out(
    original: Original,
    plan: Plan,
    work: Path,
    check: Check,
    limits: ChildLimits,
    verify: bool,
    tell: Progress,
) -> tuple[Path, _Done]:
    """Rewrite and save into ``work``, and run what came out beside the original."""
    made = work / "saved_model"
    digest = _Digest(plan.source.path)
    tell("migrating")
    payload = Payload(plan, work)
    with ExitStack() as stack:
        rewriter = stack.enter_context(Child(limits))
        rewriter.start("rewrite", **payload.rewrite_task(made))
        trial = None
        if verify:  # the original runs beside the rewriting
            proving = Proving(original, plan, payload, work)
            measured = replace(check, by_largest=plan.is_lifted)
            trial = stack.enter_context(
                Trial(proving.faces(), measured, work, limits, fallback=proving.fallback())
            )
        try:
            rewritten = rewriter.finish()
        except WorkerError as error:
            raise error.at(f"migrating {plan.source.path}") from None
        rewriter.close()
        verification = not_run("not asked for (--no-verify)")
        if trial is not None:
            tell("verifying")
            verification = trial.against(
                proving.stages(made), proving.pictures(made), together=proving.small
            )
        done = _Done(
            signatures=_signatures(plan, rewritten),
            verification=verification,
            sha256=digest.wait(),
            peak_rss_bytes=max(rewritten["peak_rss_bytes"], trial.peak_rss_bytes if trial else 0),
            versions=rewritten["versions"],
        )
    return made, done


class _Digest:
    """SHA-256 of a file, taken while other things go on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._value = ""
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        digest = hashlib.sha256()
        try:
            with open(self._path, "rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
        except OSError as error:
            self._error = error
        self._value = digest.hexdigest()

    def wait(self) -> str:
        """Raises FormatError where the file went away."""
        self._thread.join()
        if self._error is not None:
            why = self._error.strerror or self._error
            raise FormatError(f"cannot be read any more: {why}", where=self._path)
        return self._value


def _check_destination(target: Path, sources: Iterable[Path], *, overwrite: bool) -> None:
    taken = is_taken(target)
    if taken and not overwrite:
        raise exists(target)
    if taken and target.exists():
        if not target.is_dir():
            raise UsageError("is a file, and the result is a folder", where=str(target))
        here = Path.cwd()
        if target.resolve() in (here, *here.parents):
            raise UsageError(
                "cannot be replaced: it is the current folder, or holds it", where=str(target)
            )
        for source in sources:
            if target.resolve() in (source.resolve(), *source.resolve().parents):
                raise UsageError(
                    f"holds {source}, which is still needed; it cannot be replaced",
                    where=str(target),
                )
        if any(target.iterdir()) and not (target / "saved_model.pb").exists():
            raise UsageError(
                "is a folder that holds no SavedModel; only one that does is replaced",
                where=str(target),
                hint="name another DEST, or remove it yourself",
            )


def _blocker_line(item: Blocker) -> str:
    rule = rule_code(item.code)
    mark = f"[{rule}] " if rule else ""
    place = f" (node {item.node!r})" if item.node and repr(item.node) not in item.text else ""
    text = f"{mark}{item.text}{place}"
    return f"{text}; {item.fix}" if item.fix else text


def _signatures(plan: Plan, rewritten: Mapping[str, Any]) -> dict[str, SignatureRecord]:
    """All signatures of the result, those for encoded pictures too."""
    found = {}
    for item in plan.signatures:
        made = found[item.key] = _signature(item, rewritten["signatures"][item.key])
        if item.decode_images:
            seen = rewritten["pictures"][f"{item.key}{IMAGES}"]
            inputs = {
                name: replace(entry, dtype=STRING, shape=Shape(tuple(seen[name]["shape"])))
                if name in item.decode_images
                else entry
                for name, entry in made.inputs.items()
            }
            found[f"{item.key}{IMAGES}"] = replace(made, inputs=inputs)
    return found


def _signature(plan: SignaturePlan, rewritten: Mapping[str, Any]) -> SignatureRecord:
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
        method_name=plan.method_name,
        inputs=seen(plan.inputs, "inputs"),
        outputs=seen(plan.outputs, "outputs"),
        source_key=plan.source_key,
    )


def _write_record(made: Path, record: MigrationRecord) -> None:
    file = made / RECORD_PATH
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dumps(migrate_result(record)), encoding="utf-8")
