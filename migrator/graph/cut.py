"""A part of a graph: what some tensors need, cut at others. Linear in nodes and edges."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from migrator.errors import UsageError, did_you_mean
from migrator.graph.elements import Element, element_dtype, element_shape
from migrator.graph.free_names import FreeNames
from migrator.graph.wiring import Wiring
from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue, Graph, Node, index_nodes
from migrator.model.tensors import TensorRef
from migrator.ops.registry import output_dtypes

PLACEHOLDER_OP = "Placeholder"
_COLOCATION = "_class"
_LOCATED = b"loc:@"
_MARK = ".."
_MOST_MARKS = 64
_MOST_NAMES = 100_000
"""Names to look among for what was meant by one that is not there."""

_Output = tuple[int, int]
"""A node's number, and the port of its output; -1 for the node as a whole."""
_WHOLE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part of a graph, with the function library that it came with.

    ``placeholders``: tensor of the whole graph -> node that stands for it. ``untyped``: those of
    these nodes whose type cannot be told. ``unused``: what was named to cut at, in vain.
    """

    graph: Graph
    placeholders: dict[str, str]
    untyped: tuple[str, ...]
    unused: tuple[str, ...]


def parse_range(text: str, graph: Graph) -> tuple[list[str], list[str]]:
    """The two sides of ``FROM..TO``, of which one may be empty; several names by commas.

    Names of the graph may hold dots and commas themselves: meant is the reading whose names are
    all there. Raises UsageError where the text is no range, or can be read in several ways.
    """
    places = [at for at in range(len(text) - 1) if text.startswith(_MARK, at)][:_MOST_MARKS]
    if not places:
        raise UsageError(
            f"{ascii(text)[:300]} names no part of a graph", hint="write FROM..TO, FROM.. or ..TO"
        )
    readings = [(_names(text[:at], graph), _names(text[at + 2 :], graph)) for at in places]
    known = [
        (starts, ends)
        for starts, ends in readings
        if all(_is_known(name, graph) for name in (*starts, *ends))
    ]
    if len(known) > 1:
        raise UsageError(
            f"{ascii(text)[:300]} can be read in {len(known)} ways",
            hint="name one side at a time, or call export() with two lists",
        )
    return known[0] if known else readings[0]


def _names(text: str, graph: Graph) -> list[str]:
    if _is_known(text, graph):
        return [text]
    return [name.strip() for name in text.split(",") if name.strip()]


def _is_known(name: str, graph: Graph) -> bool:
    return name in graph.by_name or TensorRef.parse(name).node in graph.by_name


def cut_graph(graph: Graph, starts: Sequence[str], ends: Sequence[str]) -> Cut:
    """What ``ends`` need, with placeholders for ``starts``; both are tensors or nodes.

    A node stands for all its outputs. Without ``ends`` they are what takes from ``starts`` and
    feeds nothing itself; without ``starts`` nothing is cut. Nodes, in the order of the graph, are
    as they were but for colocation with, and control edges from, what is gone. Raises UsageError
    for names and outputs that are not there, and where nothing is named.
    """
    if not starts and not ends:
        raise UsageError("no tensor is named on either side", hint="write FROM..TO")
    wiring = Wiring(graph)
    given = {_find(name, wiring): name for name in starts}
    goals = [_find(name, wiring) for name in ends] if ends else _last(wiring, given, starts)
    needed, met = _backward(wiring, goals, given)
    return _built(graph, wiring, needed, met, given)


def _find(name: str, wiring: Wiring) -> _Output:
    """Raises UsageError for a node, or an output of one, that is not there."""
    number = wiring.index.get(name)
    if number is not None:
        return number, _WHOLE
    ref = TensorRef.parse_option(name)
    number = wiring.index.get(ref.node)
    if number is None:
        names = wiring.index if len(wiring.index) <= _MOST_NAMES else ()
        raise UsageError(
            f"there is no node {ascii(ref.node)[:300]}", hint=did_you_mean(ref.node[:300], names)
        )
    types = output_dtypes(wiring.nodes[number])
    if types is not None and ref.port >= len(types):
        raise UsageError(
            f"node {ascii(ref.node)[:300]} has {len(types)} outputs, there is no {ref.port}"
        )
    return number, ref.port


def _is_given(output: _Output, given: Collection[_Output]) -> bool:
    return output in given or (output[0], _WHOLE) in given


def _last(wiring: Wiring, given: Collection[_Output], starts: Iterable[str]) -> list[_Output]:
    """The nodes that take from what is ``given`` and that nothing takes from."""
    first = {
        consumer
        for number, _ in given
        for consumer in wiring.consumers[number]
        if any(_is_given(edge, given) for edge in wiring.inputs[consumer])
    }
    if not first:
        names = ", ".join(ascii(name)[:100] for name in starts)
        raise UsageError(f"nothing takes from {names}", hint="name what is wanted: FROM..TO")
    reached = wiring.forward(first)
    ends = [
        number
        for number in reached
        if not wiring.consumers[number] and not wiring.control_consumers[number]
    ]
    return [(number, _WHOLE) for number in sorted(ends or reached)]


def _backward(
    wiring: Wiring, goals: Iterable[_Output], given: Collection[_Output]
) -> tuple[set[int], set[_Output]]:
    """The nodes that ``goals`` need, and the given outputs that these nodes take."""
    needed: set[int] = set()
    met: set[_Output] = set()
    stack: list[int] = []

    def visit(output: _Output) -> None:
        if _is_given(output, given):
            met.add(output)
        elif output[0] not in needed:
            needed.add(output[0])
            stack.append(output[0])

    for number, port in goals:
        visit((number, max(port, 0)))
    while stack:
        number = stack.pop()
        for edge in wiring.inputs[number]:
            visit(edge)
        for producer in wiring.controls[number]:
            # To wait for a source that is given is to wait for nothing.
            source = (producer, 0) in given and not wiring.inputs[producer]
            if not source and (producer, _WHOLE) not in given:
                visit((producer, _WHOLE))
    return needed, met


def _built(
    graph: Graph,
    wiring: Wiring,
    needed: set[int],
    met: set[_Output],
    given: dict[_Output, str],
) -> Cut:
    taken = {wiring.nodes[number].name for number in needed}
    twice = set(graph.duplicates) & taken
    names = FreeNames((*wiring.index, *taken))
    stand_ins: dict[int, list[Node]] = {}
    renamed: dict[_Output, str] = {}
    placeholders: dict[str, str] = {}
    untyped = []
    for output in sorted(met):
        number, port = output
        node = wiring.nodes[number]
        name = node.name
        if port or name in taken:
            name = names.take(f"{node.name}_{port}")
            renamed[output] = name
        taken.add(name)
        made = _placeholder(graph, node, port, name)
        if "dtype" not in made.attrs:
            untyped.append(name)
        stand_ins.setdefault(number, []).append(made)
        placeholders[f"{node.name}:{port}"] = name
    nodes: list[Node] = []
    for number, node in enumerate(wiring.nodes):
        nodes += stand_ins.get(number, ())
        # Every node of a needed name, so that a second one is seen for what it is.
        if number in needed or node.name in twice:
            nodes.append(_cleaned(node, taken, renamed, wiring))
    by_name, duplicates = index_nodes(nodes)
    reached = {(number, _WHOLE) for number, _ in met} | met
    return Cut(
        graph=replace(graph, nodes=tuple(nodes), by_name=by_name, duplicates=duplicates),
        placeholders=placeholders,
        untyped=tuple(untyped),
        unused=tuple(name for output, name in given.items() if output not in reached),
    )


def _placeholder(graph: Graph, node: Node, port: int, name: str) -> Node:
    """What stands for an output; a placeholder stands for itself."""
    if node.op == PLACEHOLDER_OP and node.name == name:
        return node
    element = Element(node.name, node.op, node)
    dtype = element_dtype(element, port)
    function = graph.functions.get(node.op)
    if dtype is None and function is not None and port < len(function.outputs):
        dtype = function.outputs[port].dtype
    attrs: dict[str, AttrValue] = {"shape": element_shape(element, port)}
    if dtype is not None and dtype.known:
        attrs["dtype"] = DType(dtype.base)
    return Node(name, PLACEHOLDER_OP, (), node.device, attrs)


def _cleaned(
    node: Node, names: Collection[str], renamed: dict[_Output, str], wiring: Wiring
) -> Node:
    """Without control edges from what is gone, and with the new names of what is given."""
    inputs = node.inputs
    if renamed or any(text[:1] == "^" and text[1:] not in names for text in inputs):
        inputs = tuple(
            _renamed(text, renamed, wiring)
            for text in inputs
            if text[:1] != "^" or text[1:] in names
        )
    attrs = node.attrs
    places = attrs.get(_COLOCATION)
    if isinstance(places, list):
        kept = [item for item in places if _is_there(item, names)]
        if len(kept) < len(places):
            attrs = {key: attrs[key] for key in attrs if key != _COLOCATION}
            if kept:
                attrs[_COLOCATION] = kept
    if inputs == node.inputs and attrs is node.attrs:
        return node
    return replace(node, inputs=inputs, attrs=attrs)


def _renamed(text: str, renamed: dict[_Output, str], wiring: Wiring) -> str:
    if text[:1] == "^":
        return text
    ref = TensorRef.parse(text) if text not in wiring.index else TensorRef(text)
    number = wiring.index.get(ref.node)
    return text if number is None else renamed.get((number, ref.port), text)


def _is_there(place: AttrValue, names: Collection[str]) -> bool:
    if not isinstance(place, bytes) or not place.startswith(_LOCATED):
        return True
    return place[len(_LOCATED) :].decode("utf-8", "replace") in names
