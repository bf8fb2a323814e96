"""Byte strings of constants: read within bounds, and shown as text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from math import prod
from typing import Any

from migrator.errors import MigratorError
from migrator.formats.messages import message_class
from migrator.formats.wire import read_varint
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
            values = list(stored_strings(message)[:most])
            return values or [b""] * bool(tensor.elements)
        if tensor.elements > _MOST_NUMBERS:
            return None
        return [str(item).encode() for item in tensor.numpy().ravel().tolist()]
    except (MigratorError, ValueError):  # protobuf's DecodeError is one
        return None


def stored_strings(message: Any) -> Sequence[bytes]:
    """The strings of a TensorProto, as TensorFlow reads them: ``tensor_content`` comes first.

    That holds the lengths of all of them, then all of their bytes. Raises ValueError where these
    do not add up.
    """
    content: bytes = message.tensor_content
    if not content:
        values: Sequence[bytes] = message.string_val
        return values
    dims = [dim.size for dim in message.tensor_shape.dim]
    if any(size < 0 for size in dims) or prod(dims) > len(content):
        raise ValueError("more strings than there are bytes")
    sizes, at = [], 0
    for _ in range(prod(dims)):
        size, at = read_varint(content, at)
        sizes.append(size)
    if at + sum(sizes) != len(content):
        raise ValueError("lengths of strings that do not add up")
    found = []
    for size in sizes:
        found.append(content[at : at + size])
        at += size
    return found


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
