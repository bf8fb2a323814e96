"""What running a model once costs: multiply-adds, as far as shapes allow to count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from migrator.collector import collector_paused
from migrator.graph.wiring import Wiring
from migrator.inspection.sources import placeholder_spec
from migrator.inspection.vocabulary import DEFAULTED, PLACEHOLDERS
from migrator.inspection.work import element_operations, is_product, multiply_adds
from migrator.model.brief import brief
from migrator.model.graph import Graph
from migrator.model.model import MetaGraph
from migrator.model.tensors import Shape, TensorRef
from migrator.ops.registry import op_facts
from migrator.shapes.propagate import Shapes, propagate

DEAREST = 20
_SIZED = "fiucq"
"""Kinds of types that an image, a text or a signal comes in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCost:
    """A product. ``node`` is FUNCTION/NODE in a function's body."""

    node: str
    op: str
    multiply_adds: int
    shape: Shape
    """Of what it gives."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Multiply-adds of convolutions and matrix products; ``element_operations`` of the others.

    A body is counted once, however often it is called or goes round, and of branches all are. An
    unknown batch counts as 1.
    """

    multiply_adds: int = 0
    counted: int = 0
    """Products that were counted."""
    by_op: Mapping[str, int] = field(default_factory=dict)
    """Multiply-adds, the dearest op first."""
    dearest: tuple[NodeCost, ...] = ()
    element_operations: int = 0
    uncounted: Mapping[str, int] = field(default_factory=dict)
    """Op -> nodes that compute something and could not be counted."""
    batch_of: tuple[str, ...] = ()
    """Inputs whose batch is unknown and was taken as 1."""
    open_inputs: Mapping[str, Shape] = field(default_factory=dict)
    """Inputs that leave more open than their batch, where that may be why products are not
    counted -> what is known of their shapes."""
    bodies: int = 0
    """Function bodies that were counted, once each."""
    loops: int = 0
    """While loops, whose rounds were counted as one."""
    outputs: tuple[str, ...] = ()
    """What is counted is what these need; the whole graph where there are none."""
    reason: str = ""
    """Why nothing was counted."""

    __repr__ = brief

    @property
    def nodes(self) -> int:
        """Products, counted or not, and ops of unknown work."""
        return self.counted + sum(self.uncounted.values())


def estimate(
    meta: MetaGraph,
    outputs: tuple[str, ...] = (),
    given: Mapping[str, Shape] | None = None,
) -> Cost:
    """What ``outputs`` cost (the whole graph where none are named). Linear; runs nothing.

    ``given``: shapes of inputs by tensor name, where the graph leaves them open.
    """
    if meta.declared is not None:  # nodes are TFLite's operators or Keras' layers
        from migrator.inspection.layer_cost import estimate_layers

        return estimate_layers(meta.graph, given or {})
    with collector_paused():
        return _estimate(meta.graph, outputs, given or {})


def _estimate(graph: Graph, outputs: tuple[str, ...], given: Mapping[str, Shape]) -> Cost:
    wiring = Wiring(graph)
    known = tuple(name for name in outputs if wiring.tensor(name) is not None)
    named = {str(TensorRef.parse(name)): shape for name, shape in given.items()}
    single = {name: shape for name, shape in _single(graph).items() if name not in named}
    shapes = propagate(graph, {**single, **named}, wiring=wiring, wanted=known or None)
    tally = _Tally(graph, shapes)
    tally.run()
    looked = {node.name for node, _, _ in shapes.nodes()}
    return Cost(
        multiply_adds=sum(tally.by_op.values()),
        counted=len(tally.products),
        by_op=dict(sorted(tally.by_op.items(), key=lambda item: (-item[1], item[0]))),
        dearest=tuple(
            sorted(tally.products, key=lambda item: (-item.multiply_adds, item.node))[:DEAREST]
        ),
        element_operations=tally.elements,
        uncounted=dict(sorted(tally.uncounted.items(), key=lambda item: (-item[1], item[0]))),
        batch_of=tuple(name for name in single if TensorRef.parse(name).node in looked),
        open_inputs=_open(graph, looked, {**single, **named}) if tally.uncounted else {},
        bodies=tally.bodies,
        loops=tally.loops,
        outputs=known,
    )


def _single(graph: Graph) -> dict[str, Shape]:
    """Shapes of inputs whose batch is unknown, with a batch of one."""
    found = {}
    for node in graph.nodes:
        if node.op in PLACEHOLDERS or node.op == DEFAULTED:
            dims = placeholder_spec(graph, node)[1].dims
            if dims and dims[0] is None:
                found[f"{node.name}:0"] = Shape((1, *dims[1:]))
    return found


def _open(graph: Graph, looked: Set[str], known: Mapping[str, Shape]) -> dict[str, Shape]:
    """Inputs among the nodes ``looked`` at whose sizes, those ``known`` aside, are open.

    Those of unknown rank only where no input has a known one: beside it they are rates and flags.
    """
    found: dict[str, Shape] = {}
    has_rank = False
    for node in graph.nodes:
        if node.name in looked and node.op in (*PLACEHOLDERS, DEFAULTED):
            dtype, shape = placeholder_spec(graph, node)
            dims = known.get(f"{node.name}:0", shape).dims
            if dtype is None or dtype.kind not in _SIZED:
                continue
            has_rank = has_rank or bool(dims)
            if None in dims if dims is not None else node.op in PLACEHOLDERS:
                found[node.name] = shape
    return {name: shape for name, shape in found.items() if shape.dims or not has_rank}


class _Tally:
    """Counts the top level, then every body that it calls."""

    def __init__(self, graph: Graph, shapes: Shapes) -> None:
        self._graph = graph
        self._shapes = shapes
        self.by_op: Counter[str] = Counter()
        self.uncounted: Counter[str] = Counter()
        self.products: list[NodeCost] = []
        self.elements = 0
        self.bodies = 0
        self.loops = 0

    def run(self) -> None:
        names = [""]
        seen = {""}
        for name in names:  # it grows while we walk
            for called in self._scope(name):
                if called in self._graph.functions and called not in seen:
                    seen.add(called)
                    names.append(called)
        self.bodies = len(names) - 1

    def _scope(self, function: str) -> list[str]:
        """Counts one graph; names of the functions that its nodes call."""
        prefix = f"{function}/" if function else ""
        called: list[str] = []
        for node, given, made in self._shapes.nodes(function):
            called += node.called
            op = node.op
            if op in self._graph.functions:
                called.append(op)
            elif op in ("LoopCond", "While", "StatelessWhile"):
                self.loops += 1
            elif is_product(op):
                work = multiply_adds(node, given, made)
                if work is None:
                    self.uncounted[op] += 1
                    continue
                self.by_op[op] += work
                shape = Shape(made[0].dims if made else None)
                self.products.append(
                    NodeCost(node=prefix + node.name, op=op, multiply_adds=work, shape=shape)
                )
            elif op_facts(op) is None:  # somebody's own: who knows what it computes
                self.uncounted[op] += 1
            else:
                self.elements += element_operations(node, given, made) or 0
        return called
