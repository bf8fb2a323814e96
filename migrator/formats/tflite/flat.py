"""FlatBuffers by positioned reads: tables, vectors and strings of a file that nobody vouches for.

The ``flatbuffers`` package reads from one buffer in memory, checks no offset and brings numpy with
it. A TFLite file is mostly weights, so this reader looks at the rest through a few small pages of
the file, and holds every offset and length against the file's end before it follows it.

Source of the layout: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from migrator.errors import FormatError, LimitError
from migrator.limits import TRUST_HINT, Limits
from migrator.places.source import ByteSource

_PAGE = 1 << 14
_OVERLAP = 256
"""Bytes of the next page that each page holds too, so that few reads lie across two."""
_PAGES = 1024
_TARGETS = 1024
_MOST_PLANS = 1 << 14
_SLACK = 1 << 20
_SHARED = 8
"""What vectors and strings come to, each time that they are named, may pass the file's own size
so many times. Writers share a few; a file made to waste time shares a large one thousandfold."""
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_VTABLE = struct.Struct("<HH")
_CODES = {
    "bool": "?",
    "f32": "f",
    "i8": "b",
    "i32": "i",
    "i64": "q",
    "u8": "B",
    "u32": "I",
    "u64": "Q",
}
_SUBGRAPHS = frozenset(("subgraph", "called_computations", "branch_subgraph_indices"))
_SIZES = {code: struct.calcsize(f"<{code}") for code in _CODES.values()}


class Broken(FormatError):
    """A part that cannot be read. ``where`` is the field, the file's name is still to be added."""

    def inside(self, part: str) -> Broken:
        """The same error, with the part of the model that the field belongs to before it."""
        self.where = f"{part}.{self.where}" if self.where else part
        return self


def names_subgraph(field: str) -> bool:
    """Whether an operator's option of this name holds the index of a subgraph, or several."""
    return field.endswith("subgraph_index") or field in _SUBGRAPHS


class Field:
    """One field of a table. ``code`` is the struct code of a number's or of a vector's elements,
    empty for strings, tables and their vectors, which lie elsewhere (``away``)."""

    __slots__ = ("away", "code", "default", "enum", "name", "vector")

    def __init__(self, text: str) -> None:
        self.name, _, kind = text.partition(":")
        kind, _, self.enum = kind.partition("/")
        kind, _, default = kind.partition("=")
        self.vector = kind.startswith("[")
        self.code = _CODES.get(kind.strip("[]"), "")
        self.away = self.vector or not self.code
        self.default: Any = 0
        if self.code == "?":
            self.default = default == "True"
        elif default:
            self.default = int(default)


class Kind:
    """The fields of a table in the order of their slots."""

    __slots__ = ("calls", "defaults", "fields", "name")

    def __init__(self, name: str, text: str) -> None:
        """``text``: ``name:type`` for each slot, ``-`` for a slot that is no longer used."""
        self.name = name
        self.fields = [None if item == "-" else Field(item) for item in text.split()]
        self.calls = any(item is not None and names_subgraph(item.name) for item in self.fields)
        """Whether a field of it names a subgraph."""
        self.defaults = [0 if item is None or item.away else item.default for item in self.fields]


class _Plan:
    """How the inline part of tables with one vtable is read: one unpacking for all fields."""

    __slots__ = ("away", "size", "slots", "unpack")

    def __init__(self, fields: list[tuple[int, int, Field]]) -> None:
        """``fields``: (byte in the table, slot, field), in the order of their bytes."""
        form, end = "<", 0
        for offset, _, field in fields:
            code = "I" if field.away else field.code
            form += f"{offset - end}x{code}"
            end = offset + _SIZES[code]
        self.size = max(end, 4)
        self.slots = tuple(slot for _, slot, _ in fields)
        self.away = tuple((slot, offset) for offset, slot, field in fields if field.away)
        self.unpack = struct.Struct(form).unpack_from


@cache
def _vector_code(code: str, count: int) -> struct.Struct:
    return struct.Struct(f"<{count}{code}")


