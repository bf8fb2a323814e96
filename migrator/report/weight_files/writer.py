"""What every file of weights asks of a weight: its type, its shape, its bytes in parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor
from migrator.places.source import ByteSource

_PART = 1 << 22
"""Bytes that are copied at once."""
_MOST_RANK = 32
"""Dimensions that every numpy reads back."""


class LeftOut(Exception):
    """A weight that a file of this kind cannot hold; says why."""


class Stored(NamedTuple):
    """How one weight is written: the bytes of an array of ``dtype``, a numpy one."""

    name: str
    dtype: Any
    shape: tuple[int, ...]
    parts: Iterator[Any]
    bytes: int


class Writer(ABC):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.widened: dict[str, str] = {}

    @abstractmethod
    def check(self, name: str, tensor: LazyTensor) -> None:
        """Raise LeftOut for what is known not to fit before anything is read."""

    def begin(self, kept: list[tuple[str, LazyTensor]]) -> None:
        """Before the first weight: what there will be at most."""
        del kept

    def ordered(self, kept: list[tuple[str, LazyTensor]]) -> list[tuple[str, LazyTensor]]:
        return kept

    @abstractmethod
    def target_type(self, dtype: DType) -> Any:
        """The numpy type that ``dtype`` is written as. Raises LeftOut."""

    @abstractmethod
    def write(self, stored: Stored) -> None: ...

    @abstractmethod
    def end(self) -> None:
        """After the last weight, or after what went wrong."""

    def stored(self, name: str, tensor: LazyTensor) -> Stored:
        """How a weight is written; its values are read now, or in parts as they are taken.

        Raises LeftOut, and MigratorError for what cannot be read.
        """
        if tensor.dtype.kind == "s":
            return self.stored_strings(name, tensor)
        ours, target = plain_type(tensor.dtype), self.target_type(tensor.dtype)
        if target != ours or tensor.dtype.kind == "q":
            self.widened[tensor.dtype.name] = str(target)
        shape = fixed_shape(tensor)
        parts = _parts(tensor, ours)
        if target != ours:
            parts = (_bytes(part.astype(target)) for part in _arrays(parts, ours))
        return Stored(name, target, shape, parts, tensor.elements * target.itemsize)

    def stored_strings(self, name: str, tensor: LazyTensor) -> Stored:
        raise LeftOut("strings have no place in such a file")


def fixed_shape(tensor: LazyTensor) -> tuple[int, ...]:
    return tuple(size or 0 for size in tensor.shape.dims or ())


def plain_type(dtype: DType) -> Any:
    """The numpy type of stored elements, quantised ones as the integers that they are.

    Raises LeftOut for a type without one.
    """
    try:
        found = dtype.base.numpy()
    except TypeError as error:
        raise LeftOut(str(error)) from None
    return found[found.names[0]] if found.names else found


def _parts(tensor: LazyTensor, dtype: Any) -> Iterator[Any]:
    """The bytes of a tensor in runs of whole elements. Raises MigratorError before the first."""
    span = tensor.place()
    size = tensor.elements * dtype.itemsize
    if span is not None and span.length == size:
        tensor.verify()
        span = tensor.place() or span  # of files that were opened meanwhile
        source = span.open()
        source.read(span.offset, min(size, 1))
        if span.offset + size > source.size:
            source.read(span.offset, size)  # says what is wrong
        return _copied(source, span.offset, size)
    array = tensor.numpy()
    return _of_array(array)


def _copied(source: ByteSource, offset: int, size: int) -> Iterator[Any]:
    for start in range(0, size, _PART):
        yield source.read(offset + start, min(_PART, size - start))


def _of_array(array: Any) -> Iterator[Any]:
    data = memoryview(_bytes(array))
    for start in range(0, len(data), _PART):
        yield data[start : start + _PART]


def _bytes(array: Any) -> Any:
    """An array's bytes in C order, little-endian, without a copy where they are so."""
    import numpy as np

    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8).data


def _arrays(parts: Iterator[Any], dtype: Any) -> Iterator[Any]:
    import numpy as np

    for part in parts:
        yield np.frombuffer(part, dtype=dtype)


def check_shape(tensor: LazyTensor) -> None:
    dims = tensor.shape.dims
    if dims is None or tensor.shape.elements is None:
        raise LeftOut("its shape is not known")
    if len(dims) > _MOST_RANK:
        raise LeftOut(f"it has {len(dims):,} dimensions, numpy takes {_MOST_RANK}")
    if tensor.dtype.kind in "h?":
        raise LeftOut(f"a {tensor.dtype.name} has no values")


def is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def known_to_numpy(dtype: Any) -> Any:
    """The smallest type of numpy's own that holds all values of ``dtype``."""
    import numpy as np

    if dtype.isbuiltin == 1:
        return dtype
    name = dtype.name
    if "int" in name:
        return np.dtype(np.uint8 if name.startswith("uint") else np.int8)
    return np.dtype(np.float32)
