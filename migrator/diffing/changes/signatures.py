"""Signatures, functions and the other things around a graph: what is another on the right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from migrator.diffing.changes.assets import Assets, asset_changes
from migrator.diffing.changes.loading import Loading
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import Change, FunctionChange, NodeChange, SignatureChange
from migrator.diffing.side import Side, Tensor
from migrator.model.model import MetaGraph, Model, Signature
from migrator.model.tensors import TensorSpec

_OWN = "__saved_model_"
"""What TensorFlow calls the signatures that it keeps for itself."""


def called(meta: MetaGraph) -> dict[str, Signature]:
    """The signatures that somebody calls."""
    return {key: item for key, item in meta.signatures.items() if not key.startswith(_OWN)}


def signature_changes(both: Counterparts, options: DiffOptions) -> Iterator[SignatureChange]:
    """Signatures by key; one under another key is the same where its outputs are."""
    ours, theirs = called(both.left.meta), called(both.right.meta)
    renamed = _renamed(both, ours, theirs)
    for key, item in ours.items():
        other = key if key in theirs else renamed.get(key)
        if other is None:
            yield SignatureChange(key=key, kind="removed", changes=tuple(_facts(item, True)))
            continue
        changes = tuple(_between(both, item, theirs[other], options))
        if other != key:
            if not options.ignores("names"):
                name = Change(field="key", left=key, right=other)
                yield SignatureChange(key=other, kind="renamed", changes=(name, *changes))
            elif changes:
                yield SignatureChange(key=other, kind="changed", changes=changes)
        elif changes:
            yield SignatureChange(key=key, kind="changed", changes=changes)
    taken = {*renamed.values(), *ours}
    for key, item in theirs.items():
        if key not in taken:
            yield SignatureChange(key=key, kind="added", changes=tuple(_facts(item, False)))


def _renamed(
    both: Counterparts, ours: Mapping[str, Signature], theirs: Mapping[str, Signature]
) -> dict[str, str]:
    found: dict[str, str] = {}
    loose = [key for key in theirs if key not in ours]
    for key, item in ours.items():
        if key in theirs:
            continue
        for other in loose:
            if _same_tensors(both, item.outputs, theirs[other].outputs):
                found[key] = other
                loose.remove(other)
                break
    return found


def _same_tensors(
    both: Counterparts, ours: Mapping[str, TensorSpec], theirs: Mapping[str, TensorSpec]
) -> bool:
    if not ours or len(ours) != len(theirs):
        return False
    left = list(ours.values())
    return all(any(same_spec(both, a, b) for b in theirs.values()) for a in left)


def same_spec(both: Counterparts, one: TensorSpec, other: TensorSpec) -> bool:
    """Whether two entries of signatures are one and the same tensor."""
    ours, theirs = _tensors(both.left, one), _tensors(both.right, other)
    if ours == theirs and not any(
        _is_known(both, *pair) for pair in zip(ours, theirs, strict=True)
    ):
        return bool(ours)  # in which body it lies is open
    return len(ours) == len(theirs) > 0 and all(
        both.same_origin(a, b) or both.same_tensor(a, b) for a, b in zip(ours, theirs, strict=True)
    )


def _is_known(both: Counterparts, one: Tensor, other: Tensor) -> bool:
    sides = ((both.left, one[0]), (both.right, other[0]))
    return any(name in side.nodes or name in side.arguments for side, name in sides)


def _tensors(side: Side, spec: TensorSpec) -> list[Tensor]:
    return [side.tensor("", text) for text in ((spec.tensor,) if spec.tensor else spec.parts)]


def _between(
    both: Counterparts, one: Signature, other: Signature, options: DiffOptions
) -> Iterator[Change]:
    if one.method_name != other.method_name and not options.ignores("names"):
        yield Change(field="method_name", left=one.method_name, right=other.method_name)
    for word in ("inputs", "outputs"):
        ours, theirs = getattr(one, word), getattr(other, word)
        yield from _specs(both, word[:-1], ours, theirs, options)


def _specs(
    both: Counterparts,
    word: str,
    ours: Mapping[str, TensorSpec],
    theirs: Mapping[str, TensorSpec],
    options: DiffOptions,
) -> Iterator[Change]:
    loose = [name for name in theirs if name not in ours]
    for name, spec in ours.items():
        other = name if name in theirs else None
        if other is None:
            same = (item for item in loose if same_spec(both, spec, theirs[item]))
            other = next(same, None)
            if other is None:
                yield Change(field=f"{word} {name}", left=spec_text(spec), right=None)
                continue
            loose.remove(other)
            if not options.ignores("names"):
                yield Change(field=f"{word} name", left=name, right=other)
        fields: list[tuple[str, Any, Any]] = []
        if spec.dtype != theirs[other].dtype:
            fields.append(("dtype", spec.dtype.name, theirs[other].dtype.name))
        if spec.shape != theirs[other].shape and not options.ignores("shapes"):
            shapes = spec.shape.as_list(), theirs[other].shape.as_list()
            fields.append(("shape", *shapes))
        if spec.encoding != theirs[other].encoding:
            fields.append(("encoding", spec.encoding, theirs[other].encoding))
        elif not same_spec(both, spec, theirs[other]):
            fields.append(("tensor", *_told_apart(both, spec, theirs[other])))
        for field, left, right in fields:
            yield Change(field=f"{word} {other} {field}", left=left, right=right)
    for name in loose:
        yield Change(field=f"{word} {name}", left=None, right=spec_text(theirs[name]))


def _told_apart(both: Counterparts, one: TensorSpec, other: TensorSpec) -> tuple[str, str]:
    """Two tensors by their names; where these are one, with the ops that make them."""
    ours, theirs = tensor_text(one), tensor_text(other)
    if ours != theirs:
        return ours, theirs
    nodes = (
        side.nodes.get(tensors[0][0]) if (tensors := _tensors(side, spec)) else None
        for side, spec in ((both.left, one), (both.right, other))
    )
    left, right = (f"{ours} ({node.op})" if node is not None else ours for node in nodes)
    return left, right


def _facts(item: Signature, is_left: bool) -> Iterator[Change]:
    for word in ("inputs", "outputs"):
        for name, spec in getattr(item, word).items():
            text = spec_text(spec)
            yield Change(
                field=f"{word[:-1]} {name}",
                left=text if is_left else None,
                right=None if is_left else text,
            )


def tensor_text(spec: TensorSpec) -> str:
    return spec.tensor or ", ".join(spec.parts)


def spec_text(spec: TensorSpec) -> str:
    return f"{spec.dtype.name} {spec.shape}, {tensor_text(spec)}"


def function_changes(
    both: Counterparts, nodes: Iterable[NodeChange], options: DiffOptions
) -> Iterator[FunctionChange]:
    """Bodies without a counterpart, under another name, or with nodes that changed."""
    left, right = both.left, both.right
    ours, theirs = left.meta.graph.functions, right.meta.graph.functions
    touched: Counter[str] = Counter()
    for item in nodes:
        if item.left and item.kind != "renamed":
            touched[left.home.get(item.left, "")] += 1
        elif item.kind != "renamed":
            home = right.home.get(item.right, "")
            touched[both.functions_back.get(home, "")] += 1
    for name, function in ours.items():
        other = both.functions.get(name)
        if other is None:
            yield FunctionChange(left=name, right="", kind="removed", nodes=len(function.nodes))
        elif touched[name] or not same_results(both, name, other):
            yield FunctionChange(left=name, right=other, kind="changed", nodes=touched[name])
        elif name != other and not options.ignores("names"):
            count = len(function.nodes)
            yield FunctionChange(left=name, right=other, kind="renamed", nodes=count)
    there = set(both.functions.values())
    for name, function in theirs.items():
        if name not in there:
            yield FunctionChange(left="", right=name, kind="added", nodes=len(function.nodes))


def same_results(both: Counterparts, one: str, other: str) -> bool:
    """Whether two bodies hand out the same tensors, in the same order, after the same nodes."""
    ours, theirs = both.left.meta.graph.functions[one], both.right.meta.graph.functions[other]
    if len(ours.outputs) != len(theirs.outputs):
        return False
    for a, b in zip(ours.outputs, theirs.outputs, strict=True):
        texts = ours.returns.get(a.tensor, ""), theirs.returns.get(b.tensor, "")
        tensors = both.left.tensor_in(one, texts[0]), both.right.tensor_in(other, texts[1])
        if not both.same_tensor(*tensors):
            return False
    waits = (f"{one}/{name}" for name in ours.control_returns.values())
    others = {f"{other}/{name}" for name in theirs.control_returns.values()}
    return {both.to_right.get(name, "") for name in waits} == others


def other_changes(
    left: Model, right: Model, both: Counterparts, assets: tuple[Assets, Assets]
) -> Iterator[Change]:
    """Format, versions, tags, what runs at load, assets."""
    ours, theirs = both.left.meta, both.right.meta
    if left.source.kind != right.source.kind:  # text says the same as binary
        yield Change(field="format", left=left.source.format, right=right.source.format)
    yield from _differing(
        ("tags", sorted(ours.tags), sorted(theirs.tags)),
        ("tensorflow_version", ours.tensorflow_version, theirs.tensorflow_version),
        ("producer", ours.graph.versions.producer, theirs.graph.versions.producer),
        ("min_consumer", ours.graph.versions.min_consumer, theirs.graph.versions.min_consumer),
        (
            "bad_consumers",
            list(ours.graph.versions.bad_consumers),
            list(theirs.graph.versions.bad_consumers),
        ),
        ("meta_graphs", _tag_sets(left), _tag_sets(right)),
    )
    loads = Loading(ours).ops, Loading(theirs).ops
    if all(loads) and [both.to_right.get(name) for name in loads[0]] != [*loads[1]]:
        yield Change(field="runs at load", left=[*loads[0]], right=[*loads[1]])
    yield from asset_changes(*assets)


def _differing(*rows: tuple[str, Any, Any]) -> Iterator[Change]:
    for field, left, right in rows:
        if left != right:
            yield Change(field=field, left=left, right=right)


def _tag_sets(model: Model) -> list[list[str]]:
    """The tags of all meta graphs; a bare graph has none, and one of one is told as ``tags``."""
    found = sorted(sorted(meta.tags) for meta in model.meta_graphs)
    return found if len(found) > 1 else []
