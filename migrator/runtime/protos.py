"""Child side: TensorFlow's own messages from files in either of protobuf's forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def fill(message: Any, path: str | Path, *, text: bool) -> Any:
    """``message``, filled from a file by protobuf's own parsers. Raises what they raise."""
    if text:
        from google.protobuf import text_format

        return text_format.Parse(Path(path).read_text(encoding="utf-8-sig"), message)
    message.ParseFromString(Path(path).read_bytes())
    return message
