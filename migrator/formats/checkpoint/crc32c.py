"""CRC-32C (Castagnoli), as tables and checkpoints use it.

A checksum is linear over GF(2). So a long string is cut into lanes of equal length, all lanes go
forward together in numpy, four bytes a step, and their registers are joined pairwise: what a
register becomes after n zero bytes is a 32 x 32 bit matrix. That makes hundreds of MB a second,
where one byte after the other in Python makes ten.

Source: RFC 3720, appendix B.4; the joining of checksums is zlib's ``crc32_combine``.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8
_SHORT = 32 << 10
"""Up to this many bytes the plain loop is as fast."""
_UNIMPORTED = 256 << 10
"""Up to this many it is done before numpy would be imported."""
_PART = 4 << 20
_LANE = 1024
_SHORT_LANE = 256


def crc32c(data: bytes | memoryview, crc: int = 0) -> int:
    """The checksum of ``data``, or of what ``crc`` is the checksum of with ``data`` after it."""
    state = crc ^ _ONES
    if len(data) <= (_SHORT if "numpy" in sys.modules else _UNIMPORTED):
        table = _byte_table()
        for byte in data:
            state = table[(state ^ byte) & 255] ^ (state >> 8)
        return state ^ _ONES
    view = memoryview(data)
    for start in range(0, len(view), _PART):
        part = view[start : start + _PART]
        if len(part) > _SHORT:
            state = _in_lanes(part, state)
        else:
            state = crc32c(part, state ^ _ONES) ^ _ONES
    return state ^ _ONES


def masked(crc: int) -> int:
    """``crc`` in the form that is stored: a checksum of bytes that hold checksums is a poor one."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


@cache
def _byte_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def _in_lanes(data: memoryview, state: int) -> int:
    """The register after ``data``, from ``state`` before it."""
    import numpy as np

    lane = _LANE if len(data) >= 1 << 20 else _SHORT_LANE
    lanes = -(-len(data) // lane)
    # Zeros in front leave a register of zero as it is; the state goes into the first four bytes.
    padded = np.zeros(lanes * lane, np.uint8)
    start = lanes * lane - len(data)
    padded[start:] = np.frombuffer(data, np.uint8)
    padded[start : start + 4] ^= np.frombuffer(state.to_bytes(4, "little"), np.uint8)
    words = np.ascontiguousarray(padded.view("<u4").reshape(lanes, lane // 4).T)
    low, high = _step_tables()
    registers = np.zeros(lanes, np.uint32)
    for row in words:
        registers ^= row
        registers = low[registers & 0xFFFF] ^ high[registers >> 16]
    power = lane.bit_length() - 1
    while len(registers) > 1:
        if len(registers) % 2:
            registers = np.concatenate((np.zeros(1, np.uint32), registers))
        registers = _apply(_after_zeros(power), registers[0::2]) ^ registers[1::2]
        power += 1
    return int(registers[0])


@cache
def _step_tables() -> tuple[Any, Any]:
    """What the low and the high half of a register become after four bytes."""
    import numpy as np

    halves = np.arange(1 << 16, dtype=np.uint32)
    return _apply(_after_zeros(2), halves), _apply(_after_zeros(2), halves << np.uint32(16))


@cache
def _after_zeros(power: int) -> Any:
    """Column b: what a register with only bit b set becomes after 2**power zero bytes."""
    import numpy as np

    if power == 0:
        table = _byte_table()
        columns = [1 << bit for bit in range(32)]
        return np.array([one >> 8 ^ table[one & 255] for one in columns], np.uint32)
    half = _after_zeros(power - 1)
    return _apply(half, half)


def _apply(matrix: Any, registers: Any) -> Any:
    import numpy as np

    found = np.zeros_like(registers)
    for bit in range(32):
        found ^= (registers >> np.uint32(bit) & np.uint32(1)) * matrix[bit]
    return found
