"""FarmHash's Fingerprint64, which TensorFlow 2 writes into ``fingerprint.pb``.

Source: the algorithm ``farmhashna`` of Google's FarmHash (Geoff Pike, 2014), written anew here.
All sums and products are modulo 2**64. About 20 MB/s.
"""

from __future__ import annotations

import struct

_ALL = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_SEED = 81


def fingerprint64(data: bytes) -> int:
    """The 64-bit fingerprint of ``data``, the same on every machine and for all time."""
    size = len(data)
    if size <= 16:
        return _up_to_16(data)
    if size <= 32:
        return _up_to_32(data)
    if size <= 64:
        return _up_to_64(data)
    return _long(data)


def _long(data: bytes) -> int:
    size = len(data)
    y = (_SEED * _K1 + 113) & _ALL
    z = _mixed((y * _K2 + 113) & _ALL) * _K2 & _ALL
    x = (_SEED * _K2 + _word(data, 0)) & _ALL
    v0 = v1 = w0 = w1 = 0
    for q in struct.iter_unpack("<8Q", memoryview(data)[: (size - 1) // 64 * 64]):
        x = _right((x + y + v0 + q[1]) & _ALL, 37) * _K1 & _ALL
        y = _right((y + v1 + q[6]) & _ALL, 42) * _K1 & _ALL
        x ^= w1
        y = (y + v0 + q[5]) & _ALL
        z = _right((z + w0) & _ALL, 33) * _K1 & _ALL
        v0, v1 = _pair(q[0], q[1], q[2], q[3], v1 * _K1, x + w0)
        w0, w1 = _pair(q[4], q[5], q[6], q[7], z + w1, y + q[2])
        z, x = x, z
    # The last 64 bytes, which overlap what has been seen, with another multiplier.
    multiplier = (_K1 + ((z & 0xFF) << 1)) & _ALL
    q = struct.unpack_from("<8Q", data, size - 64)
    w0 = (w0 + ((size - 1) & 63)) & _ALL
    v0 = (v0 + w0) & _ALL
    w0 = (w0 + v0) & _ALL
    x = _right((x + y + v0 + q[1]) & _ALL, 37) * multiplier & _ALL
    y = _right((y + v1 + q[6]) & _ALL, 42) * multiplier & _ALL
    x ^= w1 * 9 & _ALL
    y = (y + v0 * 9 + q[5]) & _ALL
    z = _right((z + w0) & _ALL, 33) * multiplier & _ALL
    v0, v1 = _pair(q[0], q[1], q[2], q[3], v1 * multiplier, x + w0)
    w0, w1 = _pair(q[4], q[5], q[6], q[7], z + w1, y + q[2])
    z, x = x, z
    left = _joined(v0, w0, multiplier) + _mixed(y) * _K0 + z
    return _joined(left & _ALL, (_joined(v1, w1, multiplier) + x) & _ALL, multiplier)


def _up_to_16(data: bytes) -> int:
    size = len(data)
    multiplier = (_K2 + size * 2) & _ALL
    if size >= 8:
        a = (_word(data, 0) + _K2) & _ALL
        b = _word(data, size - 8)
        c = (_right(b, 37) * multiplier + a) & _ALL
        return _joined(c, (_right(a, 25) + b) * multiplier & _ALL, multiplier)
    if size >= 4:
        first, last = (int.from_bytes(part, "little") for part in (data[:4], data[-4:]))
        return _joined((size + (first << 3)) & _ALL, last, multiplier)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return _mixed((y * _K2 ^ z * _K0) & _ALL) * _K2 & _ALL
    return _K2


def _up_to_32(data: bytes) -> int:
    multiplier = (_K2 + len(data) * 2) & _ALL
    a, b, c, d = _ends(data, multiplier, _K1)
    return _joined(
        (_right((a + b) & _ALL, 43) + _right(c, 30) + d) & _ALL,
        (a + _right((b + _K2) & _ALL, 18) + c) & _ALL,
        multiplier,
    )


def _up_to_64(data: bytes) -> int:
    size = len(data)
    multiplier = (_K2 + size * 2) & _ALL
    a, b, c, d = _ends(data, multiplier, _K2)
    y = (_right((a + b) & _ALL, 43) + _right(c, 30) + d) & _ALL
    z = _joined(y, (a + _right((b + _K2) & _ALL, 18) + c) & _ALL, multiplier)
    e, f = _word(data, 16) * multiplier & _ALL, _word(data, 24)
    g = (y + _word(data, size - 32)) * multiplier & _ALL
    h = (z + _word(data, size - 24)) * multiplier & _ALL
    return _joined(
        (_right((e + f) & _ALL, 43) + _right(g, 30) + h) & _ALL,
        (e + _right((f + a) & _ALL, 18) + g) & _ALL,
        multiplier,
    )


def _ends(data: bytes, multiplier: int, first: int) -> tuple[int, int, int, int]:
    size = len(data)
    return (
        _word(data, 0) * first & _ALL,
        _word(data, 8),
        _word(data, size - 8) * multiplier & _ALL,
        _word(data, size - 16) * _K2 & _ALL,
    )


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _right(value: int, bits: int) -> int:
    """Rotated to the right."""
    return (value >> bits | value << (64 - bits)) & _ALL


def _mixed(value: int) -> int:
    return value ^ value >> 47


def _joined(one: int, other: int, multiplier: int) -> int:
    a = _mixed((one ^ other) * multiplier & _ALL)
    return _mixed((other ^ a) * multiplier & _ALL) * multiplier & _ALL


def _pair(w: int, x: int, y: int, z: int, a: int, b: int) -> tuple[int, int]:
    """Two words made of four, and of the two before them."""
    a = (a + w) & _ALL
    b = _right((b + a + z) & _ALL, 21)
    c = a
    a = (a + x + y) & _ALL
    b = (b + _right(a, 44)) & _ALL
    return (a + z) & _ALL, (b + c) & _ALL
