#!/usr/bin/env python3
"""The figures of docs/weights.md: the same models with weights as constants and as variables.

    python scripts/measure_weights.py                 all sizes, three runs of each
    python scripts/measure_weights.py --layers 1 16   some: so many layers of 4.2 MB; 0: MobileNet

Each figure is the median over whole processes, constants and variables by turns in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

import real_models
from bench_parts import made
from bench_parts.case import bench_folder, migrator, peer
from bench_parts.measure import run

LAYERS = (1, 0, 16, 64, 122, 244)
KEPT = ("constants", "variables")
TIMEOUT = 900.0
Figures = Mapping[str, float]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Constants against variables, measured.")
    parser.add_argument("--layers", nargs="+", type=int, default=LAYERS)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    rows = []
    for layers in options.layers:
        if layers:
            model, size = made.tower(bench_folder(), layers), layers * made.LAYER_BYTES
        else:
            model = real_models.real_models(["mobilenet"])["mobilenet"]
            size = model.stat().st_size
        found: dict[str, list[Figures]] = {kept: [] for kept in KEPT}
        for _ in range(options.runs):
            for kept in KEPT:
                found[kept].append(_measured(model, kept))
        rows += [(f"{size / 1e6:.0f}", kept, *_cells(found[kept])) for kept in KEPT]
        headers = ("MB", "kept as", "migrate s", "of it MB", "pb MB", "load s", "first call s")
        more = ("further ms", "loaded and called MB", "over the import MB")
        print(tabulate(rows[-2:], headers=(*headers, *more), disable_numparse=True), flush=True)
    return 0


def _measured(model: Path, kept: str) -> Figures:
    scratch = Path(tempfile.mkdtemp(prefix="migrator-weights-"))
    dest = scratch / "out"
    try:
        command = migrator("migrate", model, dest, "--no-verify", "--weights", kept)(scratch)
        ours = run(command, timeout=TIMEOUT)
        if ours.exit_code:
            raise SystemExit(f"{kept}: {ours.complained}")
        called = run(peer("call_saved_model.py", dest)(scratch), timeout=TIMEOUT)
        if called.exit_code:
            raise SystemExit(f"{kept}: {called.complained[-800:]}")
        return {
            "migrate": ours.seconds,
            "migrate_peak": ours.peak_rss,
            "pb": (dest / "saved_model.pb").stat().st_size,
            **json.loads(called.said.splitlines()[-1]),
        }
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _cells(found: Sequence[Figures]) -> list[str]:
    def median(key: str, scale: float, digits: int) -> str:
        return f"{statistics.median(item[key] for item in found) / scale:.{digits}f}"

    return [
        median("migrate", 1, 1),
        median("migrate_peak", 1e6, 0),
        median("pb", 1e6, 2),
        median("load", 1, 2),
        median("first", 1, 2),
        median("further", 1e-3, 1),
        median("peak", 1e6, 0),
        median("grown", 1e6, 0),
    ]


if __name__ == "__main__":
    sys.exit(main())
