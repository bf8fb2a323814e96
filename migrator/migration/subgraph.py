"""Cut a graph down to what its outputs need, with the plan's changes made.

Done on the graph before TensorFlow sees it: unreachable nodes, known or not, then do no harm,
and TensorFlow's own costly pruning is not needed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from migrator.formats.tensors import constant_tensor
from migrator.graph.wiring import Wiring
from migrator.inspection.vocabulary import DEFAULTED
from migrator.migration.fold import fold_switches
from migrator.migration.plan import Feed, Step, Subgraph
from migrator.migration.resolve import Resolved
from migrator.model.dtypes import BOOL
from migrator.model.graph import Function, Graph, Node, index_nodes
from migrator.model.tensors import LazyTensor, TensorRef

COLOCATION = "_class"
_DEVICES = Step(code="strip_devices", text="device strings are removed")


def cut_subgraph(graph: Graph, resolved: Resolved) -> tuple[Graph, tuple[Step, ...]]:
    """The graph that the outputs need, and the steps that led there.

    A node that only makes inputs is not in it: the importer maps its tensors.
    """
    steps: list[Step] = []
    inputs = [item.tensor for item in resolved.inputs]
    outputs = [item.tensor for item in resolved.outputs]
    fed = [feed.tensor for feed in resolved.feeds]
    needed = _needed(graph, outputs, [*inputs, *fed])
    fixed, constants = _with_feeds(needed, resolved.feeds)
    kept = with_nodes(graph, fixed)
    given = {TensorRef.parse(tensor).node for tensor in inputs}
    folded = fold_switches(kept, _fixed_bools(kept, resolved, constants), given=given)
    if folded.switches:
        steps.append(
            Step(
                code="fold_branches",
                text="branches that a fixed predicate never takes are cut",
                count=folded.switches,
            )
        )
    kept = with_nodes(graph, folded.nodes)
    nodes = _needed(kept, outputs, inputs)
    names = {node.name for node in nodes}
    settled = {TensorRef.parse(option.tensor).node for option in resolved.options}
    nodes = tuple(_settled(_cleaned(node, names), settled) for node in nodes)
    for feed in resolved.feeds:
        steps.append(Step(code="fold_feed", text=f"{feed.tensor} is fixed to {feed.value!r}"))
    for option in resolved.options:
        node = TensorRef.parse(option.tensor).node
        if node in names:
            steps.append(
                Step(code="keep_default", text=f"{option.tensor} {option.reasons[0]} and keeps it")
            )
    steps += _count_steps(graph, nodes, inputs)
    cut = with_nodes(graph, nodes)
    called = called_functions(graph, nodes)
    steps = _with_devices_of(called, steps)
    functions = {function.name: without_devices(function) for function in called}
    return replace(cut, functions=functions), tuple(steps)


def without_devices(function: Function) -> Function:
    """The function with no node bound to a device."""
    if not any(node.device for node in function.nodes):
        return function
    definition = function.definition
    if definition is not None:
        definition = type(definition).FromString(definition.SerializeToString())
        for item in definition.node_def:
            item.device = ""
    nodes = tuple(replace(node, device="") for node in function.nodes)
    return replace(function, nodes=nodes, definition=definition)


def _with_devices_of(functions: Sequence[Function], steps: list[Step]) -> list[Step]:
    """The steps, with the devices in function bodies counted."""
    count = sum(1 for function in functions for node in function.nodes if node.device)
    if not count:
        return steps
    before = sum(step.count for step in steps if step.code == _DEVICES.code)
    others = [step for step in steps if step.code != _DEVICES.code]
    return [*others, replace(_DEVICES, count=before + count)]


def prune(graph: Graph, keep: Sequence[str], given: Sequence[str]) -> Graph:
    """Without what ``keep`` does not need any more after a rewrite."""
    nodes = _needed(graph, keep, given)
    names = {node.name for node in nodes}
    nodes = tuple(_cleaned(node, names) for node in nodes)
    functions = {function.name: function for function in called_functions(graph, nodes)}
    if len(nodes) == len(graph.nodes) and len(functions) == len(graph.functions):
        return graph
    return replace(with_nodes(graph, nodes), functions=functions)


def constant_bytes(graph: Graph) -> int:
    """Stored bytes of the constants at the graph's top level."""
    return sum(
        value.stored_bytes
        for node in graph.nodes
        if node.op == "Const" and isinstance(value := node.attrs.get("value"), LazyTensor)
    )


def as_subgraph(graph: Graph, **taken: Mapping[str, str]) -> Subgraph:
    """What TensorFlow imports; ``taken`` as ``Subgraph`` describes it."""
    return Subgraph(
        nodes=tuple(graph.nodes),
        functions=tuple(graph.functions.values()),
        versions=graph.versions,
        constant_bytes=constant_bytes(graph),
        **taken,
    )


def _needed(graph: Graph, outputs: Sequence[str], given: Sequence[str]) -> tuple[Node, ...]:
    """Nodes that tensors ``outputs`` need when ``given`` ones are, in the order of the graph.

    Every node of a needed name, so that a second one is seen for what it is.
    """
    cone = Wiring(graph).needed_for(outputs, given)
    if not graph.duplicates:
        return tuple(graph.nodes[number] for number in sorted(cone))
    names = {graph.nodes[number].name for number in cone}
    return tuple(node for node in graph.nodes if node.name in names)


