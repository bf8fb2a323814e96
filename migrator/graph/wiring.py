"""Who feeds whom, by node number: the adjacency that our own algorithms run on.

Building it and every walk on it are linear in nodes and edges.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

from migrator.model.graph import Graph, Node
from migrator.model.tensors import TensorRef


class Wiring:
    """Edges of one top-level graph. Dangling inputs are left out; duplicates resolve to the first.

    ``inputs[i]`` lists (producer, port) by slot, ``controls[i]`` the producers of control edges,
    ``consumers[i]`` and ``control_consumers[i]`` the ways back.
    """

    __slots__ = (
        *("by_op", "consumers", "control_consumers", "controls", "index", "inputs", "nodes"),
    )

    def __init__(self, graph: Graph) -> None:
        nodes: Sequence[Node] = graph.nodes
        self.nodes = nodes
        index = self.index = {node.name: number for number, node in enumerate(nodes)}
        if len(index) < len(nodes):
            for number in range(len(nodes) - 1, -1, -1):
                index[nodes[number].name] = number
        self.by_op: dict[str, list[int]] = {}
        """Op -> its nodes, in their order."""
        for number, node in enumerate(nodes):
            self.by_op.setdefault(node.op, []).append(number)
        inputs: list[Sequence[tuple[int, int]]] = [()] * len(nodes)
        consumers: list[list[int]] = [[] for _ in nodes]
        # Few nodes have control edges: those that have none share one empty sequence.
        controls: dict[int, list[int]] = {}
        control_consumers: dict[int, list[int]] = {}
        find = index.get
        for number, node in enumerate(nodes):
            edges = []
            for text in node.inputs:
                producer = find(text)  # "x" is "x:0", and most inputs are written so
                port = 0
                if producer is None:
                    ref = TensorRef.parse(text)
                    producer, port = find(ref.node), ref.port
                    if producer is None:
                        continue
                    if ref.control:
                        controls.setdefault(number, []).append(producer)
                        control_consumers.setdefault(producer, []).append(number)
                        continue
                edges.append((producer, port))
                consumers[producer].append(number)
            if edges:
                inputs[number] = edges
        self.inputs = inputs
        self.consumers: list[Sequence[int]] = [*consumers]
        self.controls = _spread(controls, len(nodes))
        self.control_consumers = _spread(control_consumers, len(nodes))

    def of_ops(self, wanted: Collection[str] | Callable[[str], bool]) -> Sequence[int]:
        """The nodes of these ops, or of those for which ``wanted`` holds, in their order."""
        holds = wanted if callable(wanted) else wanted.__contains__
        found = [numbers for op, numbers in self.by_op.items() if holds(op)]
        return found[0] if len(found) == 1 else sorted(chain.from_iterable(found))

    def backward(self, starts: Iterable[int], *, cut: Collection[tuple[int, int]] = ()) -> set[int]:
        """Every node that ``starts`` need, control edges included, themselves too.

        ``cut`` holds tensors (producer, port) that are given: edges from them are not followed.
        """
        seen = set(starts)
        stack = list(seen)
        all_inputs, all_controls = self.inputs, self.controls
        while stack:
            number = stack.pop()
            for edge in all_inputs[number]:
                producer = edge[0]
                if producer not in seen and edge not in cut:
                    seen.add(producer)
                    stack.append(producer)
            for producer in all_controls[number]:
                # To wait for a source that is given is to wait for nothing.
                given = (producer, 0) in cut and not self.inputs[producer]
                if producer not in seen and not given:
                    seen.add(producer)
                    stack.append(producer)
        return seen

    def forward(
        self,
        starts: Iterable[int],
        *,
        stop: Callable[[int], bool] | None = None,
        most: int | None = None,
    ) -> set[int]:
        """Every node that takes data from ``starts``, directly or not, themselves too.

        Gives up where it has found more than ``most``.
        """
        seen = set(starts)
        stack = list(seen)
        while stack and (most is None or len(seen) <= most):
            number = stack.pop()
            if stop is not None and stop(number):
                continue
            for consumer in self.consumers[number]:
                if consumer not in seen:
                    seen.add(consumer)
                    stack.append(consumer)
                    if most is not None and len(seen) > most:
                        return seen
        return seen

    def reached_from(
        self, groups: Sequence[Iterable[int]], *, stop: Callable[[int], bool]
    ) -> list[int]:
        """For each node a number whose bit ``i`` says whether ``forward`` of ``groups[i]`` has it.

        One pass where nodes stand behind their inputs; what loops lead back is followed after.
        """
        found = [0] * len(self.nodes)
        for bit, group in enumerate(groups):
            for number in group:
                found[number] |= 1 << bit
        late: list[int] = []
        for number, own in enumerate(found):
            if own and not stop(number):
                for consumer in self.consumers[number]:
                    if own & ~found[consumer]:
                        found[consumer] |= own
                        if consumer < number:
                            late.append(consumer)
        while late:
            number = late.pop()
            own = found[number]
            if not stop(number):
                for consumer in self.consumers[number]:
                    if own & ~found[consumer]:
                        found[consumer] |= own
                        late.append(consumer)
        return found

    def tensor(self, name: str) -> tuple[int, int] | None:
        """(producer, port) of the tensor called ``name``, None where there is none."""
        ref = TensorRef.parse(name)
        number = self.index.get(ref.node)
        return None if number is None else (number, ref.port)

    def cut_at(self, names: Iterable[str]) -> frozenset[tuple[int, int]]:
        """What ``backward`` takes as ``cut`` for tensors by name."""
        return frozenset(found for name in names if (found := self.tensor(name)) is not None)

    def needed_for(self, outputs: Iterable[str], given: Iterable[str]) -> set[int]:
        """Every node that tensors ``outputs`` need when tensors ``given`` are given."""
        cut = self.cut_at(given)
        ends = [found for found in map(self.tensor, outputs) if found is not None]
        return self.backward([end[0] for end in ends if end not in cut], cut=cut)

    def edge_counts(self) -> tuple[int, int]:
        """Number of data edges and of control edges."""
        return sum(map(len, self.inputs)), sum(map(len, self.controls))


def _spread(found: Mapping[int, list[int]], count: int) -> list[Sequence[int]]:
    """By number what was found for few, nothing for the others."""
    spread: list[Sequence[int]] = [()] * count
    for number, items in found.items():
        spread[number] = items
    return spread
