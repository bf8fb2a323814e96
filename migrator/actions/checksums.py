"""Whether a checkpoint's bytes are those that were written, found out while other things go on."""

from __future__ import annotations

import threading

from migrator.errors import MigratorError
from migrator.formats.checkpoint import open_checkpoint
from migrator.limits import Limits
from migrator.migration.plan import Plan


class Checksums:
    """Compares the checksums of what a plan takes from its checkpoint; some 300 MB a second.

    TensorFlow does so when it restores. A rewrite copies bytes, and nobody else would notice.
    """

    def __init__(self, plan: Plan, limits: Limits) -> None:
        self._plan = plan
        self._limits = limits
        self._error: MigratorError | OSError | None = None
        self._thread = threading.Thread(target=self._compare, daemon=True)
        self._thread.start()

    def _compare(self) -> None:
        if not self._plan.checkpoint_keys:
            return
        try:
            open_checkpoint(self._plan.checkpoint, self._limits).verify(self._plan.checkpoint_keys)
        except (MigratorError, OSError) as error:
            self._error = error

    def wait(self) -> None:
        """Raises FormatError for bytes that are others, MigratorError for a file that went away."""
        self._thread.join()
        if isinstance(self._error, OSError):
            why = self._error.strerror or self._error
            where = self._plan.checkpoint
            raise MigratorError(f"cannot be read any more: {why}", where=where) from None
        if self._error is not None:
            raise self._error
