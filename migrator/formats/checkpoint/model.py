"""A bare checkpoint as a Model: variables without a graph."""

from __future__ import annotations

from migrator.formats.checkpoint.reader import Checkpoint
from migrator.formats.source import ByteSource
from migrator.limits import Limits
from migrator.model.model import Model, Source


def read(source: ByteSource, limits: Limits) -> Model:
    """Read a checkpoint's index. Raises UnsupportedFormat, FormatError, LimitError."""
    checkpoint = Checkpoint(source, limits)
    return Model(
        source=Source(path=source.name, bytes=source.size, format="checkpoint"),
        meta_graphs=(),
        variables=checkpoint.variables,
        warnings=checkpoint.warnings(),
    )
