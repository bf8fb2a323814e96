"""As what TensorFlow would read a file, whatever it looks like.

TensorFlow parses the file that it is given as the message that it expects, and skips fields that
it does not know. So a graph can begin like a picture or an archive, end like a checkpoint, and one
file can be two models, each of which skips the other. ``sniff`` goes by what honest files look
like; this goes by what a parser takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from migrator.errors import FormatError
from migrator.formats.window import Window
from migrator.formats.wire import (
    END_GROUP,
    FIXED32,
    FIXED64,
    LENGTH,
    START_GROUP,
    VARINT,
    read_varint,
)
from migrator.places.source import ByteSource

MOST_FIELDS = 6_000_000
_HEAD = 24
"""Bytes that the tag and the length of a field take at most."""
_MOST_NAME = 64 << 10
_LOOKED_AT = 4
"""Fields that could be nodes: where the first ones are none, the parser takes none of them."""
_LEAST_NODE = 5

Field = tuple[int, int, int, int]
"""Number, wire type, start and end of the payload."""


def readings(source: ByteSource, *, most: int = MOST_FIELDS) -> tuple[str, ...]:
    """Formats (``graph_def``, ``meta_graph``, ``saved_model``) in which the file holds nodes.

    Empty for all else. Looks at ``most`` fields of the top level, and at how they begin.
    """
    found: dict[str, None] = {}
    nodes = 0
    try:
        for number, wire, start, stop in islice(fields(source, 0, source.size), most):
            if wire != LENGTH or stop - start < _LEAST_NODE:
                continue
            if number == 1 and nodes < _LOOKED_AT:
                nodes += 1
                if _is_node(source, start, stop):
                    found["graph_def"] = None
            elif number == 2:
                if _is_graph(source, start, stop):
                    found["meta_graph"] = None
                elif _is_meta_graph(source, start, stop):
                    found["saved_model"] = None
    except FormatError:
        return ()
    return tuple(sorted(found))


def fields(source: ByteSource, start: int, end: int) -> Iterator[Field]:
    """Every field of the message in [start, end), those inside of groups left out.

    Raises FormatError where the bytes are no message.
    """
    window = Window(source)
    position, groups = start, 0
    while position < end:
        index = window.at(position, _HEAD)
        data = window.data
        try:
            key, at = read_varint(data, index)
            number, wire = key >> 3, key & 7
            length = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
            if wire in (LENGTH, VARINT):
                value, at = read_varint(data, at)
                length = value if wire == LENGTH else 0
        except ValueError as error:
            raise FormatError(str(error)) from None
        begin = window.start + at
        stop = begin + length
        if not number or wire > FIXED32 or stop > end:
            raise FormatError(f"byte {position:,} starts no field")
        if wire in (START_GROUP, END_GROUP):
            groups += 1 if wire == START_GROUP else -1
        elif not groups:
            yield number, wire, begin, stop
        position = stop
    if groups:
        raise FormatError("a group without an end")


def _is_node(source: ByteSource, start: int, stop: int) -> bool:
    """True for a NodeDef: it has a name, and an op."""
    texts: dict[int, bytes] = {}
    try:
        for number, wire, begin, end in fields(source, start, stop):
            if number in (1, 2) and wire == LENGTH and end - begin <= _MOST_NAME:
                texts[number] = source.read(begin, end - begin)
            if len(texts) == 2:
                break
        name, op = (texts.get(number, b"").decode("utf-8") for number in (1, 2))
    except (FormatError, UnicodeDecodeError):
        return False
    return bool(name) and op.isascii() and op.replace("_", "").replace(">", "").isalnum()


def _is_graph(source: ByteSource, start: int, stop: int) -> bool:
    """True for a GraphDef with nodes."""
    try:
        inner = (item for item in fields(source, start, stop) if item[:2] == (1, LENGTH))
        return any(_is_node(source, *item[2:]) for item in islice(inner, _LOOKED_AT))
    except FormatError:
        return False


def _is_meta_graph(source: ByteSource, start: int, stop: int) -> bool:
    try:
        inner = (item for item in fields(source, start, stop) if item[:2] == (2, LENGTH))
        return any(_is_graph(source, *item[2:]) for item in inner)
    except FormatError:
        return False
