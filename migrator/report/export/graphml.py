"""GraphML: one graph, as networkx, yEd, Gephi, igraph and Cytoscape read it.

Nodes are called ``n0``, ``n1``, ...: the schema wants ids without slashes and spaces, and an edge
that spelled names would make a file of hostile ones far larger than the model. A node's own name
is its ``name``. Bodies of functions are files of their own (``--function``): nested graphs are
lost on most readers, networkx among them, and a second graph of one file is too.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.graph.elements import Elements
from migrator.model.joined import name_parts
from migrator.report.escape import shown
from migrator.report.export.subject import Rows, Subject, attrs_text, compact, shape_text
from migrator.report.export.texts import xml, xml_ascii

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:y="http://www.yworks.com/xml/graphml"
 xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns
 http://www.yworks.com/xml/schema/graphml/1.1/ygraphml.xsd">
"""
_KEYS = (
    ("graph", "format", "string"),
    ("graph", "tags", "string"),
    ("graph", "producer", "int"),
    ("graph", "function", "string"),
    ("node", "name", "string"),
    ("node", "op", "string"),
    ("node", "device", "string"),
    ("node", "dtype", "string"),
    ("node", "shape", "string"),
    ("node", "calls", "string"),
    ("node", "attrs", "string"),
    ("edge", "src_port", "int"),
    ("edge", "src_arg", "string"),
    ("edge", "dst_slot", "int"),
    ("edge", "control", "boolean"),
)
_ID = {(kind, name): f"d{number}" for number, (kind, name, _) in enumerate(_KEYS)}
_LABEL = f"d{len(_KEYS)}"
"""The key of what yEd draws, and Gephi takes for a label."""
_LONGEST_LABEL = 60


def graphml(subject: Subject) -> Iterator[str]:
    """The text in parts. Linear; one node is in memory at a time."""
    elements, rows = Elements(subject.graph), Rows(subject)
    yield _HEAD
    for kind, name, value in _KEYS:
        yield (
            f'<key id="{_ID[kind, name]}" for="{kind}" attr.name="{name}" attr.type="{value}"/>\n'
        )
    yield f'<key id="{_LABEL}" for="node" yfiles.type="nodegraphics"/>\n'
    yield '<graph id="G" edgedefault="directed">\n'
    facts = subject.facts()
    for name in ("format", "tags", "producer", "function"):
        value = facts[name]
        is_list = isinstance(value, list)
        text = xml_ascii(compact(value)) if is_list else xml(str(value))
        yield _data("graph", name, text)
    yield "\n"
    for number, item in enumerate(elements.items):
        found = rows.row(item)
        yield f'<node id="n{number}">' + _data("node", "name", xml(found.name))
        yield _data("node", "op", xml(found.op))
        for name, text in (
            ("device", xml(found.device)),
            ("dtype", found.dtype or ""),
            ("shape", shape_text(found.shape)),
            ("calls", xml_ascii(compact(found.calls)) if found.calls else ""),
            ("attrs", xml_ascii(attrs_text(found))),
        ):
            if text:
                yield _data("node", name, text)
        yield _label(found.op, found.name)
        yield "</node>\n"
    port, arg, slot, control = (
        _ID["edge", name] for name in ("src_port", "src_arg", "dst_slot", "control")
    )
    for number, edge in enumerate(elements.edges()):
        named = f'<data key="{arg}">{xml(edge.src_arg)}</data>' if edge.src_arg else ""
        yield (
            f'<edge id="e{number}" source="n{edge.source}" target="n{edge.target}">'
            f'<data key="{port}">{edge.src_port}</data>{named}'
            f'<data key="{slot}">{edge.dst_slot}</data>'
            f'<data key="{control}">{"true" if edge.control else "false"}</data></edge>\n'
        )
    yield "</graph>\n</graphml>\n"


def _data(kind: str, name: str, text: str) -> str:
    return f'<data key="{_ID[kind, name]}">{text}</data>'


def _label(op: str, name: str) -> str:
    """Op and last part of the name, as yEd shows them in the node's box."""
    last = shown(name_parts(name)[-1], _LONGEST_LABEL)
    text = xml(f"{shown(op, _LONGEST_LABEL)}: {last}")
    return (
        f'<data key="{_LABEL}"><y:ShapeNode><y:Geometry width="{7 * len(text) + 10}" height="30"/>'
        f"<y:NodeLabel>{text}</y:NodeLabel></y:ShapeNode></data>"
    )
