"""A bare checkpoint as a Model: variables without a graph."""

from __future__ import annotations

from migrator.formats.checkpoint.reader import Checkpoint
from migrator.limits import Limits
from migrator.model.model import Model, Source
from migrator.places.place import Place
from migrator.places.source import ByteSource


def read(source: ByteSource, limits: Limits, place: Place | None = None) -> Model:
    """Read a checkpoint's index; ``place`` is where it lies, with its shards beside it.

    Raises UnsupportedFormat, FormatError, LimitError.
    """
    checkpoint = Checkpoint(source, limits, place)
    return Model(
        source=Source(path=source.name, bytes=checkpoint.bytes, format="checkpoint"),
        meta_graphs=(),
        variables=checkpoint.variables,
        warnings=checkpoint.warnings(),
        checkpoint_version=checkpoint.version,
    )
