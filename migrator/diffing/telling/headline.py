"""What a person understands in ten seconds: the verdict, then the stories behind the changes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from migrator.diffing.result import ADDED, CHANGED, REMOVED, RENAMED, REWIRED, Diff, NodeChange
from migrator.diffing.sameness.verdict import REPLAY
from migrator.diffing.telling import reasons
from migrator.diffing.telling.around_lines import around_lines
from migrator.diffing.telling.endpoint_lines import endpoint_lines, input_shape_lines
from migrator.diffing.telling.facts import Facts, counted
from migrator.diffing.telling.likeness import LAYERS, likeness, shape_share
from migrator.diffing.telling.migration_lines import record_lines, unseen_line
from migrator.diffing.telling.norms import norm_lines
from migrator.diffing.telling.weight_lines import retyped_lines, weights_words
from migrator.diffing.weights.values import DIFFERENT, UNKNOWN
from migrator.inspection.summary import FUNCTIONAL_CONTROL_FLOW

_ANOTHER = 0.35
"""Share of the nodes with a counterpart under which two networks have little in common."""
_RELATED = 0.8
_ALIKE = 0.95
"""Share from which on two networks are built alike, whatever the sizes of their layers."""
_LOOPS = frozenset(("While", "StatelessWhile"))
_TRAINING = re.compile(
    r"(?:.*Grad(?:V\d|Input|Filter)?|(?:Resource|Sparse)*Apply\w+|Conv\w+Backprop(?:Filter|Input)\w*|"
    r"\w*Summary(?:V2)?|Assign\w*|Queue\w+|\w*Queue(?:V2)?|\w*Dequeue\w*|RandomUniform|"
    r"TruncatedNormal|\w*Reader\w*|BroadcastGradientArgs)\Z"
)
_MOST = 8


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
    weights = weights_words(facts)
    if diff.same_computation:
        if any(_counts(diff)[kind] for kind in (ADDED, REMOVED, REWIRED, CHANGED)):
            return _joined("same computation", weights)
        renamed = _counts(diff)[RENAMED] or diff.scopes or diff.functions
        return _joined("same network", "only names differ" if renamed else "", weights)
    if facts.verdict.is_same:
        told = diff.nodes, diff.scopes, diff.weights, diff.signatures, diff.functions, diff.others
        if not any(told):
            return "no difference found"
        return _joined("same computation, if the weights are equal", weights)
    changed = facts.changed()
    if not changed and facts.status[DIFFERENT]:
        return _joined("same network", weights)
    if not changed and not facts.nodes:
        is_other = _has_other_outputs(facts)
        what = "other outputs" if is_other else "not shown to compute the same"
        return _joined("same network", what, weights)
    shape = ""
    share, things = likeness(facts.both, facts.nodes)
    if share >= _ALIKE and facts.shapes:
        is_more = facts.nodes or not all(map(_is_of_size, changed))
        if not is_more:
            return _joined("same architecture, other sizes", weights)
        if facts.shapes > len(facts.weights.status):
            return _joined("same architecture, other sizes", "changed in places", weights)
    elif (kept := shape_share(len(facts.weights.status), facts.shapes)) < share:
        share, things, shape = kept, "weights", " of their shape"
    if share < _ANOTHER:
        return f"another network: {share:.0%} of the {things} have a counterpart{shape}"
    if share < _RELATED:
        return _joined(
            f"related networks: {share:.0%} of the {things} have a counterpart{shape}", weights
        )
    return _joined("same network, changed in places", weights)


def _has_other_outputs(facts: Facts) -> bool:
    """Whether all outputs have a counterpart, and not among the outputs of the other side."""
    to_right, to_left = facts.both.to_right, facts.both.to_left
    ours, theirs = facts.outputs.left, facts.outputs.right
    if any(name not in to_right for name, _ in ours) or any(n not in to_left for n, _ in theirs):
        return False
    return {(to_right[name], port) for name, port in ours} != {*theirs}


def _is_of_size(item: NodeChange) -> bool:
    """Whether nothing but shapes, and the numbers in constants, makes the change."""
    return all(
        change.field in ("shape", "value", "name", "scope", "home", "device")
        for change in item.changes
    )


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _counts(diff: Diff) -> Counter[str]:
    return Counter(item.kind for item in diff.nodes)


def _stories(facts: Facts) -> Iterator[str]:
    yield from _moved(facts)
    yield from _record(facts)
    yield from input_shape_lines(facts)
    yield from norm_lines(facts)
    yield from retyped_lines(facts)
    yield from _forms(facts)
    yield from _reasons(facts)
    yield from around_lines(facts)
    yield from endpoint_lines(facts)
    yield from _layers(facts)
    yield from _types(facts)
    yield from _scopes(facts)
    yield from _functions(facts)
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
            yield f"{counted(count, 'weight')} moved from {text}"


def _record(facts: Facts) -> Iterator[str]:
    if facts.record is not None:
        yield from record_lines(facts.record, facts.diff.nodes, facts.verdict)


def _forms(facts: Facts) -> Iterator[str]:
    """Control flow of TensorFlow 1 made functional, or the other way round."""
    for kind, text in ((ADDED, "became functional"), (REMOVED, "became TensorFlow 1 control flow")):
        there = Counter(
            item.op
            for item in facts.diff.nodes
            if _is(item, kind, reasons.CONTROL_FLOW) and item.op in FUNCTIONAL_CONTROL_FLOW
        )
        loops = sum(count for op, count in there.items() if op in _LOOPS)
        conditions = sum(there.values()) - loops
        if loops:
            yield f"{counted(loops, 'loop')} {text}"
        if conditions:
            yield f"{counted(conditions, 'condition')} {text}"


def _reasons(facts: Facts) -> Iterator[str]:
    """Training parts, dropout, identities, folded constants."""
    dropouts = _dropouts(facts, REMOVED) - _dropouts(facts, ADDED)
    if dropouts and facts.verdict.shown_by != REPLAY:
        yield f"{counted(abs(dropouts), 'dropout')} {'removed' if dropouts > 0 else 'added'}"
    for kind, verb in ((REMOVED, "cut"), (ADDED, "added")):
        nodes = [item for item in facts.diff.nodes if item.kind == kind]
        unused = [item for item in nodes if item.why == reasons.UNUSED]
        training = sum(1 for item in unused if _is_training(item))
        if training and training * 4 >= len(unused):
            yield f"training parts {verb} ({counted(len(unused), 'node')})"
        elif len(unused) > 1:
            yield f"{counted(len(unused), 'node')} {verb} that no output needs"
    yield from _optimised(facts)


def _dropouts(facts: Facts, kind: str) -> int:
    names = [item.left or item.right for item in facts.diff.nodes if _is(item, kind, _DROPOUT)]
    return len({_scope_of(name, "dropout") for name in names})


_DROPOUT = reasons.DROPOUT


def _is(item: NodeChange, kind: str, why: str) -> bool:
    return item.kind == kind and item.why == why


def _optimised(facts: Facts) -> Iterator[str]:
    """Identities taken out and constants worked out, where it is more than a few nodes."""
    nodes = facts.diff.nodes
    counts = [
        sum(_is(item, REMOVED, why) for item in nodes)
        - sum(_is(item, ADDED, why) for item in nodes)
        for why in (reasons.IDENTITY, reasons.FOLDED)
    ]
    total = len(facts.both.left.nodes)
    if facts.record is not None or max(counts) < 3 or sum(counts) * 20 < total:
        return
    texts = (
        f"{counted(counts[0], 'identity', 'identities')} taken out",
        f"{counted(counts[1], 'node')} worked out from constants",
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


def _layers(facts: Facts) -> Iterator[str]:
    """Layers that came or went: ops that have weights of their own."""
    for kind, word in ((ADDED, "added"), (REMOVED, "removed")):
        ops = Counter(
            item.op
            for item in facts.diff.nodes
            if item.kind == kind
            and item.op in LAYERS
            and item.why in ("", reasons.BATCH_NORM, reasons.DROPOUT)
        )
        if ops:
            total = sum(ops.values())
            parts = ", ".join(f"{op} {count:,}" for op, count in ops.most_common(4))
            yield f"{counted(total, 'layer')} {word} ({parts})"


def _types(facts: Facts) -> Iterator[str]:
    kinds: Counter[tuple[str, str]] = Counter()
    for item in facts.diff.nodes:
        for change in item.changes:
            if change.field == "dtype" and None not in (change.left, change.right):
                kinds[str(change.left), str(change.right)] += 1
    for (left, right), count in kinds.most_common(1):
        if count >= 2:
            yield f"{left} became {right} ({counted(count, 'node')})"
    if facts.shapes:
        yield f"{counted(facts.shapes, 'weight')} of another shape"


def _functions(facts: Facts) -> Iterator[str]:
    """Bodies under other names; TensorFlow numbers them anew at each export."""
    renamed = [item for item in facts.diff.functions if item.kind == RENAMED]
    numbered = sum(_stem(item.left) == _stem(item.right) for item in renamed)
    if numbered:
        verb = "has a new generated name" if numbered == 1 else "have new generated names"
        yield f"{counted(numbered, 'function')} {verb}"
    if len(renamed) > numbered:
        yield f"{counted(len(renamed) - numbered, 'function')} renamed"


def _stem(name: str) -> str:
    return re.sub(r"(?:_\d+)+\Z", "", name)


def _scopes(facts: Facts) -> Iterator[str]:
    scopes = facts.diff.scopes
    bodies = (facts.both.left.meta.graph.functions, facts.both.right.meta.graph.functions)
    moved = [
        (item, "left" if item.left else "right")
        for item in scopes
        if not (item.left and item.right) and (item.left in bodies[0] or item.right in bodies[1])
    ]
    if moved and facts.record is None:  # a migration always does that
        nodes = counted(sum(item.nodes for item, _ in moved), "node")
        yield f"{nodes} of the top level are in functions on the {moved[0][1]}"
    elif len(scopes) == 1 and not moved:
        left, right = (text or "the top level" for text in (scopes[0].left, scopes[0].right))
        yield f"scope {left} is {right} now ({counted(scopes[0].nodes, 'node')})"
    elif len(scopes) > len(moved):
        yield f"{counted(len(scopes) - len(moved), 'scope')} renamed"


def _numbers(facts: Facts) -> Iterator[str]:
    """What of it all nothing explains."""
    counts: Counter[str] = Counter()
    changed = {(item.left, item.right) for item in facts.changed()}
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
        yield f"values of {counted(unknown, 'weight')} not compared: {reason}"
    elif unknown:
        yield f"values of {counted(unknown, 'weight')} not compared: --weights reads them all"
