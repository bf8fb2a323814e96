"""What a person understands in ten seconds: the verdict, then the stories behind the changes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from migrator.diffing import explain
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.likeness import LAYERS, likeness
from migrator.diffing.migrated import record_lines, unseen_line
from migrator.diffing.record import Record
from migrator.diffing.result import ADDED, CHANGED, REMOVED, RENAMED, REWIRED, Diff, NodeChange
from migrator.diffing.sameness import Outputs
from migrator.diffing.values import DIFFERENT, EQUAL, UNKNOWN, WeightReport
from migrator.diffing.verdict import REPLAY, Verdict
from migrator.inspection.summary import FUNCTIONAL_CONTROL_FLOW

_ANOTHER = 0.35
"""Share of the nodes with a counterpart under which two networks have little in common."""
_RELATED = 0.8
_LOOPS = frozenset(("While", "StatelessWhile"))
_NORMS = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
_TRAINING = re.compile(
    r"(?:.*Grad(?:V\d|Input|Filter)?|(?:Resource|Sparse)*Apply\w+|Conv\w+Backprop(?:Filter|Input)\w*|"
    r"\w*Summary(?:V2)?|Assign\w*|Queue\w+|\w*Queue(?:V2)?|\w*Dequeue\w*|RandomUniform|"
    r"TruncatedNormal|\w*Reader\w*|BroadcastGradientArgs)\Z"
)
_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the lines are made from."""

    diff: Diff
    both: Counterparts
    outputs: Outputs
    weights: WeightReport
    record: Record | None
    nodes: tuple[NodeChange, ...]
    """Added and removed ones that nothing explains."""
    verdict: Verdict

    @property
    def status(self) -> Counter[str]:
        return Counter(self.weights.status.values())


def headline(facts: Facts) -> tuple[str, ...]:
    """The verdict in one line, then what happened, the most important first."""
    lines = [_verdict(facts), *_stories(facts), *_open(facts)]
    return tuple(line for line in lines if line)[:_MOST]


def _verdict(facts: Facts) -> str:
    diff = facts.diff
    if diff.identical:
        left_out = f" in {', '.join(diff.only)}" if diff.only else ""
        left_out += f" (left out: {', '.join(diff.ignored)})" if diff.ignored else ""
        unknown = facts.status[UNKNOWN] and "weights" not in diff.ignored
        return f"no difference found{left_out}" if left_out or unknown else "identical"
    weights = _weights_words(facts)
    if diff.same_computation:
        if any(_counts(diff)[kind] for kind in (ADDED, REMOVED, REWIRED, CHANGED)):
            return _joined("same computation", weights)
        renamed = _counts(diff)[RENAMED] or diff.scopes
        return _joined("same network", "only names differ" if renamed else "", weights)
    changed = _changed(facts)
    if not changed and facts.status[DIFFERENT]:
        return _joined("same network", weights)
    share, things = likeness(facts.both, facts.nodes)
    if not changed and not facts.nodes:
        return _joined("same network", "other outputs", weights)
    if share < _ANOTHER:
        return f"another network: {share:.0%} of the {things} have a counterpart"
    if share < _RELATED:
        return _joined(f"related networks: {share:.0%} of the {things} have a counterpart", weights)
    return _joined("same network, changed in places", weights)


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _counts(diff: Diff) -> Counter[str]:
    return Counter(item.kind for item in diff.nodes)


def _changed(facts: Facts) -> list[NodeChange]:
    """Nodes that are more than renamed, apart from the values of weights and their homes."""
    return [
        item
        for item in facts.diff.nodes
        if item.kind in (CHANGED, REWIRED)
        and not item.why
        and any(
            change.field not in ("value", "home", "device", "scope", "name", "control inputs")
            or (change.field == "value" and (item.left, item.right) not in facts.weights.status)
            for change in item.changes
        )
    ]


