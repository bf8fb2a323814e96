"""Weights compared by value: part by part, in bounded memory, however large they are.

Values of one type are equal where their bits are: 0.0 is not -0.0, and a NaN is equal to one of
the same bits. Where a number is not finite on one side only, there is no difference to tell: such
elements count as different, and into neither maximum nor mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migrator.diffing.counterparts import Counterparts, is_weight
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import WeightChange
from migrator.diffing.side import Side
from migrator.diffing.weights.dequantised import Dequantised, is_quantised
from migrator.diffing.weights.reading import Store, Value
from migrator.errors import MigratorError
from migrator.model.dtypes import DType
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor, Shape

EQUAL = "equal"
DIFFERENT = "different"
UNKNOWN = "unknown"
_PART = 1 << 20
"""Elements that are compared at a time."""
_BLOCK = 1 << 17
"""Elements whose differences are worked out at a time: what fits into a processor's cache."""
_QUICK_LOOK = 64 << 10
"""Bytes of an encoding that are read for a first look."""
QUICK = 4 << 30
"""Bytes that are read where values were not asked for, of both sides together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far apart two rows of elements are."""

    elements: int
    different: int
    max_abs: float
    """Over elements that are finite on both sides. 0 for strings and the like."""
    mean_abs: float
    not_finite: int = 0
    """Elements that differ and are not finite on a side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightReport:
    """``status`` by (left node, right node): ``equal``, ``different`` or ``unknown``."""

    changes: tuple[WeightChange, ...]
    status: dict[tuple[str, str], str]
    unread: tuple[str, ...] = ()
    """Why values could not be read."""
    unknown_bytes: int = 0
    """Of weights whose values were not compared."""


def compare_weights(
    both: Counterparts, left: Store, right: Store, options: DiffOptions
) -> WeightReport:
    """Every weight of both sides. ``Files`` are read only as far as ``options`` ask for."""
    comparer = _Comparer(both, left, right, options)
    for one, other in both.weights.items():
        comparer.pair(one, other)
    return comparer.report()


@dataclass(slots=True, kw_only=True)
class Budget:
    """Bytes that may still be read where values were not asked for; None: no end to them."""

    left: int | None

    @classmethod
    def of(cls, options: DiffOptions) -> Budget:
        return cls(left=None if options.weights else QUICK)

    def takes(self, size: int) -> bool:
        if self.left is None:
            return True
        if size > self.left:
            return False
        self.left -= size
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is known of two values; no ``difference`` where they were not compared."""

    status: str
    difference: Difference | None = None

    def change(self, one: str, other: str, kind: str, elements: int) -> WeightChange:
        found = self.difference
        if found is None:
            return WeightChange(left=one, right=other, kind=kind, elements=elements)
        return WeightChange(
            left=one,
            right=other,
            kind=kind,
            elements=found.elements,
            max_abs=found.max_abs,
            mean_abs=found.mean_abs,
            share=found.different / found.elements if found.elements else 0.0,
            not_finite=found.not_finite,
        )


_UNKNOWN = Compared(status=UNKNOWN)


def compare_values(
    left: Value | None,
    right: Value | None,
    options: DiffOptions,
    budget: Budget,
    unread: dict[str, None],
) -> Compared:
    """Whether two values are equal, and how far apart. ``unread`` takes why one cannot be read."""
    if options.ignores("weights"):
        return _UNKNOWN
    if left is None or right is None:
        unread["no value is known for a variable: is its checkpoint there?"] = None
        return _UNKNOWN
    try:
        return _compared(left, right, options.weights, budget)
    except MigratorError as error:
        unread[error.what] = None
        return _UNKNOWN


