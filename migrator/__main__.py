"""The program: ``python -m migrator``, and what the command ``migrator`` runs."""

from __future__ import annotations

import signal
import sys

from migrator.interrupts import ignore_signals, raised, unwind_on_signals


def run() -> int:
    """One command; an interruption is told in one line however early or late it comes."""
    try:
        unwind_on_signals()
        from migrator.cli.main import main

        return main()
    except BaseException:
        number = raised()
        if number is None:
            raise
        # While a module is imported, Python wraps what is raised in other errors.
        if number == signal.SIGINT:
            print("migrator: interrupted", file=sys.stderr)
        return 128 + number
    finally:
        ignore_signals()
        # Python notes a Ctrl-C inside of an exec(), of which importing is full, and would end by
        # SIGINT although it was caught; the next exec() clears the note.
        exec("")


if __name__ == "__main__":
    sys.exit(run())
