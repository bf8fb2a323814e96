"""CRC-32C (Castagnoli), as tables and checkpoints use it."""

from __future__ import annotations

_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8
_PART = 4 << 20


def crc32c(data: bytes | memoryview, crc: int = 0) -> int:
    """The checksum of ``data``, or of what ``crc`` is the checksum of with ``data`` after it."""
    from google_crc32c import extend

    if isinstance(data, bytes):
        return int(extend(crc, data))
    for start in range(0, len(data), _PART):  # it takes bytes alone
        crc = extend(crc, bytes(data[start : start + _PART]))
    return int(crc)


def masked(crc: int) -> int:
    """``crc`` in the form that is stored: a checksum of bytes that hold checksums is a poor one."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES
