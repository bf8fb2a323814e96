"""Snappy's raw format, decompressed: blocks of checkpoints.

Source: snappy's public format description.
"""

from __future__ import annotations

from migrator.errors import FormatError

_EXPANSION = 22
"""A three-byte element makes 64 bytes at most, so no honest length is more than this many times
the compressed one."""


def decompress(data: bytes) -> bytes:
    """The bytes that ``data`` stands for. Time and memory are linear in ``len(data)``.

    Raises FormatError (without a place) for anything else than one well-formed string.
    """
    import cramjam

    expected = _length(data)
    if expected > _EXPANSION * len(data):  # it would take that memory first
        raise FormatError(f"claims {expected:,} bytes in {len(data):,} of snappy")
    try:
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise FormatError(f"is no snappy: {str(error).removeprefix('snappy: ')[:200]}") from None


def _length(data: bytes) -> int:
    value = 0
    for index, byte in enumerate(data[:5]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value
    raise FormatError("a snappy block without its length")