def _compared(left: Value, right: Value, asked: bool, budget: Budget) -> Compared:
    tensor, other = left.tensor, right.tensor
    alike = tensor.dtype == other.dtype
    if alike and tensor.shape == other.shape:
        same = Difference(elements=tensor.elements, different=0, max_abs=0.0, mean_abs=0.0)
        if (
            tensor is other
            or _is_one_place(left, right)
            or (not asked and _same_checksums(left, right))
            or _same_encoding(left, right)
        ):
            return Compared(status=EQUAL, difference=same)
    if not budget.takes(min(tensor.nbytes, tensor.stored_bytes) + other.nbytes):
        return _UNKNOWN
    found = difference(left, right)
    return Compared(status=DIFFERENT if found.different else EQUAL, difference=found)


def _same_encoding(left: Value, right: Value) -> bool:
    """Whether two values are written alike, where that is quick to see: small ones mostly are."""
    ours, theirs = left.tensor, right.tensor
    small = max(ours.stored_bytes, theirs.stored_bytes) <= _QUICK_LOOK
    if not small and not left.is_repeated and not right.is_repeated:
        return False
    return ours.stored_bytes == theirs.stored_bytes and ours.read() == theirs.read()


class _Comparer:
    def __init__(self, both: Counterparts, left: Store, right: Store, options: DiffOptions) -> None:
        self._both = both
        self._left = left
        self._right = right
        self._options = options
        self._budget = Budget.of(options)
        self._changes: list[WeightChange] = []
        self._status: dict[tuple[str, str], str] = {}
        self._unread: dict[str, None] = {}
        self._unknown = 0

    def pair(self, one: str, other: str) -> None:
        left, right = self._both.left, self._both.right
        ours, theirs = _form(left, one), _form(right, other)
        elements = max(_elements(ours[1]), _elements(theirs[1]))
        moved = (left.nodes[one].op == "Const") != (right.nodes[other].op == "Const")
        if _differ(ours[1], theirs[1]):
            if not self._options.ignores("shapes"):
                self._changes.append(_UNKNOWN.change(one, other, "shape", elements))
            return
        values = self._left.value(one), self._right.value(other)
        if ours[0] != theirs[0]:
            # Integers of TFLite are held against others as the numbers that they stand for.
            values = (
                _numbers(values[0], left.nodes[one]),
                _numbers(values[1], right.nodes[other]),
            )
        found = compare_values(*values, self._options, self._budget, self._unread)
        self._status[one, other] = found.status
        if found.status == UNKNOWN:
            self._unknown += elements * ours[0].itemsize
        if ours[0] != theirs[0]:
            self._changes.append(found.change(one, other, "dtype", elements))
        elif found.status == DIFFERENT:
            self._changes.append(found.change(one, other, "values", elements))
        elif moved and not self._options.ignores("homes"):
            self._changes.append(found.change(one, other, "home", elements))

    def report(self) -> WeightReport:
        if not self._options.ignores("weights"):
            self._loose()
        return WeightReport(
            changes=tuple(self._changes),
            status=self._status,
            unread=tuple(self._unread),
            unknown_bytes=self._unknown,
        )

    def _loose(self) -> None:
        """Weights that only one side has."""
        both = self._both
        for name in _weights(both.left, both.weights):
            elements = _elements(_form(both.left, name)[1])
            self._changes.append(_UNKNOWN.change(name, "", "removed", elements))
        for name in _weights(both.right, both.weights_back):
            elements = _elements(_form(both.right, name)[1])
            self._changes.append(_UNKNOWN.change("", name, "added", elements))


def _numbers(value: Value | None, node: Node) -> Value | None:
    return Dequantised(value, node) if value is not None and is_quantised(node) else value


def _weights(side: Side, known: Iterable[str]) -> list[str]:
    held = set(known)
    return [
        name
        for name, node in side.nodes.items()
        if name not in held and "/Initializer/" not in name and is_weight(node)
    ]