def _weights_words(facts: Facts) -> str:
    status = facts.status
    total = status[EQUAL] + status[DIFFERENT]
    if "weights" in facts.diff.ignored or not total + status[UNKNOWN]:
        return ""
    if not total:
        return "weights not compared"
    if not status[DIFFERENT]:
        return (
            "weights equal"
            if not status[UNKNOWN]
            else f"{total:,} weights equal, others not compared"
        )
    if facts.verdict.is_same:
        return f"{status[EQUAL]:,} of {total:,} weights equal, the others with what was folded in"
    most = max(
        (item.max_abs for item in facts.diff.weights if item.max_abs is not None), default=0.0
    )
    size = f"{most:,.0f}" if 999.5 <= most < 1e7 else f"{most:.3g}"
    by = f", by {size} at most" if most else ""
    which = "all" if status[DIFFERENT] == total else f"{status[DIFFERENT]:,} of"
    shapes = any(item.kind == "shape" for item in facts.diff.weights)
    noun = "weights that kept their shape" if shapes else "weights"
    return f"{which} {total:,} {noun} have other values{by}"


def _stories(facts: Facts) -> Iterator[str]:
    yield from _moved(facts)
    yield from _record(facts)
    yield from _norms(facts)
    yield from _forms(facts)
    yield from _reasons(facts)
    yield from _endpoints(facts)
    yield from _layers(facts)
    yield from _types(facts)
    yield from _scopes(facts)
    yield from _numbers(facts)


def _moved(facts: Facts) -> Iterator[str]:
    kinds: Counter[str] = Counter()
    for one, other in facts.both.weights.items():
        homes = (
            facts.both.left.nodes[one].op == "Const",
            facts.both.right.nodes[other].op == "Const",
        )
        if homes[0] != homes[1]:
            kinds["constants to variables" if homes[0] else "variables to constants"] += 1
    if "homes" not in facts.diff.ignored:
        for text, count in kinds.items():
            yield f"{_counted(count, 'weight')} moved from {text}"


def _record(facts: Facts) -> Iterator[str]:
    if facts.record is not None:
        yield from record_lines(facts.record, facts.diff.nodes, facts.verdict)


def _norms(facts: Facts) -> Iterator[str]:
    """Batch norms, fused or spelled out: by those that are gone and did not come back."""
    if facts.verdict.shown_by == REPLAY:
        return  # the record's steps say so
    delta: Counter[str] = Counter()
    for item in facts.diff.nodes:
        if item.kind in (ADDED, REMOVED):
            step = 1 if item.kind == REMOVED else -1
            if item.op in _NORMS:
                delta["fused"] += step
            elif item.op == "Rsqrt":
                delta["plain"] += step
    count = delta["fused"] + delta["plain"]
    if delta["fused"] * delta["plain"] < 0 and count == 0:
        way = "fused" if delta["fused"] < 0 else "spelled out"
        yield f"{_counted(abs(delta['fused']), 'batch norm')} {way}"
    elif count > 0:
        yield f"{_counted(count, 'batch norm')} folded"
    elif count < 0:
        yield f"{_counted(-count, 'batch norm')} added"


def _forms(facts: Facts) -> Iterator[str]:
    """Control flow of TensorFlow 1 made functional, or the other way round."""
    for kind, text in ((ADDED, "became functional"), (REMOVED, "became TensorFlow 1 control flow")):
        there = Counter(
            item.op
            for item in facts.diff.nodes
            if _is(item, kind, explain.CONTROL_FLOW) and item.op in FUNCTIONAL_CONTROL_FLOW
        )
        loops = sum(count for op, count in there.items() if op in _LOOPS)
        conditions = sum(there.values()) - loops
        if loops:
            yield f"{_counted(loops, 'loop')} {text}"
        if conditions:
            yield f"{_counted(conditions, 'condition')} {text}"


