"""TensorBoard's event files: no models, yet a graph may lie in one, and is told of."""

from __future__ import annotations

from collections import Counter

from migrator.errors import MigratorError
from migrator.formats.fields import fields_until_damage
from migrator.places.source import ByteSource

_RECORD = 12
"""Bytes in front of a record: its length and a checksum. Behind it is another checksum."""
_CHECKSUM = 4
_MOST_RECORDS = 1000
_KINDS = {4: "GraphDef", 9: "MetaGraph", 5: "summary", 7: "record of a run"}
"""Field of an Event -> what it holds."""
_SEVERAL = {"summary": "summaries", "record of a run": "records of runs"}


def events_told(source: ByteSource) -> str:
    """What the first 1,000 records hold, in words; empty where nothing but the version is."""
    found: Counter[str] = Counter()
    largest: Counter[str] = Counter()
    position = count = 0
    try:
        while position + _RECORD < source.size and count < _MOST_RECORDS:
            length = int.from_bytes(source.read(position, 8), "little")
            start = position + _RECORD
            if length > source.size - start:
                break
            fields, _ = fields_until_damage(source, start, start + length)
            for number, wire, begin, end in fields:
                if wire == 2 and number in _KINDS:
                    kind = _KINDS[number]
                    found[kind] += 1
                    largest[kind] = max(largest[kind], end - begin)
            position = start + length + _CHECKSUM
            count += 1
    except MigratorError:  # cut off, or past the time for it: what was seen is told
        pass
    parts = []
    for kind in _KINDS.values():
        if not found[kind]:
            continue
        many = found[kind]
        text = f"{many:,} {_SEVERAL.get(kind, kind + 's')}" if many > 1 else f"a {kind}"
        graph = f" of {largest[kind]:,} bytes" if kind in ("GraphDef", "MetaGraph") else ""
        parts.append(text + (graph if many == 1 else ""))
    told = ", ".join(parts)
    return f"{told} in its first {count:,} records" if position < source.size and told else told
