"""The rules for inputs: what the chosen outputs need, data told from controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.formats.scalars import scalar_value
from migrator.graph.wiring import Wiring
from migrator.inspection import vocabulary as words
from migrator.inspection.candidates import Candidate, Control
from migrator.inspection.sources import (
    DataSource,
    feeder_specs,
    find_sources,
    placeholder_spec,
    source_kinds,
)
from migrator.model.dtypes import BOOL, DType
from migrator.model.graph import Graph
from migrator.model.tensors import LazyTensor, Shape, TensorRef

_NEAR = 6
"""Steps from a control to the op that gives its meaning away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInputs:
    data: tuple[Candidate, ...]
    controls: tuple[Control, ...]
    options: tuple[Candidate, ...]
    questions: tuple[str, ...]


def find(
    graph: Graph,
    wiring: Wiring,
    outputs: Sequence[str],
    *,
    cut: frozenset[str] = frozenset(),
    named: bool = False,
) -> FoundInputs:
    """The inputs that ``outputs`` (tensor names) need.

    ``cut`` holds tensors that are given already (fed, or named as inputs): what lies behind them
    is not needed. ``named``: the user has named inputs, so none has to be found.
    """
    cone = wiring.needed_for(outputs, cut)
    present = [source for source in find_sources(graph, wiring) if source.number in cone]
    # A placeholder whose default a pipeline gives stands for the pipeline: cut there.
    feeders = [source for source in present if source.kind == "feeder"]
    fed = [source for source in feeders if source.node.op == words.DEFAULTED]
    if fed:
        cone = wiring.needed_for(outputs, cut | {f"{source.node.name}:0" for source in fed})
        present = [source for source in present if source.number in cone or source in fed]
    required = [source for source in present if source.kind != "default"]
    defaults = [source for source in present if source.kind == "default"]
    data: list[Candidate] = []
    controls: list[Control] = []
    options: list[Candidate] = []
    tensors = [placeholder_spec(graph, source.node)[1].rank != 0 for source in required]
    used: dict[int, set[int]] = {item.number: set() for item in required if item.kind == "feeder"}
    for producer, port in (edge for c in cone for edge in wiring.inputs[c]) if used else ():
        if producer in used:
            used[producer].add(port)
    for source in required:
        if source.kind == "feeder":
            data += _feeder(graph, source, used[source.number])
            continue
        control = None
        if source.kind == "placeholder":
            control = _as_control(graph, wiring, source, alone=not any(tensors) and not named)
        if control is not None:
            controls.append(control)
        else:
            data.append(_as_data(graph, source))
    for source in defaults:
        flag = _default_control(graph, source)
        if flag is not None:
            controls.append(flag)
        elif not data and not named and placeholder_spec(graph, source.node)[1].rank != 0:
            data.append(_as_data(graph, source))
        else:
            options.append(_as_option(graph, source))
    questions = [f"{item.tensor} must be set: {item.reasons[0]}" for item in controls]
    if outputs and not data and not named:
        questions.insert(0, "no placeholder, queue or iterator feeds the outputs")
    return FoundInputs(
        data=tuple(data),
        controls=tuple(controls),
        options=tuple(options),
        questions=tuple(questions),
    )


def _as_data(graph: Graph, source: DataSource) -> Candidate:
    dtype, shape = placeholder_spec(graph, source.node)
    reasons = {
        "placeholder": ("a placeholder that the outputs need",),
        "default": ("a placeholder with a default, and no other input reaches the outputs",),
        "constant": ("a string constant that a decoder reads, as graphs without placeholders do",),
    }[source.kind]
    score = {"placeholder": 0.95, "default": 0.7, "constant": 0.7}[source.kind]
    if source.kind == "constant":
        dtype, shape = DType(7), Shape(())
    return Candidate(
        tensor=f"{source.node.name}:0", dtype=dtype, shape=shape, score=score, reasons=reasons
    )


def _as_option(graph: Graph, source: DataSource) -> Candidate:
    dtype, shape = placeholder_spec(graph, source.node)
    value = _default_value(graph, source)
    known = f"has the constant default {value}" if value is not None else "has a constant default"
    return Candidate(
        tensor=f"{source.node.name}:0", dtype=dtype, shape=shape, score=0.3, reasons=(known,)
    )


def _feeder(graph: Graph, source: DataSource, used: set[int]) -> list[Candidate]:
    """The outputs of a pipeline that the model goes on from."""
    node = source.node
    if node.op == words.DEFAULTED:
        dtype, shape = placeholder_spec(graph, node)
        reason = "a placeholder whose default comes from an input pipeline"
        return [
            Candidate(
                tensor=f"{node.name}:0", dtype=dtype, shape=shape, score=0.85, reasons=(reason,)
            )
        ]
    return [
        Candidate(
            tensor=f"{node.name}:{port}",
            dtype=dtype,
            shape=shape,
            score=0.8,
            reasons=(f"{node.op}: what an input pipeline gives the model",),
        )
        for port, (dtype, shape) in enumerate(feeder_specs(graph, node))
        if port in used
    ]


