"""Which weight of one side is which of the other, where no graph tells: by name, then by value."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from migrator.diffing.options import DiffOptions
from migrator.diffing.weights.contents import Layout, fingerprint, layout_between
from migrator.diffing.weights.named import Held
from migrator.diffing.weights.values import Budget
from migrator.errors import MigratorError

NAME = "name"
VALUE = "weights"
_TAIL = 2
"""Parts at the end of a name, ``dense/kernel``, that say which weight it is."""
_MOST_VAIN = 256
"""Weights with one fingerprint that turned out to differ, after which no more are looked at: only
files that were made to do so have many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """``why``: ``name`` or ``weights``; ``layout`` is set for those that were found by value."""

    left: str
    right: str
    why: str
    confidence: float = 1.0
    layout: Layout | None = None


@dataclass(slots=True, kw_only=True)
class Pairing:
    """Both sides, and the pairs so far in the order in which they were found."""

    left: Mapping[str, Held]
    right: Mapping[str, Held]
    pairs: list[Pair] = field(default_factory=list)
    free: dict[str, None] = field(init=False)
    free_right: dict[str, None] = field(init=False)
    _vain: int = 0

    def __post_init__(self) -> None:
        self.free = dict.fromkeys(self.left)
        self.free_right = dict.fromkeys(self.right)

    def add(self, pair: Pair) -> None:
        if pair.left in self.free and pair.right in self.free_right:
            del self.free[pair.left], self.free_right[pair.right]
            self.pairs.append(pair)

    def by_name(self) -> None:
        """Equal names, then equal ones but for a format's marks, then equal ends of names."""
        for name in [name for name in self.free if name in self.free_right]:
            self.add(Pair(left=name, right=name, why=NAME))
        self._unique(lambda held: held.called, 1.0)
        self._unique(lambda held: (_tail(held.called), held.shape.dims), 0.9)

    def _unique(self, key: Callable[[Held], Hashable], confidence: float) -> None:
        """Pair what has a key that nothing else of its side has."""
        ours, theirs = (
            _only(names, held, key)
            for names, held in ((self.free, self.left), (self.free_right, self.right))
        )
        for word, name in ours.items():
            other = theirs.get(word)
            if other is not None:
                self.add(Pair(left=name, right=other, why=NAME, confidence=confidence))

    def by_value(self, options: DiffOptions, budget: Budget) -> None:
        """Equal values, those that are laid out in another order too.

        Reads only weights that have one of their type and size on the other side, and as many as
        ``budget`` allows. What cannot be read stays without a counterpart.
        """
        if options.ignores("weights"):
            return
        groups: dict[Hashable, tuple[list[str], list[str]]] = {}
        for side, (names, held) in enumerate(
            ((self.free, self.left), (self.free_right, self.right))
        ):
            for name in names:
                item = held[name]
                if item.value is not None and item.elements > 1 and item.dtype.itemsize:
                    key = item.dtype, item.elements
                    groups.setdefault(key, ([], []))[side].append(name)
        for ours, theirs in groups.values():
            if ours and theirs:
                self._alike(ours, theirs, budget)

    def _alike(self, ours: list[str], theirs: list[str], budget: Budget) -> None:
        there: dict[int, list[str]] = {}
        for name in theirs:
            found = _fingerprint(self.right[name], budget)
            if found is not None:
                there.setdefault(found, []).append(name)
        for name in ours if there else ():
            found = _fingerprint(self.left[name], budget)
            others = there.get(found, []) if found is not None else []
            for other in others:
                if self._vain >= _MOST_VAIN:
                    return
                layout = self._layout(name, other)
                if layout is not None:
                    self.add(Pair(left=name, right=other, why=VALUE, layout=layout))
                    others.remove(other)
                    break
                self._vain += 1

    def _layout(self, one: str, other: str) -> Layout | None:
        left, right = self.left[one].value, self.right[other].value
        if left is None or right is None:
            return None
        try:
            return layout_between(left, right)
        except MigratorError:
            return None


def _only(
    names: Iterable[str], held: Mapping[str, Held], key: Callable[[Held], Hashable]
) -> dict[Hashable, str]:
    found: dict[Hashable, str | None] = {}
    for name in names:
        word = key(held[name])
        found[word] = None if word in found else name
    return {word: name for word, name in found.items() if name is not None}


def _tail(name: str) -> str:
    return "/".join(name.split("/")[-_TAIL:])


def _fingerprint(held: Held, budget: Budget) -> int | None:
    """None for what cannot be read, or is not to be."""
    assert held.value is not None
    if not budget.takes(held.value.tensor.nbytes):
        return None
    try:
        return fingerprint(held.value)
    except MigratorError:
        return None
