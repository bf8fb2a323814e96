"""Every model under a folder through migrator's API, in as many processes as there are cores.

    python migrator_tree.py FOLDER

Prints as JSON how many there are and what it took, the start of the processes included.
"""

import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import migrator


def summarized(path: str) -> int:
    """Nodes of one model."""
    summary = migrator.summarize(migrator.load(path))
    return sum(meta.graph.nodes for meta in summary.meta_graphs)


def main() -> None:
    folder = Path(sys.argv[1])
    names = ("model.pb", "saved_model.pb")
    models = [str(path) for path in sorted(folder.rglob("*.pb")) if path.name in names]
    start = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        nodes = sum(pool.map(summarized, models, chunksize=8))
    seconds = time.perf_counter() - start
    print(json.dumps({"models": len(models), "nodes": nodes, "work": seconds}))


if __name__ == "__main__":
    main()
