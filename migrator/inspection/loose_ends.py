"""The loose ends of a graph that may be outputs."""

from __future__ import annotations

from collections.abc import Collection

from migrator.graph.wiring import Wiring
from migrator.inspection import vocabulary as words
from migrator.inspection.set_aside import (
    find_inside,
    find_junk,
    find_of_gradients,
    find_predicates,
    find_spare,
    is_handle,
    is_written,
)
from migrator.model.graph import Graph
from migrator.ops.registry import op_facts


class LooseEnds:
    """Finds them. ``sources`` are the numbers of the nodes that data enters by."""

    def __init__(self, graph: Graph, wiring: Wiring, sources: Collection[int]) -> None:
        self.graph = graph
        self.wiring = wiring
        self.sources = sources
        self.junk = find_junk(wiring)
        self.predicates = find_predicates(wiring)
        self.spare = find_spare(wiring)
        self.of_gradients = find_of_gradients(wiring)
        self.looped, self.branched = find_inside(wiring)

    def find(self) -> list[int]:
        """Nodes with outputs that nothing but junk consumes, and that are no known leftovers.

        Of what somebody named, and of what often ends a model, others may read the shape.
        """
        found = []
        junk, consumers, nodes = self.junk, self.wiring.consumers, self.wiring.nodes
        for number, node in enumerate(nodes):
            if consumers[number] and (not junk or not junk.issuperset(consumers[number])):
                telling = node.op in words.FINAL_OPS or words.is_given_name(node.name, node.op)
                if not telling or node.op in words.NO_OUTPUT:
                    continue
                if any(
                    c not in junk and nodes[c].op not in words.SHAPE_OPS for c in consumers[number]
                ):
                    continue
            if number in junk or self.graph.by_name.get(node.name) is not node:
                continue
            facts = op_facts(node.op)
            if facts is not None and not facts.outputs:
                continue
            if not self._is_leftover(number):
                found.append(number)
        return found

    def _is_leftover(self, number: int) -> bool:
        """True for the loose ends that control flow, training and freezing leave behind."""
        node = self.wiring.nodes[number]
        if words.is_lowered(node.name) or words.is_variable_read(node.name):
            return True
        if words.is_guard(node.name) or number in self.predicates or number in self.looped:
            return True
        if node.op == "Identity" and self._reads_switch(number):  # marks a branch of tf.cond
            return True
        unread = number in self.branched or number in self.of_gradients
        if unread or node.op in ("Exit", "RefExit"):
            return not words.is_given_name(node.name, node.op)
        if node.op in words.RESHAPING and self._from_source(number):  # hands an input on
            return True
        if number in self.spare or is_written(self.wiring, number):
            return True
        if is_handle(self.wiring, number):
            return True
        consumers = self.wiring.consumers[number]
        return any(words.writes_state(self.wiring.nodes[item].op) for item in consumers)

    def is_hidden(self, number: int) -> bool:
        """True for what cannot be an output: junk, predicates, insides of loops and branches."""
        if number in self.junk or number in self.predicates:
            return True
        return number in self.looped or number in self.branched

    def _from_source(self, number: int) -> bool:
        """True where nothing but reshaping lies between an input and this node."""
        seen: set[int] = set()
        while self.wiring.nodes[number].op in words.RESHAPING and self.wiring.inputs[number]:
            if number in seen:
                return False  # a cycle of a broken graph
            seen.add(number)
            number = self.wiring.inputs[number][0][0]
        return number in self.sources

    def _reads_switch(self, number: int) -> bool:
        return any(
            self.wiring.nodes[producer].op in ("Switch", "RefSwitch")
            for producer, _ in self.wiring.inputs[number]
        )
