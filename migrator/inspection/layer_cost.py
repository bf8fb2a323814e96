"""What a TFLite file or a Keras model costs, by the shapes that it says or that were inferred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from migrator.inspection.cost import DEAREST, Cost, NodeCost
from migrator.inspection.layer_work import (
    BROADCASTS,
    KEEPS_BATCH,
    KEEPS_ELEMENTS,
    MOST,
    Step,
    is_layer_product,
    layer_elements,
    layer_products,
)
from migrator.inspection.work import is_product
from migrator.model.graph import Function, Graph, Node
from migrator.model.tensors import Shape, TensorRef
from migrator.ops.registry import op_facts
from migrator.shapes.facts import Dims, count

_INPUTS = frozenset(("Placeholder", "InputLayer"))
_FLEX = "Flex"
_FRAMES = "TimeDistributed"


def estimate_layers(graph: Graph, given: Mapping[str, Shape]) -> Cost:
    """Every body counts once for each call of it. Linear.

    Of ``given`` only the batch is taken: other sizes than the model says cannot be followed.
    """
    batch, reason = _batch(graph, given)
    if reason:
        return Cost(reason=reason)
    bodies = {name: _Body(graph, name, batch) for name in ("", *graph.functions)}
    times = _times(bodies)
    by_op: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    products: list[NodeCost] = []
    elements = 0
    open_batch: list[str] = []
    for name, body in bodies.items():
        often = times[name]
        if not often:
            continue
        open_batch += body.open if not given and body.root else []
        uncounted.update(body.uncounted)
        elements += often * body.elements
        for item in body.products:
            work = often * item.multiply_adds
            if work >= MOST:
                uncounted[item.op] += 1
                continue
            by_op[item.op] += work
            products.append(
                NodeCost(node=item.node, op=item.op, multiply_adds=work, shape=item.shape)
            )
    products.sort(key=lambda item: (-item.multiply_adds, item.node))
    return Cost(
        multiply_adds=sum(by_op.values()),
        counted=len(products),
        by_op=dict(sorted(by_op.items(), key=lambda item: (-item[1], item[0]))),
        dearest=tuple(products[:DEAREST]),
        element_operations=min(elements, MOST),
        uncounted=dict(sorted(uncounted.items(), key=lambda item: (-item[1], item[0]))),
        batch_of=tuple(open_batch),
        loops=sum(body.loops for name, body in bodies.items() if times[name]),
    )


def _batch(graph: Graph, given: Mapping[str, Shape]) -> tuple[int, str]:
    """The batch that ``given`` says, 1 where it says nothing; and why that cannot be counted."""
    found = set()
    for name, shape in given.items():
        node = graph.by_name.get(TensorRef.parse(name).node)
        dims = _shapes(node)[:1]
        said = dims[0] if dims else None
        if not said or not shape.dims or said[0] is not None or said[1:] != shape.dims[1:]:
            return 1, f"{name} is {Shape(said)} here, and no other sizes can be followed"
        found.add(shape.dims[0])
    if len(found) > 1 or None in found:
        return 1, "the given shapes have no batch in common"
    return next((size for size in found if size is not None), 1), ""


def _shapes(node: Node | None) -> list[Dims | None]:
    said = node.attrs.get("_output_shapes") if node is not None else None
    if not isinstance(said, list | tuple):
        return []
    return [item.dims if isinstance(item, Shape) else None for item in said]


class _Body:
    """Counts one graph as if it were called once."""

    def __init__(self, graph: Graph, name: str, batch: int) -> None:
        function: Function | None = graph.functions[name] if name else None
        self.nodes: Sequence[Node] = graph.nodes if function is None else function.nodes
        self.root = not name
        self.calls: Counter[str] = Counter()
        self.uncounted: Counter[str] = Counter()
        self.products: list[NodeCost] = []
        self.open: list[str] = []
        self.elements = 0
        self.loops = 0
        self._batch = batch
        self._functions = graph.functions
        self._known: dict[str, list[Dims | None]] = {}
        prefix = f"{name}/" if name else ""
        for spec in () if function is None else function.inputs:
            self._known[spec.tensor] = [self._fed(spec.shape.dims, prefix + spec.tensor)]
        for node in self.nodes:
            self._look(node, prefix)

    def _fed(self, dims: Dims | None, name: str) -> Dims | None:
        if not dims or dims[0] is not None:
            return dims
        self.open.append(name)
        return (self._batch, *dims[1:])

    def _look(self, node: Node, prefix: str) -> None:
        refs = [TensorRef.parse(item) for item in node.inputs]
        taken = [
            known[ref.port] if ref.port < len(known) else None
            for ref in refs
            for known in [self._known.get(ref.node, [])]
        ]
        made = _shapes(node)
        if node.op in _INPUTS:
            made = [self._fed(dims, f"{prefix}{node.name}:0") for dims in made]
        else:
            made = [self._closed(node, dims, taken) for dims in made]
        self._known[node.name] = made
        called = [item for item in node.called if item in self._functions]
        if node.op in self._functions:
            called.append(node.op)
        self.loops += node.op == "WHILE"
        step = Step(node.attrs, taken, made[0] if made else None)
        if called:
            self._call(node, called, step)
        elif is_layer_product(node.op, node.attrs):
            self._product(node, prefix, step)
            self.elements += layer_elements(node.op, step) or 0
        elif node.op.startswith(_FLEX):
            op = node.op.removeprefix(_FLEX)
            if is_product(op) or op_facts(op) is None:
                self.uncounted[node.op] += 1
        else:
            work = layer_elements(node.op, step)
            if work is None:
                self.uncounted[node.op] += 1
            self.elements += work or 0

    def _call(self, node: Node, called: Sequence[str], step: Step) -> None:
        often = 1
        if node.op == _FRAMES:  # once for each frame
            dims = step.given[0] if step.given else None
            frames = dims[1] if dims and len(dims) > 1 else None
            if frames is None:
                self.uncounted[node.op] += 1
                return
            often = min(frames, MOST)
        for name in called:
            self.calls[name] += often

    def _product(self, node: Node, prefix: str, step: Step) -> None:
        work = layer_products(node.op, step)
        if work is None:
            self.uncounted[node.op] += 1
            return
        self.products.append(
            NodeCost(
                node=prefix + node.name, op=node.op, multiply_adds=work, shape=Shape(step.made)
            )
        )

    def _closed(self, node: Node, dims: Dims | None, taken: Sequence[Dims | None]) -> Dims | None:
        """``dims`` with its unknown size, where it can only be what the batch makes of it."""
        if dims is None or dims.count(None) != 1:
            return dims
        if not node.op.isupper():  # layers of Keras leave the batch where it is
            return (self._batch, *dims[1:]) if dims[0] is None else dims
        place = dims.index(None)
        size = None
        if node.op in KEEPS_ELEMENTS:
            whole = count((taken[0] if taken else None) or (None,))
            rest = count((*dims[:place], *dims[place + 1 :]))
            size = whole // rest if whole is not None and rest and whole % rest == 0 else None
        elif place == 0 and (node.op in KEEPS_BATCH or _along_channels(node)):
            size = _leading(node, dims, taken)
        return (*dims[:place], size, *dims[place + 1 :])


def _along_channels(node: Node) -> bool:
    axis = node.attrs.get("axis")
    return node.op == "CONCATENATION" and isinstance(axis, int) and axis != 0


def _leading(node: Node, dims: Dims, taken: Sequence[Dims | None]) -> int | None:
    """The batch of what ``node`` takes, None where it is not clear which size that is."""
    if node.op in BROADCASTS:
        alike = [item for item in taken if item is None or len(item) >= len(dims)]
    else:
        slot = 2 if node.op == "TRANSPOSE_CONV" else 0
        alike = list(taken[slot : slot + 1])
    sizes = []
    for item in alike:
        if not item or None in item:
            return None
        sizes.append(item[0] or 0)
    return max(sizes, default=None)


def _times(bodies: Mapping[str, _Body]) -> dict[str, int]:
    """How often each body is called. A body that calls itself, as no file may, counts once."""
    order: list[str] = []
    state: dict[str, int] = {}
    called = {name for body in bodies.values() for name in body.calls}
    roots = [name for name in bodies if name not in called or not name]
    for root in roots:
        bodies[root].root = True
        stack = [(root, iter(bodies[root].calls))]
        state.setdefault(root, 1)
        while stack:
            name, rest = stack[-1]
            for other in rest:
                if other not in state:
                    state[other] = 1
                    stack.append((other, iter(bodies[other].calls)))
                    break
            else:
                order.append(name)
                stack.pop()
    found = dict.fromkeys(bodies, 0)
    found.update(dict.fromkeys(roots, 1))
    place = {name: number for number, name in enumerate(order)}
    for name in reversed(order):
        for other, often in bodies[name].calls.items():
            if place[other] < place[name]:
                found[other] = min(found[other] + found[name] * often, MOST)
    return found