def _reasons(facts: Facts) -> Iterator[str]:
    """Training parts, dropout, identities, folded constants."""
    dropouts = _dropouts(facts, REMOVED) - _dropouts(facts, ADDED)
    if dropouts and facts.verdict.shown_by != REPLAY:
        yield f"{_counted(abs(dropouts), 'dropout')} {'removed' if dropouts > 0 else 'added'}"
    for kind, verb in ((REMOVED, "cut"), (ADDED, "added")):
        nodes = [item for item in facts.diff.nodes if item.kind == kind]
        unused = [item for item in nodes if item.why == explain.UNUSED]
        training = sum(1 for item in unused if _is_training(item))
        if training and training * 4 >= len(unused):
            yield f"training parts {verb} ({_counted(len(unused), 'node')})"
        elif len(unused) > 1:
            yield f"{_counted(len(unused), 'node')} {verb} that no output needs"
    yield from _optimised(facts)


def _dropouts(facts: Facts, kind: str) -> int:
    names = [item.left or item.right for item in facts.diff.nodes if _is(item, kind, _DROPOUT)]
    return len({_scope_of(name, "dropout") for name in names})


_DROPOUT = explain.DROPOUT


def _is(item: NodeChange, kind: str, why: str) -> bool:
    return item.kind == kind and item.why == why


def _optimised(facts: Facts) -> Iterator[str]:
    """Identities taken out and constants worked out, where it is more than a few nodes."""
    nodes = facts.diff.nodes
    counts = [
        sum(_is(item, REMOVED, why) for item in nodes)
        - sum(_is(item, ADDED, why) for item in nodes)
        for why in (explain.IDENTITY, explain.FOLDED)
    ]
    total = len(facts.both.left.nodes)
    if facts.record is not None or max(counts) < 3 or sum(counts) * 20 < total:
        return
    texts = (
        f"{_counted(counts[0], 'identity', 'identities')} taken out",
        f"{_counted(counts[1], 'node')} worked out from constants",
    )
    parts = [text for text, count in zip(texts, counts, strict=True) if count > 0]
    yield f"optimised: {', '.join(parts)}"


def _is_training(item: NodeChange) -> bool:
    name = item.left or item.right
    return bool(_TRAINING.match(item.op)) or "gradients/" in name or "/Initializer/" in name


def _scope_of(name: str, word: str) -> str:
    end = name.lower().rfind(word) + len(word)
    while end < len(name) and name[end] != "/":
        end += 1
    return name[:end]


def _endpoints(facts: Facts) -> Iterator[str]:
    """Inputs and outputs under other names, or fewer and more of them."""
    if "names" in facts.diff.ignored or facts.record is not None:
        return  # a migration's signature keeps the names that matter
    named = [item for item in facts.diff.nodes if item.left and item.right]
    by_left = {item.left: item for item in named}
    outputs = []
    for name, _ in facts.outputs.left if by_left else ():
        change = by_left.get(name)
        fields = () if change is None else tuple(item.field for item in change.changes)
        if change is not None and "name" in fields:
            outputs.append(_locals(facts, change))
    if outputs:
        yield _renamed_words("output", outputs)
    inputs = [
        _locals(facts, item)
        for item in named
        if item.op.startswith("Placeholder")
        and any(change.field == "name" for change in item.changes)
    ]
    if inputs and len(inputs) <= 8:
        yield _renamed_words("input", inputs)
    for item in facts.diff.signatures:
        left_has = bool(facts.both.left.meta.signatures)
        right_has = bool(facts.both.right.meta.signatures)
        if left_has and right_has and item.kind in ("added", "removed", "renamed"):
            yield f"signature {item.key} {item.kind}"


def _locals(facts: Facts, item: NodeChange) -> tuple[str, str]:
    return facts.both.left.local(item.left), facts.both.right.local(item.right)


def _renamed_words(word: str, pairs: list[tuple[str, str]]) -> str:
    if len(pairs) == 1:
        return f"{word} renamed: {pairs[0][0]} is {pairs[0][1]} now"
    return f"{len(pairs)} {word}s renamed"


