"""DOT, as Graphviz draws it: name scopes as boxes where the graph is small enough to be drawn.

Nodes are ``n0``, ``n1``, ...; a node's own name is its ``node_name``. One graph, for the reason
that ``graphml`` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator.graph.elements import ARGUMENT_OP, RESULT_OP, Elements
from migrator.model.joined import name_parts
from migrator.model.tensors import TensorRef
from migrator.report.escape import shown
from migrator.report.explorer.names import namespaces
from migrator.report.export.subject import Row, Rows, Subject, attrs_text, compact, shape_text
from migrator.report.export.texts import dot as quoted

SMALL = 500
"""Nodes up to which scopes are boxes. Graphviz takes minutes for larger graphs without, too."""
_LONGEST = 60
_INPUT, _OUTPUT = "#cfe8cf", "#f3d9b1"
_COLORS = {
    "Const": "#eeeeee",
    "Placeholder": _INPUT,
    "PlaceholderV2": _INPUT,
    "PlaceholderWithDefault": _INPUT,
    ARGUMENT_OP: _INPUT,
    RESULT_OP: _OUTPUT,
}


def dot(subject: Subject) -> Iterator[str]:
    """The text in parts. Linear; one node is in memory at a time where there are many."""
    elements, rows = Elements(subject.graph), Rows(subject)
    colors = _colors(subject)
    facts = subject.facts()
    yield "digraph G {\n"
    for name, value in facts.items():
        yield f"{name}={quoted(compact(value) if isinstance(value, list) else str(value))};\n"
    yield (
        'node [shape=box, style="filled,rounded", fillcolor="#ffffff", fontname="Helvetica", '
        'fontsize=10, height=0.3];\nedge [arrowsize=0.6];\ngraph [fontname="Helvetica", '
        'fontsize=10, color="#999999"];\n'
    )
    if len(elements) <= SMALL:
        yield from _in_scopes(elements, rows, colors)
    else:
        for number, item in enumerate(elements.items):
            yield _node(number, rows.row(item), item.name, colors)
    for edge in elements.edges():
        style = ", style=dashed, color=gray" if edge.control else ""
        named = f", src_arg={quoted(edge.src_arg)}" if edge.src_arg else ""
        yield (
            f"n{edge.source} -> n{edge.target} [src_port={edge.src_port}{named}, "
            f"dst_slot={edge.dst_slot}, control={'true' if edge.control else 'false'}{style}];\n"
        )
    yield "}\n"


def _in_scopes(elements: Elements, rows: Rows, colors: Mapping[str, str]) -> Iterator[str]:
    """The nodes, those of one scope beside each other within its box."""
    paths = [tuple(filter(None, layer.split("/"))) for layer in _layers(elements)]
    order = sorted(range(len(paths)), key=paths.__getitem__)
    open_: tuple[str, ...] = ()
    boxes = 0
    for number in order:
        path = paths[number]
        common = 0
        while common < min(len(open_), len(path)) and open_[common] == path[common]:
            common += 1
        yield "}\n" * (len(open_) - common)
        for part in path[common:]:
            yield f'subgraph cluster_{boxes} {{\nlabel="{_markup(shown(part, _LONGEST))}";\n'
            boxes += 1
        open_ = path
        item = elements.items[number]
        name = item.name
        if path:  # the box says the rest
            name = name_parts(name.strip("/"))[-1]
        yield _node(number, rows.row(item), name, colors)
    yield "}\n" * len(open_)


def _layers(elements: Elements) -> list[str]:
    return namespaces(item.name for item in elements.items)


def _colors(subject: Subject) -> dict[str, str]:
    """The nodes that a signature, or the format itself, declares as inputs and as outputs."""
    if subject.function:
        return {}
    meta = subject.meta
    signatures = [*meta.signatures.values(), *([meta.declared] if meta.declared else [])]
    found: dict[str, str] = {}
    for color, specs in (
        (_OUTPUT, [spec for item in signatures for spec in item.outputs.values()]),
        (_INPUT, [spec for item in signatures for spec in item.inputs.values()]),
    ):
        for spec in specs:
            for tensor in (spec.tensor, *spec.parts):
                for name in (tensor, TensorRef.parse(tensor).node):
                    found[name] = color
    return found


def _node(number: int, found: Row, name: str, colors: Mapping[str, str]) -> str:
    color = colors.get(found.name) or _COLORS.get(found.op)
    lines = [shown(found.op, _LONGEST), shown(name, _LONGEST)]
    tensor = f"{found.dtype or ''} {shape_text(found.shape)}".strip()
    if tensor:
        lines.append(shown(tensor, _LONGEST))
    label = "\\n".join([_markup(line) for line in lines])
    told = {
        "op": found.op,
        "device": found.device,
        "dtype": found.dtype or "",
        "tensor_shape": shape_text(found.shape),  # what DOT calls shape is that of the box
        "calls": compact(found.calls) if found.calls else "",
        "attrs": attrs_text(found),
    }
    more = "".join([f", {key}={quoted(text)}" for key, text in told.items() if text])
    fill = f', fillcolor="{color}"' if color else ""
    return f'n{number} [node_name={quoted(found.name)}, label="{label}"{fill}{more}];\n'


def _markup(text: str) -> str:
    """``text`` as a label shows it, which reads backslashes and entities."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
