"""What a node is told by constants: paths, addresses and patterns, as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrator.auditing.contents.nested import GRAPH_READERS
from migrator.auditing.strings import parts as pieces
from migrator.auditing.strings.parts import Part
from migrator.auditing.strings.text import LONGEST, shown_bytes
from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue, FunctionRef
from migrator.model.tensors import LazyBytes

if TYPE_CHECKING:
    from migrator.auditing.contents.bodies import Body, Place
    from migrator.auditing.subject import Subject

CONSTANT = "constant"
DEFAULT = "default"
ASSET = "asset"
INPUT = "input"
COMPUTED = "computed"
WORKED_OUT = "worked out from "
"""How the text of a string begins whose parts alone are known."""

_ORIGINS = {
    pieces.CONSTANT: CONSTANT,
    pieces.DEFAULT: DEFAULT,
    pieces.CHECKPOINT: DEFAULT,
    pieces.ASSET: ASSET,
    pieces.INPUT: INPUT,
    pieces.PLACEHOLDER: INPUT,
    pieces.ARGUMENT: INPUT,
}
_MOST = 50
_MOST_READ = 1 << 20
_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """What an operand or an attribute holds, as far as the file tells."""

    text: str | None = None
    """For people: ``/etc/passwd``, ``from input path``, ``/tmp/<from input name>.txt``; several
    values joined by commas. None where no part of it is known before the model runs."""
    origin: str = COMPUTED
    """``constant``, ``default`` (a placeholder's), ``asset``, ``input`` (a caller's) or
    ``computed``; of several, what says least: see ``origin_of``."""
    values: tuple[str, ...] = ()
    """The strings that it can be, or its elements; of what is not known, none. Bounded."""

    @property
    def is_asset(self) -> bool:
        return self.origin == ASSET


def constant_texts(subject: Subject, place: Place, slot_or_attr: int | str) -> Argument:
    """A data operand (by slot, from 0) or an attribute (by name) of a node, as text."""
    if isinstance(slot_or_attr, str):
        return _attribute(place.node.attrs.get(slot_or_attr))
    value = subject.sources.operand(place, slot_or_attr)
    texts: dict[str, None] = {}
    values: dict[str, None] = {}
    origins: dict[str, None] = {}
    for parts in value:
        text = _text(parts)
        origin = _origin(parts)
        origins[origin] = None
        if text is not None and len(values) < _MOST:
            texts[text] = None
            if origin not in (INPUT, COMPUTED):
                values[text] = None
    text = _listed(list(texts))
    origin = origin_of(origins)
    if text is None and origin == COMPUTED:
        used = [shown_bytes(item) for item in subject.sources.ingredients(place, slot_or_attr)]
        text = f"{WORKED_OUT}{_listed([repr(item) for item in used])}" if used else None
    return Argument(text=text, origin=origin, values=tuple(values))


def origin_of(origins: Iterable[str]) -> str:
    """Of what can come from several places: ``asset`` or ``input`` only where all of it does."""
    found = set(origins)
    if len(found) <= 1:
        return next(iter(found), CONSTANT)
    if COMPUTED in found:
        return COMPUTED
    found -= {ASSET, INPUT} if found & {CONSTANT, DEFAULT} else {ASSET}
    return DEFAULT if DEFAULT in found else next(iter(found))


def _attribute(value: AttrValue) -> Argument:
    items = value if isinstance(value, list) else [value]
    texts = [text for item in items[:_MOST] if (text := _attribute_text(item)) is not None]
    if not texts:
        return Argument()
    return Argument(text=_listed(texts), origin=CONSTANT, values=tuple(texts))


def _attribute_text(value: AttrValue) -> str | None:
    if isinstance(value, bytes):
        return shown_bytes(value)
    if isinstance(value, LazyBytes):
        return shown_bytes(value.read()) if value.size <= _MOST_READ else f"{value.size:,} bytes"
    if isinstance(value, FunctionRef):
        return value.name[:LONGEST]
    if isinstance(value, (DType, bool, int, float)):
        return str(value)
    return None


def _text(parts: tuple[Part, ...]) -> str | None:
    if len(parts) == 1:
        return _piece(parts[0])
    if all(_piece(part) is None for part in parts):
        return None
    shown = []
    for part in parts:
        piece = _piece(part)
        known = part.data is not None
        shown.append(piece if piece is not None and known else f"<{piece or 'computed'}>")
    text = "".join(shown)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _piece(part: Part) -> str | None:
    if part.data is not None:
        return shown_bytes(part.data)
    if part.kind == pieces.INPUT:
        return f"from input {part.name}"
    if part.kind == pieces.PLACEHOLDER:
        return f"from placeholder {part.name}"
    if part.kind == pieces.ARGUMENT:
        return f"from argument {part.name}"
    if part.kind == pieces.CHECKPOINT:
        return "the checkpoint's path"
    return None


def _origin(parts: tuple[Part, ...]) -> str:
    origins = [_ORIGINS.get(part.kind, COMPUTED) for part in parts]
    if COMPUTED in origins or (parts[0].kind == pieces.CONSTANT and parts[0].data is None):
        return COMPUTED
    if ASSET in origins and not (origins[0] == ASSET and pieces.stays_inside(parts[1:])):
        return CONSTANT  # begins at an asset and leads elsewhere
    return next((item for item in origins if item != CONSTANT), CONSTANT)


def _listed(texts: list[str]) -> str | None:
    if not texts:
        return None
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphArgument:
    """The graphs that an op such as DatasetFromGraph is given."""

    bodies: tuple[Body, ...] = ()
    """Top levels of those that were found and are audited."""
    reason: str = ""
    """Why there may be others; empty where all of them were found."""


def graph_argument(subject: Subject, place: Place) -> GraphArgument:
    """What one of ``nested.GRAPH_READERS`` runs, as far as the file holds it."""
    held: dict[int, list[Body]] = {}
    for body in subject.bodies:
        if body.holder is not None and body.function is None:
            held.setdefault(id(body.holder.node), []).append(body)
    unread = {id(item.place.node): item.reason for item in subject.unread}
    found: dict[Body, None] = {}
    reasons: dict[str, None] = {}
    for parts in subject.sources.operand(place, GRAPH_READERS[place.node.op]):
        part = parts[0]
        node = part.place.node if part.place is not None else None
        if len(parts) == 1 and (id(node) in held or id(node) in unread):
            found.update(dict.fromkeys(held.get(id(node), ())))
            if id(node) in unread:
                reasons[unread[id(node)]] = None
        elif part.kind in (pieces.CONSTANT, pieces.DEFAULT):
            reasons["the constant that it comes from does not read as a graph"] = None
        elif part.kind == pieces.COMPUTED or len(parts) > 1:
            reasons["it is worked out when the model runs"] = None
        else:
            reasons[f"it is given when the model runs ({_piece(part) or part.kind})"] = None
    return GraphArgument(bodies=tuple(found), reason="; ".join(list(reasons)[:_SHOWN]))
