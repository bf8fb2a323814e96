"""FlatBuffers written byte by byte, for TFLite files that no honest writer makes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

Part = Callable[["Writer"], int]
"""Writes a part where the writer stands; gives its position."""


class Writer:
    """Parts in the order in which they are written; a parent stands before its children."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.shared = True
        self._vtables: dict[bytes, int] = {}

    def align(self, width: int) -> None:
        self.data += bytes(-len(self.data) % width)

    def table(self, fields: dict[int, tuple[str, Any]]) -> int:
        """``fields``: slot -> (struct code, value); code ``@`` takes a Part."""
        slots = max(fields, default=-1) + 1
        offsets, inline = [0] * slots, 4
        for slot, (code, _) in sorted(fields.items()):
            width = 4 if code == "@" else struct.calcsize(f"<{code}")
            inline += -inline % width
            offsets[slot] = inline
            inline += width
        self.align(8)
        vtable = struct.pack(f"<HH{slots}H", 4 + 2 * slots, inline, *offsets)
        start = self._vtables.get(vtable, -1)
        if start < 0 or not self.shared:
            start = self._vtables[vtable] = len(self.data)
            self.data += vtable
            self.align(8)
        at = len(self.data)
        self.data += struct.pack("<i", at - start) + bytes(inline - 4)
        for slot, (code, value) in fields.items():
            if code == "@":
                self.point(at + offsets[slot], value(self))
            else:
                struct.pack_into(f"<{code}", self.data, at + offsets[slot], value)
        return at

    def point(self, at: int, target: int) -> None:
        struct.pack_into("<I", self.data, at, target - at)


def table(fields: dict[int, tuple[str, Any]]) -> Part:
    return lambda writer: writer.table(fields)


def numbers(code: str, values: Sequence[Any]) -> Part:
    def write(writer: Writer) -> int:
        writer.align(4)
        at = len(writer.data)
        writer.data += struct.pack(f"<I{len(values)}{code}", len(values), *values)
        return at

    return write


def raw(content: bytes) -> Part:
    return numbers("B", content)


def aligned(content: bytes) -> Part:
    """Bytes that start at a multiple of 16, as a runtime wants those of a buffer."""

    def write(writer: Writer) -> int:
        writer.data += bytes(-(len(writer.data) + 4) % 16)
        return raw(content)(writer)

    return write


def tables(parts: Sequence[Part]) -> Part:
    def write(writer: Writer) -> int:
        writer.align(4)
        at = len(writer.data)
        writer.data += struct.pack("<I", len(parts)) + bytes(4 * len(parts))
        for index, part in enumerate(parts):
            writer.point(at + 4 + 4 * index, part(writer))
        return at

    return write


def once(part: Part) -> Part:
    """The same part for all who name it: the first one writes it."""
    found: list[int] = []

    def write(writer: Writer) -> int:
        if not found:
            found.append(part(writer))
        return found[0]

    return write


def repeated(part: Part, count: int) -> Part:
    """A vector of ``count`` offsets that all lead to one table."""

    def write(writer: Writer) -> int:
        writer.align(4)
        at = len(writer.data)
        writer.data += struct.pack("<I", count) + bytes(4 * count)
        target = part(writer)
        first = at + 4
        offsets = [target - first - 4 * index for index in range(count)]
        struct.pack_into(f"<{count}I", writer.data, first, *offsets)
        return at

    return write


def tflite(
    *,
    tensors: Part,
    operators: Part,
    inputs: Sequence[int] = (),
    outputs: Sequence[int] = (),
    buffers: Part | None = None,
    codes: Part | None = None,
    subgraphs: int = 1,
    more: dict[int, tuple[str, Any]] | None = None,
) -> bytes:
    """A file of one subgraph, listed so many times; its operators are ADDs where ``codes`` are not
    given. ``more``: further fields of the model."""
    graph = table(
        {
            0: ("@", tensors),
            1: ("@", numbers("i", inputs)),
            2: ("@", numbers("i", outputs)),
            3: ("@", operators),
        }
    )
    writer = Writer()
    writer.data += bytes(4) + b"TFL3"
    root = writer.table(
        {
            0: ("I", 3),
            1: ("@", codes or tables([table({2: ("i", 1)})])),
            2: ("@", tables([graph]) if subgraphs == 1 else repeated(graph, subgraphs)),
            4: ("@", buffers or tables([table({})])),
            **(more or {}),
        }
    )
    struct.pack_into("<I", writer.data, 0, root)
    return bytes(writer.data)


def tensor(name: str, shape: Sequence[int] = (2,), kind: int = 0, buffer: int = 0) -> Part:
    return table(
        {
            0: ("@", numbers("i", shape)),
            1: ("b", kind),
            2: ("I", buffer),
            3: ("@", raw(name.encode())),
            8: ("?", True),
        }
    )


def operator(inputs: Sequence[int], outputs: Sequence[int]) -> Part:
    return table({1: ("@", numbers("i", inputs)), 2: ("@", numbers("i", outputs))})


def chain(count: int) -> bytes:
    """``count`` operators, each on what the one before computes."""
    return tflite(
        tensors=tables([tensor(f"layer_{index}/add") for index in range(count + 1)]),
        operators=tables([operator([index, index], [index + 1]) for index in range(count)]),
        inputs=[0],
        outputs=[count],
    )
