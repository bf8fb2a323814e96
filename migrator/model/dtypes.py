"""TensorFlow's element types by their number, without TensorFlow.

Numbers and names are facts of TensorFlow's ``types.proto``.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

_REF_OFFSET = 100


class _Row(NamedTuple):
    name: str
    numpy: str | None  # numpy name, "ml_dtypes.x" for the types numpy lacks, None: no array form
    itemsize: int  # bytes for one element in tensor_content
    values: str | None  # the TensorProto list that holds the unpacked form
    kind: str  # f(loat), i(nteger), u(nsigned), q(uantised), c(omplex), b(ool), s(tring), h(andle)


_ROWS: dict[int, _Row] = {
    1: _Row("float32", "float32", 4, "float_val", "f"),
    2: _Row("float64", "float64", 8, "double_val", "f"),
    3: _Row("int32", "int32", 4, "int_val", "i"),
    4: _Row("uint8", "uint8", 1, "int_val", "u"),
    5: _Row("int16", "int16", 2, "int_val", "i"),
    6: _Row("int8", "int8", 1, "int_val", "i"),
    7: _Row("string", "object", 0, "string_val", "s"),
    8: _Row("complex64", "complex64", 8, "scomplex_val", "c"),
    9: _Row("int64", "int64", 8, "int64_val", "i"),
    10: _Row("bool", "bool", 1, "bool_val", "b"),
    11: _Row("qint8", "int8", 1, "int_val", "q"),
    12: _Row("quint8", "uint8", 1, "int_val", "q"),
    13: _Row("qint32", "int32", 4, "int_val", "q"),
    14: _Row("bfloat16", "ml_dtypes.bfloat16", 2, "half_val", "f"),
    15: _Row("qint16", "int16", 2, "int_val", "q"),
    16: _Row("quint16", "uint16", 2, "int_val", "q"),
    17: _Row("uint16", "uint16", 2, "int_val", "u"),
    18: _Row("complex128", "complex128", 16, "dcomplex_val", "c"),
    19: _Row("float16", "float16", 2, "half_val", "f"),
    20: _Row("resource", None, 0, None, "h"),
    21: _Row("variant", None, 0, None, "h"),
    22: _Row("uint32", "uint32", 4, "uint32_val", "u"),
    23: _Row("uint64", "uint64", 8, "uint64_val", "u"),
    24: _Row("float8_e5m2", "ml_dtypes.float8_e5m2", 1, "float8_val", "f"),
    25: _Row("float8_e4m3fn", "ml_dtypes.float8_e4m3fn", 1, "float8_val", "f"),
    26: _Row("float8_e4m3fnuz", "ml_dtypes.float8_e4m3fnuz", 1, "float8_val", "f"),
    27: _Row("float8_e4m3b11fnuz", "ml_dtypes.float8_e4m3b11fnuz", 1, "float8_val", "f"),
    28: _Row("float8_e5m2fnuz", "ml_dtypes.float8_e5m2fnuz", 1, "float8_val", "f"),
    29: _Row("int4", "ml_dtypes.int4", 1, "int_val", "i"),
    30: _Row("uint4", "ml_dtypes.uint4", 1, "int_val", "u"),
    31: _Row("int2", "ml_dtypes.int2", 1, "int_val", "i"),
    32: _Row("uint2", "ml_dtypes.uint2", 1, "int_val", "u"),
    33: _Row("float4_e2m1fn", "ml_dtypes.float4_e2m1fn", 1, "float8_val", "f"),
}

_OWN_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}


def data_type_number(name: str) -> int | None:
    """The number of ``DT_FLOAT`` or ``DT_FLOAT_REF``, None for names that are none."""
    return _numbers().get(name)


@cache
def _numbers() -> dict[str, int]:
    numbers = {"DT_INVALID": 0}
    for number, row in _ROWS.items():
        name = f"DT_{_OWN_NAMES.get(row.name, row.name.upper())}"
        numbers[name] = number
        numbers[f"{name}_REF"] = number + _REF_OFFSET
    return numbers


class DType(int):
    """An element type. Any integer is one, so that a file with an unknown number still reads."""

    __slots__ = ()

    @property
    def is_ref(self) -> bool:
        """True for TensorFlow 1's mutable reference twin of a type (number + 100)."""
        return self > _REF_OFFSET

    @property
    def base(self) -> DType:
        """The type itself, where this is its reference twin."""
        return DType(self - _REF_OFFSET) if self.is_ref else self

    @property
    def _row(self) -> _Row | None:
        return _ROWS.get(self - _REF_OFFSET if self > _REF_OFFSET else self)

    @property
    def known(self) -> bool:
        return self._row is not None

    @property
    def name(self) -> str:
        """TensorFlow's name: ``float32``, ``float32_ref``; ``invalid`` and ``unknown_N`` else."""
        row = self._row
        if row is None:
            return "invalid" if self == 0 else f"unknown_{int(self)}"
        return f"{row.name}_ref" if self.is_ref else row.name

    @property
    def itemsize(self) -> int:
        """Bytes for one element in a ``tensor_content``; 0 where elements have no fixed size."""
        row = self._row
        return row.itemsize if row else 0

    @property
    def values_field(self) -> str | None:
        """The ``*_val`` list of a TensorProto that holds this type's unpacked form."""
        row = self._row
        return row.values if row else None

    @property
    def kind(self) -> str:
        """``f`` float, ``i`` integer, ``u`` unsigned, ``q`` quantised, ``c`` complex,
        ``b`` bool, ``s`` string, ``h`` handle, ``?`` unknown."""
        row = self._row
        return row.kind if row else "?"

    @property
    def is_floating(self) -> bool:
        return self.kind == "f"

    @property
    def is_integer(self) -> bool:
        return self.kind in "iu"

    def numpy(self) -> Any:
        """The ``numpy.dtype`` of decoded arrays, TensorFlow's own. Raises TypeError for none."""
        import numpy as np

        row = self._row
        if row is None or row.numpy is None:
            raise TypeError(f"{self.name} has no array form")
        if row.kind == "q":  # one named field, so that no integer is mistaken for it
            return np.dtype([(row.name, row.numpy)])
        if row.numpy.startswith("ml_dtypes."):
            import ml_dtypes

            name = row.numpy.partition(".")[2]
            try:
                return np.dtype(getattr(ml_dtypes, name))
            except AttributeError:
                raise TypeError(f"{self.name} needs a newer ml_dtypes") from None
        return np.dtype(row.numpy)

    def __repr__(self) -> str:
        return f"DType({self.name})"

    def __str__(self) -> str:
        return self.name


_BY_NAME = {row.name: DType(number) for number, row in _ROWS.items()}
_BY_NAME.update({"half": DType(19), "float": DType(1), "double": DType(2)})

INVALID = DType(0)
FLOAT32 = DType(1)
INT32 = DType(3)
UINT8 = DType(4)
STRING = DType(7)
INT64 = DType(9)
BOOL = DType(10)
RESOURCE = DType(20)
VARIANT = DType(21)


def dtype_named(name: str) -> DType:
    """The type with TensorFlow's name, ``_ref`` included. Raises KeyError."""
    if name.endswith("_ref"):
        return DType(_BY_NAME[name[:-4]] + _REF_OFFSET)
    return _BY_NAME[name]


def all_dtypes() -> tuple[DType, ...]:
    """Every type that TensorFlow 1 and 2 define, in the order of their numbers."""
    return tuple(DType(number) for number in sorted(_ROWS))