def _as_control(graph: Graph, wiring: Wiring, source: DataSource, *, alone: bool) -> Control | None:
    """The placeholder as a control, None where it is data.

    ``alone``: no placeholder of the model has a rank, so a scalar may well be its data.
    """
    node = source.node
    dtype, shape = placeholder_spec(graph, node)
    if shape.rank not in (0, None) or dtype is None:
        return None
    last = node.name.rsplit("/", 1)[-1]
    if dtype == BOOL:
        if shape.rank == 0 or words.is_training_flag(last) or _reaches(wiring, source, "Switch"):
            why = "a bool that switches branches"
            if words.is_training_flag(last):
                why = "a training switch by its name"
            return _control(source, dtype, shape, "false", why)
        return None
    if not dtype.is_floating:
        return None
    return _float_control(wiring, source, dtype, shape, last, alone=alone)


def _float_control(
    wiring: Wiring, source: DataSource, dtype: DType, shape: Shape, last: str, *, alone: bool
) -> Control | None:
    divides = _divides(wiring, source)
    random = _reaches(wiring, source, "Floor") or _reaches(wiring, source, "GreaterEqual")
    if words.is_keep_probability(last) or (divides and random):
        return _control(source, dtype, shape, "1.0", "a dropout keep probability")
    if words.is_drop_rate(last) and (random or shape.rank == 0):
        return _control(source, dtype, shape, "0.0", "a dropout rate by its name")
    if words.is_other_knob(last):
        return _control(source, dtype, shape, "", "a tuning knob by its name")
    if shape.rank == 0 and not alone:
        return _control(source, dtype, shape, "", "a single number beside the data")
    return None


def _default_control(graph: Graph, source: DataSource) -> Control | None:
    """A default that would train: a flag that is on, dropout that drops."""
    dtype, shape = placeholder_spec(graph, source.node)
    value = _default_value(graph, source)
    last = source.node.name.rsplit("/", 1)[-1]
    if dtype is None or value is None or shape.rank not in (0, None):
        return None
    if dtype == BOOL and value is True and words.is_training_flag(last):
        return _control(source, dtype, shape, "false", "a training switch that defaults to true")
    if dtype.is_floating and words.is_keep_probability(last) and value != 1.0:
        return _control(source, dtype, shape, "1.0", f"a keep probability that defaults to {value}")
    if dtype.is_floating and words.is_drop_rate(last) and value not in (0.0, 1.0):
        return _control(source, dtype, shape, "0.0", f"a dropout rate that defaults to {value}")
    return None


def _default_value(graph: Graph, source: DataSource) -> object:
    """The scalar that a placeholder defaults to, None where it is none."""
    refs = source.node.data_refs
    node = graph.by_name.get(refs[0].node) if refs else None
    value = node.attrs.get("value") if node is not None and node.op == "Const" else None
    if isinstance(value, LazyTensor) and value.shape.rank == 0 and value.dtype.kind in "fiub":
        return scalar_value(value)
    return None


def _control(
    source: DataSource, dtype: DType, shape: Shape, suggested: str, reason: str
) -> Control:
    return Control(
        tensor=f"{source.node.name}:0",
        dtype=dtype,
        shape=shape,
        suggested=suggested,
        reasons=(reason,),
    )


def _reaches(wiring: Wiring, source: DataSource, op: str) -> bool:
    """True where an ``op`` lies within a few steps of the source."""
    layer = {source.number}
    for _ in range(_NEAR):
        layer = {consumer for number in layer for consumer in wiring.consumers[number]}
        if len(layer) > 64:
            return False
        if any(wiring.nodes[number].op == op for number in layer):
            return True
    return False


def _divides(wiring: Wiring, source: DataSource) -> bool:
    """True where the source itself is a divisor: ``x / keep_prob``."""
    for consumer in wiring.consumers[source.number]:
        slots = wiring.inputs[consumer]
        divides = wiring.nodes[consumer].op in ("RealDiv", "Div") and len(slots) == 2
        if divides and slots[1][0] == source.number:
            return True
    return False


def control_values(
    graph: Graph, wiring: Wiring, tensors: Sequence[str]
) -> list[bool | float | None]:
    """What each control should be for inference; None for data and where nothing is known."""
    kinds = source_kinds(wiring)
    return [_control_value(graph, wiring, kinds, tensor) for tensor in tensors]


def _control_value(
    graph: Graph, wiring: Wiring, kinds: Mapping[int, str], tensor: str
) -> bool | float | None:
    number = wiring.index.get(TensorRef.parse(tensor).node)
    if number is None or (kind := kinds.get(number)) not in ("placeholder", "default"):
        return None
    source = DataSource(number=number, node=wiring.nodes[number], kind=kind)
    if kind == "placeholder":
        control = _as_control(graph, wiring, source, alone=False)
    else:  # also one that defaults to what is wanted: as an input it gets no made-up value
        control = _default_control(graph, source)
        control = control or _as_control(graph, wiring, source, alone=False)
    if control is None or not control.suggested:
        return None
    if control.suggested in ("true", "false"):
        return control.suggested == "true"
    return float(control.suggested)
