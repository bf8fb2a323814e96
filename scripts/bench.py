#!/usr/bin/env python3
"""The benchmark: ours beside TensorFlow's own ways, each a whole process, by turns in one run.

    python scripts/bench.py                        all cases, five counted runs of each side
    python scripts/bench.py --only large many      some
    python scripts/bench.py --runs 9 --json r.json

The Python that runs it is the one that is measured: migrator and TensorFlow are to be installed in
its environment. Times are of the wall, medians with the least and the most; memory is what was
resident at the peak of the largest process, and at least what this one has got to when it starts
that: some 50 MB once it has made a model, so that a small peak is to be measured again. Targets
are printed beside what was measured; missing one is no error. Made models (9 GB of disk) stay in
the cache, see real_models.py; results of up to 3 GB lie in the folder for temporary files
meanwhile. ``migrate-recipe``, the recipe at the largest size that it survives (17 GB of memory),
runs only when it is named by --only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tabulate import tabulate

import real_models
from bench_parts.case import Case, Row
from bench_parts.cases import cases as all_cases
from bench_parts.measure import Run, Unexpected, side_by_side


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    keys = [case.key for case in all_cases()]
    parser = argparse.ArgumentParser(
        description="Measure migrator beside TensorFlow's own ways, by turns in one run.",
        epilog="cases: "
        + "; ".join(f"{case.key}: {case.title.split(' | ')[0]}" for case in all_cases()),
    )
    parser.add_argument("--only", nargs="+", choices=keys, metavar="CASE", help=" ".join(keys))
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each side (5)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one process (600)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="size of made models, to try this out (1)"
    )
    parser.add_argument("--keep", action="store_true", help="keep what the runs wrote")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if not 0 < options.scale <= 1:
        parser.error("--scale must be above 0 and at most 1")
    chosen = [
        case
        for case in all_cases(options.scale)
        if case.key in (options.only or ()) or not (options.only or case.on_request)
    ]

    machine = _machine()
    print(machine)
    scratch = Path(tempfile.mkdtemp(prefix="migrator-bench-"))
    record: dict[str, object] = {"machine": machine, "runs": options.runs, "cases": {}}
    cases: dict[str, object] = {}
    record["cases"] = cases
    failed = False
    try:
        for case in chosen:
            try:
                rows, runs = _measure(case, options, scratch)
            except (Unexpected, OSError, real_models.RealModelError) as error:
                _progress("")
                print(f"\n{case.title}\n  could not be measured: {error}")
                failed = True
                continue
            _print(case, rows)
            cases[case.key] = {
                "title": case.title,
                "rows": [row._asdict() for row in rows],
                "runs": runs,
            }
    finally:
        if options.keep:
            print(f"\nwhat the runs wrote: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


def _measure(
    case: Case, options: argparse.Namespace, scratch: Path
) -> tuple[list[Row], dict[str, list[dict[str, float]]]]:
    _progress(f"{case.key}: getting the model ready")
    contenders = case.contenders(case.prepare())
    results = side_by_side(
        contenders,
        runs=min(options.runs, case.most_runs or options.runs),
        timeout=options.timeout,
        scratch=scratch,
        keep=options.keep,
        progress=lambda text: _progress(f"{case.key}: {text}"),
    )
    _progress("")
    raw = {
        contender.title: [_numbers(run) for run in done]
        for contender, done in zip(contenders, results, strict=True)
    }
    return case.judge(results), raw


def _numbers(run: Run) -> dict[str, float]:
    return {
        "seconds": run.seconds,
        "cpu": run.cpu,
        "peak_rss_bytes": run.peak_rss,
        "exit_code": run.exit_code,
    }


def _print(case: Case, rows: Sequence[Row]) -> None:
    table = [
        (
            row.what,
            row.ours,
            row.peer,
            "" if row.ratio is None else f"{row.ratio:.1f}x",
            row.target,
            {None: "", True: "met", False: "MISSED"}[row.met],
        )
        for row in rows
    ]
    headers = ("", "migrator", "peer", "peer / ours", "target", "")
    print(f"\n{case.title}")
    print(tabulate(table, headers=headers, disable_numparse=True), flush=True)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:{width}}\r", end="", file=sys.stderr, flush=True)


def _machine() -> str:
    parts = [f"Python {platform.python_version()}"]
    for package in ("migrator", "tensorflow", "protobuf", "numpy"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"{package} not installed")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{', '.join(parts)}; {machine}, load {os.getloadavg()[0]:.1f} at the start"


if __name__ == "__main__":
    raise SystemExit(main())
