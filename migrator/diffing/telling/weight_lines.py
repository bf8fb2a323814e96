"""What a headline says of weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from migrator.diffing.telling import reasons
from migrator.diffing.telling.facts import Facts, counted
from migrator.diffing.telling.quantised import dtype_name, retyped
from migrator.diffing.weights.values import DIFFERENT, EQUAL, UNKNOWN

_UNTOLD = (reasons.UNUSED, reasons.PACKAGING)
"""Reasons of weights whose coming and going changes no output."""


def weights_words(facts: Facts) -> str:
    """How many are equal, or by how much they differ; empty where there are none."""
    status = facts.status
    total = status[EQUAL] + status[DIFFERENT]
    if "weights" in facts.diff.ignored or not total + status[UNKNOWN]:
        return ""
    if not total:
        return "weights not compared"
    if not status[DIFFERENT]:
        return _equal(facts, total)
    if facts.verdict.is_same:
        return f"{status[EQUAL]:,} of {total:,} weights equal, the others with what was folded in"
    most = max(
        (item.max_abs for item in facts.diff.weights if item.max_abs is not None), default=0.0
    )
    size = f"{most:,.0f}" if 999.5 <= most < 1e7 else f"{most:.3g}"
    by = f", by {size} at most" if most else ""
    kept = bool(facts.shapes)
    if total == 1:
        return f"the only weight{' that kept its shape' if kept else ''} has other values{by}"
    which = "all" if status[DIFFERENT] == total else f"{status[DIFFERENT]:,} of"
    verb = "has" if status[DIFFERENT] == 1 else "have"
    noun = "weights that kept their shape" if kept else "weights"
    return f"{which} {total:,} {noun} {verb} other values{by}"


def _equal(facts: Facts, total: int) -> str:
    """Where no weight is known to differ: all are equal only if all have a counterpart."""
    if facts.status[UNKNOWN]:
        return f"{total:,} weights equal, others not compared"
    if facts.verdict.is_same:
        return "weights equal"
    retyped_ones = _retyped(facts)
    alone = _alone(facts) - len({name for pair in retyped_ones for name in pair})
    every = total + facts.shapes + len(retyped_ones) + max(0, alone)
    if every == total:
        return "weights equal"
    text = f"{total:,} of {every:,} weights equal"
    return f"{text}; {alone:,} without counterpart" if alone > 0 else text


def _alone(facts: Facts) -> int:
    """Weights that one side has alone and that matter to an output."""
    whys = {(item.left, item.right): item.why for item in facts.diff.nodes}
    return sum(
        item.kind in ("added", "removed") and whys.get((item.left, item.right), "") not in _UNTOLD
        for item in facts.diff.weights
    )


def _retyped(facts: Facts) -> list[tuple[str, str]]:
    """(left, right) weights that are held in another type, and brought back to the old one."""
    both = facts.both
    gone = {item.left for item in facts.diff.weights if item.kind == "removed"}
    came = {item.right for item in facts.diff.weights if item.kind == "added"}
    found = list(retyped(both.left, both.right, both.to_right, gone, both.to_left))
    back = retyped(both.right, both.left, both.to_left, came, both.to_right)
    known = {name for pair in found for name in pair}
    found += [(one, other) for other, one in back if one not in known and other not in known]
    return found


def _quantised(facts: Facts) -> Iterator[tuple[str, str]]:
    """Pairs of TFLite constants of which one holds integers, and the other floats."""
    sides = facts.both.left, facts.both.right
    for item in facts.diff.weights:
        nodes = sides[0].nodes.get(item.left), sides[1].nodes.get(item.right)
        if item.kind == "dtype" and all(node is not None and node.op == "Const" for node in nodes):
            names = dtype_name(sides[0], item.left), dtype_name(sides[1], item.right)
            if ("float" in names[0]) != ("float" in names[1]):
                yield item.left, item.right


def retyped_lines(facts: Facts) -> Iterator[str]:
    """Weights that were quantised, or are kept in another type."""
    if "weights" in facts.diff.ignored:
        return
    kinds = Counter(
        (dtype_name(facts.both.left, one), dtype_name(facts.both.right, other))
        for one, other in (*_retyped(facts), *_quantised(facts))
    )
    for (before, after), count in kinds.items():
        noun = counted(count, "weight")
        if "float" in before and "int" in after:
            yield f"{noun} quantised: {before} became {after}"
        else:
            yield f"{noun} {'is' if count == 1 else 'are'} {after} now, {before} before"
