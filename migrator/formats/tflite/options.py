"""An operator's options as attributes, decoded when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from migrator.formats.tflite.flat import Flat, Kind, names_subgraph
from migrator.formats.tflite.schema import dtype_of, options_kind
from migrator.model.brief import brief_keys
from migrator.model.graph import AttrValue, FunctionRef
from migrator.ops.tflite import enum_names, options_table

_ENDS = ("_subgraph_index", "_subgraph_indices")
Functions = Callable[[int], FunctionRef | None]
"""Subgraph to the function that it became."""


Make = Callable[[], dict[str, AttrValue]]


class LazyAttrs(Mapping[str, AttrValue]):
    """A node's attributes, made by ``make`` at the first look. ``calls``: it may name functions.

    ``more`` makes those that cost a library to read; only a look for what ``make`` does not
    give, or at all of them, pays for it.
    """

    __slots__ = ("_calls", "_found", "_make", "_more")

    def __init__(self, make: Make, *, calls: bool, more: Make | None = None) -> None:
        self._make: Make | None = make
        self._more = more
        self._calls = calls
        self._found: dict[str, AttrValue] = {}

    def _first(self) -> dict[str, AttrValue]:
        make = self._make
        if make is not None:
            self._found = make()
            self._make = None
        return self._found

    def _all(self) -> dict[str, AttrValue]:
        found, more = self._first(), self._more
        if more is not None:
            found = self._found = more() | found
            self._more = None
        return found

    def holding(self, kind: str, skip: Any = ()) -> list[tuple[str, AttrValue]]:
        """Attributes, by name, that hold functions (``func``) or strings (``s``)."""
        if kind == "func" and not self._calls:
            return []
        wanted = FunctionRef if kind == "func" else bytes
        found = []
        for key, value in self._all().items():
            one = value[0] if isinstance(value, list) and value else value
            if key not in skip and isinstance(one, wanted):
                found.append((key, value))
        return sorted(found, key=lambda item: item[0])

    def __getitem__(self, key: str) -> AttrValue:
        found = self._first()
        return found[key] if key in found else self._all()[key]

    def get(self, key: str, default: Any = None) -> AttrValue:
        found = self._first()
        return found[key] if key in found else self._all().get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._first() or key in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return brief_keys("LazyAttrs", self)


def kind_of(number: int, *, second: bool = False) -> Kind | None:
    """The table of options that a union's type names; None for none, and for one that is new."""
    table = options_table(number, second=second)
    return None if table in (None, "NONE") else options_kind(str(table))


def check_options(flat: Flat, kind: Kind, at: int, part: str) -> None:
    """Raise Broken where the options cannot be read; what is decoded later is held against
    nothing more."""
    row = flat.table(kind, at, part)
    for field, value in zip(kind.fields, row, strict=True):
        if field is not None and field.away and value:
            name = f"{part}.{field.name}"
            if field.vector:
                flat.numbers(value, field.code, name)
            else:
                flat.raw(value, name)


def read_options(flat: Flat, kind: Kind, at: int, functions: Functions) -> dict[str, AttrValue]:
    """The options as attributes under the schema's names; those that name a subgraph hold the
    function that it became, under a name without ``_subgraph_index``. Enums are names (bytes)."""
    found: dict[str, AttrValue] = {}
    row = flat.table(kind, at)
    for field, value in zip(kind.fields, row, strict=True):
        if field is None:
            continue
        name = field.name
        if field.away and not value:
            continue
        if field.away and field.code in ("", "B"):
            found[name] = flat.raw(value, name)
        elif field.away:
            values = flat.numbers(value, field.code, name)
            if names_subgraph(name):
                refs = [functions(item) for item in values]
                found[_short(name)] = [ref for ref in refs if ref is not None]
            else:
                found[name] = [_named(field.enum, item) for item in values]
        elif names_subgraph(name):
            ref = functions(value)
            if ref is not None:
                found[_short(name)] = ref
        else:
            found[name] = _named(field.enum, value)
    return found


def _short(name: str) -> str:
    for end in _ENDS:
        name = name.removesuffix(end)
    return name


def _named(enum: str, value: Any) -> AttrValue:
    if not enum:
        return value
    if enum == "TensorType":
        return dtype_of(value)
    names = enum_names(enum)
    known = 0 <= value < len(names) and names[value]
    return (known or str(value)).encode()
