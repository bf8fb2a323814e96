"""Names that nothing has yet."""

from __future__ import annotations

from collections.abc import Iterable


class FreeNames:
    """Gives names that differ from all ``taken`` ones and from each other. Linear over all calls:
    a name that is wished for again goes on counting where it stopped."""

    __slots__ = ("_counts", "_taken")

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._counts: dict[str, int] = {}

    def take(self, wish: str, numbered: str = "{}_{}") -> str:
        """``wish``, or ``numbered`` with it and a number from 2 on."""
        name = wish
        while name in self._taken:
            self._counts[wish] = count = self._counts.get(wish, 1) + 1
            name = numbered.format(wish, count)
        self._taken.add(name)
        return name
