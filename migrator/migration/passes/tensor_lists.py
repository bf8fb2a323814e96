"""TensorArrays become tensor lists, through loops and branches.

A TensorArray is a resource (its handle) whose operations are put in order by a float that is
handed on (its flow). A tensor list is a value, so the flow becomes the list and the handle goes.
XLA and TFLite take lists only. Runs after ``functional_control_flow``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from migrator.migration.passes.functional.items import Item, Unconvertible
from migrator.migration.passes.functional.library import Library
from migrator.migration.passes.functional.link import (
    Linked,
    link_graph,
    unlink_function,
    unlink_graph,
)
from migrator.migration.passes.functional.naming import name_functions_by_content
from migrator.migration.passes.functional.shapes import Shapes, link_called, with_output_shapes
from migrator.migration.passes.list_rewrite import Rewrite
from migrator.migration.passes.list_trace import (
    CONCAT,
    FAMILY,
    GATHER,
    READ,
    SCATTER,
    SIZE,
    SPLIT,
    WRITE,
    Trace,
)
from migrator.migration.plan import Step
from migrator.model.graph import Graph
from migrator.model.tensors import TensorSpec
from migrator.shapes.facts import UNKNOWN, Dims, Fact, join, meet

_ROUNDS = 4


def tensor_lists(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Turn TensorArrays into tensor lists with element shapes as static as they can be told.

    Raises Unconvertible where an array is used in a way that a list cannot follow: its gradient,
    two writers of one flow, control flow that is still in TensorFlow 1's form.
    """
    if not any(node.op in FAMILY for node in graph.all_nodes()):
        return graph, ()
    library = Library(graph.functions, (node.name for node in graph.all_nodes()))
    top = link_graph(graph, given, keep)
    bodies = link_called(graph, library)
    for name, function in graph.functions.items():
        if name not in bodies and any(node.op in FAMILY for node in function.nodes):
            raise Unconvertible("a TensorArray in a function that no loop calls", where=name)
    trace = Trace(top, bodies)
    trace.run()
    shapes = _element_shapes(top, bodies, trace)
    rewrite = Rewrite(library, trace, shapes)
    for scope in (*trace.callees_first(), top):
        rewrite.scope(scope)
        if scope is not top:
            unlink_function(scope, library)
    made = unlink_graph(graph, top, library)
    step = Step(
        code="tensor_lists",
        text="TensorArrays become tensor lists",
        count=len(trace.arrays),
    )
    made = with_output_shapes(made, given, keep)
    return name_functions_by_content(made), (step,)


def _element_shapes(top: Linked, bodies: Mapping[str, Linked], trace: Trace) -> Shapes:
    """Settle each array's element shape from its attribute and from what is put into it."""

    def hook(item: Item, facts: Sequence[Fact]) -> Sequence[Fact] | None:
        array = trace.used.get(item)
        if array is None:
            return None
        if item.op in READ:
            return [Fact(array.element)]
        if item.op in GATHER:
            count = facts[1].dims[0] if facts[1].dims else None
            return [UNKNOWN if array.element is None else Fact((count, *array.element))]
        if item.op in CONCAT:
            rest = array.element[1:] if array.element else None
            return [UNKNOWN if rest is None else Fact((None, *rest)), Fact((None,))]
        return [Fact(()), Fact(())] if item.op in SIZE else [UNKNOWN, UNKNOWN]

    shapes = Shapes(top, bodies, hook)
    for _ in range(_ROUNDS):
        shapes.run()
        before = [array.element for array in trace.arrays]
        stored: dict[Item, Fact] = {}
        for item, array in trace.used.items():
            if item.op in WRITE | SCATTER | SPLIT:
                slot = 1 if item.op in SPLIT else 2
                fact = Fact(_stored(item, shapes.dims(item.inputs[slot])))
                stored[array.item] = (
                    join(stored[array.item], fact) if array.item in stored else fact
                )
        for array in trace.arrays:
            found = stored.get(array.item, UNKNOWN).dims
            array.element = meet(array.declared, found)
        if before == [array.element for array in trace.arrays]:
            break
    return shapes


def _stored(item: Item, dims: Dims | None) -> Dims | None:
    """The shape of the elements that an operation puts in."""
    if dims is None or item.op in WRITE:
        return dims
    if not dims:
        return None
    return dims[1:] if item.op in SCATTER else (None, *dims[1:])
