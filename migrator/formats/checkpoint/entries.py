"""The entries of a checkpoint's index: which tensors there are, and where their bytes lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from migrator.errors import FormatError, UnsupportedFormat
from migrator.formats.checkpoint.regions import Extents, slice_key
from migrator.formats.checkpoint.table import read_table
from migrator.formats.messages import message_class
from migrator.limits import Limits
from migrator.model.dtypes import DType
from migrator.places.source import ByteSource

_BIG_ENDIAN = 1
OUR_VERSION = 1
"""Checkpoints that ask for a later reader are refused, as TensorFlow refuses them."""
_SHARDS = 1 << 20
"""More than any shard's name has digits for; a count of our own against a damaged header."""


class IndexEntry(NamedTuple):
    """A tensor, or one slice of it. A partitioned one has ``slices`` and no bytes of its own."""

    dtype: DType
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    """Bytes in the shard."""
    crc: int
    """Masked CRC-32C of the values."""
    slices: tuple[Extents, ...]
    stored: bytes = b""
    """Version 1: the key of the table that the value lies under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What an index file says. ``slices`` holds the entries of slices by their encoded key."""

    shards: int
    """How many files hold the values."""
    tensors: dict[str, IndexEntry]
    slices: dict[bytes, IndexEntry]


class VersionOne(Exception):
    """The table is a version 1 checkpoint: ``version1`` reads it."""


def key_text(key: bytes) -> str:
    """A key as text; bytes that are no UTF-8 survive as lone surrogates."""
    return key.decode("utf-8", "surrogateescape")


def key_bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def read_index(source: ByteSource, limits: Limits) -> Index:
    """Read a ``.index`` file.

    Raises VersionOne for a version 1 checkpoint, UnsupportedFormat for big-endian ones,
    FormatError for damage, LimitError.
    """
    from google.protobuf.message import DecodeError

    table = read_table(source, limits)
    key, value = next(table, (None, b""))
    if key != b"":
        raise FormatError("is a table, but not of a checkpoint: no header", where=source.name)
    shards = _header(value, source.name)
    tensors: dict[bytes, IndexEntry] = {}
    parse = message_class("BundleEntryProto").FromString
    partitioned = []
    for key, value in table:
        try:
            entry = _entry(parse(value))
        except DecodeError:
            raise _broken(source, key, "is not a well-formed message") from None
        except FormatError as error:
            raise _broken(source, key, error.what) from None
        if not 0 <= entry.shard < shards:
            raise _broken(source, key, f"lies in shard {entry.shard:,} of {shards:,}")
        tensors[key] = entry
        if entry.slices:
            partitioned.append(key)
        if not len(tensors) & 0xFFF:
            limits.check("variables", len(tensors), where=source.name)
    limits.check("variables", len(tensors), where=source.name)
    slices: dict[bytes, IndexEntry] = {}
    for key in partitioned:
        for extents in tensors[key].slices:
            name = slice_key(key, extents)
            part = tensors.pop(name, None)
            if part is None:
                again = "is listed twice" if name in slices else "is not there"
                raise _broken(source, key, f"is in slices, and {_shown(extents)} {again}")
            if part.dtype != tensors[key].dtype or part.slices:
                raise _broken(source, key, f"its slice {_shown(extents)} is of another kind")
            slices[name] = part
    named = {key_text(key): entry for key, entry in tensors.items()}
    return Index(shards=shards, tensors=named, slices=slices)


def _shown(extents: Extents) -> str:
    return ":".join("-" if size is None else f"{start},{size}" for start, size in extents[:32])


def _broken(source: ByteSource, key: bytes, what: str) -> FormatError:
    return FormatError(what, where=f"{source.name}: entry {ascii(key_text(key))[:300]}")


def _header(value: bytes, where: str) -> int:
    """How many shards there are."""
    from google.protobuf.message import DecodeError

    if value[:1] == b"\x0a":  # SavedTensorSlices, whose field 1 is a message
        raise VersionOne
    try:
        header = message_class("BundleHeader").FromString(value)
    except DecodeError:
        raise FormatError("the checkpoint's header is not well-formed", where=where) from None
    if header.endianness == _BIG_ENDIAN:
        raise UnsupportedFormat("is a checkpoint of a big-endian machine", where=where)
    if header.version.min_consumer > OUR_VERSION:
        raise UnsupportedFormat(
            f"is a checkpoint for readers of version {header.version.min_consumer:,} and later",
            where=where,
        )
    if not 0 < header.num_shards <= _SHARDS:
        raise FormatError(
            f"the checkpoint's header claims {header.num_shards:,} shards", where=where
        )
    shards: int = header.num_shards
    return shards


def _entry(message: Any) -> IndexEntry:
    """Raises FormatError (without a place)."""
    # Each look at a field of a message makes an object: once, for there may be a million entries.
    given, offset, size, parts = message.shape, message.offset, message.size, message.slices
    shape = tuple([dim.size for dim in given.dim[:]])
    if given.unknown_rank or (shape and min(shape) < 0):
        raise FormatError("has no full shape")
    if offset < 0 or size < 0:
        raise FormatError(f"lies at byte {offset:,}, {size:,} bytes long")
    slices: tuple[Extents, ...] = tuple([read_extents(item) for item in parts]) if parts else ()
    return IndexEntry(
        DType(message.dtype), shape, message.shard_id, offset, size, message.crc32c, slices
    )


def read_extents(message: Any) -> Extents:
    return tuple(
        (item.start, item.length if item.HasField("length") else None) for item in message.extent
    )
