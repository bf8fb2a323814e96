"""Who makes and who reads a tensor, within one body: for rules that know a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from migrator.auditing.contents.bodies import Body, Place
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor, TensorRef

_FAR = 4


class Neighbours:
    """One body's nodes by name, their data inputs and their readers. Linear to make."""

    def __init__(self, body: Body) -> None:
        self._by_name: Mapping[str, Node] = {node.name: node for node in body.nodes}
        self._readers: dict[str, list[Node]] = {}
        self._refs: dict[str, tuple[TensorRef, ...]] = {}
        for node in self._by_name.values():
            refs = self._refs[node.name] = node.data_refs
            for ref in refs:
                self._readers.setdefault(ref.node, []).append(node)

    def refs(self, node: Node) -> tuple[TensorRef, ...]:
        """The data inputs of a node, which are parsed once."""
        return self._refs[node.name]

    def maker(self, node: Node, slot: int) -> Node | None:
        """The node that makes a data input."""
        refs = self.refs(node)
        return self._by_name.get(refs[slot].node) if slot < len(refs) else None

    def readers(self, name: str) -> list[Node]:
        return self._readers.get(name, [])

    def scalar(self, ref: TensorRef, depth: int = 0) -> float | None:
        """The value of a constant scalar, a little arithmetic allowed for. Reads the constant."""
        node = self._by_name.get(ref.node)
        if node is None or depth > _FAR:
            return None
        if node.op == "Const":
            value = node.attrs.get("value")
            if isinstance(value, LazyTensor) and value.shape.rank == 0 and value.dtype.kind in "fi":
                return float(value.numpy())
            return None
        refs = self.refs(node)
        if node.op in ("Identity", "Cast") and len(refs) == 1:
            return self.scalar(refs[0], depth + 1)
        if node.op == "Sub" and len(refs) == 2:
            left, right = (self.scalar(item, depth + 1) for item in refs)
            return left - right if left is not None and right is not None else None
        return None


def with_neighbours(places: Iterable[Place]) -> Iterator[tuple[Place, Neighbours]]:
    """Each place with the neighbours of its body, which are worked out once."""
    known: dict[int, Neighbours] = {}
    for place in places:
        found = known.get(id(place.body))
        if found is None:
            found = known[id(place.body)] = Neighbours(place.body)
        yield place, found