def _layers(facts: Facts) -> Iterator[str]:
    """Layers that came or went: ops that have weights of their own."""
    for kind, word in ((ADDED, "added"), (REMOVED, "removed")):
        ops = Counter(
            item.op
            for item in facts.diff.nodes
            if item.kind == kind
            and item.op in LAYERS
            and item.why in ("", explain.BATCH_NORM, explain.DROPOUT)
        )
        if ops:
            total = sum(ops.values())
            parts = ", ".join(f"{op} {count:,}" for op, count in ops.most_common(4))
            yield f"{_counted(total, 'layer')} {word} ({parts})"


def _types(facts: Facts) -> Iterator[str]:
    kinds: Counter[tuple[str, str]] = Counter()
    for item in facts.diff.nodes:
        for change in item.changes:
            if change.field == "dtype" and None not in (change.left, change.right):
                kinds[str(change.left), str(change.right)] += 1
    for (left, right), count in kinds.most_common(1):
        if count >= 2:
            yield f"{left} became {right} ({_counted(count, 'node')})"
    shapes = Counter(item.kind for item in facts.diff.weights)["shape"]
    if shapes:
        yield f"{_counted(shapes, 'weight')} of another shape"


def _scopes(facts: Facts) -> Iterator[str]:
    scopes = facts.diff.scopes
    bodies = (facts.both.left.meta.graph.functions, facts.both.right.meta.graph.functions)
    moved = [
        (item, "left" if item.left else "right")
        for item in scopes
        if not (item.left and item.right) and (item.left in bodies[0] or item.right in bodies[1])
    ]
    if moved and facts.record is None:  # a migration always does that
        nodes = _counted(sum(item.nodes for item, _ in moved), "node")
        yield f"{nodes} of the top level are in functions on the {moved[0][1]}"
    elif len(scopes) == 1 and not moved:
        left, right = (text or "the top level" for text in (scopes[0].left, scopes[0].right))
        yield f"scope {left} is {right} now ({_counted(scopes[0].nodes, 'node')})"
    elif len(scopes) > len(moved):
        yield f"{_counted(len(scopes) - len(moved), 'scope')} renamed"


def _numbers(facts: Facts) -> Iterator[str]:
    """What of it all nothing explains."""
    counts: Counter[str] = Counter()
    changed = {(item.left, item.right) for item in _changed(facts)}
    for item in facts.diff.nodes:
        if item.kind in (ADDED, REMOVED):
            counts[item.kind] += not item.why
        elif item.kind in (CHANGED, REWIRED):
            counts[item.kind] += (item.left, item.right) in changed
        elif any(change.field == "name" for change in item.changes):
            counts[item.kind] += 1
    parts = [
        f"{counts[kind]:,} {word}"
        for kind, word in (
            (CHANGED, "changed"),
            (REWIRED, "rewired"),
            (ADDED, "added"),
            (REMOVED, "removed"),
            (RENAMED, "renamed"),
        )
        if counts[kind]
    ]
    if parts:
        is_rest = any(item.kind in (ADDED, REMOVED) and item.why for item in facts.diff.nodes)
        yield f"{'other nodes' if is_rest else 'nodes'}: {', '.join(parts)}"


def _open(facts: Facts) -> Iterator[str]:
    """What was not looked at."""
    if facts.diff.only and not facts.diff.identical:
        yield f"told of {', '.join(facts.diff.only)} alone"
    if facts.verdict.unseen:
        yield unseen_line(facts.verdict)
    if "weights" in facts.diff.ignored:
        return
    unknown = facts.status[UNKNOWN]
    if facts.weights.unread:
        reason = facts.weights.unread[0]
        yield f"values of {_counted(unknown, 'weight')} not compared: {reason}"
    elif unknown:
        yield f"values of {_counted(unknown, 'weight')} not compared: --weights reads them all"


def _counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
