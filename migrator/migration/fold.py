"""Cut the branches of ``tf.cond`` that a fixed predicate never takes.

TensorFlow 1's ``Switch`` hands its data on by one of two ports; what hangs on the other is dead,
and a ``Merge`` takes what is alive. Where the predicate is a constant, all of that is decided.
Source: the dead-tensor rules of TensorFlow's white paper on control flow (2017, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import INT32
from migrator.model.graph import Graph, Node
from migrator.model.tensors import TensorRef

_SWITCH = frozenset(("Switch", "RefSwitch"))
_LOGIC = frozenset(("Identity", "LogicalNot", "LogicalAnd", "LogicalOr", *_SWITCH))
_MERGE = frozenset(("Merge", "RefMerge"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folded:
    """The graph without dead branches: its nodes, and how many Switches were decided."""

    nodes: tuple[Node, ...]
    switches: int
    removed: int


def fold_switches(
    graph: Graph, values: Mapping[str, bool], *, given: Set[str] = frozenset()
) -> Folded:
    """Fold every Switch whose predicate follows from ``values`` (node name -> bool).

    Nothing follows through the nodes ``given``: an input stands in their place. Linear. Node names
    are kept: a Merge with one live input becomes an Identity.
    """
    known = _propagate(graph, values, given)
    decided = {
        node.name: known[ref.node]
        for node in graph.nodes
        if node.op in _SWITCH
        and len(node.data_refs) > 1
        and (ref := node.data_refs[1]).node in known
        and graph.by_name[node.name] is node
    }
    if not decided:
        return Folded(nodes=tuple(graph.nodes), switches=0, removed=0)
    alive = _alive(graph, decided)
    dead = graph.by_name.keys() - alive  # not "all but alive": given tensors have no node here
    # Merges that tell somebody which input they took, and that now have but one to take.
    indexed = {
        ref.node
        for node in graph.nodes
        for ref in node.data_refs
        if ref.port == 1
        and (merge := graph.by_name.get(ref.node)) is not None
        and merge.op in _MERGE
        and len(_live_slots(merge, decided, dead)) == 1
    }
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name not in alive:
            continue
        nodes.append(_rewritten(node, decided, dead, indexed))
        if node.name in indexed:
            nodes.append(_index_node(node, decided, dead))
    removed = len(graph.nodes) - len(nodes)
    return Folded(nodes=tuple(nodes), switches=len(decided), removed=max(removed, 0))


def _propagate(graph: Graph, values: Mapping[str, bool], given: Set[str]) -> dict[str, bool]:
    """Bools that follow through Identity, Switch, NOT, AND and OR. Linear in any order."""
    known = {name: value for name, value in values.items() if name not in given}
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.op in _LOGIC and node.name not in given:
            for ref in node.data_refs:
                readers.setdefault(ref.node, []).append(node)
    settled = list(known)
    while settled:
        for node in readers.get(settled.pop(), ()):
            value = None if node.name in known else _bool(node, known)
            if value is not None:
                known[node.name] = value
                settled.append(node.name)
    return known


def _bool(node: Node, known: Mapping[str, bool]) -> bool | None:
    found = [known.get(ref.node) for ref in node.data_refs]
    if not found:
        return None
    if node.op == "LogicalAnd":
        if False in found:
            return False
        return True if found == [True, True] else None
    if node.op == "LogicalOr":
        if True in found:
            return True
        return False if found == [False, False] else None
    first = found[0]
    if first is None:
        return None
    return not first if node.op == "LogicalNot" else first


def _alive(graph: Graph, decided: Mapping[str, bool]) -> set[str]:
    """Names of the nodes that still run: all inputs alive; for a Merge, any.

    From the sources onward, so that a loop inside of a dead branch stays dead.
    """
    edges: dict[str, list[tuple[Node, TensorRef]]] = {}
    waiting: dict[str, int] = {}
    for node in graph.by_name.values():
        refs = [ref for ref in node.refs if ref.node in graph.by_name]
        waiting[node.name] = len(refs)
        for ref in refs:
            edges.setdefault(ref.node, []).append((node, ref))
    alive = {name for name, count in waiting.items() if not count}
    stack = list(alive)
    while stack:
        for node, ref in edges.get(stack.pop(), ()):
            if node.name in alive or not _passes(ref, decided):
                continue
            waiting[node.name] -= 1
            any_will_do = node.op in _MERGE and not ref.control
            if any_will_do or not waiting[node.name]:
                alive.add(node.name)
                stack.append(node.name)
    return alive


def _passes(ref: TensorRef, decided: Mapping[str, bool]) -> bool:
    """False for the port of a decided Switch that never gives anything."""
    if ref.control or ref.node not in decided:
        return True
    return ref.port == int(decided[ref.node])


def _rewritten(node: Node, decided: Mapping[str, bool], dead: Set[str], indexed: set[str]) -> Node:
    inputs = _live_inputs(node, decided, dead, indexed)
    if node.name in decided:
        # Both ports of a decided Switch are its data; only the live one has readers left.
        controls = [text for text in inputs if text.startswith("^")]
        return _identity(node, [inputs[0], *controls])
    if node.op not in _MERGE:
        return replace(node, inputs=tuple(inputs))
    data = [text for text in inputs if not text.startswith("^")]
    if len(data) == len(node.data_refs):
        return replace(node, inputs=tuple(inputs))
    if len(data) == 1:
        return _identity(node, inputs)
    return replace(node, inputs=tuple(inputs), attrs={**node.attrs, "N": len(data)})


def _live_inputs(
    node: Node, decided: Mapping[str, bool], dead: Set[str], indexed: set[str]
) -> list[str]:
    found = []
    for text, ref in zip(node.inputs, node.refs, strict=True):
        if ref.node in dead or not _passes(ref, decided):
            continue
        if ref.node in decided and not ref.control:
            text = f"{ref.node}:0"  # the Switch is an Identity now
        elif ref.port == 1 and ref.node in indexed:
            text = _value_index(ref.node)
        found.append(text)
    return found


def _identity(node: Node, inputs: list[str]) -> Node:
    dtype = node.attrs.get("T")
    attrs = {"T": getattr(dtype, "base", dtype)}
    return replace(node, op="Identity", inputs=tuple(inputs), attrs=attrs)


def _live_slots(merge: Node, decided: Mapping[str, bool], dead: Set[str]) -> list[int]:
    return [
        slot
        for slot, ref in enumerate(merge.data_refs)
        if ref.node not in dead and _passes(ref, decided)
    ]


def _value_index(merge: str) -> str:
    return f"{merge}/value_index"


def _index_node(merge: Node, decided: Mapping[str, bool], dead: Set[str]) -> Node:
    (slot,) = _live_slots(merge, decided, dead)
    attrs = {"dtype": INT32, "value": constant_tensor(slot, INT32)}
    return Node(_value_index(merge.name), "Const", (), "", attrs)
