"""``open_checkpoint``: a checkpoint's tensors by key, each left in its file until asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any

from migrator.errors import FormatError, MigratorError, NoSuchTensor
from migrator.formats.checkpoint.entries import IndexEntry, key_bytes
from migrator.formats.checkpoint.locate import first_file, index_of
from migrator.formats.checkpoint.object_graph import (
    OBJECT_GRAPH_KEY,
    CheckpointObjects,
    read_object_graph,
)
from migrator.formats.checkpoint.opening import open_files
from migrator.formats.checkpoint.pieces import Piece, assemble, find_pieces, find_span
from migrator.formats.checkpoint.regions import (
    Region,
    elements,
    parse_spec,
    resolved,
    slice_key,
    whole,
)
from migrator.formats.wire import bytes_field, number_field
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.brief import brief_keys
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor, Shape
from migrator.places.place import LocalPlace, Place
from migrator.places.source import ByteSource

_NAMED = 5
"""So many keys or shards are named in a warning."""


def open_checkpoint(
    prefix: str | os.PathLike[str] | Place, limits: Limits = DEFAULT_LIMITS
) -> Checkpoint:
    """Open the checkpoint ``PREFIX.index`` (or name that file itself); no shard is touched.

    Of version 1 ``PREFIX`` is the file itself, or of the files ``PREFIX-?????-of-00002``. Raises
    MigratorError where there is none, UnsupportedFormat for big-endian ones, FormatError for
    damage (every block of the index is checksummed), LimitError.
    """
    place = prefix if isinstance(prefix, Place) else LocalPlace(prefix)
    found = place if place.base.endswith(".index") else first_file(place)
    if found is None:
        raise MigratorError(
            "there is no such checkpoint: its .index file is missing",
            where=str(index_of(place)),
            hint="name it without .index, .meta or .data-00000-of-00001",
        )
    return Checkpoint(found.open(), limits, found)


class Checkpoint:
    """An open checkpoint.

    ``tensors`` are whole tensors by key, in the order of the keys, partitioned ones too. A
    tensor's ``place()`` is the span in the shard where its bytes lie in one run, and None
    otherwise (strings, slices that lie apart); ``numpy()`` equals
    ``tf.train.load_checkpoint(prefix).get_tensor(key)`` bit for bit. Both raise MigratorError for
    a shard that is missing or too short, naming file, key and byte. Resources and variants are
    left out of ``tensors``: ``skipped`` names them.
    """

    def __init__(self, source: ByteSource, limits: Limits, place: Place | None = None) -> None:
        place = place or LocalPlace(source.name)
        self._limits = limits
        self._size = source.size
        self.path = source.name
        """The index file; of version 1 the file, or its first shard."""
        found = open_files(source, limits, place)
        self.version = found.version
        self.prefix = found.prefix
        self.problems = found.problems
        """What is wrong with single files of it, or entries: they are left out of ``tensors``."""
        self._index = found.index
        self._values = found.values
        entries = self._index.tensors
        self.skipped: tuple[str, ...] = tuple(
            key for key, entry in entries.items() if entry.dtype.kind == "h"
        )
        left = entries.keys() - self.skipped if self.skipped else entries.keys()
        self.tensors: Mapping[str, LazyTensor] = CheckpointTensors(
            self, {key: None for key in entries if key in left}
        )

    @property
    def shards(self) -> int:
        """How many data files belong to it."""
        return self._index.shards

    @property
    def missing_files(self) -> tuple[str, ...]:
        """Names of data files that are not there. What such a file of version 1 holds, nothing
        tells; of version 2 the index does."""
        return tuple(self._values.missing())

    @cached_property
    def bytes(self) -> int:
        """Sizes of all of its files that are there, the index among them."""
        own = self._size if self.version == 2 else 0
        return own + self._values.total_bytes()

    def shard_of(self, key: str) -> str | None:
        """Name of the file with a tensor's bytes; None where they lie in several, or that is not
        there. Raises NoSuchTensor for an unknown key.
        """
        entry = self._entry(key)
        held = {entry.shard}
        if entry.slices:
            name, slices = key_bytes(key), self._index.slices
            found = (slices.get(slice_key(name, item)) for item in entry.slices)
            held = {item.shard for item in found if item is not None}
        if len(held) != 1:
            return None
        base = self._values.base(held.pop())
        return None if base in self._missing else base

    @cached_property
    def _missing(self) -> frozenset[str]:
        return frozenset(self._values.missing())

    @property
    def variables(self) -> Mapping[str, LazyTensor]:
        """``tensors`` without the object graph, which is no variable's value."""
        return CheckpointTensors(
            self, {key: None for key in self.tensors if key != OBJECT_GRAPH_KEY}
        )

    @cached_property
    def object_graph(self) -> CheckpointObjects | None:
        """What a TF2 object-based checkpoint says of its objects; None for a name-based one.

        Raises MigratorError where it cannot be read.
        """
        if OBJECT_GRAPH_KEY not in self.tensors:
            return None
        entry = self._index.tensors[OBJECT_GRAPH_KEY]
        where = f"{self.path}: {OBJECT_GRAPH_KEY}"
        if entry.shape or entry.slices or entry.dtype.kind != "s":
            raise FormatError("its object graph is not one string", where=where)
        (text,) = self._values.texts(OBJECT_GRAPH_KEY, entry)
        return read_object_graph(text, where)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Variable's full name -> key. In a name-based checkpoint both are the same."""
        objects = self.object_graph
        return objects.names if objects else {key: key for key in self.variables}

    def key_of(self, name: str) -> str | None:
        """The key of a variable called ``name``, or the name itself where it is a key."""
        if name in self.tensors:
            return name
        objects = self.object_graph
        key = objects.names.get(name) if objects else None
        return key if key is not None and key in self.tensors else None

    def slice(self, key: str, spec: str) -> LazyTensor:
        """A region of a tensor, as RestoreV2's ``shape_and_slices`` says it: ``"4 2 0,2:-"``.

        ``spec`` may be empty: the whole tensor. The region need not be one that was saved; it is
        cut out of, or put together from, what was. Raises NoSuchTensor, UsageError for a spec
        that is none, FormatError for one that does not fit the tensor.
        """
        entry = self._entry(key)
        if not spec:
            return self.tensors[key]
        where = f"{self.path}: {ascii(key)[:300]}"
        shape, extents = parse_spec(spec)
        if shape != entry.shape:
            raise FormatError(
                f"has shape {list(entry.shape)} in the checkpoint, {list(shape)} was asked for",
                where=where,
            )
        try:
            region = resolved(extents, shape)
        except FormatError as error:
            raise error.at(where) from None
        stored = self._index.slices.get(slice_key(key_bytes(key), extents))
        if stored is not None and entry.slices:  # one that was saved: no need to look for it
            box = whole(stored.shape)
            piece = Piece(stored, box, box)
            size = self._values.stored_bytes(key, stored)
            return self._lazy(key, entry.dtype, box, lambda: [piece], size)
        return self._lazy_region(key, entry, region)

    def warnings(self) -> tuple[str, ...]:
        """What is odd about it, without reading a shard: missing ones, entries left out."""
        found = []
        missing = self._values.missing()
        if missing:
            first = ", ".join(missing[:_NAMED])
            found.append(
                f"{len(missing):,} of {self.shards:,} shards missing: {first}"
                + (" ..." if len(missing) > _NAMED else "")
            )
        found += self._values.faults()
        found += [str(problem) for problem in self.problems[:_NAMED]]
        if len(self.problems) > _NAMED:
            found.append(f"and {len(self.problems) - _NAMED:,} more such problems")
        if self.skipped:
            kinds = sorted({self._index.tensors[key].dtype.name for key in self.skipped})
            first = ", ".join(ascii(key)[:100] for key in self.skipped[:_NAMED])
            found.append(
                f"{len(self.skipped):,} entries of type {' and '.join(kinds)} are not read: {first}"
                + (" ..." if len(self.skipped) > _NAMED else "")
            )
        return tuple(found)

    def check(self, keys: Iterable[str] | None = None) -> None:
        """See that every tensor (or those of ``keys``) has its bytes, without reading them.

        Raises MigratorError for the first that has not: a missing or short shard, a size that
        does not fit the shape, slices that do not add up. NoSuchTensor for an unknown key.
        """
        if keys is None and self.problems:
            raise self.problems[0]
        if keys is None and self.version == 1 and (missing := self._values.missing()):
            raise MigratorError(  # what it holds, no other file says
                f"{len(missing):,} of {self.shards:,} shards missing",
                where=str(self.prefix.sibling(missing[0])),
                hint="copy every file of the checkpoint",
            )
        for key in self.tensors if keys is None else keys:
            for entry in self._stored(key):
                self._values.check(key, entry)

    def verify(self, keys: Iterable[str] | None = None) -> int:
        """Read every tensor (or those of ``keys``) and compare its CRC-32C; bytes read.

        Raises FormatError for the first whose checksum is another one, and what ``check`` raises.
        """
        done = 0
        for key in self.tensors if keys is None else keys:
            for entry in self._stored(key):
                done += self._values.verify(key, entry)
        return done

    def checksums(self, key: str) -> tuple[int, ...]:
        """The masked CRC-32C of each stored part of a tensor, from the index alone; those of
        version 1 are worked out from the values.

        Equal ones of equal type and shape mean equal values, but for one chance in 2**32. Raises
        NoSuchTensor, and FormatError for slices that do not add up.
        """
        return tuple([self._values.checksum(key, entry) for entry in self._stored(key)])

    def _entry(self, key: str) -> IndexEntry:
        entry = self._index.tensors.get(key)
        if entry is None:
            raise NoSuchTensor(
                f"has no tensor {ascii(key)[:300]}",
                where=self.path,
                hint=_nearest(key, self.tensors),
            )
        if entry.dtype.kind == "h":
            raise NoSuchTensor(
                f"holds {ascii(key)[:300]} as a {entry.dtype}, which is not read", where=self.path
            )
        return entry

    def _stored(self, key: str) -> list[IndexEntry]:
        """The entries that hold the bytes of a tensor."""
        entry = self._entry(key)
        where = f"{self.path}: {ascii(key)[:300]}"
        pieces = find_pieces(self._index, key, whole(entry.shape), where)
        return [piece.entry for piece in pieces]

    def _lazy_region(self, key: str, entry: IndexEntry, region: Region) -> LazyTensor:
        index = self._index
        where = f"{self.path}: {ascii(key)[:300]}"
        size = 0 if entry.slices else self._values.stored_bytes(key, entry)
        if entry.slices:
            name = key_bytes(key)
            size = sum(index.slices[slice_key(name, item)].size for item in entry.slices)
        if entry.dtype.itemsize:
            size = min(size, elements(region) * entry.dtype.itemsize)
        return self._lazy(
            key, entry.dtype, region, lambda: find_pieces(index, key, region, where), size
        )

    def _lazy(
        self,
        key: str,
        dtype: DType,
        region: Region,
        find: Callable[[], list[Piece]],
        stored_bytes: int,
    ) -> LazyTensor:
        held, limits, prefix = self._values, self._limits, self.prefix

        def values() -> Any:
            where = f"{prefix}: {ascii(key)[:300]}"
            return assemble(held, key, dtype, find(), region, limits, where)

        def verify() -> None:
            for piece in find():
                held.verify(key, piece.entry)

        return LazyTensor(
            dtype=dtype,
            shape=Shape(tuple([length for _, length in region])),
            stored_bytes=stored_bytes,
            read=lambda: _tensor_proto(dtype, values()),
            decode=lambda _: values(),
            place=lambda: find_span(held, key, find(), region),
            verify=verify,
        )


