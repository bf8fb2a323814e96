"""What a graph does beside computing, and in which order: assertions, prints, writes of state."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from migrator.diffing.side import Side
from migrator.model.graph import Node
from migrator.ops.registry import op_facts

_SEEN_OUTSIDE = frozenset(("Assert", "Print", "PrintV2", "WriteFile", "PyFunc", "EagerPyFunc"))
_WRITES = re.compile(
    r"Assign(?:Add|Sub|VariableOp|AddVariableOp|SubVariableOp)?|(?:Resource)?(?:Sparse)?Apply\w+|"
    r"(?:Resource)?Scatter(?:Nd)?(?:Add|Sub|Mul|Div|Min|Max|Update)|(?:Resource)?StridedSliceAssign|"
    r"(?:Resource)?CountUpTo|Rng\w+|Stateful\w*(?:Uniform|Normal)\w*|LookupTable(?:Insert|Remove)\w*|"
    r"\w*(?:Enqueue|Dequeue|Restore)\w*|(?:Un)?[Ss]tage"
)
_NO_STATE = frozenset(("Placeholder", "Const", "HashTable", "HashTableV2"))


def writes_state(op: str) -> bool:
    """Whether an op changes a variable, a table or a queue."""
    return _WRITES.fullmatch(op) is not None


def has_state(node: Node) -> bool:
    """Whether two such nodes are two even where they are alike."""
    facts = op_facts(node.op)
    is_stateful = facts is not None and facts.stateful and node.op not in _NO_STATE
    return is_stateful or writes_state(node.op)


def with_effect(side: Side, starts: Iterable[str]) -> dict[str, list[str]]:
    """Op -> nodes that do more than compute, among all that ``starts`` need."""
    found: dict[str, list[str]] = {}
    if not any(op in _SEEN_OUTSIDE or writes_state(op) for op in side.ops):
        return found
    for name in sorted(side.closure(starts)):
        op = side.nodes[name].op
        if op in _SEEN_OUTSIDE or writes_state(op):
            found.setdefault(op, []).append(name)
    return found


def writes_any(side: Side, starts: Iterable[str]) -> bool:
    """Whether anything that ``starts`` need writes state."""
    return any(map(writes_state, with_effect(side, starts)))


def order_of(side: Side, names: Collection[str]) -> dict[str, frozenset[str]] | None:
    """Which of ``names``, nodes of the top level, come before each of them for certain.

    None where the graph has a cycle.
    """
    wanted = set(names)
    known: dict[str, frozenset[str]] = {}
    open_ones: set[str] = set()
    for start in names:
        stack = [start]
        while stack:
            name = stack[-1]
            if name in known:
                stack.pop()
                continue
            data, waits = side.inputs(name) if name in side.nodes else ([], [])
            before = {*(item[0] for item in data), *waits}
            missing = [item for item in before if item not in known]
            if not missing:
                found = [known[item] | ({item} & wanted) for item in before]
                known[name] = frozenset().union(*found)
                open_ones.discard(stack.pop())
            elif name in open_ones:
                return None
            else:
                open_ones.add(name)
                stack += missing
    return {name: known[name] for name in names}
