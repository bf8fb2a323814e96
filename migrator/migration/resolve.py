"""From what the user named and what the rules found: the endpoints of a migration."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from migrator.errors import NeedsDecision, NoSuchTensor, UsageError, paste_option
from migrator.formats.tensors import constant_tensor
from migrator.graph.wiring import Wiring
from migrator.inspection import inputs as input_rules
from migrator.inspection import outputs as output_rules
from migrator.inspection.candidates import Candidate, Control
from migrator.inspection.sources import feeder_specs, placeholder_spec
from migrator.inspection.vocabulary import FEEDERS
from migrator.migration.feeds import parse_value
from migrator.migration.naming import name_endpoints
from migrator.migration.options import Choice
from migrator.migration.plan import Endpoint, Feed
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, declared_shape
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorRef
from migrator.ops.registry import input_dtypes, output_dtype, output_dtypes

_MOST_COMPARED = 20_000
"""So many node names are compared with a mistyped one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    feeds: tuple[Feed, ...]
    options: tuple[Candidate, ...]
    """Placeholders whose constant default stands."""


class OpenEndpoints(NeedsDecision):
    """Which tensors are the inputs and outputs is open; what is plausible is at hand."""

    only_feeds: bool = False
    """Inputs and outputs are settled: only values of feeds are not."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    """``TENSOR=VALUE``: those that were given, and guesses."""


def resolve(graph: Graph, wiring: Wiring, choice: Choice) -> Resolved:
    """Settle the endpoints. What the user named stands; the rules fill in the rest.

    Raises NoSuchTensor (the nearest real names offered), UsageError, and NeedsDecision with the
    options to paste where an answer is open.
    """
    outputs = [_split(graph, text, "--output") for text in choice.outputs]
    inputs = [_split(graph, text, "--input") for text in choice.inputs]
    feeds = parse_feeds(graph, choice.feeds)
    no_contradiction(inputs, outputs, feeds)
    questions: list[str] = []
    output_names = [tensor for _, tensor in outputs]
    if not outputs:
        found = output_rules.find(graph, wiring)
        output_names = [item.tensor for item in found.chosen]
        questions += found.questions
        if not found.chosen:
            questions.append("no tensor looks like an output")
    cut = frozenset([tensor for _, tensor in inputs] + [feed.tensor for feed in feeds])
    needed = input_rules.find(graph, wiring, output_names, cut=cut, named=bool(inputs))
    # Without any --input the rules choose the inputs; with one, what is missing is asked for.
    input_names = [tensor for _, tensor in inputs] or [item.tensor for item in needed.data]
    controls = list(needed.controls)
    if inputs:
        questions += [f"{item.tensor} reaches the outputs and is not fed" for item in needed.data]
    only_feeds = bool(controls) and not questions
    questions += [f"{item.tensor} must be set: {item.reasons[0]}" for item in controls]
    if not input_names and (not outputs or needed.options):
        questions.append("no placeholder, queue or iterator feeds the outputs")
        only_feeds = False
    if questions:
        names = [*input_names, *([item.tensor for item in needed.data] if inputs else [])]
        error = OpenEndpoints(
            "which tensors are the inputs and outputs is open: " + "; ".join(questions),
            options=(pasted := _paste(names, controls, feeds, output_names, choice)),
            hint="choose among these and run again with:"
            if pasted
            else "name them with --input and --output (`migrator inspect` shows the graph)",
        )
        guesses = [f"{item.tensor}={item.suggested}" for item in controls if item.suggested]
        unknown = [item.tensor for item in controls if not item.suggested]
        error.only_feeds = only_feeds
        error.inputs, error.outputs = (*names, *unknown), tuple(output_names)
        error.feeds = (*choice.feeds, *guesses)
        raise error
    _all_reach(wiring, input_names, output_names, bool(inputs))
    for tensor in input_names:
        if tensor_dtype(graph, TensorRef.parse(tensor)) is None:
            raise UsageError(f"the type of {tensor} is not known, so it cannot be an input")
    return Resolved(
        inputs=_endpoints(graph, input_names, [name for name, _ in inputs], identifiers=True),
        outputs=_endpoints(graph, output_names, [name for name, _ in outputs], identifiers=False),
        feeds=tuple(feeds),
        options=needed.options,
    )


def provisional(graph: Graph, open_: OpenEndpoints, outputs: Sequence[str]) -> Resolved:
    """What would be resolved if the answer were ``outputs``, of those that are plausible, and the
    guesses at feeds were right. Raises UsageError where a given feed does not parse."""
    return Resolved(
        inputs=_endpoints(graph, open_.inputs, (), identifiers=True),
        outputs=_endpoints(graph, outputs, (), identifiers=False),
        feeds=tuple(parse_feeds(graph, open_.feeds)),
        options=(),
    )


def _paste(
    inputs: Sequence[str],
    controls: Sequence[Control],
    feeds: Sequence[Feed],
    outputs: Sequence[str],
    choice: Choice,
) -> list[str]:
    """The options to paste, one a line, with a guess at the value of each control."""
    lines = [paste_option("--input", name) for name in inputs]
    lines += [paste_option("--feed", text) for text in choice.feeds]
    lines += [
        paste_option("--feed", f"{item.tensor}={item.suggested or 'VALUE'}") for item in controls
    ]
    return lines + [paste_option("--output", name) for name in outputs]


def _split(graph: Graph, text: str, option: str) -> tuple[str, str]:
    """``NAME=TENSOR`` or ``TENSOR`` as (name or "", full tensor name)."""
    name, equals, tensor = text.partition("=")
    # A node's name may hold "=": where the whole text is one, that is meant.
    if not equals or TensorRef.parse(text).node in graph.by_name:
        name, tensor = "", text
    return name, existing(graph, tensor, where=option)


def parse_feeds(graph: Graph, texts: Sequence[str]) -> list[Feed]:
    """``TENSOR=VALUE`` each. Raises UsageError, NoSuchTensor."""
    return [_feed(graph, text) for text in texts]


def _feed(graph: Graph, text: str) -> Feed:
    parts = text.split("=")
    if len(parts) == 1:
        raise UsageError(f"--feed {text}: no value", hint="write --feed TENSOR=VALUE")
    # Names may hold "=", and so may strings: the first place that leaves a node's name is meant.
    splits = [("=".join(parts[:at]), "=".join(parts[at:])) for at in range(1, len(parts))]
    real = [split for split in splits if TensorRef.parse(split[0]).node in graph.by_name]
    name, value = (real or splits)[0]
    tensor = existing(graph, name, where="--feed")
    ref = TensorRef.parse(tensor)
    dtype = tensor_dtype(graph, ref)
    if dtype is None:
        raise UsageError(f"--feed {text}: the type of {tensor} is not known")
    parsed = parse_value(value, dtype.base, tensor=tensor)
    try:
        shape = constant_tensor(parsed, dtype.base).shape
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"{value!r} is no array: {error}", where=f"--feed {tensor}") from None
    wanted = tensor_shape(graph, ref)
    if not _fits(shape, wanted):
        raise UsageError(
            f"the value has shape {shape}, the tensor takes {wanted}", where=f"--feed {tensor}"
        )
    return Feed(tensor=tensor, dtype=dtype.base, value=parsed)


def _fits(shape: Shape, wanted: Shape) -> bool:
    if wanted.dims is None or shape.dims is None:
        return True
    return len(shape.dims) == len(wanted.dims) and all(
        want is None or want == size for size, want in zip(shape.dims, wanted.dims, strict=True)
    )


def existing(graph: Graph, text: str, *, where: str) -> str:
    """The full name (``node:port``) of a tensor of ``graph``. Raises NoSuchTensor."""
    ref = TensorRef.parse_option(text)
    node = graph.by_name.get(ref.node)
    if node is None:
        near = nearest(graph, ref.node)
        hint = f"did you mean {' or '.join(near)}?" if near else "see `migrator inspect`"
        raise NoSuchTensor(f"there is no node {ref.node!r}", where=where, hint=hint)
    types = output_dtypes(node)
    if types is not None and ref.port >= len(types):
        count = f"{len(types)} output{'s' if len(types) != 1 else ''}"
        raise NoSuchTensor(f"{node.op} node {ref.node!r} has {count}, not {ref}", where=where)
    return str(ref)


def nearest(graph: Graph, name: str) -> list[str]:
    """Up to three node names that ``name`` may have been meant for."""
    names = list(graph.by_name)[:_MOST_COMPARED]
    last = name.rsplit("/", 1)[-1].lower()
    same = [item for item in names if item.rsplit("/", 1)[-1].lower() == last]
    found = same + difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return list(dict.fromkeys(found))[:3]


def tensor_dtype(graph: Graph, ref: TensorRef) -> DType | None:
    """Type of one tensor of the graph, where its node or one of its consumers tells."""
    node = graph.by_name[ref.node]
    if node.op in FEEDERS:
        specs = feeder_specs(graph, node)
        return specs[ref.port][0] if ref.port < len(specs) else None
    known = output_dtype(node, ref.port)
    return known if known is not None else _asked_for(graph, ref)


def _asked_for(graph: Graph, ref: TensorRef) -> DType | None:
    """The type that a consumer takes ``ref`` as: all there is behind an unknown op."""
    found = _consumer_types(graph)
    return found.get((ref.node, ref.port))


@lru_cache(maxsize=1)
def _consumer_types(graph: Graph) -> dict[tuple[str, int], DType]:
    """Tensor -> the type that its first consumer takes it as. Linear, made once for a graph."""
    found: dict[tuple[str, int], DType] = {}
    for node in graph.nodes:
        types = input_dtypes(node) or ()
        for ref, dtype in zip(node.data_refs, types, strict=False):
            found.setdefault((ref.node, ref.port), dtype)
    return found


def no_contradiction(
    inputs: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]], feeds: Sequence[Feed]
) -> None:
    fed = [feed.tensor for feed in feeds]
    for option, tensors in (
        ("--input", [tensor for _, tensor in inputs]),
        ("--output", [tensor for _, tensor in outputs]),
        ("--feed", fed),
    ):
        for tensor in tensors:
            if tensors.count(tensor) > 1:
                raise UsageError(f"{option} names {tensor} twice")
    for _, tensor in inputs:
        if tensor in fed:
            raise UsageError(f"{tensor} is both an --input and a --feed")


def _all_reach(wiring: Wiring, inputs: Sequence[str], outputs: Sequence[str], named: bool) -> None:
    """An input that reaches no output is a mistake: the outputs do not depend on it."""
    if not named:
        return
    cone = wiring.needed_for(outputs, inputs)
    reached = {edge for number in cone for edge in wiring.inputs[number]}
    for tensor in inputs:
        if wiring.tensor(tensor) not in reached and tensor not in outputs:
            raise UsageError(
                f"the input {tensor} reaches none of the outputs",
                hint="another input may cut it off, or it belongs to another part of the graph",
            )


def _endpoints(
    graph: Graph, tensors: Sequence[str], given: Sequence[str], *, identifiers: bool
) -> tuple[Endpoint, ...]:
    refs = [TensorRef.parse(tensor) for tensor in tensors]
    ops = [graph.by_name[ref.node].op for ref in refs]
    names = name_endpoints(tensors, given or [""] * len(tensors), ops, identifiers=identifiers)
    return tuple(
        Endpoint(
            name=name,
            tensor=str(ref),
            dtype=None if (dtype := tensor_dtype(graph, ref)) is None else dtype.base,
            shape=tensor_shape(graph, ref),
        )
        for name, ref in zip(names, refs, strict=True)
    )


def tensor_shape(graph: Graph, ref: TensorRef) -> Shape:
    """Shape of one tensor as far as its own node says."""
    node = graph.by_name[ref.node]
    if node.op in FEEDERS:
        specs = feeder_specs(graph, node)
        return specs[ref.port][1] if ref.port < len(specs) else UNKNOWN_SHAPE
    if node.op.startswith("Placeholder"):
        return placeholder_spec(graph, node)[1]
    return declared_shape(node, ref.port) or UNKNOWN_SHAPE
