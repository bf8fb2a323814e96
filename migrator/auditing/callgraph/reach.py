"""How the nodes of a model come to run: from a signature, at load, by restore, by nothing.

Backward walks over the top-level graph from everything that is asked of it, then the kinds of
the callers handed down the calls. Work is linear in nodes, edges and calls; a mask of bits per
node and function says which of the labels hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from migrator.auditing.callgraph.calls import SYMBOLIC_GRADIENT, functions_named, interfaces
from migrator.auditing.callgraph.object_functions import object_functions
from migrator.auditing.callgraph.starts import Start, find_starts
from migrator.auditing.contents.bodies import Body, Place
from migrator.graph.wiring import Wiring
from migrator.model.graph import Function, Node
from migrator.model.model import MetaGraph
from migrator.model.tensors import TensorRef
from migrator.ops.registry import op_facts

LOAD = "load"
RESTORE = "restore"
SIGNATURE = "signature"
CALL = "call"
SAVE = "save"
OUTPUT = "output"
INIT = "init"
TRAIN = "train"
GRADIENT = "gradient"
NOTHING = "nothing"

KINDS = (LOAD, RESTORE, SIGNATURE, CALL, SAVE, OUTPUT, INIT, TRAIN, GRADIENT)
"""The gravest first."""
_MOST_LABELS = 32
"""Names of one kind that are kept apart; the others share ``KIND:...``."""
_WALKS = 12
"""The walks from signatures may take this many times the graph's nodes and edges; then the rest
of the signatures is walked as one."""


class Reach:
    """Answers for one meta graph how its places are reached; worked out when first asked."""

    def __init__(self, meta: MetaGraph, bodies: tuple[Body, ...]) -> None:
        self._meta = meta
        self._bodies = bodies
        self._said: dict[int, tuple[str, ...]] = {}

    def of(self, place: Place) -> tuple[str, ...]:
        """The gravest first, such as ``("load", "signature:serving_default")``.

        ``load`` (an initializer: runs before any call), ``restore`` (runs at load too),
        ``signature:KEY``, ``call:NAME`` (a TF2 object's function), ``save``, ``output`` (a bare
        graph's own outputs), ``init`` (first values of variables and tables, where a program
        asks for them), ``train``, ``gradient:NAME``, ``nothing``.
        """
        labels, masks = self._found
        mask = masks.get(id(place.body), {}).get(id(place.node), 0)
        said = self._said.get(mask)
        if said is None:
            found = tuple(label for bit, label in enumerate(labels) if mask >> bit & 1)
            said = self._said[mask] = found or (NOTHING,)
        return said

    @cached_property
    def _found(self) -> tuple[list[str], dict[int, dict[int, int]]]:
        """Labels by bit; body -> node -> mask, by their ids: bodies and nodes have no equality."""
        wiring = Wiring(self._meta.graph)
        starts = list(find_starts(self._meta, wiring))
        entries = _entries(self._meta)
        labels = _Labels([start.label for start in starts] + [label for label, _ in entries])
        masks: dict[int, dict[int, int]] = {}
        for group in _graphs(self._bodies):
            top = group[0]
            nodes = top.nodes
            if top.holder is None:
                found = _walk(wiring, starts, labels)
                named = [(labels.bit(label), name) for label, name in entries]
            else:  # what its holder has, all of it
                holder = top.holder
                found = [masks[id(holder.body)].get(id(holder.node), 0)] * len(nodes)
                named = []
            masks[id(top)] = {
                id(node): mask for node, mask in zip(nodes, found, strict=True) if mask
            }
            if len(group) > 1:
                _hand_down(group, found, named, masks)
        return labels.texts, masks


class _Labels:
    """A bit for each label, the gravest first."""

    def __init__(self, labels: Iterable[str]) -> None:
        self.texts: list[str] = []
        self._bits: dict[str, int] = {}
        by_kind: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}
        for label in labels:
            by_kind[label.partition(":")[0]][label] = None
        for kind, found in by_kind.items():
            for count, label in enumerate(found):
                if count <= _MOST_LABELS:
                    self.texts.append(label if count < _MOST_LABELS else f"{kind}:...")
                self._bits[label] = 1 << (len(self.texts) - 1)

    def bit(self, label: str) -> int:
        return self._bits[label]


def _graphs(bodies: Sequence[Body]) -> list[list[Body]]:
    """Bodies by the graph that they belong to, its top level first; holders before the held."""
    groups: dict[int, list[Body]] = {}
    for body in bodies:
        groups.setdefault(id(body.graph), []).append(body)
    return list(groups.values())


def _walk(wiring: Wiring, starts: Sequence[Start], labels: _Labels) -> list[int]:
    """The mask of every top-level node."""
    masks = [0] * len(wiring.nodes)
    left = _WALKS * (len(masks) + sum(wiring.edge_counts())) + 1_000_000
    for at, start in enumerate(starts):
        bits = labels.bit(start.label)
        if left < 0:  # a file can name any number of signatures
            wanted = [text for other in starts[at:] for text in other.wanted]
            start = Start(kind=start.kind, wanted=tuple(wanted))
            for other in starts[at:]:
                bits |= labels.bit(other.label)
        cut = wiring.cut_at(start.given)
        ends = []
        for text in start.wanted:
            found = wiring.tensor(text.removeprefix("^"))
            if found is not None and found not in cut:
                ends.append(found[0])
        seen = wiring.backward(ends, cut=cut)
        for number in seen:
            masks[number] |= bits
        if left < 0:
            break
        left -= sum(len(wiring.inputs[number]) + 1 for number in seen)
    return masks


def _entries(meta: MetaGraph) -> list[tuple[str, str]]:
    """(label, function) of every function that something outside of the graph runs."""
    found: dict[tuple[str, str], None] = {}
    library = meta.graph.functions
    if meta.object_graph is not None:
        for kind, name, function in object_functions(meta.object_graph):
            if function in library:
                found[(f"{kind}:{name}" if name else kind, function)] = None
    for item in library.values():
        for name, of in _gradients(item):
            if name in library:
                found[(f"{GRADIENT}:{of}", name)] = None
    return list(found)


def _gradients(function: Function) -> Iterable[tuple[str, str]]:
    """(gradient function, what it is the gradient of)."""
    if function.gradient:
        yield function.gradient, function.name
    if function.gradient_of_op:
        yield function.name, function.gradient_of_op
    for key in ("backward_function_name", "forward_function_name"):
        value = function.attrs.get(key)
        if isinstance(value, bytes) and value:
            yield value.decode("utf-8", "replace"), function.name


def _hand_down(
    group: Sequence[Body],
    top: Sequence[int],
    entries: Iterable[tuple[int, str]],
    masks: dict[int, dict[int, int]],
) -> None:
    """Give every function the masks of its callers, and its live nodes the function's."""
    library = group[0].graph.functions
    names = list(library)
    index, hubs = _numbered(library)
    bodies = {body.function.name: body for body in group if body.function is not None}
    given = [0] * (len(names) + len(hubs))
    for bit, name in entries:
        given[index[name]] |= bit
    for node, mask in zip(group[0].nodes, top, strict=True):
        if mask:
            for named in functions_named(node, library):
                given[index[named.function]] |= mask
    derives = any(node.op == SYMBOLIC_GRADIENT for body in group for node in body.nodes)
    live: list[list[Node]] = []
    calls: list[list[int]] = []
    for name in names:
        nodes = _live(library[name])
        called = {item.function: None for node in nodes for item in functions_named(node, library)}
        gradient = library[name].gradient
        if derives and gradient in library:
            called[gradient] = None
        live.append(nodes)
        calls.append([index[item] for item in called])
    _spread(given, calls + hubs)
    for number, name in enumerate(names):
        if given[number] and name in bodies:
            masks[id(bodies[name])] = dict.fromkeys(map(id, live[number]), given[number])


