"""What a Checkpoint asks of the files that hold its values, whatever their version."""

from __future__ import annotations

from typing import Any, Protocol

from migrator.errors import FormatError, LimitError
from migrator.formats.checkpoint.entries import IndexEntry
from migrator.limits import Limits
from migrator.model.tensors import FileSpan, Shape


class Values(Protocol):
    """Values by entry; ``key`` is the tensor's, for errors. All raise MigratorError."""

    count: int
    """How many files there are."""

    def path(self, shard: int) -> str:
        """A file's name, as errors show it."""

    def base(self, shard: int) -> str:
        """The last part of a file's name."""

    def total_bytes(self) -> int:
        """Sizes of the files that are there."""

    def missing(self) -> list[str]:
        """Last parts of the names of files that are not there."""

    def faults(self) -> list[str]:
        """What else is wrong with the files, told without reading values."""

    def stored_bytes(self, key: str, entry: IndexEntry) -> int:
        """Bytes that a value takes in its file, as far as that is known without reading it."""

    def span(self, key: str, entry: IndexEntry) -> FileSpan | None:
        """Where on disk the array of an entry lies, as many bytes as its type and shape take.

        None where it does not lie so.
        """

    def read(self, key: str, entry: IndexEntry, first: int = 0, rows: int | None = None) -> Any:
        """The array of an entry; of a numeric one ``rows`` rows from ``first`` on."""

    def texts(self, key: str, entry: IndexEntry) -> list[bytes]:
        """The strings of an entry, row by row; needs no numpy."""

    def check(self, key: str, entry: IndexEntry) -> None:
        """See that the value is there, without reading it."""

    def verify(self, key: str, entry: IndexEntry) -> int:
        """Compare the checksum of what holds the value; bytes read."""

    def checksum(self, key: str, entry: IndexEntry) -> int:
        """The masked CRC-32C of the value as a version 2 shard would hold it."""


def array_bytes(entry: IndexEntry, where: str) -> int:
    """Bytes that the type and shape of an entry take. Raises FormatError where there are none."""
    count = Shape(entry.shape).elements
    if count is None:
        raise FormatError(f"no tensor has the shape {str(Shape(entry.shape))[:200]}", where=where)
    if not entry.dtype.itemsize:
        raise FormatError(f"{entry.dtype} has no values to read", where=where)
    return count * entry.dtype.itemsize


def little(raw: Any, entry: IndexEntry, where: str) -> Any:
    """``raw`` little-endian bytes as a flat array of the entry's type."""
    try:
        kind = entry.dtype.numpy()
    except TypeError as error:
        raise FormatError(str(error), where=where) from None
    stored = kind.newbyteorder("<") if kind.byteorder != "|" else kind
    return raw.view(stored).astype(kind, copy=False)


def fixed_lengths(lengths: list[int]) -> bytes:
    """The lengths of strings in the form that is checksummed: four bytes each, eight for those
    past them."""
    return b"".join([length.to_bytes(4 if length < 1 << 32 else 8, "little") for length in lengths])


def check_size(length: int, limits: Limits, where: str) -> None:
    """Raise LimitError for an array that would be too large."""
    if length > limits.tensor_bytes:
        raise LimitError(
            f"takes {length:,} bytes, the limit is {limits.tensor_bytes:,}", where=where
        )
