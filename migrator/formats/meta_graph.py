"""A MetaGraphDef by itself (``.meta``), as TensorFlow 1's Saver writes it beside a checkpoint."""

from __future__ import annotations

from migrator.formats.reading import format_name, read_message
from migrator.formats.saved_model import read_meta_graph
from migrator.limits import Limits
from migrator.model.model import Model, Source
from migrator.places.source import ByteSource


def read(source: ByteSource, limits: Limits, *, text: bool = False) -> Model:
    """Read a binary or a ``text`` MetaGraphDef of any size. Raises FormatError, LimitError.

    Where its weights lie, ``checkpoint.checkpoint_prefix`` tells.
    """
    message, spans = read_message(source, "MetaGraphDef", limits, text=text)
    meta, warnings = read_meta_graph(message, spans, limits)
    return Model(
        source=Source(
            path=source.name, bytes=source.size, format=format_name("meta_graph", text=text)
        ),
        meta_graphs=(meta,),
        warnings=tuple(warnings),
    )
