"""Groups of what lies together, for scopes that hold more than a reader (or a page) can take.

The items are put in an order in which each stands behind its inputs and branches stay together;
that order is cut where little crosses and where names change, and what results is cut again.
Groups of neighbours in such an order never make a circle that was not there before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from migrator.drawing.tree import Tree, group

WIDE = 72
"""Items that one scope may show."""
_LEAST = 6
_MOST = 40
_APART = 16
_HUB = 12
"""Readers from which on what a source feeds says nothing about where to cut."""
_TO = " … "
_NUMBER = re.compile(r"\d+")
_STEM = 3
"""Characters from which on what names begin with tells them from others."""
_TOKEN = re.compile(r"\d+|[A-Za-z]+|[^A-Za-z0-9]+")


def split(
    tree: Tree,
    scope: int,
    pairs: Sequence[tuple[int, int]],
    names: dict[int, str],
    ends: Collection[int] = (),
) -> None:
    """Cut what is directly in ``scope`` into groups, in steps, until no step is too wide.

    ``pairs`` are edges between its items, ``names`` the items' labels. A few ``ends`` (that
    nothing feeds, or that feed nothing) stay out of the groups. Near linear.
    """
    inner = {a for a, _ in pairs} & {b for _, b in pairs}
    apart = [item for item in tree.items[scope] if item in ends and item not in inner]
    if len(apart) > _APART:
        apart = []
    items = [item for item in tree.items[scope] if item not in set(apart)]
    position = {item: number for number, item in enumerate(items)}
    edges = {
        (position[a], position[b]) for a, b in pairs if a in position and b in position and a != b
    }
    while len(items) > WIDE:
        order = _order(len(items), edges)
        ends = _ends(order, edges, [names[item] for item in items])
        parts: list[tuple[str, list[int]]] = []
        part_of = [0] * len(items)
        start = 0
        for end in ends:
            inside = order[start:end]
            for item in inside:
                part_of[item] = len(parts)
            chosen = [items[item] for item in inside]
            parts.append((_label([names[item] for item in chosen]), chosen))
            start = end
        made = group(tree, scope, parts)
        for (label, _), item in zip(parts, made, strict=True):
            names.setdefault(item, label)
        edges = {(part_of[a], part_of[b]) for a, b in edges if part_of[a] != part_of[b]}
        items = made
    tree.items[scope] = [*apart, *items]


def _order(count: int, edges: set[tuple[int, int]]) -> list[int]:
    """Depth first from the ends back to what feeds them; each behind its inputs (bar circles)."""
    feeds: list[list[int]] = [[] for _ in range(count)]
    read = [0] * count
    for a, b in edges:
        feeds[b].append(a)
        read[a] += 1
    for own in feeds:
        own.sort()
    seen = [False] * count
    order: list[int] = []
    ends = [item for item in range(count) if not read[item]]
    for root in (*ends, *range(count)):
        if seen[root]:
            continue
        seen[root] = True
        stack = [(root, iter(feeds[root]))]
        while stack:
            item, rest = stack[-1]
            step = next((one for one in rest if not seen[one]), None)
            if step is None:
                order.append(item)
                stack.pop()
            else:
                seen[step] = True
                stack.append((step, iter(feeds[step])))
    return order


def _ends(order: list[int], edges: set[tuple[int, int]], names: list[str]) -> list[int]:
    """Where to cut: the cheapest gap within reach, again and again."""
    count = len(order)
    place = [0] * count
    for number, item in enumerate(order):
        place[item] = number
    last: dict[int, int] = {}
    readers = [0] * count
    for a, b in edges:
        readers[a] += 1
        last[a] = max(last.get(a, 0), place[b])
    change = [0.0] * (count + 1)
    for item, end in last.items():
        if readers[item] <= _HUB and end > place[item]:
            change[place[item] + 1] += 1
            change[end + 1 if end + 1 <= count else count] -= 1
    cost: list[float] = []
    now = 0.0
    tokens = [_TOKEN.findall(names[item][:80]) for item in order]
    for gap in range(count):  # the gap before position ``gap``
        now += change[gap]
        near = _common(tokens[gap - 1], tokens[gap]) if gap else 0
        cost.append(now + 1.5 * min(near, 6))
    least, most = _LEAST, _MOST
    if count <= WIDE * 3:  # a little too wide: a few groups, not many small ones
        least = max(_LEAST, count // 24)
    ends: list[int] = []
    start = 0
    while count - start > most:
        reach = cost[start + least : start + most]
        step = min(range(len(reach)), key=lambda gap: (reach[gap], abs(gap - len(reach) // 3)))
        start += least + step
        ends.append(start)
    ends.append(count)
    return ends


def _common(a: list[str], b: list[str]) -> int:
    count = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        count += 1
    return count


def _label(names: list[str]) -> str:
    """What all names begin with, up to what tells the first and the last: ``block_3 … 17``."""
    if len(names) == 1:
        return names[0]
    first = names[0].split(_TO)[0]
    last = names[-1].split(_TO)[-1]
    low, high = min(first, *names), max(first, *names)
    shared = 0
    while shared < min(len(low), len(high)) and low[shared] == high[shared]:
        shared += 1
    prefix = low[:shared].rstrip("0123456789")
    if len(prefix) < _STEM:
        return f"{first.split('/')[0][-40:]}{_TO}{last.split('/')[0][-40:]}"
    one, other = (_NUMBER.match(name[len(prefix) :]) for name in (first, last))
    if one is None or other is None:
        stem = prefix.rstrip("_/")
        return stem if stem in names else f"{stem[-60:]}…"
    start = prefix[-60:] + one[0]
    return start if one[0] == other[0] else f"{start}{_TO}{other[0]}"
