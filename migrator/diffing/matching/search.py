"""The search for pairs of nodes: its stages, and their order.

The surest goes first; what a stage finds leads to the neighbours of what it found before the next
one starts:

0. weights that hold what no other holds; nodes that kept their name, label and edges (``names``);
1. functions whose bodies are equal; nodes for which all that feeds them and all that reads them is
   equal and one of a kind. Left out where little remains;
2. weights that hold what no other holds; what lies within eight, four, ... edges and is one of a
   kind; names that what is around them bears out;
3. the same without the weights' values;
4. neighbours that are less and less alike; twins, for which it makes no difference; what lies
   behind a node that came, went or was replaced; scopes that were renamed;
5. an assignment for the small groups that remain, and what is alone of its kind.

A name counts more than the place in the whole, which one layer that went moves for all that follow.
Past that it is one witness among others: where what is near speaks against it, it loses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from migrator.diffing.matching import gaps, names, scopes, stages
from migrator.diffing.matching.leftovers import assign_leftovers, pair_alike
from migrator.diffing.matching.opened import Opened
from migrator.diffing.matching.pairing import LEVELS, SURE, Pairing
from migrator.diffing.matching.untangle import untangle
from migrator.diffing.numbered.hashes import Whole, mixed, whole_hashes
from migrator.diffing.numbered.labels import Labeller
from migrator.diffing.numbered.table import Table, fingerprint
from migrator.model.tensors import LazyTensor

_REPEATS = 3
"""Times that what is in doubt is gone over, each time with what was found before."""
_MOSTLY_DONE = 0.2
_TWINS_WITHIN = 8
"""Edges around two nodes within which nothing tells them apart."""


def match_graphs(
    left: Opened,
    right: Opened,
    *,
    ignore: Collection[str],
    left_values: Mapping[str, LazyTensor],
    right_values: Mapping[str, LazyTensor],
) -> Pairing:
    """The nodes of two graphs and of their functions, body by body. About n log n."""
    labeller = Labeller()
    ours = Table(left.graph, labeller, left_values, left.skip)
    theirs = Table(right.graph, labeller, right_values, right.skip)
    swapped = fingerprint(ours) > fingerprint(theirs)
    if swapped:  # so that the other way round gives the same pairs
        ours, theirs = theirs, ours
    pairing = Pairing(ours, theirs)
    pairing.use_names = "names" not in ignore
    _run(pairing)
    return pairing.mirrored() if swapped else pairing


def _run(pairing: Pairing) -> None:
    wholes = {}
    if _settle_by_name(pairing):
        return
    for labels in ("exact", "forms"):
        if _free_share(pairing) < _MOSTLY_DONE and (
            labels == "forms" or len(pairing.room_to_right) == len(pairing.left.rooms)
        ):
            break  # what is left hangs on neighbours, or the weights' values were no hindrance
        if labels == "forms" and not _values_differ(pairing):
            break
        wholes[labels] = _find_anchors(pairing, labels)
        if is_done(pairing):
            return
    stages.bind_by_name(pairing)
    _bind_alike(pairing, 0.1)
    for highest in (2, 3, 4, 5):
        pairing.ask_again()
        if highest == 4:
            for labels, whole in wholes.items():
                _pair_twins(pairing, *whole, labels)
            if is_done(pairing):
                return
        if highest >= 4:
            gaps.propose_over_gaps(pairing, pairing.beside_free())
        pairing.spread(highest)
        _pair_around(pairing, "forms", (4, 1))
    _bind_alike(pairing, 0.0)
    if pairing.use_names:
        _pair_named(pairing, strict=False)
        _pair_by_scopes(pairing)
    _pair_what_remains(pairing)


def _settle_by_name(pairing: Pairing) -> bool:
    """Take what kept its name, where names are evidence. Whether that was all."""
    if not pairing.use_names:
        return False
    _pair_weights(pairing)
    # Before neighbours speak: beside a layer that was put in, they are alike on both of its ends.
    while names.pair_agreed(pairing):
        rooms = len(pairing.room_to_right)
        pairing.spread(SURE)
        if len(pairing.room_to_right) == rooms:
            break
    pairing.spread(SURE)
    return is_done(pairing)


def _find_anchors(pairing: Pairing, labels: str) -> tuple[Whole, Whole]:
    """Pairs that are sure by themselves, and what follows from them."""
    exact = labels == "exact"
    ours = whole_hashes(pairing.left, getattr(pairing.left, labels))
    theirs = whole_hashes(pairing.right, getattr(pairing.right, labels))
    stages.bind_by_content(pairing, ours, theirs)
    here, there = stages.places(pairing)
    keys = mixed(here, ours.below, ours.above), mixed(there, theirs.below, theirs.above)
    stages.pair_unique(pairing, *keys, "structure", 1.0 if exact else 0.97)
    if is_done(pairing):
        return ours, theirs
    pairing.spread(SURE)
    if exact:
        _pair_weights(pairing)
        pairing.spread(SURE)
    if pairing.use_names and stages.pair_shared(pairing):
        pairing.spread(SURE)
    if pairing.use_names:
        mine, other = stages.named_keys(pairing)
        keys = mixed(keys[0], mine), mixed(keys[1], other)
        stages.pair_unique(pairing, *keys, "structure", 1.0 if exact else 0.97)
        pairing.spread(SURE)
    near, far = pairing.prepare()
    for one, another in ((ours.below, theirs.below), (ours.above, theirs.above)):
        keys = mixed(here, one, near.around1), mixed(there, another, far.around1)
        stages.pair_unique(pairing, *keys, "structure", 0.98 if exact else 0.95)
    pairing.spread(SURE)
    _pair_around(pairing, labels, (8, 4))
    _bind_alike(pairing, 0.3)
    if pairing.use_names:
        _pair_named(pairing)
    _pair_around(pairing, labels, (2, 1))
    return ours, theirs


def _pair_what_remains(pairing: Pairing) -> None:
    """Nodes that came, went or were replaced, and what is in doubt because of them."""

    def look_around() -> int:
        beside = pairing.beside_free()
        gaps.propose_over_gaps(pairing, beside)
        gaps.propose_replaced(pairing, beside)
        return pairing.spread(LEVELS - 1)

    for _ in range(2):
        pairing.ask_again()
        look_around()
    for _ in range(_REPEATS):
        if not assign_leftovers(pairing):
            break
        look_around()
    _pair_small_twins(pairing)
    pairing.lenient = True
    look_around()
    for _ in range(_REPEATS):
        if not pair_alike(pairing) + look_around() + assign_leftovers(pairing):
            break
    if untangle(pairing):
        pairing.ask_again()
        if look_around() + pair_alike(pairing):
            untangle(pairing)


def _values_differ(pairing: Pairing) -> bool:
    """Whether a side has weights that hold what none of the other side does."""
    ours, theirs = (
        {exact for exact, form in zip(table.exact, table.forms, strict=True) if exact != form}
        for table in (pairing.left, pairing.right)
    )
    return ours != theirs


def _free_share(pairing: Pairing) -> float:
    free = pairing.to_right.count(-1) + pairing.to_left.count(-1)
    return free / max(1, len(pairing.to_right) + len(pairing.to_left))


def is_done(pairing: Pairing) -> bool:
    """Whether every node has its counterpart."""
    return -1 not in pairing.to_right and -1 not in pairing.to_left


def _bind_alike(pairing: Pairing, margin: float) -> None:
    """Functions that are alike, with what hangs on them, until there are no more."""
    while stages.bind_by_likeness(pairing, margin):
        pairing.spread(SURE)


def _pair_weights(pairing: Pairing) -> None:
    """Constants and variables that hold what no other one holds."""
    import numpy as np

    left, right = pairing.left, pairing.right
    exact, other_exact = left.column("exact"), right.column("exact")
    ours = exact != left.column("forms")
    theirs = other_exact != right.column("forms")
    here, there = stages.places(pairing)
    stages.pair_unique(
        pairing,
        mixed(np.where(ours, here, np.arange(len(left)).view(np.uint64)), exact),
        mixed(np.where(theirs, there, ~np.arange(len(right)).view(np.uint64)), other_exact),
        "weights",
        0.99,
    )


def _pair_around(pairing: Pairing, labels: str, distances: tuple[int, ...]) -> None:
    """What lies around a node, with pairs so far as landmarks, where that is one of a kind."""
    for distance in distances:
        if is_done(pairing):
            return
        keys = _landmarked(pairing, labels, distance)
        stages.pair_unique(pairing, *keys, "surroundings", 0.95 if distance > 2 else 0.9)
        pairing.spread(SURE)


def _landmarked(pairing: Pairing, labels: str, distance: int) -> tuple[Any, Any]:
    """Hashes of what lies within ``distance`` edges, pairs so far being landmarks in it."""
    import numpy as np

    near, far = pairing.prepare()
    here, there = stages.places(pairing)
    mine, other = (
        mixed(here, pairing.left.column(labels)),
        mixed(there, pairing.right.column(labels)),
    )
    paired = np.array(pairing.to_right, np.int64)
    known = np.flatnonzero(paired >= 0)
    marks = mixed(known + 1)
    mine[known] = marks
    other[paired[known]] = marks
    return (
        near.surroundings.rounds(mine, (distance,))[0],
        far.surroundings.rounds(other, (distance,))[0],
    )


def _pair_twins(pairing: Pairing, ours: Whole, theirs: Whole, labels: str) -> None:
    """Nodes that differ from others in nothing: any of them will do."""
    here, there = _landmarked(pairing, labels, _TWINS_WITHIN)
    stages.pair_twins(
        pairing,
        mixed(here, ours.below, ours.above),
        mixed(there, theirs.below, theirs.above),
        "twins",
        0.9,
    )


def _pair_named(pairing: Pairing, *, strict: bool = True) -> None:
    """Equal name, op and room, where neighbours by name or by pairs bear it out."""
    left, right = pairing.left, pairing.right
    free, other_free = stages.free_nodes(pairing)
    index = {
        (right.room[b], right.local[b]): b for b in other_free.tolist() if not right.is_boundary[b]
    }
    candidates: dict[int, int] = {}
    for a in free.tolist():
        if left.is_boundary[a]:
            continue
        room = pairing.room_to_right.get(left.room[a], -1)
        b = index.get((room, left.local[a]), -1)
        if b < 0 or left.families[a] != right.families[b]:
            continue
        candidates[a] = b
    for a, b in candidates.items():
        for_it, against = _named_support(pairing, candidates, a, b)
        alike = left.exact[a] == right.exact[b] or left.forms[a] == right.forms[b]
        good = for_it > against if strict else for_it >= against
        if good and (alike or not strict):
            confidence = 0.99 if not against and left.exact[a] == right.exact[b] else 0.9
            pairing.pair(a, b, "name", confidence)
    pairing.spread(SURE)


def _named_support(
    pairing: Pairing, candidates: Mapping[int, int], a: int, b: int
) -> tuple[int, int]:
    """Edges that lead to the same neighbours by pairs or by name, and those that do not."""
    left, right = pairing.left, pairing.right
    for_it = against = 0
    theirs = right.raw[b]
    for at, (producer, port, slot) in enumerate(left.raw[a][:48]):
        if producer < 0 or slot < 0:
            continue
        image = pairing.to_right[producer]
        if image < 0:
            image = candidates.get(producer, -1)
        if at < len(theirs) and image >= 0 and theirs[at][:2] == (image, port):
            for_it += 1
        else:
            against += 1
    for at, (consumer, slot, _) in enumerate(left.outs[a]):
        if at >= 48:
            break
        image = pairing.to_right[consumer]
        if image < 0:
            image = candidates.get(consumer, -1)
        if slot < 0 or image < 0:
            continue
        reads = right.ins[image]
        if slot < len(reads) and (reads[slot][0] == b or right.raw[image][slot][0] == b):
            for_it += 1
        else:
            against += 1
    return for_it, against


def _pair_by_scopes(pairing: Pairing) -> None:
    """Free nodes whose name, with a scope renamed as others were, is that of a free node."""
    left, right = pairing.left, pairing.right
    pairs = [
        (left.local[a], right.local[b])
        for a, b in enumerate(pairing.to_right)
        if b >= 0 and not left.is_boundary[a]
    ]
    renames = scopes.scope_renames(pairs)
    if not renames:
        return
    free, other_free = stages.free_nodes(pairing)
    index = {(right.room[b], right.local[b]): b for b in other_free.tolist()}
    for a in free.tolist():
        room = pairing.room_to_right.get(left.room[a], -1)
        for name in scopes.renamed(left.local[a], renames):
            b = index.get((room, name), -1)
            if b < 0 or left.families[a] != right.families[b]:
                continue
            for_it, against = pairing.support(a, b)
            if for_it >= against:
                pairing.pair(a, b, "scope", 0.85)
                break
    pairing.spread(SURE)


def _pair_small_twins(pairing: Pairing) -> None:
    """Nodes that even their paired neighbours cannot tell from others."""
    for labels in ("exact", "forms") if _values_differ(pairing) else ("exact",):
        for distance in (4, 2, 1):
            stages.pair_twins(pairing, *_landmarked(pairing, labels, distance), "twins", 0.8)
