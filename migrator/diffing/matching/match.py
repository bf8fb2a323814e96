"""Which node of the one model is which of the other, whatever they are called.

``search`` pairs the nodes of two graphs; this brings the graphs to one form first where they are
not (calls seen into, loops as functions), and tells the result in the names of the models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from migrator.collector import collector_paused
from migrator.diffing.matching import scopes
from migrator.diffing.matching.opened import (
    CONDITIONS,
    FUNCTIONAL,
    Opened,
    as_it_is,
    has_dataflow_control,
    has_functional_control,
    with_calls_open,
    with_functional_control_flow,
)
from migrator.diffing.matching.pairing import Pairing
from migrator.diffing.matching.search import match_graphs
from migrator.diffing.numbered.labels import CONTROL_FLOW, SEEN_THROUGH
from migrator.diffing.numbered.table import Table
from migrator.diffing.result import Match, ScopeRename
from migrator.model.graph import Graph, Node, index_nodes
from migrator.model.model import MetaGraph
from migrator.model.tensors import LazyTensor

_NONE: Mapping[str, LazyTensor] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypassed:
    """A node without counterpart that only hands on what it gets, or a call that was seen into."""

    side: str
    """``left`` or ``right``."""
    name: str
    why: str
    """``identity``, ``read``, ``call``, ``loop`` or ``condition``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Names of a body's nodes are ``FUNCTION/NODE``. No name stands in two pairs."""

    pairs: tuple[Match, ...]
    left_only: tuple[str, ...]
    right_only: tuple[str, ...]
    scopes: tuple[ScopeRename, ...] = ()
    functions: Mapping[str, str] = field(default_factory=dict)
    """Function of the left -> the one of the right that is the same."""
    bypassed: tuple[Bypassed, ...] = ()
    """Which of ``left_only`` and ``right_only`` make no difference by themselves."""


def match_models(
    left: MetaGraph,
    right: MetaGraph,
    *,
    ignore: Collection[str] = (),
    left_values: Mapping[str, LazyTensor] = _NONE,
    right_values: Mapping[str, LazyTensor] = _NONE,
) -> Matching:
    """Pairs of nodes of two models, with how sure each is and which stage found it.

    With ``names`` in ``ignore``, names are no evidence. ``left_values`` and ``right_values`` are
    what variables hold, by the names of their nodes. Time about n log n in nodes and edges; what
    no stage tells apart stays without a pair.
    """
    with collector_paused():

        def match(ours: Opened, theirs: Opened) -> Pairing:
            return match_graphs(
                ours, theirs, ignore=ignore, left_values=left_values, right_values=right_values
            )

        ours, theirs = as_it_is(left.graph), as_it_is(right.graph)
        pairing = match(ours, theirs)
        best = _named_pairs(pairing, ours, theirs)
        for reform in (_open_calls, _open_control_flow):
            changed = reform(pairing, ours, theirs)
            if changed is None:
                continue
            again = match(*changed)
            pairs = _named_pairs(again, *changed)
            if len(pairs) > len(best):
                pairing, best, (ours, theirs) = again, pairs, changed
        return _matching(left.graph, right.graph, pairing, best, ours, theirs)


def _open_calls(pairing: Pairing, ours: Opened, theirs: Opened) -> tuple[Opened, Opened] | None:
    """Both graphs with those calls seen into that have no counterpart, where the other side has
    nodes without counterpart that may be what they call.
    """
    lonely = _lonely_calls(pairing.left, pairing.to_right, pairing.room_to_right)
    others = _lonely_calls(pairing.right, pairing.to_left, pairing.room_to_left)
    if not lonely and not others:
        return None
    one = with_calls_open(ours.graph, lonely)
    other = with_calls_open(theirs.graph, others)
    if one.graph is ours.graph and other.graph is theirs.graph:
        return None
    return one, other


def _lonely_calls(table: Table, paired: Sequence[int], rooms: Mapping[int, int]) -> frozenset[str]:
    """Functions without counterpart, where a call of the top level is without one too."""
    start, end = table.spans[0]
    free = any(paired[number] < 0 and number in table.calls for number in range(start, end))
    if not free:
        return frozenset()
    return frozenset(name for room, name in enumerate(table.rooms) if room and room not in rooms)


def _open_control_flow(
    pairing: Pairing, ours: Opened, theirs: Opened
) -> tuple[Opened, Opened] | None:
    """Loops and conditions as functions, on a side that has them as nodes, where the other side
    has functions.
    """
    one = other = None
    if has_functional_control(theirs.graph) and has_dataflow_control(ours.graph):
        one = with_functional_control_flow(ours)
    if has_functional_control(ours.graph) and has_dataflow_control(theirs.graph):
        other = with_functional_control_flow(theirs)
    if one is None and other is None:
        return None
    return one or ours, other or theirs


