"""Two models without a graph of one kind: their weights by name and value, and their endpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import MappingProxyType

from migrator.diffing.asked import check_scope, within
from migrator.diffing.changes.endpoints import endpoint_changes
from migrator.diffing.counterparts import scope_between
from migrator.diffing.matching.scopes import scope_renames, told_once
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import (
    KINDS,
    RENAMED,
    Change,
    Diff,
    Match,
    NodeChange,
    ScopeRename,
    SignatureChange,
    WeightChange,
)
from migrator.diffing.sameness.verdict import is_one_model
from migrator.diffing.telling.facts import counted
from migrator.diffing.weights.compared import NamedReport, compare_named
from migrator.diffing.weights.named import Named, named_weights
from migrator.diffing.weights.reading import Files
from migrator.diffing.weights.values import DIFFERENT, EQUAL, UNKNOWN
from migrator.errors import UsageError
from migrator.model.model import MetaGraph, Model

_GRAPHS = {
    "keras": "Keras layers",
    "tflite": "TFLite operators",
    "tensorflow": "TensorFlow ops",
}
_VARIABLE = "variable"
"""Stands for the op of a weight that was renamed."""


def compare_by_weights(
    left: Model,
    right: Model,
    metas: tuple[MetaGraph | None, MetaGraph | None],
    options: DiffOptions,
) -> Diff:
    """How the weights and endpoints of ``right`` differ from those of ``left``.

    ``metas`` are the meta graphs to look at, None for a model without. Raises MigratorError for
    an index that cannot be read, UsageError for a signature.
    """
    if options.signature:
        raise UsageError("these two have no graphs of one kind to look for a signature's part in")
    files = Files()
    ours, theirs = (
        named_weights(model, meta, files, options)
        for model, meta in zip((left, right), metas, strict=True)
    )
    for scope in options.only:
        check_scope(scope, [*ours.weights, *theirs.weights])
    compared = compare_named(ours, theirs, options)
    changes = compared.report.changes
    nodes, scopes = _renames(compared, ours, theirs, options)
    signatures: tuple[SignatureChange, ...] = ()
    is_bare = bool(options.only) or options.ignores("signatures")
    if metas[0] is not None and metas[1] is not None and not is_bare:
        signatures = tuple(endpoint_changes(metas[0], metas[1], options))
    others = () if options.only else tuple(_others(left, right, ours, theirs, options))
    status = compared.status()
    counts = {
        "left_nodes": 0,
        "right_nodes": 0,
        "matched": 0,
        **{kind: len(nodes) if kind == RENAMED else 0 for kind in KINDS if nodes},
        "weights": len(compared.report.status) + sum(item.kind == "shape" for item in changes),
        "weights_equal": status[EQUAL],
        "weights_different": status[DIFFERENT],
        "weights_unknown": status[UNKNOWN],
    }
    is_known = options.ignores("weights") or not status[UNKNOWN] or is_one_model(left, right)
    has_graph = any(meta is not None for meta in metas)
    is_same = is_known and not changes and not nodes and not scopes
    return Diff(
        left=left.source,
        right=right.source,
        identical=is_same and not signatures and not others,
        same_computation=is_same and not has_graph,
        headline=(
            *_headline(changes, status, bool(nodes or scopes), is_alone=not has_graph),
            *_stories(compared, ours, theirs),
            *_graphs(left, right, metas),
            *_unseen(compared),
        ),
        nodes=nodes,
        scopes=scopes,
        weights=changes,
        signatures=signatures,
        others=others,
        matches=tuple(
            Match(left=pair.left, right=pair.right, confidence=pair.confidence, why=pair.why)
            for pair in compared.pairs
            if within(pair.left, options.only) or within(pair.right, options.only)
        ),
        counts=MappingProxyType(counts),
        ignored=options.ignore,
        only=options.only,
    )


def _renames(
    compared: NamedReport, left: Named, right: Named, options: DiffOptions
) -> tuple[tuple[NodeChange, ...], tuple[ScopeRename, ...]]:
    """Weights that have another name now, those of a scope told together."""
    if options.ignores("names"):
        return (), ()
    order = {name: number for number, name in enumerate(left.weights)}
    called = [
        (pair, left.weights[pair.left].called, right.weights[pair.right].called)
        for pair in sorted(compared.pairs, key=lambda pair: order[pair.left])
        if within(pair.left, options.only) or within(pair.right, options.only)
    ]
    told_scopes = told_once(scope_renames((one, other) for _, one, other in called))
    known = {(item.left, item.right) for item in told_scopes}
    told: list[NodeChange] = []
    used: Counter[tuple[str, str]] = Counter()
    for pair, one, other in called:
        if one == other or pair.left == pair.right:
            continue
        scope = scope_between(one, other, known)
        if any(scope):
            used[scope] += 1
            continue
        change = Change(field="name", left=pair.left, right=pair.right)
        told.append(
            NodeChange(
                kind=RENAMED,
                left=pair.left,
                right=pair.right,
                op=_VARIABLE,
                confidence=pair.confidence,
                changes=(change,),
                why="",
            )
        )
    scopes = [ScopeRename(left=old, right=new, nodes=count) for (old, new), count in used.items()]
    return tuple(told), tuple(sorted(scopes, key=lambda item: (-item.nodes, item.left, item.right)))


def _others(
    left: Model, right: Model, ours: Named, theirs: Named, options: DiffOptions
) -> Iterator[Change]:
    if options.ignores("versions"):
        return
    if left.source.kind != right.source.kind:
        yield Change(field="format", left=left.source.format, right=right.source.format)
    if ours.shards and theirs.shards and ours.shards != theirs.shards:
        yield Change(field="shards", left=ours.shards, right=theirs.shards)


def _headline(
    changes: tuple[WeightChange, ...], status: Counter[str], is_renamed: bool, *, is_alone: bool
) -> Iterator[str]:
    """The verdict, and how many weights are what."""
    noun = "variable" if is_alone else "weight"
    kinds = Counter(item.kind for item in changes)
    total = status.total()
    equal_ones = kinds["shape"] and sum(
        item.kind == "shape" and item.share is not None for item in changes
    )
    shapes = kinds["shape"] - equal_ones
    apart = kinds["removed"] + kinds["added"] + shapes
    if not changes and not total:
        yield f"no {noun} on either side" if not is_renamed else f"the same {noun}s"
        return
    if not apart and not kinds["dtype"]:
        names = ", some under other names" if is_renamed else ""
        if status[DIFFERENT]:
            most = f"{status[DIFFERENT]:,} of {total:,} have other values"
            yield f"the same {noun}s{names}; {most}{_by(changes)}"
        else:
            known = "no difference found" if status[UNKNOWN] else "the same values"
            yield f"the same {noun}s{names}; {known}"
        return
    if not total:
        yield f"no {noun} in common" if not shapes else f"other {noun}s"
    elif status[EQUAL] == total and not shapes and not (kinds["added"] and kinds["removed"]):
        side, other = ("right", "left") if kinds["removed"] else ("left", "right")
        which = {1: "the only", 2: "both"}.get(total, f"all {total:,}")
        verb = "is" if total == 1 else "are"
        names = ", some under other names" if is_renamed else ""
        yield (
            f"{which} {noun}{'s' if total > 1 else ''} of the {side} {verb} on the {other} too, "
            f"with equal values{names}"
        )
    elif status[EQUAL] == total:
        yield f"other {noun}s; {counted(total, noun)} on both sides, with equal values"
    else:
        yield f"other {noun}s"
        if status[EQUAL]:
            yield f"{counted(status[EQUAL], noun)} with equal values"
    for count, text in (
        (kinds["added"], "added"),
        (kinds["removed"], "removed"),
        (shapes, "of another shape"),
        (kinds["dtype"], "of another type"),
        (kinds["values"], f"with other values{_by(changes)}"),
    ):
        if count:
            yield f"{counted(count, noun)} {text}"


def _by(changes: tuple[WeightChange, ...]) -> str:
    most = max((item.max_abs or 0.0 for item in changes if item.kind == "values"), default=0.0)
    return f", by {most:.3g} at most" if most else ""


def _stories(compared: NamedReport, left: Named, right: Named) -> Iterator[str]:
    """What an optimizer keeps and a model that is served does not; another layout."""
    for kind, kept, side in (("removed", left.kept, "left"), ("added", right.kept, "right")):
        count = sum(
            item.kind == kind and (item.left or item.right) in kept
            for item in compared.report.changes
        )
        if count:
            verb = "is" if count == 1 else "are"
            yield f"{count:,} of those on the {side} alone {verb} the optimizer's"
    if compared.turned:
        yield f"{counted(compared.turned, 'weight')} equal in another layout"


def _graphs(
    left: Model, right: Model, metas: tuple[MetaGraph | None, MetaGraph | None]
) -> Iterator[str]:
    """Why no nodes are told of."""
    if metas[0] is not None and metas[1] is not None:
        ours, theirs = (_GRAPHS[model.source.family] for model in (left, right))
        yield f"{ours} and {theirs}: compared by weights and endpoints, not node by node"
    elif metas[0] is not None or metas[1] is not None:
        side = "left" if metas[0] is None else "right"
        yield f"no graph on the {side}: compared by weights alone"


def _unseen(compared: NamedReport) -> Iterator[str]:
    """What was not looked at."""
    if compared.status()[UNKNOWN] and not compared.report.unread:
        yield f"{compared.status()[UNKNOWN]:,} not compared: add --weights"
    yield from (f"not read: {text}" for text in compared.report.unread[:3])