class Flat:
    """A source read as a FlatBuffer. Positions are bytes from its start; 0 stands for "not there".

    Errors are ``Broken`` with the field in ``where``, or LimitError.
    """

    __slots__ = ("_layouts", "_left", "_page", "_pages", "_plans", "limits", "size", "source")

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self.source = source
        self.limits = limits
        self.size = source.size
        self._pages: dict[int, tuple[int, int, bytes]] = {}
        self._page: tuple[int, int, bytes] = (0, 0, b"")
        self._plans: dict[tuple[str, int], _Plan] = {}
        self._layouts: dict[tuple[str, bytes], _Plan] = {}
        self._left = min(limits.skeleton_bytes, _SHARED * source.size + _SLACK)

    def _window(self, at: int, length: int) -> tuple[bytes, int]:
        """Bytes that hold ``length`` from ``at`` on (which lie in the file), and where in them."""
        base, end, data = self._page
        if base <= at and at + length <= end:
            return data, at - base
        number = at // _PAGE
        page = self._pages.get(number)
        if page is None:
            base = number * _PAGE
            data = self.source.read(base, min(_PAGE + _OVERLAP, self.size - base))
            page = (base, base + len(data), data)
            if len(self._pages) >= _PAGES:
                self._pages.pop(next(iter(self._pages)))
            self._pages[number] = page
        self._page = page
        base, end, data = page
        if at + length <= end:
            return data, at - base
        return self.source.read(at, length), 0

    def spend(self, count: int, part: str) -> None:
        """Count bytes that are read, or will be, each time that a part names them."""
        self._left -= count
        if self._left < 0:
            raise LimitError(
                "its tables, vectors and strings come to more than Limits.skeleton_bytes, or to "
                "far more than the file holds: many parts share one",
                where=f"{self.source.name}: {part}",
                hint=TRUST_HINT,
            )

    def _inside(self, at: int, length: int, part: str) -> None:
        if at < 0 or at + length > self.size:
            raise Broken(
                f"{length:,} bytes at byte {at:,} lie outside of the file ({self.size:,} bytes)",
                where=part,
                hint="is the file truncated?" if at >= 0 else "is the file damaged?",
            )

    def loaded(self) -> None:
        """The model stands: what is read again at a look has been counted."""
        self._left = 1 << 62

    def u32(self, at: int, part: str) -> int:
        self._inside(at, 4, part)
        data, index = self._window(at, 4)
        value: int = _U32.unpack_from(data, index)[0]
        return value

    def follow(self, at: int, part: str) -> int:
        """Where the offset that stands at ``at`` leads to."""
        offset = self.u32(at, part)
        target = at + offset
        if not offset or target + 4 > self.size:
            raise Broken(
                f"the offset {offset:,} at byte {at:,} leads to byte {target:,}, outside of the "
                f"file ({self.size:,} bytes)"
                if offset
                else f"the offset at byte {at:,} leads to itself",
                where=part,
                hint="is the file truncated or damaged?",
            )
        return target

    def table(self, kind: Kind, at: int, part: str = "") -> list[Any]:
        """The fields of the table at ``at`` by slot: numbers, and positions of what lies away."""
        size = self.size
        if at + 4 > size:
            self._inside(at, 4, part)  # raises
        data, index = self._window(at, 4)
        vtable = at - _I32.unpack_from(data, index)[0]
        plan = self._plans.get((kind.name, vtable))
        if plan is None:
            plan = self._plan(kind, vtable, at, part)
        if at + plan.size > size:
            self._inside(at, plan.size, part)  # raises
        data, index = self._window(at, plan.size)
        row = kind.defaults.copy()
        for slot, value in zip(plan.slots, plan.unpack(data, index), strict=True):
            row[slot] = value
        for slot, offset in plan.away:
            target = at + offset + row[slot]
            if not row[slot] or target + 4 > size:
                field = kind.fields[slot]
                name = field.name if field else ""
                self.follow(at + offset, f"{part}.{name}" if part else name)  # raises
            row[slot] = target
        return row

    def _plan(self, kind: Kind, vtable: int, at: int, part: str) -> _Plan:
        self._inside(vtable, 4, f"{part}.vtable" if part else "vtable")
        data, index = self._window(vtable, 4)
        size, inline = _VTABLE.unpack_from(data, index)
        if size < 4 or size % 2 or inline < 4 or vtable + size > self.size:
            raise Broken(
                f"the table at byte {at:,} has no vtable at byte {vtable:,} "
                f"(it states {size:,} and {inline:,} bytes)",
                where=part,
                hint="is the file damaged?",
            )
        count = min((size - 4) // 2, len(kind.fields))
        data, index = self._window(vtable, 4 + 2 * count)
        layout = data[index : index + 4 + 2 * count]
        plan = self._layouts.get((kind.name, layout))
        if plan is None:
            if len(self._layouts) >= _MOST_PLANS:
                self._layouts.clear()
            plan = self._new_plan(kind, layout, inline, at, part)
            self._layouts[kind.name, layout] = plan
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[kind.name, vtable] = plan
        return plan

    def _new_plan(self, kind: Kind, layout: bytes, inline: int, at: int, part: str) -> _Plan:
        count = len(layout) // 2 - 2
        found = []
        for slot, offset in enumerate(struct.unpack_from(f"<{count}H", layout, 4)):
            field = kind.fields[slot]
            if offset and field is not None:
                found.append((offset, slot, field))
        found.sort(key=lambda item: item[0])
        end = 4
        for offset, _, field in found:
            width = 4 if field.away else _SIZES[field.code]
            if offset < end or offset + width > inline:
                raise Broken(
                    f"byte {offset} of the table at byte {at:,} is no place for a field: fields "
                    f"overlap or pass the table's {inline:,} bytes",
                    where=f"{part}.{field.name}" if part else field.name,
                    hint="is the file damaged?",
                )
            end = offset + width
        return _Plan(found)

    def vector(self, at: int, width: int, part: str) -> tuple[int, int]:
        """Where the elements of the vector at ``at`` start, and how many of ``width`` bytes."""
        count = self.u32(at, part)
        if at + 4 + count * width > self.size:
            raise Broken(
                f"{count:,} elements of {width} bytes at byte {at:,} pass the end of the file "
                f"({self.size:,} bytes)",
                where=part,
                hint="is the file truncated or damaged?",
            )
        return at + 4, count

    def numbers(self, at: int, code: str, part: str) -> tuple[Any, ...]:
        """The numbers of a vector, none where ``at`` is 0."""
        if not at:
            return ()
        width = _SIZES[code]
        base, end, data = self._page
        if base <= at and at + 4 <= end:  # the most usual case, without a call
            count: int = _U32.unpack_from(data, at - base)[0]
            length = count * width
            if at + 4 + length > self.size:
                self.vector(at, width, part)  # raises
        else:
            count = self.vector(at, width, part)[1]
            length = count * width
        if not count:
            return ()
        self._left -= length
        if self._left < 0:
            self.spend(0, part)  # raises
        data, index = self._window(at + 4, length)
        if count <= 16:
            return _vector_code(code, count).unpack_from(data, index)
        return struct.unpack_from(f"<{count}{code}", data, index)

    def targets(self, start: int, count: int) -> Iterator[int]:
        """Where each of a vector's offsets leads to, 0 for one that leads nowhere: ``follow``
        says what is wrong with it."""
        deadline = self.source.deadline
        for first in range(start, start + 4 * count, 4 * _TARGETS):
            if deadline is not None:
                deadline.check(self.source.name)
            number = min(_TARGETS, (start + 4 * count - first) // 4)
            data, index = self._window(first, 4 * number)
            at = first
            for offset in struct.unpack_from(f"<{number}I", data, index):
                target = at + offset
                yield target if offset and target + 4 <= self.size else 0
                at += 4

    def raw(self, at: int, part: str) -> bytes:
        """The bytes of a string or of a vector of bytes, none where ``at`` is 0."""
        if not at:
            return b""
        base, end, data = self._page
        if base <= at and at + 4 <= end:
            count = _U32.unpack_from(data, at - base)[0]
            if at + 4 + count > self.size:
                self.vector(at, 1, part)  # raises
        else:
            count = self.vector(at, 1, part)[1]
        self._left -= count
        if self._left < 0:
            self.spend(0, part)  # raises
        data, index = self._window(at + 4, count)
        return data[index : index + count]

    def text(self, at: int, part: str) -> str:
        """A string; what is no UTF-8 in it stands as escapes."""
        return self.raw(at, part).decode("utf-8", "backslashreplace")