def with_nodes(graph: Graph, nodes: Sequence[Node]) -> Graph:
    """``graph`` with other nodes at its top level."""
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates)


def _with_feeds(
    nodes: Sequence[Node], feeds: Sequence[Feed]
) -> tuple[tuple[Node, ...], dict[str, str]]:
    """Let a constant take the place of each fed tensor; also gives tensor -> constant's name.

    It takes the node's name too, where nothing else of that node is needed.
    """
    names = {node.name for node in nodes}
    constants = []
    named: dict[str, str] = {}
    moved: dict[str, str] = {}
    for feed in feeds:
        ref = TensorRef.parse(feed.tensor)
        name = ref.node if ref.node not in names and not ref.port else _free_name(feed, names)
        attrs = {"dtype": feed.dtype, "value": constant_tensor(feed.value, feed.dtype)}
        constants.append(Node(name, "Const", (), "", attrs))
        named[feed.tensor] = name
        if name != ref.node:
            moved |= dict.fromkeys(_spellings(ref), name)
    if moved:
        nodes = [
            replace(node, inputs=tuple(moved.get(text, text) for text in node.inputs))
            if any(text in moved for text in node.inputs)
            else node
            for node in nodes
        ]
    return (*constants, *nodes), named


def _free_name(feed: Feed, names: set[str]) -> str:
    name = f"{TensorRef.parse(feed.tensor).node}/fed_{TensorRef.parse(feed.tensor).port}"
    while name in names:
        name += "_"
    return name


def _spellings(ref: TensorRef) -> list[str]:
    """The ways in which a NodeDef may write a tensor."""
    return [str(ref)] if ref.port else [str(ref), ref.node]


def _fixed_bools(graph: Graph, resolved: Resolved, constants: Mapping[str, str]) -> dict[str, bool]:
    """Scalar bools whose value is settled, by node: feeds, and defaults that stand."""
    values: dict[str, bool] = {}
    for feed in resolved.feeds:
        if feed.dtype == BOOL and isinstance(feed.value, bool):
            values[constants[feed.tensor]] = feed.value
    for option in resolved.options:
        node = graph.by_name.get(TensorRef.parse(option.tensor).node)
        if node is None or node.op != DEFAULTED or option.dtype != BOOL:
            continue
        source = graph.by_name.get(node.data_refs[0].node) if node.data_refs else None
        value = source.attrs.get("value") if source is not None else None
        if isinstance(value, LazyTensor) and value.dtype == BOOL and value.shape.rank == 0:
            values[node.name] = bool(value.numpy())
    return values


def _settled(node: Node, defaults: Collection[str]) -> Node:
    """A placeholder that keeps its default is that value: nobody can feed it any more."""
    if node.op != DEFAULTED or node.name not in defaults:
        return node
    dtype = node.attrs.get("dtype")
    return replace(node, op="Identity", attrs={"T": dtype})


def _cleaned(node: Node, names: set[str]) -> Node:
    """Without device and colocation, without control edges to what was cut."""
    inputs = node.inputs
    if any(text.startswith("^") and text[1:] not in names for text in inputs):
        inputs = tuple(text for text in inputs if not text.startswith("^") or text[1:] in names)
    attrs = node.attrs
    if COLOCATION in attrs:
        attrs = {key: attrs[key] for key in attrs if key != COLOCATION}
    if inputs is node.inputs and attrs is node.attrs and not node.device:
        return node
    return replace(node, device="", inputs=inputs, attrs=attrs)


def _count_steps(graph: Graph, nodes: Sequence[Node], inputs: Sequence[str]) -> list[Step]:
    by_name = graph.by_name
    originals = [by_name[node.name] for node in nodes if node.name in by_name]
    steps = []
    kept = {node.name for node in nodes} | {TensorRef.parse(tensor).node for tensor in inputs}
    gone = sum(1 for node in graph.nodes if node.name not in kept)
    if gone:
        steps.append(
            Step(code="prune", text="nodes that the outputs do not need are left out", count=gone)
        )
    devices = sum(1 for node in originals if node.device)
    if devices:
        steps.append(replace(_DEVICES, count=devices))
    colocated = sum(1 for node in originals if COLOCATION in node.attrs)
    if colocated:
        steps.append(Step(code="strip_colocation", text="colocation is removed", count=colocated))
    return steps


def called_functions(graph: Graph, nodes: Sequence[Node]) -> tuple[Function, ...]:
    """The library functions that ``nodes`` call, directly or not. Safe on recursion."""
    found: dict[str, Function] = {}
    stack = [name for node in nodes for name in (*node.called, node.op)]
    while stack:
        name = stack.pop()
        function = graph.functions.get(name)
        if function is None or name in found:
            continue
        found[name] = function
        stack.append(function.gradient)
        stack += [called for node in function.nodes for called in (*node.called, node.op)]
    return tuple(function for name, function in graph.functions.items() if name in found)
