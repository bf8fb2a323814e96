"""The strings of a model taken apart: which piece of a path or address comes from where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from migrator.auditing.contents.bodies import Place
from migrator.auditing.strings.text import constant_strings, decode_base64
from migrator.model.model import MetaGraph
from migrator.model.tensors import LazyTensor, TensorRef

CONSTANT = "constant"
DEFAULT = "default"
ASSET = "asset"
INPUT = "input"
PLACEHOLDER = "placeholder"
ARGUMENT = "argument"
CHECKPOINT = "checkpoint"
COMPUTED = "computed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a string, and where it comes from."""

    kind: str
    """``constant``, ``default`` (of a placeholder), ``asset``, ``input`` (of a signature),
    ``placeholder`` (no default, in no signature), ``argument`` (of a function that nothing in the
    graph calls), ``checkpoint`` (the saver's file name) or ``computed``."""
    data: bytes | None = None
    """The beginning of it; None where the file does not tell."""
    whole: bool = True
    """``data`` is all of it."""
    name: str = ""
    """Of the asset, input, placeholder or argument."""
    place: Place | None = None
    """The constant or placeholder."""


Value = tuple[tuple[Part, ...], ...]
"""Every string that a tensor can hold, as its parts: alternatives and elements alike."""

UNKNOWN: Value = ((Part(kind=COMPUTED),),)
_MOST_VALUES = 1024
MOST_KEPT = 64
"""Longer values are worked out again rather than kept, which bounds memory."""
MOST_PARTS = 32
_MOST_BYTES = 4096
CHANGES: Mapping[str, Callable[[bytes], bytes | None]] = {
    "DecodeBase64": decode_base64,
    "StringLower": bytes.lower,
    "StringStrip": bytes.strip,
    "StringUpper": bytes.upper,
}


_OUTWARD = re.compile(rb"[/\\]")


def stays_inside(parts: Iterable[Part]) -> bool:
    """True for constants that, put behind a path together, lead out of no folder."""
    pieces = []
    for part in parts:
        if part.kind != CONSTANT or part.data is None or not part.whole:
            return False
        pieces.append(part.data)
    data = b"".join(pieces)  # each half of a ".." alone looks harmless
    return b".." not in data and b"\0" not in data and b":" not in _OUTWARD.split(data)[0]


def asset_part(filename: str) -> Part:
    data = f"assets/{filename}".encode("utf-8", "backslashreplace")
    return Part(kind=ASSET, data=data[:_MOST_BYTES], whole=len(data) <= _MOST_BYTES, name=filename)


def constant_value(place: Place) -> Value:
    value = place.node.attrs.get("value")
    texts = constant_strings(value, _MOST_VALUES + 1) if isinstance(value, LazyTensor) else None
    if texts is None:
        return ((Part(kind=CONSTANT, whole=False, place=place),),)
    found = union(
        (
            (
                Part(
                    kind=CONSTANT,
                    data=text[:_MOST_BYTES],
                    whole=len(text) <= _MOST_BYTES,
                    place=place,
                ),
            ),
        )
        for text in texts[:_MOST_VALUES]
    )
    return found if len(texts) <= _MOST_VALUES else (*found, *UNKNOWN)


def as_default(value: Value) -> Value:
    return tuple(
        tuple(replace(part, kind=DEFAULT) if part.kind == CONSTANT else part for part in parts)
        for parts in value
    )


def union(values: Iterable[Value]) -> Value:
    found: dict[tuple[Part, ...], None] = {}
    for value in values:
        found.update(dict.fromkeys(value))
        if len(found) > _MOST_VALUES:
            return (*list(found)[:_MOST_VALUES], *UNKNOWN)
    return tuple(found) or UNKNOWN


def joined(values: Sequence[Value]) -> Value:
    count = 1
    for value in values:
        count *= len(value)
    if count > MOST_KEPT:
        heads = values[0][:MOST_KEPT]
        return tuple((*head, *UNKNOWN[0]) for head in heads)
    found = [tuple(part for parts in item for part in parts) for item in product(*values)]
    return tuple(parts if len(parts) <= MOST_PARTS else UNKNOWN[0] for parts in found)


def changed(value: Value, change: Callable[[bytes], bytes | None]) -> Value:
    found: list[tuple[Part, ...]] = []
    for parts in value:
        data = parts[0].data if len(parts) == 1 and parts[0].whole else None
        text = change(data) if data is not None else None
        if text is None or parts[0].kind not in (CONSTANT, DEFAULT):
            found.append(UNKNOWN[0])
        else:
            # No longer what the constant holds: a graph in it would be another one.
            found.append((replace(parts[0], data=text, place=None),))
    return tuple(found)


def given_tensors(meta: MetaGraph) -> dict[tuple[str, int], Part]:
    """(node, port) -> what it is fed with."""
    found: dict[tuple[str, int], Part] = {}

    def put(tensor: str, part: Part) -> None:
        ref = TensorRef.parse(tensor)
        found.setdefault((ref.node, ref.port), part)

    if meta.saver is not None and meta.saver.filename_tensor:
        put(meta.saver.filename_tensor, Part(kind=CHECKPOINT))
    for asset in meta.assets:
        put(asset.tensor, asset_part(asset.filename))
    for signature in meta.signatures.values():
        for name, spec in signature.inputs.items():
            for tensor in filter(None, (spec.tensor, *spec.parts)):
                put(tensor, Part(kind=INPUT, name=name))
    return found
