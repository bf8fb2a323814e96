"""Tables that a function of the library makes, brought to where the graph can see them.

TensorFlow 2's feature layers, exported by a TensorFlow 1 Estimator, call a function for each
table; what fills it gets the handle that the call gives.
"""

from __future__ import annotations

from migrator.graph.inline import called_body, inline_calls
from migrator.migration.storage.tables import KINDS
from migrator.model.dtypes import RESOURCE
from migrator.model.graph import Graph, Node

_LARGEST = 64
"""Nodes of a body that does no more than make a table."""


def inline_creators(graph: Graph) -> Graph:
    """``graph`` with such calls replaced by what they do; their tensors keep their names.

    The same object where there are none. Linear in nodes.
    """
    creators = _find_creators(graph)
    if not creators:
        return graph
    return inline_calls(graph, lambda function: function.name in creators, present=_is_table)


def _is_table(node: Node) -> bool:
    return node.op in KINDS


def _find_creators(graph: Graph) -> set[str]:
    """Small functions with one handle as their result that make a table, or call one that does."""
    small = {
        name: function
        for name, function in graph.functions.items()
        if len(function.nodes) <= _LARGEST
        and len(function.outputs) == 1
        and function.outputs[0].dtype == RESOURCE
    }
    callers: dict[str, list[str]] = {}
    for name, function in small.items():
        for node in function.nodes:
            callers.setdefault(called_body(node), []).append(name)
    found: set[str] = set()
    waiting = [name for name, item in small.items() if any(map(_is_table, item.nodes))]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += callers.get(name, ())
    return found
