"""One pass over all weights of a model, in bounded memory, for the rules that read them.

Every float constant and variable is read once, in parts; what the rules want to know of it is
counted on the way. Non-finite and subnormal numbers are told by the bits of their exponent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from migrator.auditing.contents.bodies import Place
from migrator.auditing.contents.stored import stored
from migrator.auditing.subject import Subject
from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor, Shape
from migrator.places.source import ByteSource

_PART = 4 << 20
"""Bytes that are read at a time."""
_BLOCK = 512 << 10
"""Bytes that are looked at in one step: what fits into a processor's cache."""
_WHOLE = 256 << 20
"""What does not lie in one run of a file is decoded whole, up to so many bytes."""
_REPEATED = 8
"""A constant this many times larger than what it is stored in is one value over and over: what
a few bytes claim to hold is not unfolded."""
_EXPONENTS = {
    "float16": (2, 0x7C00, 0x03FF),
    "bfloat16": (2, 0x7F80, 0x007F),
    "float32": (4, 0x7F800000, 0x007FFFFF),
    "float64": (8, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF),
    "complex64": (4, 0x7F800000, 0x007FFFFF),
    "complex128": (8, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF),
}
"""Type -> bytes of one number, bits of its exponent, bits of its fraction."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scanned:
    """What the numbers of one constant or variable are. A complex number counts as two."""

    name: str
    """Node, or key of the checkpoint."""
    place: Place | None
    """None for a variable."""
    dtype: DType
    shape: Shape
    nbytes: int
    numbers: int
    """0 for types without infinities: those are only hashed."""
    nan: int = 0
    infinite: int = 0
    subnormal: int = 0
    same: bool = False
    """All numbers are one and the same."""
    digest: str = ""
    """SHA-256 of the bytes in row-major order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """``unread`` names tensors that could not be read, with the reason."""

    tensors: tuple[Scanned, ...]
    unread: tuple[tuple[str, str], ...]


_SCANS: WeakKeyDictionary[Subject, Scan] = WeakKeyDictionary()


def scan(subject: Subject) -> Scan:
    """Read all weights of ``subject``, the first time that a rule asks."""
    found = _SCANS.get(subject)
    if found is None:
        found = _SCANS[subject] = _scan(subject)
    return found


def _scan(subject: Subject) -> Scan:
    tensors: list[Scanned] = []
    unread: list[tuple[str, str]] = []
    files = _Files()
    for name, place, tensor, checkpoint in _weights(subject):
        try:
            counter = _Counter(tensor.dtype)
            if place is not None and tensor.nbytes > _REPEATED * tensor.stored_bytes + _PART:
                counter.add_encoded(tensor.read())
            else:
                for part in _parts(tensor, name, checkpoint, files):
                    counter.add(part)
            tensors.append(counter.result(name, place, tensor))
        except MigratorError as error:
            unread.append((name, error.what))
    return Scan(tensors=tuple(tensors), unread=tuple(unread))


def _weights(
    subject: Subject,
) -> Iterator[tuple[str, Place | None, LazyTensor, Checkpoint | None]]:
    """Numeric constants of rank one and more, then the variables of the checkpoint."""
    for place in subject.by_op.get("Const", ()):
        value = place.node.attrs.get("value")
        if isinstance(value, LazyTensor) and value.shape.rank and value.dtype.itemsize:
            yield place.node.name, place, value, None
    checkpoint = stored(subject).checkpoint
    if checkpoint is not None:
        for key, value in checkpoint.variables.items():
            if value.dtype.itemsize:
                yield key, None, value, checkpoint


class _Files:
    """Keeps the file open that was read last: weights lie one behind the other."""

    def __init__(self) -> None:
        self._last: ByteSource | None = None

    def open(self, path: str) -> ByteSource:
        if self._last is None or self._last.name != path:
            self._last = ByteSource.open(path)
        return self._last


def _parts(
    tensor: LazyTensor, name: str, checkpoint: Checkpoint | None, files: _Files
) -> Iterator[Any]:
    """The tensor's bytes in row-major order, at most ``_PART`` (or a row) at a time."""
    span = tensor.place()
    if span is not None and span.length != tensor.nbytes:
        tensor.numpy()  # says what is wrong
    if span is not None:
        source = span.source or files.open(span.path)
        buffer = memoryview(bytearray(min(_PART, span.length)))
        for start in range(0, span.length, _PART):
            part = buffer[: min(_PART, span.length - start)]
            source.read_into(span.offset + start, part)
            yield part
        return
    dims = tensor.shape.dims or ()
    if checkpoint is None or tensor.nbytes <= _PART or not dims or not dims[0]:
        if tensor.nbytes > _WHOLE:
            raise MigratorError(f"takes {tensor.nbytes:,} bytes in no one place")
        yield memoryview(_flat(tensor.numpy()))
        return
    rows = max(1, _PART // max(1, tensor.nbytes // dims[0]))
    whole = " ".join(str(dim) for dim in dims)
    rest = "".join(":-" for _ in dims[1:])
    for start in range(0, dims[0], rows):
        count = min(rows, dims[0] - start)
        region = checkpoint.slice(name, f"{whole} {start},{count}{rest}")
        if region.nbytes > _WHOLE:
            raise MigratorError(f"one row takes {region.nbytes:,} bytes")
        yield memoryview(_flat(region.numpy()))


def _flat(array: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


class _Counter:
    """What is counted while the parts of one tensor go by."""

    def __init__(self, dtype: DType) -> None:
        self._form = _EXPONENTS.get(dtype.name)
        self._hash = hashlib.sha256()
        self._nan = self._infinite = self._subnormal = self._numbers = 0
        self._first: int | None = None
        self._same = True

    def add(self, part: Any) -> None:
        import numpy as np

        self._hash.update(part)
        if self._form is None:
            return
        size, exponent, fraction = self._form
        numbers = np.frombuffer(part, np.dtype(f"<u{size}"))
        self._numbers += len(numbers)
        if self._first is None and len(numbers):
            self._first = int(numbers[0])
        kind = numbers.dtype.type
        step = _BLOCK // size
        for start in range(0, len(numbers), step):
            block = numbers[start : start + step]
            if self._same and self._first is not None:
                self._same = bool(block[0] == self._first) and bool((block == self._first).all())
            bits = block & kind(exponent)
            self._special(block, bits == kind(exponent), kind(fraction))
            lowest = np.count_nonzero(bits == 0)
            if lowest:
                self._subnormal += int(
                    lowest - np.count_nonzero((block & kind(exponent | fraction)) == 0)
                )

    def add_encoded(self, data: bytes) -> None:
        """Take the serialised tensor for its content, unseen."""
        self._hash.update(data)

    def _special(self, block: Any, found: Any, fraction: Any) -> None:
        import numpy as np

        count = int(np.count_nonzero(found))
        if count:
            infinite = int(np.count_nonzero((block[found] & fraction) == 0))
            self._infinite += infinite
            self._nan += count - infinite

    def result(self, name: str, place: Place | None, tensor: LazyTensor) -> Scanned:
        return Scanned(
            name=name,
            place=place,
            dtype=tensor.dtype,
            shape=tensor.shape,
            nbytes=tensor.nbytes,
            numbers=self._numbers,
            nan=self._nan,
            infinite=self._infinite,
            subnormal=self._subnormal,
            same=self._same and self._numbers > 1,
            digest=self._hash.hexdigest(),
        )
