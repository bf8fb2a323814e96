"""From the signatures of a source to those of the result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from migrator.errors import NeedsDecision, UsageError, did_you_mean, paste_option
from migrator.graph.wiring import Wiring
from migrator.inspection import inputs as input_rules
from migrator.inspection.unsigned import EXPORT_AGAIN, callable_signatures, why_unsigned
from migrator.migration.naming import usable
from migrator.migration.options import Choice
from migrator.migration.plan import PREDICT, SERVING, Endpoint
from migrator.migration.resolve import (
    Resolved,
    existing,
    no_contradiction,
    parse_feeds,
    resolve,
    tensor_dtype,
    tensor_shape,
)
from migrator.migration.spec import SignatureSpec
from migrator.model.dtypes import DType, dtype_named
from migrator.model.graph import Graph
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import Shape, TensorRef, TensorSpec
from migrator.ops.registry import output_dtypes

_PARTS = ("values", "indices", "dense_shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A signature to make, with its endpoints settled."""

    key: str
    source_key: str
    method_name: str
    resolved: Resolved
    decode_images: tuple[str, ...] = ()


def settle_signatures(model: Model, meta: MetaGraph, choice: Choice) -> list[Asked]:
    """The signatures of the result: those of a spec, the source's own, or one of the endpoints
    that are named; with the shapes that were asked for.

    Raises NeedsDecision, NoSuchTensor, UsageError as ``resolve`` does.
    """
    shapes = parse_shapes(choice.shapes)
    if choice.wanted and (choice.inputs or choice.outputs or choice.signatures):
        raise UsageError("a spec file names the signatures, so the line cannot", where="--spec")
    asked = []
    for spec in choice.wanted:
        for item in _settled(model, meta, _of_spec(choice, spec)):
            named = replace(item, key=spec.name, decode_images=spec.decode_images)
            _check_names([*spec.shapes], [named], f"shapes of signature {spec.name!r}")
            asked.append(with_shapes(named, {k: Shape(v) for k, v in spec.shapes.items()}))
    asked = [with_shapes(item, shapes) for item in asked or _settled(model, meta, choice)]
    _check_names([*shapes], asked, "--shape")
    pictures = [text.partition("=")[0] for text in choice.decode_images]
    _check_names(pictures, asked, "--decode-images")
    return [
        replace(
            item,
            decode_images=(
                *item.decode_images,
                *(
                    text
                    for text, name in zip(choice.decode_images, pictures, strict=True)
                    if name in {entry.name for entry in item.resolved.inputs}
                ),
            ),
        )
        for item in asked
    ]


def _of_spec(choice: Choice, spec: SignatureSpec) -> Choice:
    """The part of a choice that one signature of a spec stands for."""
    feeds = [f"{tensor}={_feed_text(value)}" for tensor, value in spec.feeds.items()]
    return replace(
        choice,
        signatures=[f"{spec.name}={spec.source}"] if spec.source else [],
        inputs=[f"{name}={tensor}" for name, tensor in spec.inputs.items()],
        outputs=[f"{name}={tensor}" for name, tensor in spec.outputs.items()],
        feeds=[*feeds, *choice.feeds],
    )


def _feed_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _check_names(names: Sequence[str], asked: Sequence[Asked], option: str) -> None:
    known = {item.name for found in asked for item in found.resolved.inputs}
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no input {name!r}; the inputs are {', '.join(sorted(known))}",
                where=option,
                hint=did_you_mean(name, sorted(known)),
            )


def _settled(model: Model, meta: MetaGraph, choice: Choice) -> list[Asked]:
    graph = meta.graph
    wiring = Wiring(graph)
    keys = callable_signatures(meta)
    if choice.signatures and not keys:
        raise UsageError(
            "the source has no signatures", where="--signature", hint="name --input and --output"
        )
    if not keys and not (choice.inputs or choice.outputs):
        no_signatures(meta)
    if not keys or choice.inputs or choice.outputs:
        found = resolve(graph, wiring, choice)
        return [Asked(key=SERVING, source_key="", method_name=PREDICT, resolved=found)]
    if not choice.signatures:  # a training step, as some exports have one, is nothing to call
        keys = [key for key in keys if _gives_tensors(graph, meta, key)] or keys
    return [
        Asked(
            key=new,
            source_key=key,
            method_name=meta.signatures[key].method_name or PREDICT,
            resolved=_resolved(graph, wiring, meta, key, choice),
        )
        for new, key in _chosen(model, keys, choice.signatures)
    ]


