"""How deep nodes lie in the branches and loops of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable

from migrator.graph.wiring import Wiring
from migrator.model.checks import LOOP_OP


def nesting(wiring: Wiring, turn: Callable[[Wiring, int], int]) -> list[int]:
    """The depth of each node, 0 outside of all; 1 on a cycle that no loop explains. Linear.

    ``turn`` says by how much a node, by its number, lies deeper than its inputs do: 1 for what
    leads into a branch or a loop, -1 for what leads out of one.
    """
    nodes = wiring.nodes
    waiting = [0] * len(nodes)
    readers: list[list[int]] = [[] for _ in nodes]
    for number in range(len(nodes)):
        for producer in (*(edge[0] for edge in wiring.inputs[number]), *wiring.controls[number]):
            if nodes[producer].op not in LOOP_OP:
                waiting[number] += 1
                readers[producer].append(number)
    level = [0] * len(nodes)
    depth = [1] * len(nodes)
    ready = [number for number, count in enumerate(waiting) if not count]
    while ready:
        number = ready.pop()
        depth[number] = max(level[number] + turn(wiring, number), 0)
        for reader in readers[number]:
            level[reader] = max(level[reader], depth[number])
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return depth
