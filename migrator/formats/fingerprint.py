"""``fingerprint.pb`` of a TensorFlow 2 SavedModel, and the two of its hashes that we work out.

TensorFlow (``tensorflow/cc/saved_model/fingerprinting.cc``, versions 1 to 4 of the file) takes
Fingerprint64 of the checkpoint's index as it stands, and of the SavedModel in protobuf's
deterministic form. That form is the file itself but for the order of map entries, which other
writers than C++ sort otherwise; so they are sorted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from migrator.errors import FormatError
from migrator.formats.wire import FIXED32, FIXED64, LENGTH, VARINT, read_varint
from migrator.model.brief import brief

OLDEST, NEWEST = 1, 4
"""Versions of the file whose hashes are known to be made this way."""
_DEEPEST = 80
_VERSION = 6
_PRODUCER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What the file says. 0 stands for a hash that it does not have."""

    saved_model: int
    checkpoint: int
    version: int
    graph: int = 0
    signatures: int = 0
    objects: int = 0
    uuid: str = ""

    __repr__ = brief

    @property
    def known(self) -> bool:
        """False for a version whose hashes may be made in another way."""
        return OLDEST <= self.version <= NEWEST


def parse_fingerprint(data: bytes, where: str) -> Fingerprint:
    """Read a FingerprintDef. Raises FormatError."""
    try:
        fields = {field: value for field, value, _ in _fields(memoryview(data))}
        version = fields.get(_VERSION)
        inner = {}
        if isinstance(version, memoryview):
            inner = {field: value for field, value, _ in _fields(version)}
    except ValueError as error:
        raise FormatError(f"is no fingerprint: {error}", where=where) from None
    uuid = fields.get(7)
    return Fingerprint(
        saved_model=_number(fields.get(1)),
        checkpoint=_number(fields.get(5)),
        version=_number(inner.get(_PRODUCER)),
        graph=_number(fields.get(2)),
        signatures=_number(fields.get(3)),
        objects=_number(fields.get(4)),
        uuid=bytes(uuid).decode("utf-8", "replace") if isinstance(uuid, memoryview) else "",
    )


def _number(value: int | memoryview | None) -> int:
    return value if isinstance(value, int) else 0


def deterministic_form(data: bytes) -> bytes | None:
    """A serialised SavedModel with every map sorted by key, as TensorFlow hashes it.

    None where the file is not written as protobuf writes it (fields out of order, parts that we
    do not know to hold no map): then no hash of it can be told. Linear but for the sorting.
    """
    try:
        return bytes(_sorted("SavedModel", memoryview(data), 0))
    except (ValueError, _Unknown):
        return None


class _Unknown(Exception):
    """Something that makes the deterministic form uncertain."""


# Fields that hold messages with maps in them, and the maps themselves: "{}" after the type of
# the value, which is empty where the value holds no map. Facts of TensorFlow's definitions.
_MESSAGES: dict[str, dict[int, str]] = {
    "SavedModel": {2: "MetaGraphDef"},
    "MetaGraphDef": {
        1: "MetaInfoDef",
        2: "GraphDef",
        4: "{}",
        5: "SignatureDef{}",
        7: "SavedObjectGraph",
    },
    "MetaInfoDef": {8: "{}"},
    "GraphDef": {1: "NodeDef", 2: "FunctionDefLibrary", 5: "?"},
    "NodeDef": {5: "AttrValue{}"},
    "AttrValue": {1: "ListValue", 10: "NameAttrList"},
    "ListValue": {9: "NameAttrList"},
    "NameAttrList": {2: "AttrValue{}"},
    "FunctionDefLibrary": {1: "FunctionDef"},
    "FunctionDef": {
        3: "NodeDef",
        4: "{}",
        5: "AttrValue{}",
        6: "{}",
        7: "ArgAttrs{}",
        8: "{}",
    },
    "ArgAttrs": {1: "AttrValue{}"},
    "SignatureDef": {1: "{}", 2: "{}", 4: "{}"},
    "SavedObjectGraph": {1: "SavedObject", 2: "SavedConcreteFunction{}"},
    "SavedObject": {6: "SavedFunction", 8: "SavedBareConcreteFunction", 11: "{}"},
    "SavedFunction": {2: "FunctionSpec"},
    "SavedBareConcreteFunction": {4: "FunctionSpec"},
    "FunctionSpec": {1: "StructuredValue", 5: "StructuredValue"},
    "SavedConcreteFunction": {3: "StructuredValue", 4: "StructuredValue"},
    "StructuredValue": {
        51: "ListOfValues",
        52: "ListOfValues",
        53: "DictValue",
        54: "NamedTupleValue",
    },
    "ListOfValues": {1: "StructuredValue"},
    "DictValue": {1: "StructuredValue{}"},
    "NamedTupleValue": {2: "PairValue"},
    "PairValue": {2: "StructuredValue"},
}


