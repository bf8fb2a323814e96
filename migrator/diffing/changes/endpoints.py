"""Inputs and outputs of two models whose nodes cannot be compared: by name, type and shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from migrator.diffing.changes.signatures import called
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import Change, SignatureChange
from migrator.inspection.endpoints import Candidate, find_endpoints
from migrator.model.dtypes import DType
from migrator.model.model import MetaGraph, Signature
from migrator.model.tensors import TensorRef, TensorSpec

ENDPOINTS = "inputs and outputs"
"""Stands for the key of a signature where a model has none."""


def endpoint_changes(
    left: MetaGraph, right: MetaGraph, options: DiffOptions
) -> Iterator[SignatureChange]:
    """Signatures by key, the only ones of both sides whatever their keys; without any, what the
    model's inputs and outputs are found to be."""
    ours, theirs = _signatures(left), _signatures(right)
    if not ours or not theirs:
        return  # what is open on a side has nothing to be held against
    # A side that says no more than what goes in and out is held against what is served.
    if ENDPOINTS in ours or ENDPOINTS in theirs:
        ours, theirs = _served(ours), _served(theirs)
    if len(ours) == len(theirs) == 1:
        (key,), (other,) = ours, theirs
        changes = tuple(_between(ours[key], theirs[other], options))
        if changes:
            yield SignatureChange(key=other or key, kind="changed", changes=changes)
        return
    for key, item in ours.items():
        if key not in theirs:
            yield SignatureChange(key=key, kind="removed", changes=tuple(_facts(item, True)))
            continue
        changes = tuple(_between(item, theirs[key], options))
        if changes:
            yield SignatureChange(key=key, kind="changed", changes=changes)
    for key, item in theirs.items():
        if key not in ours:
            yield SignatureChange(key=key, kind="added", changes=tuple(_facts(item, False)))


def _served(found: dict[str, Signature]) -> dict[str, Signature]:
    key = "serving_default" if "serving_default" in found else next(iter(found))
    return {key: found[key]}


def _signatures(meta: MetaGraph) -> dict[str, Signature]:
    found = called(meta)
    if found:
        return found
    if meta.declared is not None:
        return {ENDPOINTS: meta.declared}
    ends = find_endpoints(meta)
    return (
        {
            ENDPOINTS: Signature(
                method_name="", inputs=_specs(ends.inputs), outputs=_specs(ends.outputs)
            )
        }
        if ends.decided
        else {}
    )


def _specs(found: Iterable[Candidate]) -> dict[str, TensorSpec]:
    return {
        TensorRef.parse(item.tensor).node: TensorSpec(
            tensor=item.tensor, dtype=item.dtype or DType(0), shape=item.shape
        )
        for item in found
    }


def _between(one: Signature, other: Signature, options: DiffOptions) -> Iterator[Change]:
    for word in ("input", "output"):
        ours: Mapping[str, TensorSpec] = getattr(one, f"{word}s")
        theirs: Mapping[str, TensorSpec] = getattr(other, f"{word}s")
        for name, partner in _pairs(ours, theirs):
            if partner is None:
                yield Change(field=f"{word} {name}", left=_form(ours[name]), right=None)
                continue
            spec, there = ours[name], theirs[partner]
            if name != partner and not options.ignores("names"):
                yield Change(field=f"{word} name", left=name, right=partner)
            if spec.dtype != there.dtype and spec.dtype and there.dtype:
                fields = spec.dtype.name, there.dtype.name
                yield Change(field=f"{word} {partner} dtype", left=fields[0], right=fields[1])
            is_known = None not in (spec.shape.dims, there.shape.dims)
            if is_known and spec.shape != there.shape and not options.ignores("shapes"):
                shapes = spec.shape.as_list(), there.shape.as_list()
                yield Change(field=f"{word} {partner} shape", left=shapes[0], right=shapes[1])
        known = {partner for _, partner in _pairs(ours, theirs)}
        for name, spec in theirs.items():
            if name not in known:
                yield Change(field=f"{word} {name}", left=None, right=_form(spec))


def _pairs(
    ours: Mapping[str, TensorSpec], theirs: Mapping[str, TensorSpec]
) -> list[tuple[str, str | None]]:
    """Of one name, or the only ones that remain."""
    loose = [name for name in theirs if name not in ours]
    alone = [name for name in ours if name not in theirs]
    is_one = len(loose) == len(alone) == 1
    return [(name, name if name in theirs else loose[0] if is_one else None) for name in ours]


def _facts(item: Signature, is_left: bool) -> Iterator[Change]:
    for word in ("inputs", "outputs"):
        for name, spec in getattr(item, word).items():
            text = _form(spec)
            yield Change(
                field=f"{word[:-1]} {name}",
                left=text if is_left else None,
                right=None if is_left else text,
            )


def _form(spec: TensorSpec) -> str:
    return f"{spec.dtype.name} {spec.shape}"
