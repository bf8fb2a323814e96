"""Byte strings of constants: read within bounds, and shown as text."""

from __future__ import annotations

import base64
import binascii

from migrator.errors import MigratorError
from migrator.formats.messages import message_class
from migrator.model.tensors import LazyTensor

_STRING = 7
_LARGEST = 16 << 20
"""Bytes of a stored tensor that is still read."""
_MOST_NUMBERS = 64
LONGEST = 500
"""Characters of a text that are shown."""


def constant_strings(tensor: LazyTensor, most: int) -> list[bytes] | None:
    """The first ``most`` elements; numbers as they are written. None where it cannot be read."""
    if tensor.stored_bytes > _LARGEST:
        return None
    try:
        if int(tensor.dtype) == _STRING:
            message = message_class("TensorProto").FromString(tensor.read())
            values = list(message.string_val[:most])
            return values or [b""] * bool(tensor.elements)
        if tensor.elements > _MOST_NUMBERS:
            return None
        return [str(item).encode() for item in tensor.numpy().ravel().tolist()]
    except (MigratorError, ValueError):  # protobuf's DecodeError is one
        return None


def decode_base64(data: bytes) -> bytes | None:
    """What TensorFlow's DecodeBase64 (the web-safe alphabet, padded or not) makes of ``data``."""
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def shown_bytes(data: bytes) -> str:
    """As text, bounded. What is not UTF-8 shows as escapes."""
    text = data[: 4 * LONGEST].decode("utf-8", "backslashreplace")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
