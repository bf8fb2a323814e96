"""A comparison does not follow the seed that Python hashes texts with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = """
from migrator.diffing.numbered.labels import Labeller
from migrator.diffing.numbered.hashes import whole_hashes
from migrator.diffing.numbered.table import Table
from tests.corpus import sample
from tests.diff.judging import matched
from tests.diff.scramble import scramble

for name in ("tf2.21.0/sm_functions", "tf2.21.0/keras_export"):
    graph = sample(name).model().graph
    assert graph.functions
    table = Table(graph, Labeller(), {})
    print(whole_hashes(table, table.exact))
    other, _ = scramble(graph, 5, edits=0.1)
    found = matched(graph, other)
    print(found.pairs, found.left_only, found.right_only, found.functions)
"""


def test_hashes_and_pairs_of_graphs_with_calls_are_the_same_in_every_process() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            cwd=_ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(_ROOT)},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    one, other = (child.communicate(timeout=120)[0] for child in running)
    assert [child.returncode for child in running] == [0, 0]
    assert one and one == other
