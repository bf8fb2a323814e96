"""The elements of a tensor in parts, from wherever they lie, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

from migrator.diffing.side import Side
from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint
from migrator.inspection.restores import RestoredTensor, find_restored
from migrator.inspection.tracing import Tracer
from migrator.model.tensors import FileSpan, LazyTensor
from migrator.ops.state import VARIABLE_OPS
from migrator.places.source import ByteSource

WHOLE = 48 << 20
"""Bytes that are decoded at a time, where a tensor does not lie in one run of a file."""
_REPEATED = 8
"""A tensor this many times larger than what it is stored in is one value over and over."""


class NotReadable(MigratorError):
    """A weight's values cannot be had, or not in bounded memory."""


class Elements(Protocol):
    """A tensor as a row of elements."""

    def take(self, start: int, count: int) -> Any:
        """``count`` elements from ``start`` on as a flat numpy array, good until the next call."""


class Files:
    """Keeps a few files open: weights lie one behind the other."""

    def __init__(self) -> None:
        self._open: dict[str, ByteSource] = {}

    def open(self, path: str) -> ByteSource:
        found = self._open.get(path)
        if found is None:
            if len(self._open) > 8:
                self._open.clear()
            found = self._open[path] = ByteSource.open(path)
        return found


class Value:
    """The value of one constant or variable, not read yet."""

    __slots__ = ("_checkpoint", "_files", "key", "tensor")

    def __init__(
        self,
        tensor: LazyTensor,
        files: Files,
        *,
        checkpoint: Checkpoint | None = None,
        key: str = "",
    ) -> None:
        self.tensor = tensor
        self.key = key
        self._files = files
        self._checkpoint = checkpoint

    def span(self) -> FileSpan | None:
        """Where its bytes lie in one run. Raises MigratorError for a file that is not there."""
        found = self.tensor.place()
        if found is not None and found.length != self.tensor.nbytes:
            self.tensor.numpy()  # says what is wrong
            return None
        return found

    def checksums(self) -> tuple[int, ...]:
        """Those of the checkpoint that holds it; empty for a constant."""
        return () if self._checkpoint is None else self._checkpoint.checksums(self.key)

    @property
    def is_repeated(self) -> bool:
        """One value over and over: what a few bytes claim to hold is not unfolded."""
        tensor = self.tensor
        return self._checkpoint is None and tensor.nbytes > _REPEATED * tensor.stored_bytes + WHOLE

    def elements(self) -> Elements:
        """Raises MigratorError where there are none to be had in bounded memory."""
        tensor = self.tensor
        span = self.span()
        if span is not None and tensor.dtype.itemsize:
            return _Span(span, span.source or self._files.open(span.path), tensor.dtype.numpy())
        if tensor.nbytes <= WHOLE and not self.is_repeated:
            return _Array(tensor.numpy().reshape(-1))
        dims = tensor.shape.dims or ()
        if self._checkpoint is None or not dims or not dims[0]:
            raise NotReadable(f"takes {tensor.nbytes:,} bytes in no one place")
        return _Rows(self._slice(dims), dims, tensor.nbytes)

    def _slice(self, dims: tuple[int | None, ...]) -> Callable[[int, int], Any]:
        checkpoint, key = self._checkpoint, self.key
        assert checkpoint is not None
        whole = " ".join(str(dim) for dim in dims)
        rest = "".join(":-" for _ in dims[1:])

        def rows(start: int, count: int) -> Any:
            return checkpoint.slice(key, f"{whole} {start},{count}{rest}").numpy().reshape(-1)

        return rows


class _Span:
    """Elements that lie one behind the other in a file."""

    def __init__(self, span: FileSpan, source: ByteSource, dtype: Any) -> None:
        self._span = span
        self._source = source
        self._dtype = dtype.newbyteorder("<") if dtype.byteorder not in "|=" else dtype
        self._buffer = bytearray()

    def take(self, start: int, count: int) -> Any:
        import numpy as np

        size = self._dtype.itemsize
        if len(self._buffer) < count * size:
            self._buffer = bytearray(count * size)
        part = memoryview(self._buffer)[: count * size]
        self._source.read_into(self._span.offset + start * size, part)
        return np.frombuffer(part, dtype=self._dtype)


class _Array:
    def __init__(self, array: Any) -> None:
        self._array = array

    def take(self, start: int, count: int) -> Any:
        return self._array[start : start + count]


class _Rows:
    """Elements of a tensor in slices, a few rows at a time."""

    def __init__(
        self, rows: Callable[[int, int], Any], dims: tuple[int | None, ...], nbytes: int
    ) -> None:
        self._rows = rows
        self._count = int(dims[0] or 0)
        each = 1
        for dim in dims[1:]:
            each *= int(dim or 0)
        self._each = each
        if nbytes // self._count > WHOLE:
            raise NotReadable(f"one row takes {nbytes // self._count:,} bytes")
        self._step = max(1, WHOLE // 4 // max(1, nbytes // self._count))
        self._first = 0
        self._held: Any = None

    def take(self, start: int, count: int) -> Any:
        import numpy as np

        parts = []
        while count > 0:
            place = start - self._first * self._each
            if self._held is None or not 0 <= place < len(self._held):
                self._first = start // self._each
                step = min(self._step, self._count - self._first)
                self._held = self._rows(self._first, step)
                place = start - self._first * self._each
            part = self._held[place : place + count]
            parts.append(part)
            start += len(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Store:
    """The values of one side's weights: in the graph's file, or in the checkpoint."""

    def __init__(self, side: Side, checkpoint: Checkpoint | None, files: Files) -> None:
        self._side = side
        self.checkpoint = checkpoint
        self._files = files

    def value(self, name: str) -> Value | None:
        """The value of a constant or a variable by its node; None where none is known."""
        node = self._side.nodes[name]
        if node.op == "Const":
            held = node.attrs.get("value")
            return Value(held, self._files) if isinstance(held, LazyTensor) else None
        if node.op not in VARIABLE_OPS or self.checkpoint is None:
            return None
        entry = self._restored.get(name)
        if entry is not None:
            return self._entry(entry.key, entry.part)
        shared = node.attrs.get("shared_name")
        texts = [shared.decode("utf-8", "replace")] if isinstance(shared, bytes) else []
        for text in filter(None, (*texts, self._side.local(name))):
            key = self.checkpoint.key_of(text)
            if key is not None:
                return self._entry(key, "")
        return None

    def variables(self) -> dict[str, LazyTensor]:
        """The values of all variables that have one, by the names of their nodes."""
        if self.checkpoint is None:
            return {}
        found = {}
        for name, node in self._side.nodes.items():
            if node.op in VARIABLE_OPS:
                value = self.value(name)
                if value is not None:
                    found[name] = value.tensor
        return found

    def _entry(self, key: str, part: str) -> Value | None:
        checkpoint = self.checkpoint
        assert checkpoint is not None
        if key not in checkpoint.tensors:
            return None
        if not part:
            return self.stored(key)
        try:
            return Value(checkpoint.slice(key, part), self._files)
        except MigratorError:
            return None

    @cached_property
    def _restored(self) -> Mapping[str, RestoredTensor]:
        meta = self._side.meta
        restore = meta.saver.restore_op if meta.saver is not None else ""
        return find_restored(meta.graph, Tracer(meta.graph), restore).variables

    def stored(self, key: str) -> Value:
        """The value of a checkpoint's key."""
        checkpoint = self.checkpoint
        assert checkpoint is not None
        return Value(checkpoint.tensors[key], self._files, checkpoint=checkpoint, key=key)