def _form(side: Side, name: str) -> tuple[DType, Shape]:
    """Type and shape of a weight, without its values."""
    attrs = side.nodes[name].attrs
    value = attrs.get("value")
    if isinstance(value, LazyTensor):
        return value.dtype.base, value.shape
    dtype, shape = attrs.get("dtype"), attrs.get("shape")
    return (
        dtype.base if isinstance(dtype, DType) else DType(0),
        shape if isinstance(shape, Shape) else Shape(None),
    )


def _differ(one: Shape, other: Shape) -> bool:
    """Whether no tensor fits both."""
    if one.dims is None or other.dims is None:
        return False
    return len(one.dims) != len(other.dims) or any(
        a is not None and b is not None and a != b
        for a, b in zip(one.dims, other.dims, strict=True)
    )


def _elements(shape: Shape) -> int:
    return shape.elements or 0


def _is_one_place(left: Value, right: Value) -> bool:
    """The same bytes of the same file."""
    place, other = left.span(), right.span()
    return place is not None and other is not None and place.is_same(other)


def _same_checksums(left: Value, right: Value) -> bool:
    ours = left.checksums()
    return bool(ours) and ours == right.checksums() and left.tensor.shape == right.tensor.shape


def difference(left: Value, right: Value) -> Difference:
    """Compare all elements, at most ``_PART`` of them at a time.

    Raises MigratorError where values cannot be read, or do not fit one another.
    """
    count = left.tensor.elements
    if count != right.tensor.elements:
        raise MigratorError("a variable's value is of another shape than the variable")
    ours, theirs = left.elements(), right.elements()
    total = _Total()
    for start in range(0, count, _PART):
        size = min(_PART, count - start)
        total.add(ours.take(start, size), theirs.take(start, size))
    return total.result(count)


class _Total:
    """What is summed up while the parts of two tensors go by."""

    def __init__(self) -> None:
        self._different = 0
        self._not_finite = 0
        self._max = 0.0
        self._sum = 0.0

    def add(self, left: Any, right: Any) -> None:
        import numpy as np

        plain = left.dtype == right.dtype and left.dtype != object
        if plain and np.array_equal(left.view(np.uint8), right.view(np.uint8)):
            return
        for start in range(0, len(left), _BLOCK):
            self._block(left[start : start + _BLOCK], right[start : start + _BLOCK])

    def _block(self, left: Any, right: Any) -> None:
        import numpy as np

        if left.dtype == object or right.dtype == object:
            self._different += int(np.count_nonzero(left != right))
            return
        ours, theirs = _wide(left), _wide(right)
        # Opposite infinities give no number either: both are told apart below.
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(ours - theirs)
        if left.dtype == right.dtype:
            same = _same_bits(left, right)
        else:
            same = (ours == theirs) | ((ours != ours) & (theirs != theirs))
        odd = ~np.isfinite(apart) & ~same
        self._different += int(len(same) - np.count_nonzero(same))
        self._not_finite += int(np.count_nonzero(odd))
        apart = np.where(same | odd, 0.0, apart)
        if len(apart):
            self._max = max(self._max, float(apart.max()))
            self._sum += float(apart.sum())

    def result(self, count: int) -> Difference:
        finite = count - self._not_finite
        return Difference(
            elements=count,
            different=self._different,
            max_abs=self._max,
            mean_abs=self._sum / finite if finite else 0.0,
            not_finite=self._not_finite,
        )


def _same_bits(left: Any, right: Any) -> Any:
    """Element by element."""
    import numpy as np

    size = left.dtype.itemsize
    rows = (np.ascontiguousarray(item).view(np.uint8).reshape(-1, size) for item in (left, right))
    if size in (2, 4, 8):
        a, b = (item.view(f"u{size}")[:, 0] for item in rows)
        return a == b
    a, b = rows
    return (a == b).all(axis=1)


def _plain(array: Any) -> Any:
    """Without the one field of TensorFlow's quantised types."""
    return array[array.dtype.names[0]] if array.dtype.names else array


def _wide(array: Any) -> Any:
    """As numbers that can be subtracted."""
    import numpy as np

    array = _plain(array)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