def _sorted(message: str, data: memoryview, depth: int) -> memoryview | bytes:
    """``data`` with the maps in it sorted; ``data`` itself where they are."""
    if depth > _DEEPEST:
        raise _Unknown
    known = _MESSAGES[message]
    out: list[memoryview | bytes] = []
    run: list[tuple[int | bytes, bytes]] = []  # entries of the map that is being read
    changed = False
    last = 0
    copied = 0  # up to where ``out`` has what was in ``data``
    for field, value, (start, payload, stop) in _fields(data):
        if field < last:
            raise _Unknown
        if run and field != last:
            changed |= _flush(run, out)
        last = field
        kind = known.get(field)
        if kind is None:
            continue
        if kind == "?" or isinstance(value, int):
            raise _Unknown
        inner, _, is_map = kind.partition("{")
        if is_map:
            if not run:
                out.append(data[copied:start])
            key, entry = _entry(inner, value, depth)
            changed |= entry is not value
            run.append((key, b"".join((data[start:payload], entry))))
            copied = stop
        else:
            found = _sorted(inner, value, depth + 1)
            if found is not value:
                changed = True
                out += (data[copied:payload], found)
                copied = stop
    if run:
        changed |= _flush(run, out)
    if not changed:
        return data
    out.append(data[copied:])
    return b"".join(out)


def _flush(run: list[tuple[int | bytes, bytes]], out: list[memoryview | bytes]) -> bool:
    """Put the entries of one map in their order; True where that is another one."""
    keys = [key for key, _ in run]
    if len(set(keys)) < len(keys) or len({type(key) for key in keys}) > 1:
        raise _Unknown  # said twice, the last one counts
    order = sorted(run, key=_key)
    moved = order != run
    out += [text for _, text in order]
    run.clear()
    return moved


def _key(entry: tuple[int | bytes, bytes]) -> Any:
    return entry[0]


def _entry(inner: str, data: memoryview, depth: int) -> tuple[int | bytes, memoryview | bytes]:
    """Key of a map's entry, and the entry with its value's maps sorted."""
    parts = list(islice(_fields(data), 3))
    if [field for field, _, _ in parts] != [1, 2]:
        raise _Unknown
    held, value = parts[0][1], parts[1][1]
    key = held if isinstance(held, int) else bytes(held)
    if not inner:
        return key, data
    if isinstance(value, int):
        raise _Unknown
    found = _sorted(inner, value, depth + 1)
    return key, data if found is value else b"".join((data[: parts[1][2][1]], found))


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview, tuple[int, int, int]]]:
    """(field, value, (start, start of the payload, stop)) of each. Raises ValueError."""
    position, end = 0, len(data)
    while position < end:
        key, after = read_varint(data, position)
        kind = key & 7
        value: int | memoryview
        if kind == VARINT:
            value, stop = read_varint(data, after)
            payload = after
        elif kind == LENGTH:
            length, payload = read_varint(data, after)
            stop = payload + length
            value = data[payload:stop]
        elif kind in (FIXED64, FIXED32):
            payload, stop = after, after + (8 if kind == FIXED64 else 4)
            value = data[payload:stop]
        else:
            raise ValueError(f"wire type {kind}")
        if stop > end or not key >> 3:
            raise ValueError(f"a field passes the end of its message (byte {position:,})")
        yield key >> 3, value, (position, payload, stop)
        position = stop
