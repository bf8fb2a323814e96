"""Functions of a library that reach themselves by calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator.auditing.callgraph.calls import functions_named
from migrator.auditing.contents.bodies import Body
from migrator.model.graph import Graph


def recursive_functions(bodies: Iterable[Body]) -> Iterator[tuple[Body, tuple[str, ...]]]:
    """(top level of a graph, names of its functions that are part of a cycle of calls).

    Strips functions that call none that is left, and then those that none calls, until neither
    is left over: linear in functions and calls, no recursion. Functions between two cycles count.
    """
    for body in bodies:
        if body.function is None:
            names = _in_cycles(body.graph)
            if names:
                yield body, names


def _in_cycles(graph: Graph) -> tuple[str, ...]:
    calls = {
        name: {
            named.function
            for node in function.nodes
            for named in functions_named(node, graph.functions)
        }
        for name, function in graph.functions.items()
    }
    left = _strip(calls)
    back: dict[str, set[str]] = {name: set() for name in left}
    for name in left:
        for callee in calls[name] & left:
            back[callee].add(name)
    cyclic = _strip(back)
    return tuple(name for name in graph.functions if name in cyclic)


def _strip(calls: dict[str, set[str]]) -> set[str]:
    """What stays when functions that call nothing that is left are taken out, again and again."""
    callers: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for name, callees in calls.items():
        counts[name] = len(callees)
        for callee in callees:
            callers.setdefault(callee, []).append(name)
    stack = [name for name, count in counts.items() if not count]
    left = set(calls)
    while stack:
        name = stack.pop()
        left.discard(name)
        for caller in callers.get(name, ()):
            counts[caller] -= 1
            if not counts[caller]:
                stack.append(caller)
    return left
