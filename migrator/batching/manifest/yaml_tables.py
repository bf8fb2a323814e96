"""A manifest in YAML, from the parser's events: nothing is built that the text does not hold.

So aliases cannot multiply, depth is bounded before any recursion, doubled keys are seen, and no
tag makes an object. Numbers without a dot (1e-5) are numbers, as in YAML 1.2; dates are texts.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from migrator.batching.manifest.faults import FileFaults
from migrator.batching.manifest.tables import MOST_DEPTH, MOST_VALUES, Items, Table, TooMuch

_TAG = "tag:yaml.org,2002:"
_EXPONENT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+")
_TEXTS = ("str", "timestamp")
_MERGE = "<<"
_LONGEST = 100
"""Characters of a number or a flag; PyYAML's numbers of base 60 take quadratic time."""


def read_yaml(text: str, faults: FileFaults) -> Any:
    """The document's value. Raises TooMuch; all else that is wrong goes to ``faults``.

    None where there is nothing, or nothing that could be read.
    """
    parser: Any = importlib.import_module("yaml")  # ships no types
    loader = getattr(parser, "CSafeLoader", parser.SafeLoader)
    reader = _Reader(parser, faults)
    try:
        return reader.document(parser.parse(text, Loader=loader))
    except parser.reader.ReaderError as error:
        at = next((n for n, char in enumerate(text) if _is_refused(char)), 0)
        faults.add(f"is not YAML: {error.reason}", text.count("\n", 0, at) + 1)
    except parser.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = (getattr(error, "context", ""), getattr(error, "problem", ""))
        faults.add(f"is not YAML: {' '.join(filter(None, said))}", mark.line + 1 if mark else 0)
    return None


def _is_refused(char: str) -> bool:
    """Characters that YAML does not take as they are."""
    return not (char.isprintable() or char in "\t\n\r\x85\xa0\u2028\u2029" or ord(char) > 0xA0)


class _Open:
    """A mapping or a list that has begun. ``weight``: its values, with those of aliases."""

    __slots__ = ("anchor", "key", "value", "weight")

    def __init__(self, value: Table | Items, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: tuple[str, int] | None = None
        self.weight = 1


class _Reader:
    def __init__(self, parser: Any, faults: FileFaults) -> None:
        self._parser = parser
        self._scalars = parser.SafeLoader("")
        self._faults = faults
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._stack: list[_Open] = []
        self._root: Any = None

    def document(self, events: Iterator[Any]) -> Any:
        documents = 0
        for event in events:
            kind = type(event).__name__
            line = event.start_mark.line + 1
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    self._faults.add("holds a second document (---); one file, one manifest", line)
                    return self._root
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self._begin(event, kind == "MappingStartEvent", line)
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                done = self._stack.pop()
                self._give(done.value, done.value.line, done.weight, done.anchor)
            elif kind == "ScalarEvent":
                self._scalar(event, line)
            elif kind == "AliasEvent":
                self._alias(event, line)
        return self._root

    def _begin(self, event: Any, is_mapping: bool, line: int) -> None:
        if len(self._stack) >= MOST_DEPTH:
            raise TooMuch(f"is nested more than {MOST_DEPTH} deep", line)
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            self._faults.add(f"has the tag {event.tag!r}, and only plain YAML is read", line)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        value = Table(line=line) if is_mapping else Items(line=line)
        self._stack.append(_Open(value, event.anchor))

    def _alias(self, event: Any, line: int) -> None:
        if event.anchor not in self._anchors:
            known = any(item.anchor == event.anchor for item in self._stack)
            why = "stands inside of what it names" if known else "names nothing above it"
            self._faults.add(f"the alias *{event.anchor} {why}", line)
        value, weight = self._anchors.get(event.anchor, (None, 1))
        self._give(value, line, weight, None)

    def _scalar(self, event: Any, line: int) -> None:
        if self._stack and isinstance(self._stack[-1].value, Table) and not self._stack[-1].key:
            is_merge = event.value == _MERGE and event.implicit[0]
            self._key(_MERGE if is_merge else event.value, line, is_merge)
            return
        self._give(self._value(event, line), line, 1, event.anchor)

    def _key(self, key: str, line: int, is_merge: bool) -> None:
        opened = self._stack[-1]
        table = opened.value
        assert isinstance(table, Table)
        if not is_merge and table.lines.get(key, 0) > 0:
            before = table.lines[key]
            self._faults.add(f"the key {key!r} stands here twice (first in line {before})", line)
        # A merged key is marked by a line below zero: what the mapping itself says comes first.
        opened.key = (key, -line if is_merge else line)

    def _give(self, value: Any, line: int, weight: int, anchor: str | None) -> None:
        """A value that is complete goes into what holds it."""
        if anchor:
            self._anchors[anchor] = (value, weight)
        if not self._stack:
            self._root = value
            _settle(value)
            return
        holder = self._stack[-1]
        holder.weight += weight
        if holder.weight > MOST_VALUES:
            raise TooMuch(f"holds more than {MOST_VALUES:,} values, aliases included", line)
        if isinstance(holder.value, Items):
            holder.value.put(value, line)
            _settle(value)
        elif holder.key is None:
            self._faults.add("has a list or a mapping where a key should be", line)
            holder.key = ("", line)
        else:
            self._put(holder, value)

    def _put(self, holder: _Open, value: Any) -> None:
        table = holder.value
        assert isinstance(table, Table) and holder.key is not None
        key, line = holder.key
        holder.key = None
        if line < 0:
            self._merge(table, value, -line)
        elif table.lines.get(key, 0) <= 0:
            table.put(key, value, line)
        _settle(value)

    def _merge(self, table: Table, value: Any, line: int) -> None:
        sources = [item for item, _ in value] if isinstance(value, Items) else [value]
        for source in sources:
            if not isinstance(source, Table):
                self._faults.add("<< takes a mapping, or a list of mappings", line)
                continue
            for key, item in source.values.items():
                if key not in table.values:
                    table.put(key, item, -line)

    def _value(self, event: Any, line: int) -> Any:
        text = event.value
        tag = event.tag
        if tag in (None, "!"):
            if len(text) > _LONGEST:
                return text
            if event.implicit[0] and _EXPONENT.fullmatch(text):
                return float(text)
            node = self._parser.ScalarNode
            tag = self._scalars.resolve(node, text, event.implicit)
        kind = tag.removeprefix(_TAG)
        if kind in _TEXTS or (kind in ("value", "merge") and event.tag is None):
            return text
        if kind not in ("int", "float", "bool", "null"):
            self._faults.add(f"has the tag {tag!r}, and only plain YAML is read", line)
            return text
        try:
            made = self._scalars.yaml_constructors[tag]
            return made(self._scalars, self._parser.ScalarNode(tag, text[:_LONGEST]))
        except (ValueError, KeyError, IndexError, self._parser.YAMLError):
            self._faults.add(f"{text[:_LONGEST]!r} is no {kind}", line)
            return text


def _settle(value: Any) -> None:
    """A mapping is complete: lines of what was merged into it are lines as others."""
    if isinstance(value, Table):
        for key, line in value.lines.items():
            if line < 0:
                value.lines[key] = -line
