"""Tensors as a model names, describes and holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from migrator.errors import UsageError
from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.places.source import ByteSource

_DIMS_SHOWN = 16
_NO_TENSOR = 1 << 63
"""Elements that no tensor can have. A hostile shape can claim more than Python will print."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A tensor's shape: ``dims`` with None for an unknown size; None itself: unknown rank."""

    dims: tuple[int | None, ...] | None

    @property
    def rank(self) -> int | None:
        return None if self.dims is None else len(self.dims)

    @property
    def elements(self) -> int | None:
        """Number of elements, None where any part is unknown or they pass 64 bits."""
        if self.dims is None or None in self.dims:
            return None
        if 0 in self.dims:
            return 0
        count = 1
        for dim in self.dims:
            count *= dim or 0
            if count >= _NO_TENSOR:
                return None
        return count

    def as_list(self) -> list[int | None] | None:
        return None if self.dims is None else list(self.dims)

    def __str__(self) -> str:
        if self.dims is None:
            return "unknown rank"
        return "[" + ", ".join("?" if dim is None else str(dim) for dim in self.dims) + "]"

    def __repr__(self) -> str:
        if self.dims is None or len(self.dims) <= _DIMS_SHOWN:
            return f"Shape({self})"
        return f"Shape({str(Shape(self.dims[:_DIMS_SHOWN]))[:-1]}, ... {len(self.dims):,} in all])"


UNKNOWN_SHAPE = Shape(None)
SCALAR = Shape(())


@dataclass(frozen=True, slots=True)
class TensorRef:
    """One output of a node, as ``name:port``; or a node itself, as ``^name`` (control).

    Inside a function body ``arg`` is the name of the output argument that ``port`` counts
    within (``node:out_arg:port``); a bare function argument has an empty ``arg``.
    """

    node: str
    port: int = 0
    control: bool = False
    arg: str = ""

    __repr__ = brief

    @classmethod
    def parse(cls, text: str) -> TensorRef:
        """Read an input as a NodeDef writes it: ``n``, ``n:1``, ``^n``, ``n:out:1``."""
        if text[:1] == "^":
            return cls(text[1:], -1, True)
        head, colon, tail = text.rpartition(":")
        if not colon or not tail.isascii() or not tail.isdigit() or len(tail) > 9:
            return cls(text)
        node, colon, arg = head.rpartition(":")
        if colon:
            return cls(node, int(tail), False, arg)
        return cls(head, int(tail))

    @staticmethod
    def node_in(text: str) -> str:
        """The node of what ``parse`` reads, and nothing made beside it."""
        if text[:1] == "^":
            return text[1:]
        head, colon, tail = text.rpartition(":")
        if not colon or not tail.isascii() or not tail.isdigit() or len(tail) > 9:
            return text
        node, colon, _ = head.rpartition(":")
        return node if colon else head

    @classmethod
    def parse_option(cls, text: str) -> TensorRef:
        """Read what a user typed. Raises UsageError for an empty or a control name."""
        if not text or text.startswith("^"):
            raise UsageError(f"{text!r} does not name a tensor", hint="write NODE or NODE:PORT")
        return cls.parse(text)

    def __str__(self) -> str:
        if self.control:
            return f"^{self.node}"
        return f"{self.node}:{self.arg}:{self.port}" if self.arg else f"{self.node}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """What a signature or a placeholder says of a tensor."""

    tensor: str
    """Tensor name such as ``x:0``; empty for a composite (sparse, ragged) tensor."""
    dtype: DType
    shape: Shape
    encoding: str = "dense"
    """``dense``, ``sparse`` (coordinate triple) or ``composite``."""
    parts: tuple[str, ...] = ()
    """The dense tensors that a sparse one is made of: values, indices, dense shape."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpan:
    """Where the bytes of an array lie: ``length`` from ``offset`` on, little-endian, in order."""

    path: str
    offset: int
    length: int
    source: ByteSource | None = field(default=None, compare=False, repr=False)
    """The file itself where it is open: by now there may be another one in its place."""

    __repr__ = brief

    def open(self) -> ByteSource:
        """The file, of which the bytes are those from ``offset`` on. Raises MigratorError."""
        return self.source or ByteSource.open(self.path)

    def is_same(self, other: FileSpan) -> bool:
        """Whether these are the same bytes: of one file, not of one that took the other's place.

        Raises MigratorError where a file that is not open is not there.
        """
        return self == other and self.open().identity() == other.open().identity()


def nowhere() -> FileSpan | None:
    """The place of a tensor whose array lies in no file in its own form."""
    return None


def unchecked() -> None:
    """There is no checksum to compare."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LazyTensor:
    """A constant that stays in its file until someone asks for its values.

    ``dtype`` and ``shape`` cost no reading. ``stored_bytes`` is the size of its encoded form
    in the file, which the repeat-last rule can make far smaller than ``nbytes``.
    """

    dtype: DType
    shape: Shape
    stored_bytes: int
    read: Callable[[], bytes] = field(repr=False)
    """The serialised TensorProto, read when called. Raises FormatError."""
    decode: Callable[[LazyTensor], Any] = field(repr=False)
    place: Callable[[], FileSpan | None] = field(repr=False, default=nowhere)
    """Finds the array's own bytes in a file, None where they lie in none in that form."""
    verify: Callable[[], None] = field(repr=False, default=unchecked)
    """For who reads those bytes himself: raises FormatError where they have another checksum than
    the file says, as ``numpy`` does."""

    __repr__ = brief

    @property
    def elements(self) -> int:
        return self.shape.elements or 0

    @property
    def size(self) -> int:
        """The same, under numpy's name."""
        return self.elements

    @property
    def ndim(self) -> int | None:
        return self.shape.rank

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded array; the stored size for strings and handles."""
        itemsize = self.dtype.itemsize
        return self.elements * itemsize if itemsize else self.stored_bytes

    def numpy(self) -> Any:
        """Decode to a numpy array, equal to ``tf.make_ndarray``; strings as an object array.

        Raises FormatError where the stored bytes do not fit dtype and shape, LimitError where
        the array would pass ``Limits.tensor_bytes``.
        """
        return self.decode(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """``np.asarray(tensor)`` reads the values, as ``numpy()``. The array is always a new one.

        The protocol of numpy 1 and 2, whose ``copy=False`` asks for an array without reading:
        ValueError.
        """
        if copy is False:
            raise ValueError("a tensor that stays in its file cannot be an array without a copy")
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LazyBytes:
    """A large byte string that stays in its file; ``read()`` gives it whole."""

    size: int
    read: Callable[[], bytes] = field(repr=False)

    __repr__ = brief
