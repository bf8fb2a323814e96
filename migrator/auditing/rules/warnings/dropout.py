"""Masks of dropout: random numbers that are compared with a rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrator.auditing.contents.bodies import Place
from migrator.auditing.rules.warnings.neighbours import Neighbours, with_neighbours
from migrator.model.graph import Node

DRAWS = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2")
_PASSES = frozenset(("Mul", "Add", "AddV2", "Identity", "Sub"))
_SUMS = frozenset(("Add", "AddV2"))
_ABOVE = frozenset(("GreaterEqual", "Greater"))
_BELOW = frozenset(("Less", "LessEqual"))
_FAR = 4
"""Steps from a draw to what it is compared with, in everything that TensorFlow wrote."""
_MOST_READERS = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mask:
    """A mask. ``rate`` is the part that it drops, 0 to 1; None where that is computed or fed."""

    draw: Place
    rate: float | None
    keep: str = ""
    """The tensor of the keep probability, where one constant is both added and divided by."""

    @property
    def drops(self) -> bool:
        """True where the graph itself says that it drops something."""
        return self.rate is not None and self.rate > 0.0


def find_masks(places: Iterable[Place]) -> Iterator[Mask]:
    """The masks that the draws at ``places`` make: ``floor(keep + u)``, or ``u >= rate``."""
    for place, near in with_neighbours(places):
        found = _mask_of(place, near)
        if found is not None:
            yield found


def _mask_of(draw: Place, near: Neighbours) -> Mask | None:
    layer = [draw.node.name]
    seen = set(layer)
    for _ in range(_FAR):
        following: list[str] = []
        for name in layer:
            for node in near.readers(name)[:_MOST_READERS]:
                found = _mask(draw, node, name, near)
                if found is not None:
                    return found
                if node.op in _PASSES and node.name not in seen:
                    seen.add(node.name)
                    following.append(node.name)
        layer = following
    return None


def _mask(draw: Place, node: Node, source: str, near: Neighbours) -> Mask | None:
    """The mask, where ``node`` is what makes one of the number that ``source`` hands on."""
    refs = near.refs(node)
    if len(refs) != 2 or (refs[0].node == source) == (refs[1].node == source):
        return None
    drawn_first = refs[0].node == source
    other = refs[1] if drawn_first else refs[0]
    readers = near.readers(node.name)[:_MOST_READERS]
    keeps = node.op in _SUMS and any(item.op == "Floor" for item in readers)
    if not keeps and node.op not in _ABOVE | _BELOW:
        return None
    given = near.scalar(other)
    if given is None:
        return Mask(draw=draw, rate=None)
    if keeps or (node.op in _BELOW) == drawn_first:
        given = 1.0 - given
    if not 0.0 <= given <= 1.0:
        return None
    divides = keeps and any(
        item.op in ("RealDiv", "Div") and near.refs(item)[1:] == (other,)
        for item in near.readers(other.node)[:_MOST_READERS]
    )
    return Mask(draw=draw, rate=given, keep=str(other) if divides and not draw.body.label else "")
