"""Whether two graphs compute the same, by what their outputs are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property

from migrator.diffing.changes.signatures import called
from migrator.diffing.computation.effects import with_effect
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.sameness.roles import Ends
from migrator.diffing.side import Side, Tensor
from migrator.errors import UsageError
from migrator.inspection.endpoints import find_endpoints

_MOST_TRIES = 64
_MOST_COUPLES = 10_000
_LARGE = 200_000
"""Nodes up to which endpoints are looked for that no signature names."""


class Outputs:
    """What both sides are there for, and what that takes."""

    def __init__(self, both: Counterparts, known: Sequence[tuple[Tensor, Tensor]] = ()) -> None:
        self._both = both
        self._known = known

    @cached_property
    def _found(self) -> tuple[list[Tensor], list[Tensor]]:
        if self._known:
            ends = ([pair[side] for pair in self._known] for side in (0, 1))
            return next(ends), next(ends)
        both = self._both
        left, right = _named(both.left), _named(both.right)
        if left is None and right is not None:
            left = [_behind(both.right, item, both.to_left) for item in right]
            left = left if all(name for name, _ in left) else _guessed(both.left)
        elif right is None and left is not None:
            right = [_behind(both.left, item, both.to_right) for item in left]
            right = right if all(name for name, _ in right) else _guessed(both.right)
        elif left is None and right is None:
            left, right = _guessed(both.left), _guessed(both.right)
        return [item for item in left or () if item[0]], [item for item in right or () if item[0]]

    @property
    def are_guessed(self) -> bool:
        """No side names its outputs: equal graphs have equal ones then."""
        return not called(self._both.left.meta) and not called(self._both.right.meta)

    @property
    def left(self) -> list[Tensor]:
        return self._found[0]

    @property
    def right(self) -> list[Tensor]:
        return self._found[1]

    @cached_property
    def _are_outputs(self) -> bool:
        """Whether what a signature names would be an output of the side that has none, too."""
        if self.are_guessed:
            return True
        for side, tensors in ((self._both.left, self.left), (self._both.right, self.right)):
            if called(side.meta) or len(side.nodes) > _LARGE:
                continue
            found = find_endpoints(side.meta)
            known = [item.tensor for item in (*found.outputs, *found.alternatives)]
            ends = {side.origin(side.tensor("", text)) for text in known}
            if ends and not all(side.origin(item) in ends for item in tensors):
                return False
        return True

    @cached_property
    def left_needs(self) -> set[str]:
        return self._both.left.closure(name for name, _ in self.left)

    @cached_property
    def right_needs(self) -> set[str]:
        return self._both.right.closure(name for name, _ in self.right)

    def of_signature(self, key: str) -> tuple[set[str], set[str]]:
        """Every node of both sides that one signature needs. Raises UsageError."""
        found = []
        for side in (self._both.left, self._both.right):
            item = called(side.meta).get(key)
            specs = () if item is None else item.outputs.values()
            texts = [text for spec in specs for text in (spec.tensor, *spec.parts) if text]
            found.append([side.tensor("", text) for text in texts])
        left, right = found
        if not left and not right:
            known = {**called(self._both.left.meta), **called(self._both.right.meta)}
            raise UsageError(
                f"no side has a signature {key!r}; there are: {', '.join(known) or 'none'}"
            )
        left = left or [_behind(self._both.right, item, self._both.to_left) for item in right]
        right = right or [_behind(self._both.left, item, self._both.to_right) for item in left]
        return (
            self._both.left.closure(name for name, _ in left),
            self._both.right.closure(name for name, _ in right),
        )

    @cached_property
    def ends(self) -> Ends:
        """Which input and output is which."""
        return Ends(self._both, self._found)

    @property
    def correspond(self) -> bool:
        """Whether each input and output is paired with the one that is called alike."""
        return self.ends.correspond and (self.are_guessed or bool(self.left))

    @cached_property
    def _same(self) -> list[tuple[Tensor, Tensor]]:
        """Outputs of the two sides that are one by the matching: where they are very many, by
        their own nodes alone.
        """
        both = self._both
        if len(self.left) * len(self.right) > _MOST_COUPLES:
            images = [(both.to_right.get(name, ""), port) for name, port in self.left]
            known = {*self.right}
            pairs = zip(self.left, images, strict=True)
            return [(one, other) for one, other in pairs if other in known]
        return [
            (one, other)
            for one in self.left
            for other in self.right
            if both.same_tensor(one, other) or both.same_origin(one, other)
        ]

    def are_one(self, shown: Callable[[list[tuple[Tensor, Tensor]]], bool]) -> bool:
        """Whether each output of a side is one of the other, by ``shown``: the one that is called
        alike, where there is one.
        """
        if not self.left or not self.right or not self._are_outputs:
            return False
        named = self.ends.outputs
        ours, theirs = self._loose(named)
        likely = [pair for pair in self._same if pair[0] in ours and pair[1] in theirs]
        if not any(self._loose([*named, *likely])) and shown([*named, *likely]):
            return self._have_own_effects([*named, *likely], shown)
        if not ours and not theirs:
            return False
        tries = _MOST_TRIES
        found = list(named)
        for one in self.left:
            for other in self.right:
                if one not in ours and other not in theirs:
                    continue
                tries -= 1
                if tries < 0:
                    return False
                if shown([(one, other)]):
                    found.append((one, other))
        if any(self._loose(found)) or not shown(found):
            return False
        return self._have_own_effects(found, shown)

    def _have_own_effects(
        self,
        pairs: list[tuple[Tensor, Tensor]],
        shown: Callable[[list[tuple[Tensor, Tensor]]], bool],
    ) -> bool:
        """Whether what is done beside computing is done for the same outputs, where each can be
        asked for by itself; ``pairs`` are shown.
        """
        if not self.are_guessed or len(pairs) < 2:
            return True
        sides = self._both.left, self._both.right
        if not any(
            with_effect(side, needs) for side, needs in zip(sides, self._needs, strict=True)
        ):
            return True
        return len(pairs) <= _MOST_TRIES and all(shown([pair]) for pair in pairs) and shown(pairs)

    @property
    def _needs(self) -> tuple[set[str], set[str]]:
        return self.left_needs, self.right_needs

    def _loose(self, pairs: Collection[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs of both sides that are in none of ``pairs``."""
        known = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
        return (
            [item for item in self.left if item not in known[0]],
            [item for item in self.right if item not in known[1]],
        )


def _named(side: Side) -> list[Tensor] | None:
    """The outputs of all signatures; None where there are none."""
    specs = [spec for item in called(side.meta).values() for spec in item.outputs.values()]
    texts = [text for spec in specs for text in ((spec.tensor,) if spec.tensor else spec.parts)]
    found = [side.tensor("", text) for text in dict.fromkeys(texts)]
    return found or None


def _behind(side: Side, tensor: Tensor, partners: dict[str, str]) -> Tensor:
    """The other side's counterpart of ``tensor``, or of the nearest before it that has one."""
    name, port = side.origin(tensor, partners.__contains__)
    return (partners[name], port) if name in partners else ("", 0)


def _guessed(side: Side) -> list[Tensor]:
    if len(side.nodes) > _LARGE:
        return []
    return [side.tensor("", item.tensor) for item in find_endpoints(side.meta).outputs]
