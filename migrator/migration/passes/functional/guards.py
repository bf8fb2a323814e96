"""On which branches each node of a loop-free region hangs.

A Switch hands its data on by one of two ports, so what takes it from a port runs only where the
predicate says so; a Merge of both ports runs always again. So every node has a guard: the path of
(predicate, branch) pairs that must hold. Source: the dead-tensor rules of TensorFlow's white
paper on control flow (2017, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from migrator.migration.passes.functional.items import (
    MERGE,
    PASSING,
    SWITCH,
    Item,
    Place,
    Tensor,
    Unconvertible,
    deepest,
)

_LOOK_UP = 32
"""How far up a path a second Switch on one predicate is recognised."""


@dataclass(slots=True, kw_only=True, eq=False)
class Guards:
    """``of`` gives the guard of each item, None for one that never runs."""

    root: Place
    of: dict[Item, Place | None] = field(default_factory=dict)
    aliases: dict[Tensor, Tensor] = field(default_factory=dict)
    """Ports of Switches whose predicate is settled where they stand -> their data."""
    merges: dict[Place, list[tuple[Item, Tensor]]] = field(default_factory=dict)
    """Guard -> the Merges that have it, each with its predicate."""
    single: dict[Item, Tensor] = field(default_factory=dict)
    """Merges with one input alive -> that input."""
    _predicates: dict[Tensor, Tensor] = field(default_factory=dict)

    def resolve(self, tensor: Tensor) -> Tensor:
        """Past settled Switches."""
        while (found := self.aliases.get(tensor)) is not None:
            tensor = found
        return tensor

    def predicate(self, tensor: Tensor) -> Tensor:
        """The tensor that a predicate is a copy of."""
        tensor = self.resolve(tensor)
        return self._predicates.get(tensor, tensor)

    def of_tensor(self, tensor: Tensor) -> Place | None:
        """The guard of a tensor: one deeper than its item's for a Switch."""
        item, port = self.resolve(tensor)
        place = self.of[item]
        if item.op not in SWITCH or place is None:
            return place
        key = self.predicate(item.inputs[1])
        settled = _settled(place, key)
        if settled is None:
            return place.child(key, port)
        return place if settled == port else None


def find_guards(items: Sequence[Item]) -> Guards:
    """Guards of ``items``, which stand in order.

    Raises Unconvertible where a node takes from branches that cannot both run, or a Merge from
    branches that are not the two of one predicate.
    """
    guards = Guards(root=Place(None))
    for item in items:
        if item.op in MERGE:
            guards.of[item] = _merge(item, guards)
            continue
        place: Place | None = guards.root
        found = [guards.of_tensor(tensor) for tensor in item.inputs]
        found += [guards.of[control] for control in item.controls]
        for one in found:
            if one is None or place is None:
                place = None
            elif one is not place:
                place = deepest(place, one)
                if place is None:
                    raise Unconvertible("takes from two branches at once", where=item.name)
        guards.of[item] = place
        if place is None:
            continue
        if item.op in PASSING:
            guards._predicates[item, 0] = guards.predicate(item.inputs[0])
        elif item.op in SWITCH:
            _switch(item, place, guards)
    return guards


def _switch(item: Item, place: Place, guards: Guards) -> None:
    if len(item.inputs) != 2:
        raise Unconvertible("a Switch has a data input and a predicate", where=item.name)
    data = guards.resolve(item.inputs[0])
    for port in (0, 1):
        guards._predicates[item, port] = guards.predicate(data)
    settled = _settled(place, guards.predicate(item.inputs[1]))
    if settled is not None:
        guards.aliases[item, settled] = data


def _settled(place: Place, key: Tensor) -> int | None:
    """Which way a predicate went on the path to ``place``, None where it is not on it."""
    here: Place | None = place
    for _ in range(_LOOK_UP):
        if here is None:
            return None
        if here.key == key:
            return here.branch
        here = here.parent
    return None


def _merge(item: Item, guards: Guards) -> Place | None:
    alive = [
        (tensor, place) for tensor in item.inputs if (place := guards.of_tensor(tensor)) is not None
    ]
    if not alive:
        return None
    if len(alive) == 1:
        guards.single[item] = alive[0][0]
        return alive[0][1]
    (_, first), (_, second), *more = alive
    same = first.key is not None and first.key == second.key and first.parent is second.parent
    if more or not same or first.branch == second.branch:
        raise Unconvertible(
            "merges tensors that are not the two branches of one condition", where=item.name
        )
    parent = first.parent
    assert parent is not None
    guards.merges.setdefault(parent, []).append((item, first.key))  # type: ignore[arg-type]
    return parent
