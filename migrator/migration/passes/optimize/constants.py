"""Replace what follows from constants alone by constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from migrator.formats.tensors import constant_tensor
from migrator.graph.order import Tensor, all_inputs, in_order
from migrator.migration.passes.optimize.arithmetic import ROUNDED
from migrator.migration.passes.optimize.edges import (
    control_inputs,
    data_inputs,
    drop_dead,
    names_in,
    tensors_in,
    with_nodes,
)
from migrator.migration.passes.optimize.evaluate import EXACT, evaluate
from migrator.migration.plan import Step
from migrator.model.graph import Graph, Node
from migrator.model.tensors import LazyTensor, TensorSpec
from migrator.ops.registry import output_dtype

SLACK = 64 << 10
"""Bytes by which a result may be larger than the constants that it makes needless."""
_MOST_READ = 2 << 30
"""Bytes of constants that one pass reads, so that it ends on any graph."""
_MOST_HELD = 256 << 20
"""Bytes of new constants that one pass makes: they are held in memory."""
_MOST_MADE = 128 << 20
"""Bytes of one new constant; what it is made from may have four times as many."""
_MOST_GROWN = 16 << 20
"""Bytes by which all results together may be larger than what they make needless."""


def fold_constants(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Turn nodes whose inputs are all constants into constants of the same name, bit for bit.

    For the ops of ``evaluate.EXACT``, where the result is not larger than the constants that only
    this node reads, give or take ``SLACK``. What a constant waits for, its results wait for, so
    that they stay in their frame and branch. Linear; bounded in what it reads and holds.
    """
    if graph.duplicates:
        return graph, ()
    folded = Folder(graph, given, keep).fold()
    if not folded:
        return graph, ()
    nodes = [folded.get(node.name, node) for node in graph.nodes]
    step = Step(
        code="fold_constants",
        text="what follows from constants alone is worked out ahead",
        count=len(folded),
    )
    return drop_dead(with_nodes(graph, nodes), given, keep), (step,)


class Folder:
    """One walk over a graph that finds the values of nodes. Changes nothing.

    ``rounded`` takes in the ops that are not exact. Results past ``most`` bytes are not made.
    """

    __slots__ = (
        "_constants",
        "_given",
        "_graph",
        "_grown",
        "_held",
        "_kept",
        "_most",
        "_read",
        "_rounded",
        "_uses",
    )

    def __init__(
        self,
        graph: Graph,
        given: Mapping[str, TensorSpec],
        keep: Collection[str],
        *,
        rounded: bool = False,
        most: int = _MOST_MADE,
    ) -> None:
        self._graph = graph
        self._given = tensors_in(given)
        self._kept = names_in(keep)
        self._rounded = rounded
        self._most = most
        self._read = self._held = self._grown = 0
        self._uses: Counter[str] = Counter()
        self._constants: dict[str, Node] = {}

    def fold(self) -> dict[str, Node]:
        """The constants that nodes may become, by name."""
        order = in_order(self._graph, self._given)
        self._uses.update(name for node in order for name, _ in all_inputs(node))
        folded: dict[str, Node] = {}
        for node in order:
            if node.op == "Const":
                self._constants[node.name] = node
                continue
            found = self._folded(node)
            if found is not None:
                folded[node.name] = self._constants[node.name] = found
        return folded

    def _folded(self, node: Node) -> Node | None:
        sources = self._sources(node)
        if sources is None:
            return None
        values = [source.attrs.get("value") for source in sources]
        if not all(isinstance(value, LazyTensor) for value in values):
            return None
        tensors: list[LazyTensor] = [value for value in values if isinstance(value, LazyTensor)]
        freed = self._freed(node, sources)
        room = min(
            self._most,
            _MOST_HELD - self._held,
            freed + min(SLACK, max(_MOST_GROWN - self._grown, 0)),
        )
        if node.op not in ("Shape", "Size", "Rank"):
            cost = sum(value.nbytes for value in tensors)
            if self._read + cost > _MOST_READ or cost > 4 * self._most:
                return None
            self._read += cost
        array = evaluate(node, tensors, room, rounded=self._rounded)
        if array is None:
            return None
        self._held += array.nbytes
        self._grown += max(array.nbytes - freed, 0)
        self._uses.subtract(name for name, _ in all_inputs(node))
        return _constant(node, sources, array)

    def _sources(self, node: Node) -> list[Node] | None:
        """The constants that feed it, None where it has another input, or is out of question."""
        if node.op not in EXACT and not (self._rounded and node.op in ROUNDED):
            return None
        sources = []
        for tensor in data_inputs(node):
            found = self._at(tensor)
            if found is None:
                return None
            sources.append(found)
        return sources or None

    def _at(self, tensor: Tensor) -> Node | None:
        if tensor[1] or tensor in self._given:
            return None
        return self._constants.get(tensor[0])

    def _freed(self, node: Node, sources: list[Node]) -> int:
        """Bytes of the constants that nobody else reads."""
        mine = Counter(name for name, _ in all_inputs(node))
        return sum(
            source.attrs["value"].stored_bytes
            for source in {source.name: source for source in sources}.values()
            if self._uses[source.name] == mine[source.name] and source.name not in self._kept
        )


def _constant(node: Node, sources: list[Node], array: Any) -> Node:
    dtype = output_dtype(node, 0)
    assert dtype is not None  # evaluate() saw to it
    waits = dict.fromkeys(text for item in (node, *sources) for text in control_inputs(item))
    return replace(
        node,
        op="Const",
        inputs=tuple(waits),
        attrs={"dtype": dtype, "value": constant_tensor(array, dtype)},
    )
