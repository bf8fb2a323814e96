"""Errors on standard error: one message, with what to paste or what the child said."""

from __future__ import annotations

import sys

from migrator.errors import BlockedError, MigratorError, NeedsDecision, WorkerError

_LOG_LINES = 15


def complain(error: MigratorError, *, verbose: int = 0) -> None:
    """One error on standard error, with what to paste or what the child said."""
    from migrator.report.escape import shown

    print(f"migrator: error: {shown(str(error), 2000)}", file=sys.stderr)
    if isinstance(error, BlockedError):
        for blocker in error.blockers:
            print(f"  - {shown(blocker, 1000)}", file=sys.stderr)
    if isinstance(error, NeedsDecision) and error.options:
        for option in error.options:
            print(f"  {shown(option, 100_000)}", file=sys.stderr)
    if isinstance(error, WorkerError) and error.log:
        lines = error.log.splitlines()
        for line in lines if verbose else lines[-_LOG_LINES:]:
            print(f"  | {shown(line, 500)}", file=sys.stderr)
