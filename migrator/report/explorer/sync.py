"""Which node of one graph is which of the other: Model Explorer's sync navigation data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from migrator.report.explorer.graphs import Place
from migrator.report.explorer.names import layer_id
from migrator.report.json_v1 import Json

Places = Mapping[str, Place]


def sync_mapping(matches: Mapping[str, str], left: Places, right: Places) -> Json:
    """``mappingEntries`` of every pair of nodes, and of the layers that hold the same nodes.

    Nodes without a counterpart are outlined, and nothing is selected for them: without a mapping
    the page would take the node of the same id, which is another one.
    """
    found: list[Json] = []
    for ours, theirs in matches.items():
        if ours in left and theirs in right:
            found.append(_entry(left[ours].node, right[theirs].node))
    found += [_entry(layer_id(a), layer_id(b)) for a, b in _layers(matches, left, right).items()]
    return {"mappingEntries": found, "disableMappingFallback": True, "showDiffHighlights": True}


def fullest(matches: Mapping[str, str], left: Places, right: Places) -> tuple[str, str] | None:
    """The two graphs that have the most nodes in common; None where there are no such nodes."""
    counts = Counter(
        (left[ours].graph, right[theirs].graph)
        for ours, theirs in matches.items()
        if ours in left and theirs in right
    )
    return counts.most_common(1)[0][0] if counts else None


def _entry(left: str, right: str) -> Json:
    return {"leftNodeIds": [left], "rightNodeIds": [right]}


def _layers(matches: Mapping[str, str], left: Places, right: Places) -> dict[str, str]:
    """Layers of the left -> those of the right that most of their nodes are in, and back."""
    counts: Counter[tuple[str, str]] = Counter()
    for ours, theirs in matches.items():
        if ours not in left or theirs not in right:
            continue
        a, b = left[ours].namespace, right[theirs].namespace
        while a and b:
            counts[a, b] += 1
            a, b = a.rpartition("/")[0], b.rpartition("/")[0]
    there: dict[str, str] = {}
    back: dict[str, str] = {}
    for (a, b), _ in counts.most_common():
        there.setdefault(a, b)
        back.setdefault(b, a)
    return {a: b for a, b in there.items() if back[b] == a}
