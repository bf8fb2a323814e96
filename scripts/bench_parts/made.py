"""Made frozen graphs, written as a stream of bytes: no TensorFlow, and never whole in memory.

Each is made once and stays in the cache. A changed recipe gets a new file name.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_FLOAT = 1
_PRODUCER = 27
_CHUNK = 1 << 20


def large(folder: Path) -> Path:
    """1.7 GB in 2,000 nodes: 666 dense layers without bias, each weight of 2.56 MB in full."""
    return _made_once(folder / "made-1.7gb-v1.pb", _write_large)


def many(folder: Path) -> Path:
    """100,000 small nodes in scopes: 25,000 steps of scale and rectify with small constants."""
    return _made_once(folder / "made-100k-nodes-v1.pb", _write_many)


def beyond_protobuf(folder: Path) -> Path:
    """3.2 GB, past what protobuf parses; the weights are holes, so it takes little disk."""
    return _made_once(folder / "made-3.2gb-sparse-v1.pb", _write_beyond)


def _made_once(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with part.open("wb") as out:
                write(out)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _write_large(out: BinaryIO) -> None:
    block = random.Random(0).randbytes(_CHUNK)

    def fill(size: int) -> None:
        for start in range(0, size, _CHUNK):
            out.write(block[: min(_CHUNK, size - start)])

    _dense_stack(out, layers=666, width=800, fill=fill)


def _write_beyond(out: BinaryIO) -> None:
    def leave_hole(size: int) -> None:
        out.seek(size, os.SEEK_CUR)

    _dense_stack(out, layers=12, width=8192, fill=leave_hole)


def _dense_stack(out: BinaryIO, *, layers: int, width: int, fill: Callable[[int], None]) -> None:
    """Placeholder, ``layers`` times (weight, read, matmul), and the result's name."""
    _put_node(out, _node("x", "Placeholder", dtype=_type(_FLOAT), shape=_shape_attr(-1, width)))
    before = "x"
    for layer in range(layers):
        scope = f"stack/layer_{layer}"
        _put_large_const(out, f"{scope}/kernel", width, fill)
        _put_node(
            out, _node(f"{scope}/kernel/read", "Identity", f"{scope}/kernel", T=_type(_FLOAT))
        )
        matmul = _node(f"{scope}/MatMul", "MatMul", before, f"{scope}/kernel/read", T=_type(_FLOAT))
        _put_node(out, matmul)
        before = f"{scope}/MatMul"
    _put_node(out, _node("result", "Identity", before, T=_type(_FLOAT)))
    out.write(_versions())


def _write_many(out: BinaryIO) -> None:
    _put_node(out, _node("x", "Placeholder", dtype=_type(_FLOAT), shape=_shape_attr(-1, 4)))
    for node in _steps("x"):
        _put_node(out, node)
    out.write(_versions())


def _steps(before: str) -> Iterator[bytes]:
    content = b"\0\0\x80\x3f" * 4  # four times 1.0
    tensor = _tensor_head(4, size=len(content)) + content
    for step in range(25_000):
        scope = f"tower_{step // 5000}/block_{step // 50 % 100}/unit_{step % 50}"
        yield _node(f"{scope}/scale", "Const", dtype=_type(_FLOAT), value=_bytes(8, tensor))
        yield _node(f"{scope}/scale/read", "Identity", f"{scope}/scale", T=_type(_FLOAT))
        yield _node(f"{scope}/mul", "Mul", before, f"{scope}/scale/read", T=_type(_FLOAT))
        if step < 24_999:  # the placeholder stands in for the last one: 100,000 nodes in all
            before = f"{scope}/Relu"
            yield _node(before, "Relu", f"{scope}/mul", T=_type(_FLOAT))


# --- the wire, by field number


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _head(field: int, size: int) -> bytes:
    """What stands before ``size`` bytes of a message, string or bytes field."""
    return _varint(field << 3 | 2) + _varint(size)


def _bytes(field: int, content: bytes) -> bytes:
    return _head(field, len(content)) + content


def _type(dtype: int) -> bytes:
    return _number(6, dtype)


def _shape(*dims: int) -> bytes:
    return b"".join(_bytes(2, _number(1, dim)) for dim in dims)


def _shape_attr(*dims: int) -> bytes:
    return _bytes(7, _shape(*dims))


def _attr(key: str, value: bytes) -> bytes:
    return _bytes(5, _bytes(1, key.encode()) + _bytes(2, value))


def _node(name: str, op: str, *inputs: str, **attrs: bytes) -> bytes:
    out = _bytes(1, name.encode()) + _bytes(2, op.encode())
    out += b"".join(_bytes(3, source.encode()) for source in inputs)
    return out + b"".join(_attr(key, attrs[key]) for key in sorted(attrs))


def _put_node(out: BinaryIO, node: bytes) -> None:
    out.write(_bytes(1, node))


def _tensor_head(*dims: int, size: int) -> bytes:
    """A float tensor up to its content of ``size`` bytes, which is to follow."""
    return _number(1, _FLOAT) + _bytes(2, _shape(*dims)) + _head(4, size)


def _put_large_const(out: BinaryIO, name: str, width: int, fill: Callable[[int], None]) -> None:
    """A Const of [width, width] floats. Its content comes last in every message around it."""
    size = width * width * 4
    tail = _tensor_head(width, width, size=size)
    left = len(tail) + size
    for prefix, field in ((b"", 8), (_bytes(1, b"value"), 2), (b"", 5)):
        # From the inside out: tensor in AttrValue, AttrValue in its map entry, entry in NodeDef.
        wrapped = prefix + _head(field, left)
        tail = wrapped + tail
        left += len(wrapped)
    start = _bytes(1, name.encode()) + _bytes(2, b"Const") + _attr("dtype", _type(_FLOAT))
    out.write(_head(1, len(start) + left) + start + tail)
    fill(size)


def _versions() -> bytes:
    return _bytes(4, _number(1, _PRODUCER))
