#!/usr/bin/env python3
"""The main job on what is shipped: every frozen graph of fixtures/ and one real model, migrated
and verified. Prints a table of verdicts and where the results are; exit code 1 if one failed.

A fixture names its endpoints where they cannot be told from the graph, or where a placeholder has
to be fixed (as one would on the command line); the others are found out, as for any model.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

import migrator
import real_models

ROOT = Path(__file__).resolve().parent.parent
PROVEN = ("bitwise", "within_tolerance")


class Job(NamedTuple):
    """One model to migrate; the options are what the command line takes, without ``--input``."""

    name: str
    source: Path
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()


class Result(NamedTuple):
    """A row of the table. ``trouble`` says what went wrong, and is empty where nothing did."""

    name: str
    nodes: int | None
    verdict: str
    max_abs: float | None
    seconds: float
    trouble: str = ""


def fixture_jobs(fixtures: Path) -> Iterator[Job]:
    """The frozen graphs among the fixtures that run."""
    for described in sorted(fixtures.glob("*/*/fixture.json")):
        fixture = json.loads(described.read_text(encoding="utf-8"))
        if fixture["kind"] != "graph_def" or not fixture.get("runs"):
            continue
        name = f"{described.parent.parent.name}/{described.parent.name}"
        job = Job(name, described.parent / fixture["model"])
        feeds = fixture.get("feeds") or {}
        if feeds or not fixture.get("decidable", True):
            job = job._replace(
                inputs=tuple(f"{key}={tensor}" for key, tensor in fixture["inputs"].items()),
                outputs=tuple(f"{key}={tensor}" for key, tensor in fixture["outputs"].items()),
                feeds=tuple(f"{tensor}={json.dumps(value)}" for tensor, value in feeds.items()),
            )
        yield job


def migrate(job: Job, dest: Path) -> Result:
    """Migrate and verify one model; whatever goes wrong becomes part of the result."""
    start = time.perf_counter()
    nodes = None
    try:
        nodes = len(migrator.load(job.source).meta_graphs[0].graph.nodes)
        record = migrator.migrate(
            job.source,
            dest / job.name,
            inputs=job.inputs,
            outputs=job.outputs,
            feeds=job.feeds,
            overwrite=True,
        )
    except migrator.MigratorError as error:
        details = (*getattr(error, "options", ()), *getattr(error, "blockers", ()))
        trouble = "\n  ".join([str(error), *details])
        return Result(job.name, nodes, "failed", None, time.perf_counter() - start, trouble)
    proof = record.verification
    trouble = "" if proof.verdict in PROVEN else proof.reason or "the result computes otherwise"
    return Result(job.name, nodes, proof.verdict, proof.max_abs, record.seconds, trouble)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/quickstart",
        description="Migrate the shipped frozen graphs and one real model, and verify each.",
    )
    parser.add_argument(
        "--dest",
        type=Path,
        default=Path("build", "quickstart"),
        metavar="FOLDER",
        help="where the results go (build/quickstart)",
    )
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="those with TEXT in their name, e.g. mobilenet"
    )
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--jobs",
        type=int,
        default=max(1, min(4, cores // 2)),
        metavar="N",
        help="so many models at a time (half the cores, at most 4)",
    )
    options = parser.parse_args(arguments)

    jobs = [job for job in fixture_jobs(ROOT / "fixtures") if options.only in job.name]
    results = []
    if options.only in "mobilenet":
        _progress("getting the real model")
        try:
            jobs.append(Job("mobilenet", real_models.real_models(["mobilenet"])["mobilenet"]))
        except real_models.RealModelError as error:
            results.append(Result("mobilenet", None, "not tried", None, 0.0, str(error)))
    _progress(f"migrating {len(jobs)} models")
    with ThreadPoolExecutor(options.jobs) as pool:
        # Each migration runs its own child processes, so threads are all it takes.
        for number, result in enumerate(pool.map(lambda job: migrate(job, options.dest), jobs), 1):
            _progress(f"[{number}/{len(jobs)}] {result.name}: {result.verdict}")
            results.append(result)
    _progress("")

    _print(results, options.dest)
    return 0 if results and not any(result.trouble for result in results) else 1


def _print(results: list[Result], dest: Path) -> None:
    rows = [
        (
            result.name,
            "" if result.nodes is None else f"{result.nodes:,}",
            result.verdict.replace("_", " "),
            "" if result.max_abs is None else f"{result.max_abs:.2g}",
            f"{result.seconds:.1f}",
        )
        for result in results
    ]
    headers = ("model", "nodes", "verdict", "max abs difference", "seconds")
    align = ("left", "right", "left", "right", "right")
    print(tabulate(rows, headers=headers, colalign=align if rows else None, disable_numparse=True))
    for result in results:
        if result.trouble:
            print(f"\n{result.name}: {result.trouble}")
    verdicts = Counter(result.verdict.replace("_", " ") for result in results)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    print(f"\n{len(results)} models: {counted or 'none of that name'}")
    print(
        f"results: {dest}/MODEL, a SavedModel folder each, with the record of its migration in "
        "assets.extra/migrator.json"
    )


def _progress(text: str) -> None:
    """One line on a terminal that the next one replaces; nothing in a pipe."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:{width}}\r", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