def _numbered(library: Mapping[str, Function]) -> tuple[dict[str, int], list[list[int]]]:
    """What a call of each function calls, by number, and what the numbers past theirs call.

    These stand for interfaces: a call of one function may run any that shares its interface.
    """
    index = {name: number for number, name in enumerate(library)}
    hubs: dict[bytes, list[int]] = {}
    at: dict[bytes, int] = {}
    for name, interface in interfaces(library).items():
        at.setdefault(interface, len(library) + len(at))
        hubs.setdefault(interface, []).append(index[name])
        index[name] = at[interface]
    return index, list(hubs.values())


def _live(function: Function) -> list[Node]:
    """Nodes of a body that run when it does: what its results need, and all that is stateful.

    TensorFlow adds control dependencies between stateful ops and the function's end.
    """
    nodes = list(function.nodes)
    index: dict[str, int] = {}
    for number, node in enumerate(nodes):
        index.setdefault(node.name, number)
    starts = [
        number
        for number, node in enumerate(nodes)
        if (facts := op_facts(node.op)) is None or facts.stateful
    ]
    ends = (*function.returns.values(), *function.control_returns.values())
    seen = set(starts)
    named = [index.get(TensorRef.parse(text).node) for text in ends]
    seen.update(number for number in named if number is not None)
    stack = list(seen)
    while stack:
        for text in nodes[stack.pop()].inputs:
            producer = index.get(text)
            if producer is None:
                producer = index.get(TensorRef.parse(text).node)
            if producer is not None and producer not in seen:
                seen.add(producer)
                stack.append(producer)
    return [node for number, node in enumerate(nodes) if number in seen]


def _spread(masks: list[int], calls: Sequence[Sequence[int]]) -> None:
    """Add to every function's mask those of all who call it, directly or not.

    In the order of the calls (Kahn's algorithm). Functions that call themselves, which no sound
    model has, and those that they call, all get what any of them has.
    """
    waiting = [0] * len(masks)
    for row in calls:
        for number in row:
            waiting[number] += 1
    ready = [number for number, count in enumerate(waiting) if not count]
    while ready:
        number = ready.pop()
        for called in calls[number]:
            masks[called] |= masks[number]
            waiting[called] -= 1
            if not waiting[called]:
                ready.append(called)
    left = [number for number, count in enumerate(waiting) if count]
    union = 0
    for number in left:
        union |= masks[number]
    for number in left:
        masks[number] = union
