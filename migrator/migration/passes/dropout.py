"""Dropout that is switched off, folded away without a change to any value.

TensorFlow 1 drops by a mask of ones and zeros: ``floor(keep_prob + u)``, later ``u >= rate``, for u
uniform in [0, 1). With a probability of one (a rate of zero) the mask is all ones whatever u is,
and the scale in front of it is one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from migrator.migration.passes.draft import Draft, controls_of, data_of, nodes_in_loops
from migrator.migration.plan import Step
from migrator.model.dtypes import BOOL, DType
from migrator.model.graph import Graph, Node, index_nodes
from migrator.model.tensors import LazyTensor, TensorRef, TensorSpec

_SUMS = frozenset(("Add", "AddV2"))
_QUOTIENTS = frozenset(("RealDiv", "Div"))
_DEEPEST = 6
"""Arithmetic on the probability is this short in everything that TensorFlow wrote."""


def fold_dropout(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Replace the masks of dropout that is off by ones, and the products with them by what is
    masked wherever the mask has its shape. Bit for bit, but for denormal numbers. Linear.
    """
    if not any(node.op == "RandomUniform" for node in graph.nodes):
        return graph, ()
    found = _Dropout(graph, given)
    nodes = found.run()
    if not found.masks:
        return graph, ()
    by_name, duplicates = index_nodes(nodes)
    changed = replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates)
    step = Step(
        code="fold_dropout", text="dropout that is switched off is left out", count=found.masks
    )
    return changed, (step,)