def _tensor_proto(dtype: DType, array: Any) -> bytes:
    """A serialised TensorProto with the values of ``array``."""
    dims = b"".join(bytes_field(2, number_field(1, size)) for size in array.shape)
    head = number_field(1, int(dtype)) + bytes_field(2, dims)
    if array.dtype == object:
        return head + b"".join([bytes_field(8, item) for item in array.ravel()])
    little = array.dtype.newbyteorder("<") if array.dtype.byteorder != "|" else array.dtype
    return head + bytes_field(4, array.astype(little, copy=False).tobytes())


def _nearest(key: str, keys: Mapping[str, LazyTensor]) -> str:
    """Keys like ``key``, for a hint. Linear in their number."""
    last = key.rpartition("/")[2]
    found = [name for name in keys if name.rpartition("/")[2] == last][:_NAMED]
    found = found or list(islice(keys, _NAMED))
    return f"it has {', '.join(ascii(name)[:100] for name in found)}" if found else "it has none"


class CheckpointTensors(Mapping[str, LazyTensor]):
    """Tensors by key, made when they are asked for."""

    __slots__ = ("_checkpoint", "_keys")

    def __init__(self, checkpoint: Checkpoint, keys: dict[str, None]) -> None:
        self._checkpoint = checkpoint
        self._keys = keys

    def __getitem__(self, key: str) -> LazyTensor:
        if key not in self._keys:
            raise KeyError(key)
        entry = self._checkpoint._index.tensors[key]
        return self._checkpoint._lazy_region(key, entry, whole(entry.shape))

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def shard_of(self, key: str) -> str | None:
        """As of the checkpoint."""
        return self._checkpoint.shard_of(key)

    @property
    def objects(self) -> CheckpointObjects | None:
        """As of the checkpoint: its ``object_graph``. Raises MigratorError."""
        return self._checkpoint.object_graph

    def __repr__(self) -> str:
        return brief_keys("CheckpointTensors", self)
