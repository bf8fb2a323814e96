"""A bare GraphDef (``frozen.pb``) to a Model."""

from __future__ import annotations

from migrator.errors import FormatError
from migrator.formats.nodes import read_graph
from migrator.formats.reading import format_name, read_message
from migrator.limits import Limits
from migrator.model.checks import graph_warnings
from migrator.model.model import MetaGraph, Model, Source
from migrator.places.source import ByteSource


def read(source: ByteSource, limits: Limits, *, text: bool = False) -> Model:
    """Read a binary or a ``text`` GraphDef of any size. Raises FormatError, LimitError."""
    message, spans = read_message(source, "GraphDef", limits, text=text)
    graph, warnings = read_graph(message, spans, limits)
    for index, node in enumerate(graph.nodes):
        if not node.name or not node.op:
            raise FormatError(
                f"a node without {'a name' if not node.name else 'an op'}",
                where=f"{source.name}: node[{index}]",
                hint="is this a GraphDef?",
            )
    return Model(
        source=Source(
            path=source.name, bytes=source.size, format=format_name("graph_def", text=text)
        ),
        meta_graphs=(MetaGraph(graph=graph),),
        warnings=(*warnings, *graph_warnings(graph)),
    )
