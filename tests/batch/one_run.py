"""A run of its own process, to be killed: ``python -m tests.batch.one_run ZOO DEST JOBS NAMES``."""

from __future__ import annotations

import sys
from pathlib import Path

from migrator.batching.run.batch import run_tasks
from migrator.batching.run.events import Tally
from migrator.batching.task import Outcome
from migrator.interrupts import unwind_on_signals
from tests.batch.stubs import tasks, work


class Told:
    """Says on standard output that the run has begun, and which models ended."""

    def began(self, tally: Tally) -> None:
        print("began", flush=True)

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        print(outcome.name, flush=True)

    def again(self, outcome: Outcome, tally: Tally) -> None:
        return None

    def tick(self, tally: Tally) -> None:
        return None

    def over(self, tally: Tally, how: str) -> None:
        print(how, flush=True)


def main(zoo: str, dest: str, jobs: str, *names: str) -> int:
    unwind_on_signals()
    made = tasks(Path(zoo), dest, *names)
    try:
        return run_tasks(made, dest, jobs=int(jobs), work=work, watchers=[Told()]).exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
