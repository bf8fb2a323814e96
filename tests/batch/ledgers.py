"""What tests of the ledger share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from migrator.batching.job.notes import empty_outcome
from migrator.batching.storage.stamps import sha256_of, stamp_of
from migrator.batching.task import Outcome, Task


@contextmanager
def promptly(seconds: int = 5) -> Iterator[None]:
    """Fail, and do not hang, where something waits for a pipe or reads without end."""

    def late(*_: object) -> None:
        raise AssertionError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(task: Task, **values: object) -> Outcome:
    """One of ``task`` as it is now, done unless told otherwise."""
    stamp = stamp_of(task)
    told = {
        "outcome": "done",
        "source_stamp": stamp.value,
        "source_sha256": sha256_of(task.source),
        **values,
    }
    return replace(empty_outcome(task, "then"), **told)  # type: ignore[arg-type]
