#!/usr/bin/env python3
"""A gate for CI: no new legacy models. Short, to copy and adapt.

    python scripts/legacy_gate.py models                     exit code 1 for any that is not allowed
    python scripts/legacy_gate.py models --accept            allow those that there are now

Legacy are frozen graphs, checkpoints, MetaGraphs and modules of TensorFlow 1, SavedModels that it
wrote, and what cannot be read. Those that are allowed stand in legacy-models.txt, a name a line, to
go under version control; names that are legacy no more have to leave it. Nothing is run, and
TensorFlow is not needed. With the folder .legacy-gate in CI's cache only what changed is read.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import migrator

LEGACY = {
    "graph_def",
    "graph_def_text",
    "meta_graph",
    "meta_graph_text",
    "checkpoint",
    "hub_module",
}


def is_legacy(item: dict[str, Any]) -> bool:
    """By the format, and by who wrote a SavedModel."""
    if item["format"] in LEGACY:
        return True
    told = Path(item["dest"]) / "inspect.json"
    if not told.is_file():
        return False
    graphs = json.loads(told.read_text(encoding="utf-8")).get("meta_graphs") or []
    return any(str(graph.get("tensorflow_version")).startswith("1.") for graph in graphs)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--allowed", type=Path, default=Path("legacy-models.txt"), metavar="FILE")
    parser.add_argument("--accept", action="store_true", help="write FILE anew")
    parser.add_argument("--dest", default=".legacy-gate", metavar="DIR")
    args = parser.parse_args(arguments)
    try:
        batch = migrator.batch(args.sources, args.dest, steps=["inspect"], timeout=120.0)
    except migrator.MigratorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    # What an earlier run left of models that are gone does not count.
    here = [dict(item) for item in batch.models if Path(item["source"]).exists()]
    unread = {item["name"] for item in here if item["outcome"] == "failed"}
    unread |= {item["source"] for item in batch.run["skipped"] if "as text" in item["reason"]}
    found = {item["name"] for item in here if is_legacy(item)} | unread
    if args.accept:
        args.allowed.write_text("".join(f"{name}\n" for name in sorted(found)), encoding="utf-8")
        return 0
    allowed = set()
    if args.allowed.is_file():
        allowed = set(args.allowed.read_text(encoding="utf-8").splitlines())
    new = {name: "cannot be read" if name in unread else "is legacy" for name in found - allowed}
    faults = [f"{name!r} is new, and {why}" for name, why in sorted(new.items())]
    faults += [
        f"{name!r} is legacy no more: take it off {args.allowed}"
        for name in sorted(allowed - found)
    ]
    print("\n".join(faults) or f"no new legacy models ({len(found)} known)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
