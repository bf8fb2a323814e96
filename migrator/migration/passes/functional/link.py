"""Graphs and function bodies as linked items, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from migrator.migration.passes.functional.items import (
    ARGUMENT,
    GIVEN,
    Item,
    Tensor,
    Unconvertible,
    in_order,
)
from migrator.migration.passes.functional.library import Library
from migrator.model.graph import Function, Graph, Node, index_nodes
from migrator.model.tensors import UNKNOWN_SHAPE, TensorRef, TensorSpec
from migrator.ops.registry import output_ports


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linked:
    """A graph's top level, or a function's body, as items that refer to each other."""

    name: str
    """The function's name, empty for the top level."""
    sources: dict[Item, TensorSpec]
    """Arguments in their order; given tensors at the top level."""
    items: Sequence[Item]
    results: list[Tensor]
    controls: tuple[Item, ...] = ()
    function: Function | None = None


def link_graph(graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]) -> Linked:
    """The top level; its results are ``keep`` as far as nodes make them.

    Raises Unconvertible for an input that no node makes.
    """
    sources: dict[tuple[str, int], Item] = {}
    specs: dict[Item, TensorSpec] = {}
    for name, spec in given.items():
        ref = TensorRef.parse(name)
        source = Item(str(ref), GIVEN, {}, -1, dtype=spec.dtype.base)
        sources[ref.node, ref.port] = source
        specs[source] = spec
    nodes = graph.by_name.values()
    items = {
        node.name: Item(node.name, node.op, node.attrs, order) for order, node in enumerate(nodes)
    }

    def tensor(text: str, where: str) -> Tensor:
        found = items.get(text)
        ref = TensorRef(text) if found is not None else TensorRef.parse(text)
        source = sources.get((ref.node, ref.port))
        if source is not None:
            return source, 0
        found = found or items.get(ref.node)
        if found is None or ref.arg:
            raise Unconvertible(f"{text!r} comes from no node", where=where)
        return found, ref.port

    for node in nodes:
        item = items[node.name]
        for text in node.inputs:
            if text[:1] != "^":
                item.inputs.append(tensor(text, node.name))
            elif text[1:] in items:
                item.controls.append(items[text[1:]])
    wanted = [TensorRef.parse(name) for name in keep]
    results = [
        tensor(str(ref), "")
        for ref in wanted
        if (ref.node, ref.port) not in sources and ref.node in items
    ]
    return Linked(
        name="", sources=specs, items=[*sources.values(), *items.values()], results=results
    )


def link_function(function: Function, library: Library) -> Linked:
    """A function's body. Raises Unconvertible for an input that nothing makes."""
    items: dict[str, Item] = {}
    ports: dict[str, dict[str, tuple[int, int]]] = {}
    sources: dict[Item, TensorSpec] = {}
    for order, spec in enumerate(function.inputs):
        if not spec.dtype.known:
            raise Unconvertible("an argument of no known type", where=function.name)
        argument = Item(spec.tensor, ARGUMENT, {}, order, dtype=spec.dtype.base)
        items[spec.tensor] = argument
        sources[argument] = spec
    for order, node in enumerate(function.nodes, len(sources)):
        items[node.name] = Item(node.name, node.op, node.attrs, order)
        called = library.functions.get(node.op)
        if called is not None:
            ports[node.name] = {spec.tensor: (port, 1) for port, spec in enumerate(called.outputs)}
        else:
            ports[node.name] = output_ports(node) or {}

    def tensor(text: str) -> Tensor:
        ref = TensorRef.parse(text)
        item = items.get(ref.node)
        start, count = ports.get(ref.node, {}).get(ref.arg, (0, 0 if ref.arg else 1))
        if item is None or not 0 <= ref.port < count:
            raise Unconvertible(f"{text!r} comes from no node", where=function.name)
        return item, start + ref.port

    for node in function.nodes:
        item = items[node.name]
        for text in node.inputs:
            if text[:1] != "^":
                item.inputs.append(tensor(text))
            elif text[1:] in items:
                item.controls.append(items[text[1:]])
    returned = [function.returns.get(spec.tensor) for spec in function.outputs]
    controls = [items.get(name) for name in function.control_returns.values()]
    return Linked(
        name=function.name,
        sources=sources,
        items=list(items.values()),
        results=[tensor(text) for text in returned if text is not None],
        controls=tuple(item for item in controls if item is not None),
        function=function,
    )


def unlink_graph(graph: Graph, linked: Linked, library: Library) -> Graph:
    """The graph of what the results need, in the order of the nodes."""
    kept = in_order([item for item, _ in linked.results], "")
    kept.sort(key=lambda item: item.order)
    nodes = tuple(library.graph_node(item) for item in kept if item.op != GIVEN)
    return with_nodes(graph, nodes, library)


def with_nodes(graph: Graph, nodes: Sequence[Node], library: Library) -> Graph:
    by_name, duplicates = index_nodes(nodes)
    return replace(
        graph, nodes=nodes, functions=library.functions, by_name=by_name, duplicates=duplicates
    )


def unlink_function(linked: Linked, library: Library) -> None:
    """Put a changed body into the library: its nodes, arguments and results.

    Names of arguments stay; those of results too where their number does.
    """
    function = linked.function
    assert function is not None
    roots = [*(item for item, _ in linked.results), *linked.controls]
    kept = [item for item in in_order(roots, function.name) if item.op != ARGUMENT]
    outputs = function.outputs
    if len(outputs) != len(linked.results):
        outputs = tuple(
            TensorSpec(tensor=f"result_{k}", dtype=library.dtype(tensor), shape=UNKNOWN_SHAPE)
            for k, tensor in enumerate(linked.results)
        )
    outputs = tuple(
        replace(spec, dtype=library.dtype(tensor))
        for spec, tensor in zip(outputs, linked.results, strict=True)
    )
    library.functions[function.name] = replace(
        function,
        nodes=tuple(library.body_node(item) for item in kept),
        inputs=tuple(
            replace(spec, dtype=item.dtype or spec.dtype) for item, spec in linked.sources.items()
        ),
        outputs=outputs,
        returns={
            spec.tensor: library.body_text(one)
            for spec, one in zip(outputs, linked.results, strict=True)
        },
        definition=None,
    )
