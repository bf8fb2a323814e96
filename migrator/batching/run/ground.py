"""What a whole run stands on: a DEST that is its own, stores that answer, a disk with room."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.batching.job.failures import GOES_ON
from migrator.batching.job.places import make_working
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.ledger.lock import DestinationLock
from migrator.batching.task import STORAGE, Outcome, Task
from migrator.errors import DestinationError, StorageError
from migrator.files import is_full
from migrator.places.addresses import is_remote

if TYPE_CHECKING:
    from migrator.batching.ledger.desk import RemoteDesk

_PROBE = 1 << 20
_MOST_IN_A_ROW = 25
"""Models that fail at a store that answers, until it is taken for no fault of theirs."""


class Ground:
    """Looked at again and again, so that a run ends where no model could go on.

    ``place`` is the local folder of the ledger.
    """

    def __init__(
        self,
        place: Path,
        ledger: Ledger,
        lock: DestinationLock | None,
        desk: RemoteDesk | None,
    ) -> None:
        self._place = place
        self._ledger = ledger
        self._lock = lock
        self._desk = desk
        self._in_a_row = 0

    def check(self) -> None:
        """Raise DestinationError where DEST is no longer this run's, or the ledger is lost."""
        if self._lock is not None:
            self._lock.check()
        self._ledger.check()
        if self._desk is not None:
            self._desk.check()

    def check_stores(self, task: Task, outcome: Outcome) -> None:
        """Where a model failed at its store, see whether others could still be read and written.

        Raises DestinationError, StorageError.
        """
        if outcome.cause != STORAGE:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if is_remote(task.source):
            from migrator.batching.storage.putting import check_reachable

            try:
                check_reachable(task.source)
            except StorageError as error:
                error.hint = GOES_ON
                raise
        if self._in_a_row >= _MOST_IN_A_ROW:
            raise StorageError(
                f"{self._in_a_row} models in a row failed at their store, this one so: "
                f"{outcome.reason}",
                where=outcome.source,
                hint=GOES_ON,
            )
        if self._desk is not None:
            self._desk.probe()
        self._check_room(outcome)

    def _check_room(self, outcome: Outcome) -> None:
        probe = make_working(self._place) / "probe"
        try:
            with open(probe, "wb") as file:
                file.write(bytes(_PROBE))
                os.fsync(file.fileno())
            probe.unlink()
        except OSError as error:
            hint = f"make room there, then {GOES_ON}" if is_full(error) else GOES_ON
            raise DestinationError(
                f"takes no more: {error.strerror or error} (at {outcome.name})",
                where=str(self._place),
                hint=hint,
            ) from None
