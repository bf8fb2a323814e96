"""``--tree``, ``--node`` and ``--weights`` for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from migrator.inspection.node import Consumer, NodeDetail, TensorEnd
from migrator.inspection.parts import Parts
from migrator.inspection.tree import Scope, largest_children
from migrator.inspection.weight_list import ListedWeight
from migrator.model.tensors import LazyTensor
from migrator.report.attribute_values import shown_attribute
from migrator.report.escape import many, shown, shown_variable, size
from migrator.report.table import table
from migrator.report.text_calls import features_table
from migrator.report.weight_files.saving import SavedWeights

_CHILDREN = 20
"""Scopes of one parent that are listed: the largest."""
_LINES = 400
_CONSUMERS = 20
_ATTRIBUTES = 40
_INPUTS = 60
_VALUES = 64
"""Values that are printed one by one."""


def parts_text(parts: Parts) -> list[str]:
    """A section for each that was asked for."""
    found = []
    if parts.node is not None:
        found += _node(parts.node)
    if parts.tree is not None:
        found.append(_tree(parts.tree))
    if parts.weights is not None:
        found.append(_weights(parts.weights))
    return found


def _tree(root: Scope) -> str:
    depth, cut = _levels(root)
    rows = [_tree_row(name, scope, root) for name, scope in _tree_lines(root, depth)]
    headers = ("scope", "nodes", "parameters", "size", "share")
    text = f"Scopes\n{table(rows, headers, right=(1, 2, 3, 4))}"
    return f"{text}\n  deeper ones are many: JSON lists more" if cut else text


def _levels(root: Scope) -> tuple[int, bool]:
    """How many levels fit on a page, and whether there are more."""
    level, lines, depth = [root], 1, 0
    while True:
        level = [child for scope in level for child in largest_children(scope, _CHILDREN)]
        lines += len(level)
        if not level or (depth and lines > _LINES):
            return depth, bool(level)
        depth += 1


def _tree_lines(root: Scope, most: int) -> Iterator[tuple[str, Scope]]:
    """Scopes of ``most`` levels by depth first, each with its name behind its indent."""
    stack: list[tuple[int, Scope]] = [(0, root)]
    while stack:
        depth, scope = stack.pop()
        indent = "  " * depth
        if depth == 0:
            yield "(all)", scope
        else:
            name = shown(scope.name, 60) if scope.name else "(empty)"
            yield f"{indent}{name}{' (function)' if scope.is_function else ''}", scope
        if depth == most:
            continue
        kept = largest_children(scope, _CHILDREN)
        if len(kept) < len(scope.children):
            stack.append((depth + 1, _rest(scope, kept)))
        stack += [(depth + 1, child) for child in reversed(kept)]


def _rest(scope: Scope, kept: Sequence[Scope]) -> Scope:
    """The children that are not listed, as one."""
    ids = set(map(id, kept))
    others = [child for child in scope.children if id(child) not in ids]
    return Scope(
        name=f"({len(others):,} smaller ones)",
        nodes=sum(item.nodes for item in others),
        weights=sum(item.weights for item in others),
        parameters=sum(item.parameters for item in others),
        bytes=sum(item.bytes for item in others),
        children=(),
    )


def _tree_row(name: str, scope: Scope, root: Scope) -> tuple[str, ...]:
    # Of the weights, or of the nodes where nothing weighs.
    part, whole = (scope.bytes, root.bytes) if root.bytes else (scope.nodes, root.nodes)
    share = f"{100 * part / whole:.1f}%" if part and whole else ""
    parameters = f"{scope.parameters:,}" if scope.parameters else ""
    return name, f"{scope.nodes:,}", parameters, size(scope.bytes) if scope.bytes else "", share


def _node(node: NodeDetail) -> list[str]:
    title = f"Node {shown(node.name)}: {shown(node.op)}"
    if node.op == "variable" and node.meta_graph is None:
        title = f"Variable {shown(node.name)}"
    lines = [title]
    if node.function:
        lines.append(f"  in the body of function {shown(node.function)}")
    if node.device:
        lines.append(f"  on device {shown(node.device)}")
    if node.calls:
        lines.append(f"  calls {', '.join(shown(name) for name in node.calls[:_CONSUMERS])}")
    return [
        part
        for part in (
            "\n".join(lines),
            _attributes(node),
            _ends("Inputs", node.inputs, producers=True),
            _ends("Outputs", node.outputs, producers=False),
            _consumers(node.consumers),
            _features(node),
            _value(node),
            _own_weights(node),
        )
        if part
    ]


def _attributes(node: NodeDetail) -> str:
    keys = list(node.attrs)
    rows = [f"  {shown(str(key), 60)} = {shown_attribute(node.attrs[key])}" for key in keys]
    more = len(rows) - _ATTRIBUTES
    rows = rows[:_ATTRIBUTES] + ([f"  and {more:,} more"] if more > 0 else [])
    return "\n".join(["Attributes", *rows]) if rows else ""


def _ends(title: str, ends: Sequence[TensorEnd], *, producers: bool) -> str:
    rows = []
    for item in ends[:_INPUTS]:
        op = shown(item.op) if item.op is not None else "not in the graph"
        dtype = item.dtype.name if item.dtype is not None else "?"
        kind = ("control", "") if item.control else (dtype, str(item.shape))
        rows.append((shown(item.tensor), *([op] if producers else []), *kind))
    headers = ("tensor", *(["from"] if producers else []), "dtype", "shape")
    more = len(ends) - _INPUTS
    text = f"{title}\n{table(rows, headers)}" if rows else ""
    return f"{text}\n  and {more:,} more" if more > 0 else text


def _consumers(items: Sequence[Consumer]) -> str:
    rows = [
        (
            shown(item.node),
            shown(item.op),
            shown(item.tensor),
            "waits for it" if item.slot < 0 else f"input {item.slot}",
        )
        for item in items[:_CONSUMERS]
    ]
    if not rows:
        return ""
    more = len(items) - len(rows)
    title = f"Consumers ({len(items):,})" if len(items) > 1 else "Consumer"
    text = f"{title}\n{table(rows, ('node', 'op', 'takes', 'as'))}"
    return f"{text}\n  and {more:,} more" if more else text


def _features(node: NodeDetail) -> str:
    text = "" if node.examples is None else features_table(node.examples)
    return f"Features\n{text}" if text else ""


def _value(node: NodeDetail) -> str:
    if node.trouble:
        return f"Value\n  cannot be read: {shown(node.trouble, 400)}"
    if node.value is None:
        return ""
    lines = [f"  {_kind(node.value)}"]
    if node.place is not None:
        lines.append(
            f"  its {node.place.length:,} bytes lie in {shown(node.place.path)} "
            f"from byte {node.place.offset:,} on"
        )
    if node.array is None:
        return "\n".join(["Value", *lines, "  not read: --values reads it"])
    from migrator.report.array_values import shown_values, summary

    numbers = summary(node.array)
    if numbers.low is not None and node.array.size > 1:
        lines.append(f"  from {numbers.low:.6g} to {numbers.high:.6g}, mean {numbers.mean:.6g}")
    if numbers.not_finite:
        lines.append(f"  {numbers.not_finite:,} not finite")
    values = shown_values(node.array, _VALUES)
    return "\n".join(["Value", *lines, *(f"  {line}" for line in values.splitlines())])


def _own_weights(node: NodeDetail) -> str:
    rows = [
        (shown(name), item.dtype.name, str(item.shape), size(item.nbytes))
        for name, item in list(node.own_weights.items())[:_INPUTS]
    ]
    if not rows:
        return ""
    more = len(node.own_weights) - len(rows)
    text = f"Weights\n{table(rows, ('name', 'dtype', 'shape', 'size'))}"
    return f"{text}\n  and {more:,} more" if more else text


def _kind(value: LazyTensor) -> str:
    return f"{value.dtype.name} {value.shape}, {size(value.nbytes)}"


def _weights(items: Sequence[ListedWeight]) -> str:
    if not items:
        return "No weights"
    rows = [
        (
            shown_variable(item.weight.name),
            item.weight.dtype.name,
            str(item.weight.shape),
            size(item.weight.bytes),
            shown(item.trouble, 100) if item.trouble else _place(item),
        )
        for item in items
    ]
    total = sum(item.weight.bytes for item in items)
    count = f"{many(len(items), 'weight')}, {size(total)}"
    return f"{count}\n{table(rows, ('name', 'dtype', 'shape', 'size', 'where'))}"


def _place(item: ListedWeight) -> str:
    place = item.place
    if place is None:
        return "within the graph" if item.weight.op == "Const" else "not in one run of a file"
    return f"{shown(os.path.basename(place.path), 60)} from byte {place.offset:,}"


def saved_text(saved: SavedWeights) -> str:
    """One line about weights that were saved."""
    return f"{shown(saved.path)}: {many(len(saved.names), 'weight')}, {size(saved.bytes)}\n"
