"""A graph with a share of its nodes edited, as a file: op, attribute, wiring, added or removed.

edit_graph.py FILE OUT SHARE [--rename]     with --rename, every node gets a random name too
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from migrator.formats.encode import write_graph
from migrator.formats.load import load
from tests.diff.scramble import scramble


def main() -> None:
    source, out, share = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    rename = None if "--rename" in sys.argv else (lambda _, name: name)
    graph, _ = scramble(load(source).graph, 1, edits=share, rename=rename)
    with out.open("wb") as file:
        write_graph(file, graph.nodes, graph.functions.values(), graph.versions)


if __name__ == "__main__":
    main()
