"""Nodes that kept their names: one pass over both graphs that settles what is plain by name.

Where much is alike, the place of a node in the whole says less than its name: one layer that went
moves all that follow. So a name decides where the label is equal, the edges around lead to nodes of
the same names, and nothing known otherwise is near: a weight whose content is found under another
name shows that names went to other nodes, as numbered ones do when a layer was put in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migrator.diffing.matching.pairing import Pairing
from migrator.diffing.matching.stages import named_keys
from migrator.diffing.numbered.table import Table


def pair_agreed(pairing: Pairing) -> int:
    """Pair free nodes of equal name and label whose edges agree by name. Gives their number.

    Sorting and sums: n log n in nodes and edges.
    """
    import numpy as np

    left, right = pairing.left, pairing.right
    image = _same_names(pairing)
    named = image >= 0
    if not named.any():
        return 0
    preimage = np.full(len(right), -1, np.int64)
    preimage[image[named]] = np.flatnonzero(named)
    to_right = np.array(pairing.to_right, np.int64)
    to_left = np.array(pairing.to_left, np.int64)
    free = named & (to_right < 0)
    free[free] = to_left[image[free]] < 0
    free[free] = left.column("exact")[free] == right.column("exact")[image[free]]
    # Both ways, so that it does not matter which side is which.
    ours = _agreement(left, right, image, preimage)
    theirs = _agreement(right, left, preimage, image)
    against = ours.against.copy()
    against[named] = np.maximum(against[named], theirs.against[image[named]])
    settled = free & ((ours.for_it > against) | ((ours.for_it == 0) & (against == 0)))
    strayed = _strayed(pairing, to_right, image, preimage)
    if strayed.any():
        settled &= ~_beside(strayed, left)
        anchors = named & (to_right == image) & ~np.array(left.is_boundary, bool)
        settled = _without_islands(settled, anchors, strayed, left, ours.edges)
    for number in left.calls:
        if settled[number] and not pairing.calls_agree(number, int(image[number])):
            settled[number] = False
    numbers = np.flatnonzero(settled)
    return pairing.pair_all(numbers.tolist(), image[numbers].tolist(), "name", 1.0)


def _same_names(pairing: Pairing) -> Any:
    """Left node -> the right one of its op and name in its room; -1 for none."""
    import numpy as np

    ours, theirs = named_keys(pairing)
    _, mine, other = np.intersect1d(ours, theirs, return_indices=True)
    image = np.full(len(pairing.left), -1, np.int64)
    image[mine] = other
    return image


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreement:
    for_it: Any
    """Node -> data edges that the other side has between nodes of the same names."""
    against: Any
    """Node -> edges in whose place the other side has one to another node that both have."""
    edges: Any
    """Which edges of ``wires`` are the same by name."""


def _agreement(table: Table, other: Table, image: Any, preimage: Any) -> _Agreement:
    import numpy as np

    producers, consumers, ports, slots = table.wires
    others, readers, other_ports, other_slots = other.wires
    far = image[consumers]
    # Edges stand in the order of their readers, and those in the order of their slots.
    at = np.searchsorted(_places(readers, other_slots), _places(far, slots))
    at = np.minimum(at, max(0, len(others) - 1))
    known = (producers >= 0) & (far >= 0)
    if not len(others):
        nothing = np.zeros(len(table), np.int64)
        return _Agreement(for_it=nothing, against=nothing, edges=np.zeros(len(known), bool))
    found = known & (readers[at] == far) & (other_slots[at] == slots)
    source = others[at]
    meant = image[producers]
    same = found & (meant >= 0) & (source == meant) & (other_ports[at] == ports)
    both = found & ~same & (meant >= 0) & (source >= 0)
    both[both] = preimage[source[both]] >= 0
    size = len(table)
    return _Agreement(
        for_it=np.bincount(consumers[same], minlength=size)
        + np.bincount(producers[same], minlength=size),
        against=np.bincount(consumers[both], minlength=size)
        + np.bincount(producers[both], minlength=size),
        edges=same,
    )


def _places(readers: Any, slots: Any) -> Any:
    return (readers << 20) + slots


def _strayed(pairing: Pairing, to_right: Any, image: Any, preimage: Any) -> Any:
    """Nodes of the left that are known to be others than the ones of their names."""
    import numpy as np

    paired = np.flatnonzero(to_right >= 0)
    partners = to_right[paired]
    away = (image[paired] != partners) & ((image[paired] >= 0) | (preimage[partners] >= 0))
    found = np.zeros(len(to_right), bool)
    found[paired[away]] = True
    renamed = preimage[partners[away]]  # whose names those have now
    found[renamed[renamed >= 0]] = True
    return found & ~np.array(pairing.left.is_boundary, bool)


def _beside(nodes: Any, table: Table) -> Any:
    """Those nodes, and what reads or feeds one of them, through what is seen through too."""
    before, after = table.ends
    found = nodes.copy()
    found[after[nodes[before]]] = True
    found[before[nodes[after]]] = True
    return found


def _without_islands(settled: Any, anchors: Any, strayed: Any, table: Table, same: Any) -> Any:
    """``settled`` without parts that hang on more nodes that strayed than on ones that did not."""
    import numpy as np
    from scipy.sparse import coo_matrix  # type: ignore[import-untyped, unused-ignore]
    from scipy.sparse.csgraph import (  # type: ignore[import-untyped, unused-ignore]
        connected_components,
    )

    producers, consumers, _, _ = table.wires
    inner = same & settled[producers] & settled[consumers]
    size = len(table)
    ones = np.ones(int(inner.sum()), np.int8)
    graph = coo_matrix((ones, (producers[inner], consumers[inner])), shape=(size, size))
    _, part = connected_components(graph, directed=False)
    doubtful = _beside(strayed, table)
    votes = np.zeros(size, np.int64)
    before, after = table.ends
    for ends, others in ((before, after), (after, before)):
        inside = settled[ends]
        np.add.at(votes, part[ends[inside & doubtful[others]]], -1)
        np.add.at(votes, part[ends[inside & anchors[others]]], 1)
    return settled & (votes[part] >= 0)
