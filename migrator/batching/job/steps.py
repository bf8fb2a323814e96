"""One model's steps: inspect, audit, plan, migrate and verify, tflite."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from migrator.batching.job.audited import audited, check_trusted
from migrator.batching.job.candidates import with_candidates
from migrator.batching.job.choices import choice_for_tflite, choice_of
from migrator.batching.job.failures import (
    Failure,
    Stopped,
    failure_of,
    few,
    one_line,
)
from migrator.batching.job.notes import empty_outcome, say, utc_now
from migrator.batching.job.places import LOG, RESULT, TFLITE_RESULT, source_folder
from migrator.batching.job.unpacking import stamp_of_copy, unpacked
from migrator.batching.storage.stamps import (
    Stamp,
    sha256_of,
    stamp_of,
    tree_bytes,
)
from migrator.batching.task import (
    AUDIT,
    DONE,
    ERROR,
    INSPECT,
    MIGRATE,
    MISMATCH,
    MISSING_SOURCE,
    PLAN,
    TFLITE,
    TIMEOUT,
    VERIFY,
    Json,
    Outcome,
    Task,
)
from migrator.errors import MigratorError, NeedsDecision, UnsupportedFormat
from migrator.formats.staging import Staged, archive_of
from migrator.migration.options import Choice
from migrator.model.model import Model
from migrator.places.addresses import shown
from migrator.report.json_v1 import dumps

FETCH = "fetch"
UNPACK = "unpack"
"""In ``Outcome.seconds``, where something had to be fetched, and where it was packed."""
_MOST_HASHED = 64 << 20


class Job:
    """One model's steps in their order; what is found goes into the folder as it is found."""

    def __init__(self, task: Task, folder: Path, started: str) -> None:
        self._task = task
        self._folder = folder
        self._path = task.source
        self._source = shown(task.source)
        self._dest = shown(task.dest)
        self._found: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._start = time.monotonic()
        self._started = started
        self.model: Model | None = None
        self._summary: Json | None = None
        self._is_keras = False
        self._reading: MigratorError | None = None
        self._copy: Staged | None = None

    def outcome(self) -> Outcome:
        base = empty_outcome(self._task, self._started)
        self._say(f"{self._task.name}: {', '.join(self._task.steps)} of {self._source}")
        try:
            self._steps()
            failure = Failure(outcome=DONE)
        except Exception as error:
            if isinstance(error, MigratorError) and self._copy is not None:
                self._copy.rename(error)
            failure = failure_of(error, self._task.source if self._copy else self._path)
            if failure.cause == TIMEOUT:  # a step was given what was left, and tells of that
                bound = f"{self._task.timeout:g} s" if self._task.timeout else "its time"
                failure = replace(failure, reason=f"did not finish within {bound} and was stopped")
            self._tell_failure(error, failure)
        found = self._found
        if failure.readiness:
            found["readiness"] = failure.readiness
        if failure.decision is not None:
            found["decision"] = with_candidates(failure.decision, self._summary)
        return replace(
            base,
            **found,
            outcome=failure.outcome,
            reason=failure.reason,
            cause=failure.cause,
            rules=failure.rules,
            again=failure.again,
            result_bytes=tree_bytes(self._folder / RESULT),
            seconds={step: round(value, 3) for step, value in self._seconds.items()},
            finished=utc_now(),
        )

    def _steps(self) -> None:
        self._fetch()
        steps = self._task.steps
        with self._timed(INSPECT):
            self._load()
            if INSPECT in steps:
                self._inspect()
        if AUDIT in steps or (self._task.needs_tensorflow and not self._task.trust):
            with self._timed(AUDIT):
                self._audit()
        if self._reading is not None:
            raise self._reading
        if PLAN in steps:
            with self._timed(PLAN):
                self._plan()
        if MIGRATE in steps:
            self._migrate()
        if TFLITE in steps:
            with self._timed(TFLITE):
                self._tflite()

    def _fetch(self) -> None:
        """The source and the files that options name as local ones, and what they are."""
        from migrator.batching.storage.local_copies import has_remote_files, with_local_copies

        if has_remote_files(self._task):
            into = source_folder(self._folder)
            with self._timed(FETCH):
                found = with_local_copies(self._task, into, seconds=self._left())
            self._path, stamp = found.path, found.stamp
            self._task = found.task
            self._say(f"fetched: {stamp.bytes:,} bytes")
        else:
            stamp = stamp_of(self._task)
        if not stamp.value:
            raise Stopped("there is no such file", MISSING_SOURCE)
        self._note_source(self._unpacked(stamp))

    def _unpacked(self, stamp: Stamp) -> Stamp:
        """The source, or its model where it is packed, and what that is of.

        An archive that cannot be opened is told later, so that it is audited all the same.
        """
        if not archive_of(self._path):
            return stamp
        with self._timed(UNPACK):
            try:
                into = source_folder(self._folder)
                self._copy = unpacked(self._path, into, self._left(), self._task.bounds)
            except MigratorError as error:
                if not os.path.isfile(self._path):
                    raise
                self._reading = error
                return stamp
        self._path = os.fspath(self._copy.path)
        found = stamp_of_copy(stamp, self._path, self._task)
        self._say(f"unpacked: {found.bytes:,} bytes")
        return found

    def _note_source(self, stamp: Stamp) -> None:
        self._found |= {"source_stamp": stamp.value, "source_bytes": stamp.bytes}
        if stamp.only and stamp.bytes <= _MOST_HASHED:  # a larger one by who reads all of it anyway
            self._found["source_sha256"] = sha256_of(stamp.only)

    def _load(self) -> None:
        """The model; what cannot be read is audited all the same, and said after that."""
        from migrator.actions.keras import KERAS_FORMATS, is_keras
        from migrator.formats.load import load_on_disk

        if self._reading is not None:
            return
        try:
            self.model = load_on_disk(self._path, limits=self._task.bounds)
            self._found["format"] = self.model.source.format
            self._is_keras = self.model.source.format in KERAS_FORMATS
        except UnsupportedFormat as error:
            self._is_keras = is_keras(self._path, self._task.bounds)
            if not self._is_keras:
                self._reading = error
        except MigratorError as error:
            self._reading = error
        if self._reading is not None and os.path.isfile(self._path):
            self._found["source_sha256"] = sha256_of(self._path)

    def _inspect(self) -> None:
        if self.model is None:
            return
        from migrator.inspection.summary import summarize
        from migrator.report.json_v1 import inspect_result

        self._summary = inspect_result([summarize(self.model)])
        self._write("inspect.json", self._named(self._summary))
        self._say(f"inspected: {self._found['format']}, {self.model.source.bytes:,} bytes")

    def _audit(self) -> None:
        from migrator.auditing.finding import Audit, AuditedModel, count_severities
        from migrator.formats.load import model_file
        from migrator.report.json_audit import audit_result

        path = str(model_file(self._path)) if self._reading is None else self._path
        item = audited(path, self._source, self._task.bounds)
        if isinstance(item, AuditedModel):
            audit = Audit(models=(item,))
            self._found["findings"] = count_severities(item.findings)
            self._found.setdefault("format", item.format)
            if item.readiness is not None:
                self._found["readiness"] = item.readiness.verdict
            self._say(f"audited: {len(item.findings)} findings")
        else:
            audit = Audit(models=(), skipped=() if item is None else (item,))
            self._say("audited: it cannot be read")
        if AUDIT in self._task.steps:
            self._write("audit.json", self._named(audit_result(audit)))
        if self._task.needs_tensorflow and not self._task.trust:
            check_trusted(item)

    def _plan(self) -> None:
        from migrator.migration.planning import plan
        from migrator.migration.readiness import readiness_of
        from migrator.report.json_record import decision_result, plan_result

        if self._is_keras or self.model is None:
            self._say("planned: only when it is migrated, as Keras makes its graph")
            return
        try:
            found = plan(self.model, choice=self._choice(), limits=self._task.bounds)
        except NeedsDecision as open_:
            result = decision_result("plan", self._source, open_.what, open_.options)
            self._write("plan.json", result)
            raise
        self._write("plan.json", self._named(plan_result(found)))
        verdict = readiness_of(found)
        self._found["readiness"] = verdict.verdict
        self._say(f"planned: {verdict.verdict}")
        if found.blockers:
            raise Stopped.of_plan(found, verdict.verdict)

    def _migrate(self) -> None:
        from migrator.actions.migrate import migrate
        from migrator.migration.record import MIGRATED, RECORD_PATH
        from migrator.report.json_record import migrate_result

        task = self._task
        made = self._folder / RESULT
        step, since = MIGRATE, time.monotonic()

        def tell(text: str) -> None:
            nonlocal step, since
            now = time.monotonic()
            self._add_seconds(step, now - since)
            step, since = VERIFY if text == "verifying" else MIGRATE, now

        try:
            record = migrate(
                self._path,
                made,
                choice=self._choice(),
                verify=VERIFY in task.steps,
                data=task.data or None,
                rtol=task.rtol,
                atol=task.atol,
                seed=task.seed,
                timeout=self._left(),
                memory_limit=task.memory_limit,
                limits=task.bounds,
                progress=tell,
            )
        finally:
            tell("")
        proof = record.verification
        record = replace(
            record,
            source=replace(record.source, path=self._source),
            dest=f"{self._dest}/{RESULT}" if record.dest else "",
        )
        result = migrate_result(record)
        self._write("record.json", result)
        if record.dest:  # it was told where it was made, not where it goes
            (made / RECORD_PATH).write_text(self._text(result), encoding="utf-8")
        self._found |= {
            "verdict": proof.verdict,
            "readiness": result["readiness"]["verdict"],
            "format": record.source.format,
            "source_sha256": record.sha256,
            "peak_rss_bytes": record.peak_rss_bytes,
            "versions": dict(record.versions),
            "signatures": few(record.signatures),
        }
        self._say(f"migrated: {record.outcome}, {proof.verdict} {proof.reason}".rstrip())
        if record.outcome != MIGRATED:
            if proof.verdict != MISMATCH:
                raise Stopped(f"could not be verified: {proof.reason}", ERROR)
            reason = proof.reason or "the result does not compute what the source computes"
            raise Stopped(reason, MISMATCH)

    def _tflite(self) -> None:
        from migrator.actions.tflite import tflite
        from migrator.report.json_tflite import tflite_result

        task = self._task
        record = tflite(
            self._path,
            self._folder / TFLITE_RESULT,
            choice=choice_for_tflite(task),
            verify=VERIFY in task.steps,
            data=task.data or None,
            seed=task.seed,
            timeout=self._left(),
            memory_limit=task.memory_limit,
            limits=task.bounds,
            **task.tflite,
        )
        dest = f"{self._dest}/{TFLITE_RESULT}" if record.dest else ""
        record = replace(record, source=replace(record.source, path=self._source), dest=dest)
        self._write("tflite.json", tflite_result(record))
        self._found["tflite"] = {
            "outcome": record.outcome,
            "bytes": record.bytes if dest else 0,
            "verdict": record.verification.verdict,
            "reason": one_line(record.reason or record.verification.reason),
        }
        peak = max(self._found.get("peak_rss_bytes", 0), record.peak_rss_bytes)
        self._found["peak_rss_bytes"] = peak
        self._found.setdefault("versions", dict(record.versions))
        self._say(f"TFLite: {record.outcome} {record.reason}".rstrip())
        if not dest:
            is_mismatch = record.verification.verdict == MISMATCH
            cause = MISMATCH if is_mismatch else ERROR
            raise Stopped(f"TFLite: {record.reason or 'not made'}", cause)

    def _choice(self) -> Choice:
        return choice_of(self._task)

    def _left(self) -> float | None:
        """Seconds that the model may still take. Raises Stopped where there are none."""
        bound = self._task.timeout
        if bound is None:
            return None
        left = bound - (time.monotonic() - self._start)
        if left <= 0:
            raise Stopped("is out of time", TIMEOUT)
        return left

    @property
    def seconds_left(self) -> float | None:
        """Of the model's time; None where it has no bound, 0 where it is over."""
        bound = self._task.timeout
        return None if bound is None else max(bound - (time.monotonic() - self._start), 0.0)

    def _named(self, result: Json) -> Json:
        """A result that names the source as the user did, not where a copy of it lay."""
        source = result.get("source")
        if self._path != self._source and isinstance(source, dict):
            return {**result, "source": {**source, "path": self._source}}
        return result

    def _write(self, name: str, result: Json) -> None:
        (self._folder / name).write_text(self._text(result), encoding="utf-8")

    def _text(self, result: Json) -> str:
        """A result with the user's names of what was unpacked."""
        text = dumps(result)
        for ours, theirs in self._copy.names if self._copy is not None else ():
            text = text.replace(json.dumps(ours)[1:-1], json.dumps(theirs)[1:-1])
        return text

    def _say(self, text: str) -> None:
        say(self._folder, text)

    def _tell_failure(self, error: Exception, failure: Failure) -> None:
        self._say(f"{failure.outcome}: {failure.reason}")
        with open(self._folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
            if failure.log:
                file.write(f"--- what the TensorFlow process printed\n{failure.log.rstrip()}\n")
            if failure.is_ours:
                file.write("--- traceback\n" + "".join(traceback.format_exception(error)))

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self._add_seconds(step, time.monotonic() - start)

    def _add_seconds(self, step: str, seconds: float) -> None:
        self._seconds[step] = self._seconds.get(step, 0.0) + seconds
