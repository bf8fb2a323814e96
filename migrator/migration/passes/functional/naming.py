"""Names for made functions that differ wherever their bodies do.

TensorFlow keeps one table of functions for a whole process and refuses a second function of one
name with another body, so that two models converted by one worker must not both have a
``while_body``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from migrator.formats.encode import encode_attr, encode_node
from migrator.model.graph import AttrValue, Function, FunctionRef, Graph, Node, index_nodes

_DIGITS = 12
_SUFFIX = re.compile(r"__[0-9a-f]{12}$")


def name_functions_by_content(graph: Graph) -> Graph:
    """Give each function that a rewrite made a name that ends in a digest of its body.

    Run after every pass that changes bodies; a name with a digest gets a new one. Functions that
    are called as an op, or by a function that was read from a file, keep their names. Linear.
    """
    movable = _movable(graph)
    if not movable:
        return graph
    contexts = _contexts(graph)
    moved: dict[str, str] = {}
    functions: dict[str, Function] = {}
    fixed = graph.functions.keys() - movable
    for name in _callees_first(graph.functions, movable):
        function = _with_calls(graph.functions[name], moved)
        wish = f"{_SUFFIX.sub('', name)}__{_digest(function, contexts.get(name, b''))}"
        while wish in fixed:
            wish += "_"  # another function has it, by chance or by malice
        moved[name] = wish
        functions[wish] = replace(function, name=wish)
    moved = {old: new for old, new in moved.items() if old != new}
    if not moved:
        return graph
    for name, function in graph.functions.items():
        if name not in movable:
            functions[name] = _with_calls(function, moved)
    nodes = tuple(_node(node, moved) for node in graph.nodes)
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=nodes, functions=functions, by_name=by_name, duplicates=duplicates)


def _movable(graph: Graph) -> set[str]:
    fixed = {node.op for node in graph.all_nodes()}
    for function in graph.functions.values():
        fixed.add(function.gradient)
        if function.definition is not None:
            fixed |= {name for node in function.nodes for name in node.called}
    return {
        name
        for name, function in graph.functions.items()
        if function.definition is None and name not in fixed
    }


def _callees_first(functions: Mapping[str, Function], movable: set[str]) -> list[str]:
    """Names in an order in which a function follows those that it calls. Safe on recursion."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    for start in functions:
        stack = [(start, False)] if start in movable else []
        while stack:
            name, left = stack.pop()
            if left:
                found[name] = None
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                called = (one for node in functions[name].nodes for one in node.called)
                stack += [(one, False) for one in called if one in movable]
    return list(found)


def _contexts(graph: Graph) -> dict[str, bytes]:
    """What the callers say of shapes: TensorFlow notes it in the function when it is traced."""
    found: dict[str, bytes] = {}
    for node in graph.all_nodes():
        shapes = node.attrs.get("output_shapes") if node.called else None
        if shapes:
            data = encode_attr(shapes)
            for name in node.called:
                found[name] = found.get(name, b"") + data
    return found


def _digest(function: Function, context: bytes) -> str:
    state = hashlib.blake2b(context, digest_size=_DIGITS // 2)
    for spec in (*function.inputs, *function.outputs):
        state.update(
            f"{spec.tensor} {int(spec.dtype)} {function.returns.get(spec.tensor)}".encode()
        )
    for node in function.nodes:
        state.update(encode_node(node))
    state.update(repr(sorted(function.control_returns.items())).encode())
    return state.hexdigest()


def _with_calls(function: Function, moved: Mapping[str, str]) -> Function:
    nodes: Sequence[Node] = tuple(_node(node, moved) for node in function.nodes)
    same = all(one is other for one, other in zip(nodes, function.nodes, strict=True))
    return function if same else replace(function, nodes=nodes)


def _node(node: Node, moved: Mapping[str, str]) -> Node:
    if not any(name in moved for name in node.called):
        return node
    return replace(node, attrs={key: _moved(node.attrs[key], moved) for key in node.attrs})


def _moved(value: AttrValue, moved: Mapping[str, str]) -> AttrValue:
    """An attribute with functions under their new names."""
    if isinstance(value, list):
        return [_moved(item, moved) if isinstance(item, FunctionRef) else item for item in value]
    if isinstance(value, FunctionRef):
        attrs = {key: _moved(value.attrs[key], moved) for key in value.attrs}
        return FunctionRef(name=moved.get(value.name, value.name), attrs=attrs)
    return value
