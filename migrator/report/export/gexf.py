"""GEXF 1.2, as Gephi and networkx read it. Nodes are ``n0``, ``n1``, ...; names are the labels.

One graph, for the reason that ``graphml`` tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator.graph.elements import Elements
from migrator.report.export.subject import Rows, Subject, attrs_text, compact, shape_text
from migrator.report.export.texts import xml, xml_ascii

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<gexf xmlns="http://www.gexf.net/1.2draft" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://www.gexf.net/1.2draft http://www.gexf.net/1.2draft/gexf.xsd"
 version="1.2">
"""
_NODE = ("op", "device", "dtype", "shape", "calls", "attrs")
_EDGE = (("src_port", "integer"), ("src_arg", "string"), ("dst_slot", "integer"),
         ("control", "boolean"))  # fmt: skip


def gexf(subject: Subject) -> Iterator[str]:
    """The text in parts. Linear; one node is in memory at a time."""
    elements, rows = Elements(subject.graph), Rows(subject)
    facts = subject.facts()
    yield _HEAD
    about = "; ".join(
        f"{name}: {','.join(value) if isinstance(value, list) else value}"
        for name, value in facts.items()
        if value
    )
    yield f"<meta><creator>migrator</creator><description>{xml(about)}</description></meta>\n"
    yield '<graph defaultedgetype="directed" mode="static">\n'
    yield _declared("node", ((name, "string") for name in _NODE))
    yield _declared("edge", _EDGE)
    yield "<nodes>\n"
    for number, item in enumerate(elements.items):
        found = rows.row(item)
        values = (
            xml(found.op),
            xml(found.device),
            found.dtype or "",
            shape_text(found.shape),
            xml_ascii(compact(found.calls)) if found.calls else "",
            xml_ascii(attrs_text(found)),
        )
        yield f'<node id="n{number}" label="{xml(found.name)}"><attvalues>'
        yield "".join(
            [
                f'<attvalue for="{key}" value="{text}"/>'
                for key, text in enumerate(values)
                if text or not key
            ]
        )
        yield "</attvalues></node>\n"
    yield "</nodes>\n<edges>\n"
    for number, edge in enumerate(elements.edges()):
        named = f'<attvalue for="1" value="{xml(edge.src_arg)}"/>' if edge.src_arg else ""
        yield (
            f'<edge id="e{number}" source="n{edge.source}" target="n{edge.target}"><attvalues>'
            f'<attvalue for="0" value="{edge.src_port}"/>{named}'
            f'<attvalue for="2" value="{edge.dst_slot}"/>'
            f'<attvalue for="3" value="{"true" if edge.control else "false"}"/>'
            "</attvalues></edge>\n"
        )
    yield "</edges>\n</graph>\n</gexf>\n"


def _declared(kind: str, names: Iterable[tuple[str, str]]) -> str:
    inner = "".join(
        f'<attribute id="{number}" title="{name}" type="{value}"/>'
        for number, (name, value) in enumerate(names)
    )
    return f'<attributes class="{kind}">{inner}</attributes>\n'
