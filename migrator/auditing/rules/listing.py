"""Many places in one finding: how many, of which ops, and the first names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from migrator.auditing.contents.bodies import Place

MOST_NAMES = 10
_MOST_WORDS = 4


def summed(places: Sequence[Place]) -> dict[str, Any]:
    """``count``, ``nodes`` (the first names) and ``ops`` (op -> count) for an issue's detail."""
    ops = Counter(place.node.op for place in places)
    return {
        "count": len(places),
        "nodes": [name_of(place) for place in places[:MOST_NAMES]],
        "ops": dict(sorted(ops.items(), key=lambda item: (-item[1], item[0]))),
    }


def name_of(place: Place) -> str:
    """``function/node``, as blockers name it."""
    label = place.body.label
    return f"{label}/{place.node.name}" if label else place.node.name


def first_names(names: Sequence[str]) -> str:
    """``a, b, c and 3 more``."""
    return in_words(names, 3)


def in_words(items: Iterable[str], most: int = _MOST_WORDS) -> str:
    """``a, b, c and 3 more``."""
    names = list(items)
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most:,} more"


def op_words(places: Iterable[Place]) -> str:
    """The ops, most frequent first."""
    ops = Counter(place.node.op for place in places)
    return in_words(op for op, _ in sorted(ops.items(), key=lambda item: (-item[1], item[0])))


def plural(count: int, one: str, many: str = "") -> str:
    """``1 node``, ``3 nodes``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def size_words(count: int) -> str:
    """Bytes as KB (1,000 bytes) or MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} KB"