def _named_pairs(pairing: Pairing, ours: Opened, theirs: Opened) -> dict[str, Match]:
    """Left name -> pair, by the names of the models; the surest of several for one name."""
    left, right = pairing.left, pairing.right
    found: dict[str, Match] = {}
    taken: dict[str, Match] = {}
    for a, b in enumerate(pairing.to_right):
        if b < 0 or left.is_boundary[a]:
            continue
        name = ours.names.get(left.names[a], left.names[a])
        other = theirs.names.get(right.names[b], right.names[b])
        if not name or not other or name in found or other in taken:
            continue
        why, confidence = pairing.why[a]
        pair = Match(left=name, right=other, confidence=confidence, why=why)
        found[name] = taken[other] = pair
    return found


def _matching(
    left: Graph,
    right: Graph,
    pairing: Pairing,
    pairs: Mapping[str, Match],
    ours: Opened,
    theirs: Opened,
) -> Matching:
    functions = _functions(left, right, pairing, pairs)
    renames = scopes.scope_renames(scoped(left, right, pairs, functions))
    taken = {pair.right for pair in pairs.values()}
    bypassed = _Bypasses(ours, theirs)
    left_only = [(name, node) for name, node in _all_nodes(left) if name not in pairs]
    right_only = [(name, node) for name, node in _all_nodes(right) if name not in taken]
    return Matching(
        pairs=tuple(pairs.values()),
        left_only=tuple(name for name, _ in left_only),
        right_only=tuple(name for name, _ in right_only),
        scopes=scopes.told_once(renames),
        functions=functions,
        bypassed=(*bypassed.of("left", left_only), *bypassed.of("right", right_only)),
    )


def _functions(
    left: Graph, right: Graph, pairing: Pairing, pairs: Mapping[str, Match]
) -> dict[str, str]:
    """The functions that were found to be one, and those most of whose nodes became another's."""
    rooms, others = pairing.left.rooms, pairing.right.rooms
    found = {
        rooms[room]: others[other]
        for room, other in sorted(pairing.room_to_right.items())
        if rooms[room] in left.functions and others[other] in right.functions
    }
    homes = {
        f"{name}/{node.name}": name
        for name, function in right.functions.items()
        for node in function.nodes
    }
    taken = set(found.values())
    for name, function in left.functions.items():
        if name in found:
            continue
        votes: Counter[str] = Counter()
        for node in function.nodes:
            pair = pairs.get(f"{name}/{node.name}")
            if pair is not None and pair.right in homes:
                votes[homes[pair.right]] += 1
        for other, count in votes.most_common(1):
            if other not in taken and 2 * count > len(function.nodes):
                found[name] = other
                taken.add(other)
    return found


def scoped(
    left: Graph, right: Graph, pairs: Mapping[str, Match], functions: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Names of the pairs, within their bodies where those are one: a function's new name is told
    as such.
    """
    told = set()
    for name, other in functions.items():
        for node in left.functions[name].nodes:
            pair = pairs.get(f"{name}/{node.name}")
            if pair is not None and pair.right.startswith(f"{other}/"):
                told.add(pair.left)
                yield node.name, pair.right[len(other) + 1 :]
    for name, pair in pairs.items():
        if name not in told:
            yield name, pair.right


def _all_nodes(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Every node once, under its whole name."""
    yield from graph.by_name.items()
    for name, function in graph.functions.items():
        for local, node in index_nodes(function.nodes)[0].items():
            yield f"{name}/{local}", node


class _Bypasses:
    """Tells why a node without counterpart makes no difference by itself."""

    def __init__(self, ours: Opened, theirs: Opened) -> None:
        self._calls = {"left": ours.calls, "right": theirs.calls}
        self._flows = ours.flows or theirs.flows

    def of(self, side: str, nodes: Iterable[tuple[str, Node]]) -> Iterator[Bypassed]:
        for name, node in nodes:
            why = ""
            if name in self._calls[side]:
                why = "call"
            elif node.op == "ReadVariableOp":
                why = "read"
            elif node.op in SEEN_THROUGH or node.op == "IdentityN":
                why = "identity"
            elif self._flows and node.op in CONTROL_FLOW | FUNCTIONAL:
                why = "condition" if node.op in CONDITIONS else "loop"
            if why:
                yield Bypassed(side=side, name=name, why=why)
