"""Match a made network of N nodes against itself, scrambled: one JSON line of what it took.

    match_scrambled.py N SHARE     SHARE of the nodes are edited too

The graph is a ladder of dense layers with weights of their own, sums and joins across.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node, Versions, index_nodes
from tests.diff.judging import judge, matched
from tests.diff.scramble import scramble

FLOAT = DType(1)
KIND = {"T": FLOAT}


def network(size: int) -> Graph:
    """About ``size`` nodes: kernel, read, product, bias, read, sum, activation, now and then a
    shortcut over some layers.
    """
    rng = np.random.default_rng(0)
    chance = random.Random(0)
    nodes = [Node("x", "Placeholder", (), "", {"dtype": FLOAT})]
    before = ["x"]

    def weight(name: str, *shape: int) -> str:
        value = constant_tensor(rng.standard_normal(shape, dtype=np.float32), FLOAT)
        nodes.append(Node(name, "Const", (), "", {"dtype": FLOAT, "value": value}))
        nodes.append(Node(f"{name}/read", "Identity", (name,), "", KIND))
        return f"{name}/read"

    layer = 0
    while len(nodes) < size:
        scope = f"block_{layer // 50}/layer_{layer % 50}"
        layer += 1
        kernel = weight(f"{scope}/kernel", 4, 4)
        nodes.append(Node(f"{scope}/MatMul", "MatMul", (before[-1], kernel), "", KIND))
        bias = weight(f"{scope}/bias", 4)
        nodes.append(Node(f"{scope}/BiasAdd", "BiasAdd", (f"{scope}/MatMul", bias), "", KIND))
        kind = chance.choice(("Relu", "Tanh", "Sigmoid"))
        nodes.append(Node(f"{scope}/{kind}", kind, (f"{scope}/BiasAdd",), "", KIND))
        before.append(nodes[-1].name)
        if layer % 3 == 0:
            other = before[-1 - chance.randrange(1, min(len(before), 6))]
            nodes.append(Node(f"{scope}/add", "AddV2", (before[-1], other), "", KIND))
            before.append(nodes[-1].name)
    by_name, duplicates = index_nodes(nodes)
    return Graph(
        nodes=tuple(nodes),
        functions={},
        versions=Versions(),
        by_name=by_name,
        duplicates=duplicates,
    )


def main() -> None:
    size, share = int(sys.argv[1]), float(sys.argv[2])
    graph = network(size)
    other, truth = scramble(graph, 1, edits=share)
    start = time.perf_counter()
    found = matched(graph, other)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    verdict = judge(graph, other, found, truth)
    line = {
        "nodes": len(graph),
        "match": seconds,
        "peak": peak,
        "right": verdict.right,
        "precision": verdict.precision,
        "recall": verdict.recall,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
