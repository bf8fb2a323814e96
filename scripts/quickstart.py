#!/usr/bin/env python3
"""The main job on what is shipped: every frozen graph of fixtures/ and one real model, migrated
and verified as one batch. Prints a table of verdicts and where the page is; exit code 1 if one
failed.

A fixture names its endpoints where they cannot be told from the graph, or where a placeholder has
to be fixed; the others are found out, as for any model. What was decided stands in the manifest
beside the results, as one would write it by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tabulate import tabulate

import migrator
import real_models
from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.writing import write_entries
from migrator.cli.batch_progress import ShownProgress

ROOT = Path(__file__).resolve().parent.parent
PROVEN = ("bitwise", "within_tolerance")
Json = dict[str, Any]


def fixture_entries(fixtures: Path) -> Iterator[Entry]:
    """The frozen graphs among the fixtures that run."""
    for described in sorted(fixtures.glob("*/*/fixture.json")):
        fixture = json.loads(described.read_text(encoding="utf-8"))
        if fixture["kind"] != "graph_def" or not fixture.get("runs"):
            continue
        decided: dict[str, tuple[str, ...]] = {}
        feeds = fixture.get("feeds") or {}
        if feeds or not fixture.get("decidable", True):
            decided = {
                "inputs": tuple(f"{key}={tensor}" for key, tensor in fixture["inputs"].items()),
                "outputs": tuple(f"{key}={tensor}" for key, tensor in fixture["outputs"].items()),
                "feeds": tuple(f"{tensor}={json.dumps(value)}" for tensor, value in feeds.items()),
            }
        yield Entry(
            name=f"{described.parent.parent.name}/{described.parent.name}",
            source=str(described.parent / fixture["model"]),
            **decided,
        )


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
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="so many models at a time (by cores and memory)"
    )
    options = parser.parse_args(arguments)

    entries = [entry for entry in fixture_entries(ROOT / "fixtures") if options.only in entry.name]
    missing = ""
    if options.only in "mobilenet":
        try:
            found = real_models.real_models(["mobilenet"])["mobilenet"]
            entries.append(Entry(name="mobilenet", source=str(found)))
        except real_models.RealModelError as error:
            missing = f"mobilenet: not tried: {error}"
    if not entries:
        print(missing or "no model of that name", file=sys.stderr)
        return 1
    # Beside the results, not among them.
    manifest = options.dest.with_name(f"{options.dest.name}.yaml")
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(
        write_entries(entries, folder=os.path.abspath(manifest.parent)), encoding="utf-8"
    )
    try:
        batch = migrator.batch(
            manifest, options.dest, jobs=options.jobs, watchers=[ShownProgress()], retry=("failed",)
        )
    except migrator.MigratorError as error:
        print(f"scripts/quickstart: {error}", file=sys.stderr)
        return error.exit_code
    names = {entry.name for entry in entries}
    models = [item for item in batch.models if item["name"] in names]
    _print(sorted(models, key=lambda item: item["name"]), options.dest, manifest)
    if missing:
        print(f"\n{missing}")
    return 1 if missing else batch.exit_code


def _print(models: list[Json], dest: Path, manifest: Path) -> None:
    rows = []
    for item in models:
        summary = _read(dest / item["name"] / "inspect.json")
        record = _read(dest / item["name"] / "record.json")
        graphs = summary.get("meta_graphs") or [{"graph": {"nodes": None}}]
        nodes = graphs[0]["graph"]["nodes"]
        most = record.get("verification", {}).get("max_abs")
        rows.append(
            (
                item["name"],
                "" if nodes is None else f"{nodes:,}",
                (item["verdict"] or item["outcome"]).replace("_", " "),
                "" if most is None else f"{most:.2g}",
                f"{sum(item['seconds'].values()):.1f}",
            )
        )
    headers = ("model", "nodes", "verdict", "max abs difference", "seconds")
    align = ("left", "right", "left", "right", "right")
    print(tabulate(rows, headers=headers, colalign=align, disable_numparse=True))
    for item in models:
        if item["verdict"] not in PROVEN:
            print(f"\n{item['name']}: {item['reason']}")
    verdicts = Counter(row[2] for row in rows)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    print(f"\n{len(rows)} models: {counted}")
    print(f"page:     {dest / 'index.html'}")
    print(f"results:  {dest}/MODEL/saved_model, beside each what was found, done and proven")
    print(f"manifest: {manifest}")


def _read(path: Path) -> Json:
    try:
        found: Json = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
