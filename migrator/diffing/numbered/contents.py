"""What a constant holds, as one number: survives renames, reads little of what is large.

Small constants are taken whole. Of a large one some pieces are read from its place in the file:
two weights that agree there, in type, shape and size are taken for one and the same while nodes
are being matched. Whether all of their values agree is for whoever compares weights to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from migrator.errors import MigratorError
from migrator.model.tensors import FileSpan, LazyTensor
from migrator.places.source import ByteSource

WHOLE = 64 << 10
"""Bytes of an array up to which all of it counts."""
_PIECE = 4 << 10
_PIECES = 5
_DECODED = 32 << 20
"""What does not lie in one run of a file has to be decoded, which is done up to so many bytes."""
_REPEATED = 8
"""An array this many times larger than what it is stored in is not unfolded."""


class Contents:
    """Numbers for the contents of constants, of the two sides alike. Keeps its last file open."""

    __slots__ = ("_file", "_known")

    def __init__(self) -> None:
        self._file: ByteSource | None = None
        self._known: dict[bytes, int] = {}

    def number(self, tensor: LazyTensor) -> int:
        """Equal for equal type, shape and values; of large arrays, for equal samples.

        What cannot be read counts by its type, shape and size.
        """
        head = f"{int(tensor.dtype)}{tensor.shape.dims}".encode()
        small = tensor.stored_bytes <= WHOLE and tensor.nbytes <= WHOLE
        if not small:
            return _digest(head, self._large(tensor))
        try:
            stored = tensor.read()
        except MigratorError:
            return _digest(head, (b"?",))
        known = self._known.get(stored)
        if known is None:
            known = _digest(head, _whole(tensor, stored))
            if len(stored) <= 256:  # the ones that a graph has thousands of
                self._known[stored] = known
        return known

    def _large(self, tensor: LazyTensor) -> Iterator[Any]:
        try:
            span = tensor.place()
            if span is not None and span.length == tensor.nbytes:
                yield from self._sample(span)
                return
            if tensor.nbytes > _REPEATED * tensor.stored_bytes + WHOLE:
                yield tensor.read()[-_PIECE:]
                return
            if tensor.dtype.kind == "s" or tensor.nbytes > _DECODED:
                data = tensor.read()
                yield hashlib.sha256(data).digest()
                return
            flat = memoryview(_bytes(tensor))
            for start, count in _pieces(len(flat)):
                yield flat[start : start + count]
        except (MigratorError, TypeError, MemoryError):
            yield str(tensor.stored_bytes).encode()

    def _sample(self, span: FileSpan) -> Iterator[bytes]:
        if span.source is not None:
            self._file = span.source
        elif self._file is None or self._file.name != span.path:
            self._file = ByteSource.open(span.path)
        for start, count in _pieces(span.length):
            yield self._file.read(span.offset + start, count)


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    """Places and lengths of what is read of ``size`` bytes: spread evenly, both ends among them."""
    if size <= _PIECE * _PIECES:
        yield 0, size
        return
    for piece in range(_PIECES):
        yield (size - _PIECE) * piece // (_PIECES - 1), _PIECE


def _whole(tensor: LazyTensor, stored: bytes) -> Iterator[Any]:
    """The values, however they are written; what does not decode by what is written."""
    try:
        if tensor.dtype.kind == "s":
            for item in tensor.numpy().reshape(-1).tolist():
                yield b"%d " % len(item)
                yield item
        else:
            yield _bytes(tensor)
    except (MigratorError, TypeError, ValueError, MemoryError):
        yield stored


def _bytes(tensor: LazyTensor) -> Any:
    import numpy as np

    return np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8)


def _digest(head: bytes, parts: Any) -> int:
    digest = hashlib.blake2b(head, digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little") >> 2
