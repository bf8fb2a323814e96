"""A message from a file in either of protobuf's two forms."""

from __future__ import annotations

from typing import Any

from migrator.formats.skeleton import read_skeleton
from migrator.formats.spans import Spans
from migrator.limits import Limits
from migrator.places.source import ByteSource


def read_message(
    source: ByteSource, message: str, limits: Limits, *, text: bool
) -> tuple[Any, Spans]:
    """Parse ``source`` as ``message``, its large payloads left in the file.

    Raises FormatError, LimitError.
    """
    if not text:
        return read_skeleton(source, message, limits)
    from migrator.formats.textual.skeleton import read_text

    return read_text(source, message, limits)


def format_name(binary: str, *, text: bool) -> str:
    """What the format is called in results."""
    return f"{binary}_text" if text else binary
