"""After a run that was killed: the ledger is brought up to what lies in DEST.

A model's folder is put in place before its line is written. So one that was being put may be ahead
of the ledger, and one that was being replaced may be gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from migrator.batching.job.places import OUTCOME
from migrator.batching.ledger.ledger import Ledger, parsed_outcome
from migrator.batching.task import Task
from migrator.files import open_regular
from migrator.places.addresses import is_remote

MOST_BYTES = 16 << 20
"""Of an outcome that is read."""


def catch_up(ledger: Ledger, there: Iterable[tuple[Task, bytes | None]]) -> None:
    """Have ``ledger`` tell of each task what its folder does, where that is later.

    ``there`` holds the outcome in each task's folder, None where there is none. Raises
    DestinationError where the ledger cannot be written.
    """
    for task, data in there:
        known = ledger.outcome(task.name)
        found = None if data is None else parsed_outcome(data)
        if found is None:
            ledger.forget(task.name)
        elif found.name != task.name or (known is not None and found.finished <= known.finished):
            continue  # what fails at a store has a line, and leaves the folder as it was
        elif found.again:
            ledger.forget(task.name)  # it was to be tried once more
        else:
            ledger.add(found)


def outcomes_here(tasks: Iterable[Task]) -> Iterator[tuple[Task, bytes | None]]:
    """The outcomes in folders of this machine, for ``catch_up``."""
    for task in tasks:
        if not is_remote(task.dest):
            yield task, _read(Path(task.dest) / OUTCOME)


def _read(file: Path) -> bytes | None:
    try:
        with open_regular(file) as opened:
            return opened.read(MOST_BYTES)
    except OSError:
        return None
