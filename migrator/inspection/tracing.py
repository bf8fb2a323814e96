"""Follow a tensor back to the node that really makes it, out of function bodies too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrator.formats.tensors import string_values
from migrator.limits import DEFAULT_LIMITS
from migrator.model.graph import Function, FunctionRef, Graph, Node, index_nodes
from migrator.model.tensors import LazyTensor, TensorRef

_PASSING = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot", "RefIdentity"))
_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))


def _texts(value: LazyTensor) -> list[object]:
    if value.dtype.kind == "s":
        return list(string_values(value, DEFAULT_LIMITS, where="a table of names"))
    return list(value.numpy().reshape(-1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A node, in the top-level graph (``function`` is None) or in a body, and one of its ports."""

    function: Function | None
    node: Node
    port: int


class Tracer:
    """Walks backward over identities, and from a function's argument to what its caller gives.

    A function that is called from several places is followed to the first. Linear to make.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._callers: dict[str, tuple[Function | None, Node]] = {}
        self._bodies: dict[str, Mapping[str, Node]] = {}
        self._texts: dict[int, tuple[LazyTensor, list[object]]] = {}
        self._origins: dict[tuple[str, str, int], Origin | None] = {}
        if graph.functions:
            for function, node in self._everywhere():
                body = node.attrs.get("f") if node.op in _CALLS else None
                if isinstance(body, FunctionRef):
                    self._callers.setdefault(body.name, (function, node))

    def _everywhere(self) -> Iterator[tuple[Function | None, Node]]:
        for node in self._graph.nodes:
            yield None, node
        for function in self._graph.functions.values():
            for node in function.nodes:
                yield function, node

    def nodes(self, ops: Collection[str]) -> Iterator[tuple[Function | None, Node]]:
        """Every node of these ops, with the function in whose body it is."""
        return (found for found in self._everywhere() if found[1].op in ops)

    def origin(self, function: Function | None, ref: TensorRef) -> Origin | None:
        """The node behind ``ref``, None where the walk ends at an argument that nobody gives."""
        passed: list[tuple[str, str, int]] = []
        found: Origin | None = None
        seen: set[tuple[str, str, int]] = set()
        while True:
            key = ("" if function is None else function.name, ref.node, ref.port)
            if key in self._origins:
                found = self._origins[key]
                break
            if key in seen:  # identities that wait for each other
                break
            seen.add(key)
            passed.append(key)
            node = self._nodes(function).get(ref.node)
            if node is None:
                outside = self._given_by_caller(function, ref)
                if outside is None:
                    break
                function, ref = outside
            elif node.op in _PASSING and node.data_refs:
                ref = node.data_refs[0]
            else:
                found = Origin(function=function, node=node, port=ref.port)
                break
        for key in passed:  # so that no way is walked twice
            self._origins[key] = found
        return found

    def constant(self, function: Function | None, ref: TensorRef) -> LazyTensor | None:
        """The value of ``ref`` where a Const makes it."""
        found = self.origin(function, ref)
        if found is None or found.node.op != "Const":
            return None
        value = found.node.attrs.get("value")
        return value if isinstance(value, LazyTensor) else None

    def texts(self, function: Function | None, refs: Sequence[TensorRef]) -> Sequence[object]:
        """The strings of a constant, decoded once; none where there is no such constant."""
        value = self.constant(function, refs[0]) if refs else None
        if value is None:
            return ()
        if id(value) not in self._texts:  # held, so that no other gets its id
            self._texts[id(value)] = (value, _texts(value))
        return self._texts[id(value)][1]

    def _nodes(self, function: Function | None) -> Mapping[str, Node]:
        if function is None:
            return self._graph.by_name
        if function.name not in self._bodies:
            self._bodies[function.name] = index_nodes(function.nodes)[0]
        return self._bodies[function.name]

    def _given_by_caller(
        self, function: Function | None, ref: TensorRef
    ) -> tuple[Function | None, TensorRef] | None:
        if function is None or function.name not in self._callers:
            return None
        names = [item.tensor for item in function.inputs]
        scope, call = self._callers[function.name]
        given = call.data_refs
        if ref.node not in names or (slot := names.index(ref.node)) >= len(given):
            return None
        return scope, given[slot]
