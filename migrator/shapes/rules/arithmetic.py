"""Arithmetic on small values, as graphs compute sizes from sizes."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from migrator.model.dtypes import BOOL, DType
from migrator.shapes.facts import Fact, broadcast
from migrator.shapes.rules.constants import within
from migrator.shapes.rules.elementwise import equality
from migrator.shapes.rules.reading import Op, Table, dtype

_INT32 = 3
_FLOAT32 = 1
_FLOAT64 = 2
_LARGEST_POWER = 64


def _truncated(a: int, b: int) -> int:
    found = abs(a) // abs(b)
    return found if (a < 0) == (b < 0) else -found


def _power(a: int, b: int) -> int:
    if not 0 <= b <= _LARGEST_POWER or abs(a) > 1 << 32:
        raise ValueError("large")
    return int(a**b)


_INTEGERS: Mapping[str, Callable[[int, int], int]] = {
    "Add": lambda a, b: a + b,
    "AddV2": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Maximum": max,
    "Minimum": min,
    "FloorDiv": lambda a, b: a // b,
    "Div": _truncated,
    "TruncateDiv": _truncated,
    "FloorMod": lambda a, b: a % b,
    "Mod": lambda a, b: a - b * _truncated(a, b),
    "TruncateMod": lambda a, b: a - b * _truncated(a, b),
    "Pow": _power,
    "SquaredDifference": lambda a, b: (a - b) ** 2,
}
_LOGIC: Mapping[str, Callable[[int, int], bool]] = {
    "Less": lambda a, b: a < b,
    "LessEqual": lambda a, b: a <= b,
    "Greater": lambda a, b: a > b,
    "GreaterEqual": lambda a, b: a >= b,
    "Equal": lambda a, b: a == b,
    "NotEqual": lambda a, b: a != b,
    "LogicalAnd": lambda a, b: bool(a and b),
    "LogicalOr": lambda a, b: bool(a or b),
}
_REALS: Mapping[str, Callable[[float, float], float]] = {
    "Add": lambda a, b: a + b,
    "AddV2": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Maximum": max,
    "Minimum": min,
    "RealDiv": lambda a, b: a / b,
    "Div": lambda a, b: a / b,
}


def integers(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    one, two = facts[0], facts[1]
    dims = broadcast(one.dims, two.dims)
    if dims is None:
        return ()
    if one.values is not None and two.values is not None and op.op in _INTEGERS:
        pairs = _paired(one.values, two.values, one, two)
        if pairs is not None:
            work, kind = _INTEGERS[op.op], dtype(op, "T", _INT32)
            return [Fact(dims, tuple([_worked(work, a, b, kind) for a, b in pairs]))]
    if one.reals is not None and two.reals is not None and op.op in _REALS:
        real_pairs = _paired(one.reals, two.reals, one, two)
        if real_pairs is not None:
            real, kind = _REALS[op.op], dtype(op, "T", _FLOAT32)
            reals = [_rounded_to(real, a, b, kind) for a, b in real_pairs]
            return [Fact(dims, None, tuple(reals))]
    return [Fact(dims)]


def logic(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    one, two = facts[0], facts[1]
    if op.op in ("Equal", "NotEqual"):
        found = equality(op, facts)
        dims = found[0].dims if found else None
    else:
        dims = broadcast(one.dims, two.dims)
    if dims is None:
        return ()
    if one.values is not None and two.values is not None:
        pairs = _paired(one.values, two.values, one, two)
        if pairs is not None:
            work = _LOGIC[op.op]
            values = [None if a is None or b is None else int(work(a, b)) for a, b in pairs]
            return [Fact(dims, tuple(values))]
    return [Fact(dims)]


_T = TypeVar("_T")


def _paired(
    one: tuple[_T, ...], two: tuple[_T, ...], left: Fact, right: Fact
) -> list[tuple[_T, _T]] | None:
    """Values side by side, where both are of one shape or one of them is a single value."""
    if left.dims != right.dims:
        if len(one) == 1 and len(right.dims or ()) >= len(left.dims or ()):
            one = one * len(two)
        elif len(two) == 1 and len(left.dims or ()) >= len(right.dims or ()):
            two = two * len(one)
        else:
            return None
    return list(zip(one, two, strict=True))


def _worked(
    work: Callable[[int, int], int], a: int | None, b: int | None, kind: DType
) -> int | None:
    if a is None or b is None:
        return None
    try:
        value = work(a, b)
    except (ZeroDivisionError, ValueError):
        return None
    return value if within(value, kind) else None


def _rounded_to(
    work: Callable[[float, float], float], a: float | None, b: float | None, kind: DType
) -> float | None:
    if a is None or b is None:
        return None
    try:
        return rounded(work(a, b), kind)
    except (ZeroDivisionError, OverflowError):
        return None


def rounded(value: float, kind: DType) -> float | None:
    """``value`` as a float type has it. Rounding once more is exact for + - * / and roots.

    Source: Figueroa, "When is double rounding innocuous?" (1995).
    """
    if kind == _FLOAT64:
        return value
    if kind != _FLOAT32:
        return None
    found: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return found


_ONE: Mapping[str, Callable[[int], int]] = {
    "Neg": lambda a: -a,
    "Abs": abs,
    "Square": lambda a: a * a,
    "Sign": lambda a: (a > 0) - (a < 0),
    "LogicalNot": lambda a: 0 if a else 1,
    "ZerosLike": lambda a: 0,
    "OnesLike": lambda a: 1,
}
_ONE_REAL: Mapping[str, Callable[[float], float]] = {
    "Neg": lambda a: -a,
    "Abs": abs,
    "Square": lambda a: a * a,
    "Floor": lambda a: float(math.floor(a)),
    "Ceil": lambda a: float(math.ceil(a)),
    "Round": lambda a: float(round(a)),
    "Rint": lambda a: float(round(a)),
    "Sqrt": math.sqrt,
}


def one(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    fact = facts[0]
    if fact.values is not None and op.op in _ONE:
        work = _ONE[op.op]
        kind = BOOL if op.op == "LogicalNot" else dtype(op, "T", _INT32)
        values = [None if a is None else work(a) for a in fact.values]
        return [
            Fact(fact.dims, tuple([a if a is None or within(a, kind) else None for a in values]))
        ]
    if fact.reals is not None and op.op in _ONE_REAL:
        real, kind = _ONE_REAL[op.op], dtype(op, "T", _FLOAT32)
        return [Fact(fact.dims, None, tuple([_one_real(real, a, kind) for a in fact.reals]))]
    return [Fact(fact.dims)]


def _one_real(work: Callable[[float], float], a: float | None, kind: DType) -> float | None:
    if a is None or not math.isfinite(a):
        return None
    try:
        return rounded(work(a), kind)
    except (OverflowError, ValueError):
        return None


def cast(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    fact, kind = facts[0], dtype(op, "DstT")
    if fact.values is not None:
        if kind in (_FLOAT32, _FLOAT64):
            reals = [None if a is None else rounded(float(a), kind) for a in fact.values]
            return [Fact(fact.dims, None, tuple(reals))]
        if kind == BOOL:
            return [
                Fact(fact.dims, tuple([None if a is None else int(a != 0) for a in fact.values]))
            ]
        if kind.kind in "iu":
            return [Fact(fact.dims, tuple([_fitting(a, kind) for a in fact.values]))]
    if fact.reals is not None:
        if kind in (_FLOAT32, _FLOAT64):
            reals = [None if a is None else _one_real(float, a, kind) for a in fact.reals]
            return [Fact(fact.dims, None, tuple(reals))]
        if kind.kind in "iu":
            whole = [None if a is None or not math.isfinite(a) else int(a) for a in fact.reals]
            return [Fact(fact.dims, tuple([_fitting(a, kind) for a in whole]))]
    return [Fact(fact.dims)]


def _fitting(value: int | None, kind: DType) -> int | None:
    return value if value is not None and within(value, kind) else None


RULES: Table = {
    **dict.fromkeys(_INTEGERS, integers),
    **dict.fromkeys(_REALS, integers),
    **dict.fromkeys(_LOGIC, logic),
    **dict.fromkeys(_ONE, one),
    **dict.fromkeys(_ONE_REAL, one),
    "Cast": cast,
}
