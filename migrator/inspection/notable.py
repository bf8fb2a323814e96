"""What stands out in a model: the short list that a person wants to hear of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from migrator.inspection.reaching import JUDGE
from migrator.inspection.summary import (
    V1_CONTROL_FLOW,
    GraphSummary,
    MetaGraphSummary,
    Summary,
)
from migrator.inspection.vocabulary import LOSS_OPS
from migrator.inspection.weights import WeightTotal
from migrator.model.model import OTHER_GRAPHS
from migrator.ops.registry import covered_releases, op_facts
from migrator.ops.state import VARIABLE_OPS

_LARGE = 1 << 30
_LARGE_CONSTANT = 64 << 20
_DEEP = 24
"""Scopes inside of scopes; real models stay under half of that."""
_MOST = 5
_LONGEST = 80
_WIDE = ("float64", "complex128")
_NARROW = frozenset(("int8", "uint8", "int4", "uint4", "int2", "uint2", "int16", "uint16"))
_SLOT = re.compile(
    r"(?:Adam|Adamax|Adagrad|Adadelta|Momentum|RMSProp|Ftrl|ExponentialMovingAverage)(?:_\d+)?"
)
_SLOT_SCOPES = ("optimizer/", "_optimizer/", "optimizer_weights/", "training/")
_APPLY = re.compile(r"(?:Resource)?(?:Sparse)?Apply[A-Z]\w*$")
_QUANTISED_OPS = re.compile(r"Quantize|Dequantize|FakeQuant|Quantized")
_QUANTISED_TFLITE = re.compile(r"^QUANTIZE$|^FAKE_QUANT$|Quantize|FakeQuant")
"""DEQUANTIZE alone is how float16 weights become float32."""


def notable(meta: MetaGraphSummary, form: str = "") -> list[str]:
    """Sentences, the gravest first. Facts of the op registry and kinds of ops, no audit.

    ``form`` is the format: ops of Keras and TFLite are none of TensorFlow's.
    """
    graph = meta.graph
    if not graph.nodes and not graph.functions:
        return ["the graph is empty"]
    judged = "" if form == "tflite" else f": {JUDGE}"
    found = [f"{meta.reaches}{judged}"] if meta.reaches else []
    found += [] if form in OTHER_GRAPHS else list(_of_ops(graph))
    if form == "tflite":
        found += _of_operators(graph)
    found += _of_weights(graph.weights_by_dtype)
    slots = [item.name for item in graph.weights if item.is_optimizer or _is_slot(item.name)]
    if slots:
        found.append(f"holds what an optimizer or an average kept ({_some(slots)})")
    largest = graph.weights[0] if graph.weights else None
    if largest is not None and largest.op == "Const" and largest.bytes > _LARGE_CONSTANT:
        found.append(f"a constant of {largest.bytes / 1e6:,.0f} MB: {_some([largest.name])}")
    quantised = _QUANTISED_TFLITE if form == "tflite" else _QUANTISED_OPS
    if any(map(quantised.search, graph.ops)):
        found.append("quantises, or was trained to be quantised")
    found += _of_structure(graph)
    return found


def _of_operators(graph: GraphSummary) -> Iterator[str]:
    from migrator.model.tflite import PSEUDO_OPS
    from migrator.ops.tflite import is_operator

    custom = sorted(op for op in graph.ops if op not in PSEUDO_OPS and not is_operator(op))
    if custom:
        yield f"operators that plain TFLite does not have: {_some(custom)}"


def _of_ops(graph: GraphSummary) -> Iterator[str]:
    """What TensorFlow's own ops tell."""
    missing = [op for op in graph.ops if (facts := op_facts(op)) is None or facts.last_release]
    if missing:
        yield f"ops that TensorFlow {covered_releases()[0]} does not have: {_some(sorted(missing))}"
    deprecated = [op for op in graph.ops if (facts := op_facts(op)) and facts.deprecated_at]
    if deprecated:
        yield f"deprecated ops: {_some(sorted(deprecated))}"
    devices = [device for device in graph.devices if "/job:" in device or "PU:" in device.upper()]
    devices = [device for device in devices if not device.upper().endswith(("CPU:0", "CPU:*"))]
    if devices:
        yield f"bound to devices: {_some(devices)}"
    if LOSS_OPS & graph.ops.keys():
        yield "holds a loss: training residue"
    steps = sorted(filter(_APPLY.match, graph.ops))
    if steps:
        yield f"holds training steps ({_some(steps)})"
    random = sorted(op for op in graph.ops if op.startswith("Random") or "Multinomial" in op)
    if random and not VARIABLE_OPS & graph.ops.keys():  # else they initialise variables
        yield f"draws random numbers ({_some(random)}): dropout left on, or a sampler"


def _of_weights(totals: Mapping[str, WeightTotal]) -> Iterator[str]:
    whole = sum(total.bytes for total in totals.values())
    if whole > _LARGE:
        yield "more than 1 GB of weights"
    wide = [name for name in _WIDE if name in totals]
    if wide:
        yield f"weights of {' and '.join(wide)}: twice the size that most models need"
    narrow = [name for name in totals if name in _NARROW or name.startswith("q")]
    if narrow and 2 * sum(totals[name].bytes for name in narrow) > whole:
        yield f"quantised: most of its weights are {' and '.join(narrow)}"


def _of_structure(graph: GraphSummary) -> Iterator[str]:
    if graph.duplicates:
        yield f"{graph.duplicates:,} names that several nodes have"
    if graph.deepest_scope > _DEEP:
        yield f"names with {graph.deepest_scope:,} scopes inside of each other"


def notable_summary(summary: Summary) -> list[str]:
    """The same of weights without a graph."""
    keras = summary.keras
    # What is in an HDF5 file that nobody says is Keras's may be no weights.
    is_anybodys = keras is not None and keras.is_unmarked
    found = [f"{summary.reaches}: {JUDGE}"] if summary.reaches else []
    found += [] if is_anybodys else _of_weights(summary.weights_by_dtype)
    if not summary.variables:
        is_empty = keras is None or keras.is_empty
        found.append("nothing is in it" if is_empty else "no tensor is in it")
    slots = [item for item in summary.variables if item.is_optimizer or _is_slot(item.name)]
    if slots:
        count, whole = sum(item.bytes for item in slots), summary.weight_bytes
        share = f", {100 * min(count / whole, 1):.0f}% of the bytes" if whole else ""
        found.append(
            f"{len(slots):,} of {len(summary.variables):,} variables are what an optimizer or an "
            f"average kept{share}"
        )
    return found


def _is_slot(name: str) -> bool:
    """Whether a variable is called as what an optimizer, or an average, keeps of another one."""
    key = name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
    scoped = "/" in key and _SLOT.fullmatch(key.rpartition("/")[2]) is not None
    return scoped or "/.OPTIMIZER_SLOT/" in key or key.startswith(_SLOT_SCOPES)


def notable_ops(ops: Collection[str]) -> list[str]:
    """What the ops that a result keeps will mean to its user."""
    found = []
    if V1_CONTROL_FLOW & set(ops):
        found.append("keeps TF1 control flow: it runs, but jit_compile and gradients do not")
    random = sorted(op for op in ops if op.startswith("Random"))
    if random:
        found.append(f"draws random numbers ({_some(random)})")
    return found


def _some(names: Iterable[str]) -> str:
    every = list(names)
    shown = [ascii(name)[1:-1] for name in every[:_MOST]]
    from_all = ", ".join(
        name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in shown
    )
    return from_all + (f" and {len(every) - _MOST} more" if len(every) > _MOST else "")