def no_signatures(meta: MetaGraph) -> None:
    """Raises NeedsDecision for a model of TensorFlow 2 that has none: its graph holds the ops
    that save and restore it, and no function that anybody would call."""
    why = why_unsigned(meta)
    if why:
        raise NeedsDecision(
            why, hint=f"{EXPORT_AGAIN}; or name tensors of its graph with --input and --output"
        )


def _gives_tensors(graph: Graph, meta: MetaGraph, key: str) -> bool:
    """False for a signature whose every output is an op without one."""
    ends = [TensorRef.parse(spec.tensor) for spec in meta.signatures[key].outputs.values()]
    nodes = [graph.by_name.get(ref.node) for ref in ends]
    return not ends or any(node is None or output_dtypes(node) != () for node in nodes)


def _chosen(model: Model, keys: Sequence[str], asked: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(key in the result, key in the source). All of them where none is asked for."""
    taken: set[str] = set()
    for text in asked or keys:
        new, equals, old = text.partition("=")
        if text in keys:  # a key may hold "="
            new = old = text
        elif not equals:
            old = new
        if old not in keys:
            raise UsageError(
                f"has no signature {old!r}; it has: {', '.join(keys)}",
                where=model.source.path,
                hint=did_you_mean(old, keys),
            )
        if not new or not new.isprintable() or new in taken:
            raise UsageError(f"the signature's name {new!r} is empty or taken", where="--signature")
        taken.add(new)
        yield new, old


def _resolved(graph: Graph, wiring: Wiring, meta: MetaGraph, key: str, choice: Choice) -> Resolved:
    signature = meta.signatures[key]
    where = f"signature {key!r}"
    inputs = _endpoints(graph, signature.inputs, where, identifiers=True)
    outputs = _endpoints(graph, signature.outputs, where, identifiers=False)
    if not outputs:
        raise UsageError("has no outputs", where=where, hint="choose others with --signature")
    feeds = tuple(parse_feeds(graph, choice.feeds))
    no_contradiction([], [], feeds)
    fed = {feed.tensor for feed in feeds}
    inputs = tuple(item for item in inputs if item.tensor not in fed)
    cut = frozenset([item.tensor for item in inputs] + [feed.tensor for feed in feeds])
    names = [item.tensor for item in outputs]
    needed = input_rules.find(graph, wiring, names, cut=cut, named=True)
    # What a model server left alone, we leave alone: only what has no value must be given one.
    open_controls = [
        item for item in needed.controls if not graph.by_name[_node(item.tensor)].data_refs
    ]
    if needed.data or open_controls:
        missing = [item.tensor for item in needed.data]
        missing += [item.tensor for item in open_controls]
        raise NeedsDecision(
            f"{where} needs {', '.join(missing)}, and it has no input for that",
            options=[
                *(paste_option("--feed", text) for text in choice.feeds),
                *(paste_option("--feed", f"{item.tensor}=VALUE") for item in needed.data),
                *(
                    paste_option("--feed", f"{item.tensor}={item.suggested or 'VALUE'}")
                    for item in open_controls
                ),
            ],
            hint="give a value (or choose other signatures with --signature), e.g.:",
        )
    return Resolved(inputs=inputs, outputs=outputs, feeds=feeds, options=needed.options)


def _node(tensor: str) -> str:
    return TensorRef.parse(tensor).node


def _endpoints(
    graph: Graph, specs: Mapping[str, TensorSpec], where: str, *, identifiers: bool
) -> tuple[Endpoint, ...]:
    found: list[Endpoint] = []
    taken: dict[str, int] = {}
    for name, spec in specs.items():
        for part, tensor, dtype, shape in _dense_parts(name, spec):
            full = existing(graph, tensor, where=f"{where}, {name!r}")
            ref = TensorRef.parse(full)
            known = tensor_dtype(graph, ref) or dtype  # a signature may be wrong about it
            seen = tensor_shape(graph, ref)
            kept = usable(part) if identifiers or not part.isprintable() else part
            kept = _free(kept, taken)
            found.append(
                Endpoint(
                    name=kept,
                    tensor=full,
                    dtype=None if known is None else known.base,
                    shape=seen if shape.dims is None else shape,
                )
            )
    return tuple(found)


def _dense_parts(name: str, spec: TensorSpec) -> Iterator[tuple[str, str, DType | None, Shape]]:
    """(name, tensor, dtype, shape) of what a signature's entry is made of."""
    if spec.encoding == "dense":
        yield name, spec.tensor, spec.dtype, spec.shape
        return
    if spec.encoding == "sparse" and len(spec.parts) == len(_PARTS):
        rank = spec.shape.rank
        kinds = (
            (spec.dtype, Shape((None,))),
            (dtype_named("int64"), Shape((None, rank))),
            (dtype_named("int64"), Shape((rank,))),
        )
        for suffix, tensor, (dtype, shape) in zip(_PARTS, spec.parts, kinds, strict=True):
            yield f"{name}_{suffix}", tensor, dtype, shape
        return
    for number, tensor in enumerate(spec.parts):
        yield f"{name}_{number}", tensor, None, Shape(None)


def _free(name: str, taken: dict[str, int]) -> str:
    """``name``, with a number where it is taken. ``taken`` counts how often each was asked for."""
    free = name
    while free.lower() in taken:
        taken[name.lower()] += 1
        free = f"{name}_{taken[name.lower()] - 1}"
    taken.setdefault(free.lower(), 1)
    return free


def with_shapes(asked: Asked, shapes: Mapping[str, Shape]) -> Asked:
    """The same with the input shapes that the user fixed or relaxed, by input name.

    Raises UsageError for one that does not fit the tensor's rank.
    """
    inputs = []
    for item in asked.resolved.inputs:
        shape = shapes.get(item.name, item.shape)
        if None not in (shape.rank, item.shape.rank) and shape.rank != item.shape.rank:
            raise UsageError(
                f"{shape} has {shape.rank} dimensions, the input {item.name!r} has "
                f"{item.shape.rank}: {item.shape}",
                where="--shape",
            )
        inputs.append(replace(item, shape=shape))
    return replace(asked, resolved=replace(asked.resolved, inputs=tuple(inputs)))


_SIZE = re.compile(r"[0-9]{1,18}|\?|-1")


def parse_shapes(texts: Sequence[str]) -> dict[str, Shape]:
    """``NAME=?,224,224,3`` each; ``NAME=`` is a scalar. Raises UsageError."""
    found = {}
    for text in texts:
        name, equals, dims = text.rpartition("=")
        words = [word.strip() for word in dims.strip("[] ").split(",")]
        words = [] if words == [""] else words
        if not equals or not all(map(_SIZE.fullmatch, words)):
            raise UsageError(f"{text!r} is no shape", where="--shape", hint="e.g. x=?,224,224,3")
        found[name] = Shape(tuple(int(word) if word.isdigit() else None for word in words))
    return found


_PIXELS = ("0..255", "0..1", "-1..1")


def image_inputs(asked: Asked) -> dict[str, str]:
    """``NAME`` or ``NAME=RANGE`` each, checked against the inputs. Raises UsageError."""
    inputs = {item.name: item for item in asked.resolved.inputs}
    found = {}
    for text in asked.decode_images:
        name, _, pixels = text.partition("=")
        pixels = pixels or _PIXELS[0]
        if name not in inputs:
            raise UsageError(
                f"there is no input {name!r}; the inputs are {', '.join(inputs)}",
                where="--decode-images",
            )
        if pixels not in _PIXELS:
            raise UsageError(
                f"{pixels!r} is no range of pixels; one of {', '.join(_PIXELS)}",
                where="--decode-images",
            )
        item = inputs[name]
        dims, dtype = item.shape.dims, item.dtype
        fits = dims is not None and len(dims) == 4 and dims[3] in (None, 1, 3, 4)
        if dtype is not None and dtype.kind in "iu" and pixels != _PIXELS[0]:
            raise UsageError(
                f"{name!r} is {dtype}, which takes pixels as they are ({_PIXELS[0]})",
                where="--decode-images",
            )
        if not fits or dtype is None or dtype.kind not in "fiu":
            raise UsageError(
                f"{name!r} is {dtype} of shape {item.shape}, no batch of pictures",
                where="--decode-images",
                hint="it takes [batch, height, width, channels] of numbers",
            )
        found[name] = pixels
    return found
