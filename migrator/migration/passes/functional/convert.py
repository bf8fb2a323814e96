"""The pass: loops from the inside out, then conditions, at the top level and in functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from migrator.migration.passes.functional.conds import Conditions
from migrator.migration.passes.functional.frames import find_frames
from migrator.migration.passes.functional.items import (
    DATAFLOW_CONTROL,
    Budget,
    Item,
    Tensor,
    Unconvertible,
    in_order,
)
from migrator.migration.passes.functional.library import Library
from migrator.migration.passes.functional.link import (
    link_function,
    link_graph,
    unlink_function,
    unlink_graph,
)
from migrator.migration.passes.functional.loops import convert_frame
from migrator.migration.passes.functional.naming import name_functions_by_content
from migrator.migration.passes.functional.shapes import with_output_shapes
from migrator.migration.plan import Step
from migrator.model.graph import Function, Graph
from migrator.model.tensors import TensorRef, TensorSpec


def functional_control_flow(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Turn Switch, Merge, Enter, Exit, NextIteration and LoopCond into While and If.

    Exits and Merges stay as Identity nodes under their names. Nodes that only the old form needed
    are left out. Linear in the graph. Raises Unconvertible where no functional form is sure to
    compute the same; a graph without dataflow control comes back as it is.
    """
    top = any(node.op in DATAFLOW_CONTROL for node in graph.nodes)
    lowered = [
        function
        for function in graph.functions.values()
        if any(node.op in DATAFLOW_CONTROL for node in function.nodes)
    ]
    if not top and not lowered:
        return graph, ()
    taken = {node.name for node in graph.all_nodes()}
    taken |= {TensorRef.parse(name).node for name in (*given, *keep)}
    library = Library(graph.functions, taken)
    budget = Budget(len(taken))
    loops = conditions = 0
    for function in lowered:
        found = _convert_function(function, library, budget)
        loops, conditions = loops + found[0], conditions + found[1]
    made = replace(graph, functions=library.functions)
    if top:
        made, *numbers = _convert_graph(graph, given, keep, library, budget)
        loops, conditions = loops + numbers[0], conditions + numbers[1]
    steps = []
    if loops:
        text = "while loops of TensorFlow 1 become While, with functions"
        steps.append(Step(code="functional_loops", text=text, count=loops))
    if conditions:
        text = "conditions of TensorFlow 1 become If, with functions"
        steps.append(Step(code="functional_conditions", text=text, count=conditions))
    return name_functions_by_content(with_output_shapes(made, given, keep)), tuple(steps)


def _convert_graph(
    graph: Graph,
    given: Mapping[str, TensorSpec],
    keep: Collection[str],
    library: Library,
    budget: Budget,
) -> tuple[Graph, int, int]:
    linked = link_graph(graph, given, keep)
    found, loops, conditions = _convert_region(linked.items, linked.results, library, budget)
    if found != linked.results:
        raise Unconvertible("has no place of its own", where=linked.results[0][0].name)
    return unlink_graph(graph, linked, library), loops, conditions


def _convert_region(
    items: Sequence[Item], results: Sequence[Tensor], library: Library, budget: Budget
) -> tuple[list[Tensor], int, int]:
    """Convert what is linked, in place. Gives the results, the numbers of loops and conditions."""
    frames = find_frames(items)
    loops = conditions = 0
    for item, _ in results:
        if frames.of[item] is not frames.root:
            raise Unconvertible("is made inside of a loop, yet wanted outside", where=item.name)
    for place in sorted(frames.members, key=lambda one: -one.depth):
        if place.parent is not None:
            found = convert_frame(place, frames, library, budget)
            loops, conditions = loops + found[0], conditions + found[1]
    order = in_order([item for item, _ in results], "")
    branches = Conditions(order, library, budget)
    tensors = branches.convert(results)
    return tensors, loops, conditions + branches.count


def _convert_function(function: Function, library: Library, budget: Budget) -> tuple[int, int]:
    """Convert a function's body; the new one takes its place in the library."""
    linked = link_function(function, library)
    ends = [*linked.results, *((item, 0) for item in linked.controls)]
    found, loops, conditions = _convert_region(linked.items, ends, library, budget)
    linked.results[:] = found[: len(linked.results)]
    unlink_function(linked, library)
    return loops, conditions