class _Dropout:
    def __init__(self, graph: Graph, given: Mapping[str, TensorSpec]) -> None:
        self._graph = graph
        self._outside = {TensorRef.parse(tensor).node for tensor in given}
        self._scalars: dict[str, float | None] = {}
        self._ones: dict[str, Node] = {}
        """Mask of numbers -> the RandomUniform behind it."""
        self._true: dict[str, Node] = {}
        self._scaled: set[str] = set()
        """Nodes whose value is masked by ones."""
        self.masks = 0

    def run(self) -> tuple[Node, ...]:
        for node in self._graph.nodes:
            self._find(node)
        # A Cast may stand before its comparison in the file.
        for node in self._graph.nodes:
            if node.op == "Cast":
                self._find_cast(node)
        self._find_scaled()
        masks = {**self._true, **self._ones}
        if not masks:
            return tuple(self._graph.nodes)
        names = {node.name for node in self._graph.nodes} | self._outside
        draft = Draft(names, loops=nodes_in_loops(self._graph.nodes))
        made: list[Node] = []
        for node in self._graph.nodes:
            if node.name in masks:
                made += self._filled(node, masks[node.name], draft)
            else:
                made.append(self._plain(node))
        self.masks = len({draw.name for draw in masks.values()})
        return tuple(made)

    def _find(self, node: Node) -> None:
        data = data_of(node)
        if node.name in self._outside:
            return
        if node.op == "Floor" and len(data) == 1:
            added = self._node(data[0])
            if added is None or added.op not in _SUMS:
                return
            parts = data_of(added)
            for keep, draw in (parts[:2], parts[1::-1]) if len(parts) == 2 else ():
                uniform = self._uniform(draw)
                if uniform is not None and self._scalar(keep) == 1.0:
                    self._ones[node.name] = uniform
        elif node.op == "GreaterEqual" and len(data) == 2:
            uniform = self._uniform(data[0])
            rate = self._scalar(data[1])
            if uniform is not None and rate is not None and rate <= 0.0:
                self._true[node.name] = uniform

    def _find_cast(self, node: Node) -> None:
        data = data_of(node)
        source = self._node(data[0]) if len(data) == 1 else None
        if source is not None and source.name in self._true:
            self._ones[node.name] = self._true[source.name]

    def _node(self, text: str) -> Node | None:
        """The producer of a tensor that is the first output of a node of the graph."""
        ref = TensorRef.parse(text)
        if ref.port or ref.node in self._outside:
            return None
        return self._graph.by_name.get(ref.node)

    def _uniform(self, text: str) -> Node | None:
        """The RandomUniform that a tensor is drawn by, from [0, 1); None for anything else."""
        node = self._node(text)
        # tf.random_uniform scales the draw: * (1 - 0) + 0
        for op, neutral in (("Add", 0.0), ("Mul", 1.0)):
            if node is None or node.op not in (op, f"{op}V2"):
                continue
            data = data_of(node)
            if len(data) != 2 or self._scalar(data[1]) != neutral:
                return None
            node = self._node(data[0])
        drawn = node is not None and node.op == "RandomUniform" and len(data_of(node)) == 1
        return node if drawn else None

    def _scalar(self, text: str, depth: int = 0) -> float | None:
        """The value of a constant scalar, a little arithmetic allowed for."""
        node = self._node(text)
        if node is None or depth > _DEEPEST:
            return None
        if node.name not in self._scalars:
            self._scalars[node.name] = self._computed(node, depth)
        return self._scalars[node.name]

    def _computed(self, node: Node, depth: int) -> float | None:
        if node.op == "Const":
            return _scalar_of(node.attrs.get("value"))
        data = data_of(node)
        if node.op == "Identity" and len(data) == 1:
            return self._scalar(data[0], depth + 1)
        if node.op not in ("Sub", "RealDiv") or len(data) != 2:
            return None
        left, right = (self._scalar(text, depth + 1) for text in data)
        if left is None or right is None:
            return None
        if node.op == "Sub":
            # Exact for the values that matter: nothing but 1 - 0 and 0 + 0 gives 1 or 0 here.
            return left - right if left in (0.0, 1.0) and right in (0.0, 1.0) else None
        return left if right == 1.0 else None

    def _filled(self, node: Node, draw: Node, draft: Draft) -> list[Node]:
        """Ones (or True) in the mask's shape."""
        dtype = node.attrs.get({"Floor": "T", "Cast": "DstT"}.get(node.op, ""), BOOL)
        index = draw.attrs.get("T")
        if not isinstance(dtype, DType) or not isinstance(index, DType):
            return [node]
        draft.start(node)
        one = draft.const(1, dtype, "one")
        draft.finish("Fill", data_of(draw)[0], one, T=dtype, index_type=index)
        return draft.made

    def _plain(self, node: Node) -> Node:
        """x * mask -> x where the mask has the shape of x; x / 1 -> x."""
        data = data_of(node)
        if len(data) != 2 or node.name in self._outside:
            return node
        scales = node.op == "Mul" or node.op in _QUOTIENTS
        if scales and node.name in self._scaled and self._scalar(data[1]) == 1.0:
            return _identity(node, data[0])
        for value, draw in self._products(node):
            if self._same_shape(value, data_of(draw)[0]):
                return _identity(node, value)
        return node

    def _products(self, node: Node) -> list[tuple[str, Node]]:
        """(what is masked, the draw) where the node is a product with a mask of ones."""
        data = data_of(node)
        if node.op != "Mul" or len(data) != 2:
            return []
        found = []
        for value, mask in (data, data[::-1]):
            made = self._node(mask)
            if made is not None and made.name in self._ones:
                found.append((value, self._ones[made.name]))
        return found

    def _find_scaled(self) -> None:
        for node in self._graph.nodes:
            for value, _ in self._products(node):
                self._scaled.add(TensorRef.parse(value).node)

    def _same_shape(self, value: str, shape: str) -> bool:
        """True where ``shape`` is the shape of ``value``, or of what was scaled to it."""
        asked = self._node(shape)
        if asked is None or asked.op != "Shape":
            return False
        wanted = str(TensorRef.parse(data_of(asked)[0])) if data_of(asked) else ""
        for _ in range(_DEEPEST):
            if str(TensorRef.parse(value)) == wanted:
                return True
            node = self._node(value)
            data = data_of(node) if node is not None else ()
            if node is None or not data or node.op not in ("Identity", "Mul", *_QUOTIENTS):
                return False
            if node.op != "Identity" and self._scalar(data[1] if len(data) > 1 else "") is None:
                return False
            value = data[0]
        return False


def _scalar_of(value: object) -> float | None:
    if not isinstance(value, LazyTensor) or value.shape.rank != 0 or value.dtype.kind not in "fi":
        return None
    return float(value.numpy())


def _identity(node: Node, data: str) -> Node:
    attrs = {key: value for key, value in node.attrs.items() if key in ("T", "_output_shapes")}
    return replace(node, op="Identity", inputs=(data, *controls_of(node)), attrs=attrs)
