"""Which loop each node runs in: the frames that Enter opens and Exit leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.migration.passes.functional.items import (
    ENTER,
    EXIT,
    NEXT,
    Item,
    Place,
    Unconvertible,
    deepest,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """``of`` gives the frame that an item runs in; an Exit's is the one that it leaves for."""

    root: Place
    of: dict[Item, Place]
    members: dict[Place, list[Item]]
    """Frame -> its items; its Exits too, which belong to ``of`` the frame above."""


def find_frames(items: Sequence[Item]) -> Frames:
    """Frames of all items. Linear.

    Raises Unconvertible for a cycle without NextIteration, an Exit outside of loops, and a node
    that takes from two loops at once.
    """
    frames = Frames(root=Place(None), of={}, members={})
    for item in _forward(items):
        place = frames.root
        for needed in item.needs():
            if needed.op in NEXT and needed not in frames.of:
                continue  # the back edge of a loop, whose Enter tells the frame
            found = deepest(place, frames.of[needed])
            if found is None:
                raise Unconvertible("takes from two loops at once", where=item.name)
            place = found
        if item.op in ENTER:
            name = item.attrs.get("frame_name")
            if not isinstance(name, bytes) or len(item.inputs) != 1:
                raise Unconvertible("an Enter without a frame's name", where=item.name)
            place = place.child(name)
        frames.members.setdefault(place, []).append(item)
        if item.op in EXIT:
            if place.parent is None:
                raise Unconvertible("an Exit outside of every loop", where=item.name)
            place = place.parent
        frames.of[item] = place
    return frames


def _forward(items: Sequence[Item]) -> list[Item]:
    """Producers first, but for the edges that close loops."""
    readers: dict[Item, list[Item]] = {}
    waiting: dict[Item, int] = {}
    for item in items:
        count = 0
        for needed in item.needs():
            if needed.op not in NEXT:
                readers.setdefault(needed, []).append(item)
                count += 1
        waiting[item] = count
    ready = [item for item in items if not waiting[item]]
    found: list[Item] = []
    while ready:
        item = ready.pop()
        found.append(item)
        for reader in readers.get(item, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    if len(found) < len(items):
        stuck = next(item for item in items if waiting[item])
        raise Unconvertible("a cycle that is no loop", where=stuck.name)
    return found
