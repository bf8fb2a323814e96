#!/usr/bin/env python3
"""A batch job as a program, to copy and adapt: everything that the command line does, and hooks.

    python scripts/batch_migrate.py /models /migrated
    python scripts/batch_migrate.py models.yaml /migrated --scheduler tcp://10.0.0.5:8786

Migrates and verifies the models of a tree or a manifest, names those that need somebody, and ends
with the exit codes of ``migrator batch``. Run it again and again: what is done and did not change
is not done twice.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import migrator
from migrator.batching.executors.cluster.executor import cluster_executor
from migrator.batching.executors.local import LocalExecutor
from migrator.batching.run.events import MetricsFile, Tally
from migrator.batching.task import DONE, Outcome
from migrator.interrupts import unwind_on_signals


class Reporter:
    """Told of each model as it ends: the place for a message, a database, a queue."""

    def began(self, tally: Tally) -> None:
        print(f"{tally.left:,} of {tally.total:,} models to do", flush=True)

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        if outcome.outcome != DONE:
            print(f"{outcome.name}: {outcome.outcome}: {outcome.reason}", flush=True)

    def again(self, outcome: Outcome, tally: Tally) -> None:
        """Its process died; it comes once more at the end."""

    def tick(self, tally: Tally) -> None:
        """Every half second at the most."""

    def over(self, tally: Tally, how: str) -> None:
        print(f"{how} after {tally.seconds:.0f} s: {dict(tally.counts)}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", help="trees, files, globs, manifests")
    parser.add_argument("dest", type=Path, help="the folder of the results")
    parser.add_argument("--scheduler", help="of a Dask cluster, else this machine does it")
    parser.add_argument("--jobs", type=int, help="models at a time on this machine")
    parser.add_argument("--metrics", help="a file for Prometheus, ending in .prom")
    args = parser.parse_args(arguments)

    watchers: list[Reporter | MetricsFile] = [Reporter()]
    if args.metrics:
        watchers.append(MetricsFile(args.metrics, str(args.dest)))
    unwind_on_signals()  # a SIGTERM of cron or systemd ends the job as Ctrl-C does
    try:
        with executor_for(args) as executor:
            found = migrator.batch(
                args.sources,
                args.dest,
                executor=executor,
                timeout=900.0,
                watchers=watchers,
            )
    except migrator.MigratorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130

    # found.models are the latest outcomes of all, read one by one from the ledger.
    slow = [item for item in found.models if sum(item["seconds"].values()) > 300]
    for item in slow:
        print(f"{item['name']} took {sum(item['seconds'].values()):.0f} s")
    print(f"page: {args.dest / 'index.html'}")
    return found.exit_code


def executor_for(args: argparse.Namespace) -> AbstractContextManager[Executor | None]:
    """Any ``concurrent.futures.Executor`` will do; without one, slots of this machine."""
    if args.scheduler is not None:
        return cluster_executor(args.scheduler, tell=print)
    return nullcontext() if args.jobs is None else LocalExecutor(args.jobs)


if __name__ == "__main__":
    sys.exit(main())
