"""Errors on standard error: one message, with what to paste or what the child said."""

from __future__ import annotations

import sys

from migrator.errors import BlockedError, ManyFaults, MigratorError, NeedsDecision, WorkerError

_LOG_LINES = 15
_BLOCKERS = 10


def complain(error: MigratorError, *, verbose: int = 0) -> None:
    """One error on standard error, with what to paste or what the child said."""
    from migrator.report.escape import shown

    if isinstance(error, ManyFaults) and error.count > 1:
        _list_faults(error)
        return
    print(f"migrator: error: {shown(str(error), 2000)}", file=sys.stderr)
    if isinstance(error, BlockedError):
        for blocker in error.blockers[: None if verbose else _BLOCKERS]:
            print(f"  - {shown(blocker, 1000)}", file=sys.stderr)
        if not verbose and len(error.blockers) > _BLOCKERS:
            more = len(error.blockers) - _BLOCKERS
            print(f"  - and {more} more (-v shows all)", file=sys.stderr)
    if isinstance(error, NeedsDecision) and error.options:
        for option in error.options:
            print(f"  {shown(option, 100_000)}", file=sys.stderr)
    if isinstance(error, WorkerError) and (verbose or _tells_more(error)):
        lines = error.log.splitlines()
        for line in lines if verbose else lines[-_LOG_LINES:]:
            print(f"  | {shown(line, 500)}", file=sys.stderr)


def _list_faults(error: ManyFaults) -> None:
    from migrator.report.escape import shown

    print(f"migrator: error: {error.count:,} faults", file=sys.stderr)
    for fault in error.faults:
        print(f"  - {shown(fault, 2000)}", file=sys.stderr)
    if error.count > len(error.faults):
        print(f"  - and {error.count - len(error.faults):,} more", file=sys.stderr)


def _tells_more(error: WorkerError) -> bool:
    """True for the last words of a process that crashed; a traceback is for ``-v``.

    What was killed from outside had no say in it: its log tells of other things.
    """
    killed = error.stopped or "SIGKILL" in error.what
    return not killed and "Traceback (most recent call last)" not in error.log
