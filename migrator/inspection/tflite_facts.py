"""What is special to a TFLite file: operators by kind, quantisation, metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrator.errors import FormatError
from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.model.model import Model
from migrator.model.tflite import TFLiteFile, TFLiteTensor

_OPERATOR_KINDS = ("builtin", "select", "custom")
_ACTIVATIONS = ("input", "computed", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedEnd:
    """An input or output that is fed, or comes, as integers: ``scale * (value - zero_point)``."""

    signature: str
    """Whose it is; empty where the file has no signatures."""
    side: str
    """``input`` or ``output``."""
    name: str
    dtype: DType
    scale: float
    zero_point: int

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationFacts:
    """How a file is quantised.

    ``scheme``: ``float`` (not at all), ``float16`` (weights), ``dynamic_range`` (weights are
    integers, what is computed is float), ``full_integer`` (both are integers; what goes in and
    comes out may be float), ``mixed`` (some of what is computed is an integer, some float).
    """

    scheme: str
    tensors: int
    """Quantised ones, of all subgraphs."""
    per_channel: int
    """Of these, with a scale for each index of a dimension."""
    weights: Mapping[str, int]
    """dtype -> quantised constants."""
    activations: Mapping[str, int]
    """dtype -> quantised tensors that are fed or computed."""
    other_forms: int
    """Quantised blockwise or in a form of the writer's own: no scales are told."""
    ends: tuple[QuantizedEnd, ...]
    """The inputs and outputs whose integers have one scale."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgraphFacts:
    name: str
    tensors: int
    constants: int
    operators: int

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteFacts:
    """Counts are of all subgraphs. Constants that share a buffer count once as weights."""

    file: TFLiteFile
    operators: Mapping[str, Mapping[str, int]]
    """``builtin``, ``select`` (TensorFlow ops, which need the Flex delegate) and ``custom``, each
    {name: count}, most first."""
    subgraphs: tuple[SubgraphFacts, ...]
    tensors: int
    constants: int
    shared: int
    """Constants whose buffer is another one's too."""
    sparse: int
    parameters: int
    """Elements of float and of quantised constants of rank one and up."""
    weight_bytes: int
    """Bytes that these take in the file."""
    quantization: QuantizationFacts

    __repr__ = brief


def tflite_facts(model: Model) -> TFLiteFacts | None:
    """The facts of a TFLite file, None for another format. Linear; reads no weights."""
    file = model.tflite
    if file is None:
        return None
    counts: Counter[tuple[str, str]] = Counter()
    for subgraph in file.subgraphs:
        counts.update(subgraph.operators)
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    weights = [item for item in _constants(file) if _is_weight(item)]
    constants = [item for item in _tensors(file) if item.role == "constant"]
    buffers = {item.buffer for item in constants if item.buffer}
    return TFLiteFacts(
        file=file,
        operators={
            kind: {name: count for (its, name), count in order if its == kind}
            for kind in _OPERATOR_KINDS
        },
        subgraphs=tuple(
            SubgraphFacts(
                name=item.name,
                tensors=len(item.tensors),
                constants=sum(tensor.role == "constant" for tensor in item.tensors),
                operators=sum(item.operators.values()),
            )
            for item in file.subgraphs
        ),
        tensors=sum(len(item.tensors) for item in file.subgraphs),
        constants=len(constants),
        shared=sum(bool(item.buffer) for item in constants) - len(buffers),
        sparse=sum(item.sparse for item in constants),
        parameters=sum(item.shape.elements or 0 for item in weights),
        weight_bytes=sum(item.stored_bytes for item in weights),
        quantization=_quantization(model, file),
    )


def weight_flags(file: TFLiteFile) -> list[bool]:
    """Of each constant, in the order of ``Model.variables``, whether it holds parameters."""
    return [_is_weight(item) for item in _constants(file)]


def _tensors(file: TFLiteFile) -> Iterator[TFLiteTensor]:
    for subgraph in file.subgraphs:
        yield from subgraph.tensors


def _constants(file: TFLiteFile) -> Iterator[TFLiteTensor]:
    """Constants, the first one of each buffer."""
    seen: set[int] = set()
    for tensor in _tensors(file):
        if tensor.role == "constant" and tensor.buffer not in seen:
            if tensor.buffer:
                seen.add(tensor.buffer)
            yield tensor


def _is_weight(tensor: TFLiteTensor) -> bool:
    return bool(tensor.shape.rank) and (tensor.dtype.kind in "fc" or _is_quantized(tensor))


def _is_quantized(tensor: TFLiteTensor) -> bool:
    return tensor.quantization is not None and tensor.dtype.is_integer


def _quantization(model: Model, file: TFLiteFile) -> QuantizationFacts:
    weights: Counter[str] = Counter()
    activations: Counter[str] = Counter()
    per_channel = other = floats = halves = 0
    for tensor in _tensors(file):
        active = tensor.role in _ACTIVATIONS
        if _is_quantized(tensor):
            about = tensor.quantization
            assert about is not None
            per_channel += about.per_channel
            other += about.form != "affine"
            if active:
                activations[tensor.dtype.name] += 1
            elif tensor.role == "constant":
                weights[tensor.dtype.name] += 1
        elif tensor.dtype.is_floating:
            floats += tensor.role == "computed" and not tensor.is_output
            halves += tensor.role == "constant" and tensor.dtype.name == "float16"
    if activations:
        scheme = "mixed" if floats else "full_integer"
    elif weights:
        scheme = "dynamic_range"
    else:
        scheme = "float16" if halves else "float"
    return QuantizationFacts(
        scheme=scheme,
        tensors=sum(weights.values()) + sum(activations.values()),
        per_channel=per_channel,
        weights=dict(sorted(weights.items())),
        activations=dict(sorted(activations.items())),
        other_forms=other,
        ends=tuple(_ends(model, file)),
    )


def _ends(model: Model, file: TFLiteFile) -> Iterator[QuantizedEnd]:
    meta = model.meta_graphs[0]
    called = [(key, found, file.signature_subgraphs[key]) for key, found in meta.signatures.items()]
    if not called and meta.declared is not None:
        called = [("", meta.declared, 0)]
    by_name: dict[int, dict[str, TFLiteTensor]] = {}
    for key, signature, number in called:
        if number not in by_name:
            tensors = file.subgraphs[number].tensors
            by_name[number] = {item.name: item for item in tensors if _is_quantized(item)}
        for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
            for name, spec in specs.items():
                tensor = by_name[number].get(spec.tensor)
                about = None if tensor is None else tensor.quantization
                if tensor is None or about is None or about.scales != 1:
                    continue
                try:
                    scales, zeros = about.read()
                except FormatError:
                    continue
                yield QuantizedEnd(
                    signature=key,
                    side=side,
                    name=name,
                    dtype=tensor.dtype,
                    scale=scales[0],
                    zero_point=zeros[0] if zeros else 0,
                )
