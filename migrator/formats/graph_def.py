"""A bare GraphDef (``frozen.pb``) to a Model."""

from __future__ import annotations

from migrator.errors import FormatError
from migrator.formats.nodes import read_graph
from migrator.formats.skeleton import read_skeleton
from migrator.limits import Limits
from migrator.model.checks import graph_warnings
from migrator.model.model import MetaGraph, Model, Source
from migrator.places.source import ByteSource


def read(source: ByteSource, limits: Limits) -> Model:
    """Read a binary GraphDef of any size. Raises FormatError, LimitError."""
    message, spans = read_skeleton(source, "GraphDef", limits)
    for index, node in enumerate(message.node):
        if not node.name or not node.op:
            raise FormatError(
                f"a node without {'a name' if not node.name else 'an op'}",
                where=f"{source.name}: node[{index}]",
                hint="is this a GraphDef?",
            )
    graph, warnings = read_graph(message, spans, limits)
    return Model(
        source=Source(path=source.name, bytes=source.size, format="graph_def"),
        meta_graphs=(MetaGraph(graph=graph),),
        warnings=(*warnings, *graph_warnings(graph)),
    )
