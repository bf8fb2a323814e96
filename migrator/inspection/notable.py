"""What stands out in a model: the short list that a person wants to hear of."""

from __future__ import annotations

from collections.abc import Collection

from migrator.inspection.summary import V1_CONTROL_FLOW, VARIABLE_OPS, MetaGraphSummary, Summary
from migrator.inspection.vocabulary import LOSS_OPS
from migrator.ops.registry import covered_releases, op_facts

_PYTHON = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))
_LARGE = 1 << 30
_MOST = 5
_LONGEST = 80


def notable(meta: MetaGraphSummary, form: str = "") -> list[str]:
    """Sentences, the gravest first. Facts of the op registry, not a security audit."""
    graph = meta.graph
    found = []
    python = sorted(_PYTHON & graph.ops.keys())
    if python:
        found.append(f"calls Python code that is not in the file ({', '.join(python)})")
    missing = [op for op in graph.ops if (facts := op_facts(op)) is None or facts.last_release]
    if missing:
        found.append(
            f"ops that TensorFlow {covered_releases()[0]} does not have: {_some(sorted(missing))}"
        )
    deprecated = [op for op in graph.ops if (facts := op_facts(op)) and facts.deprecated_at]
    if deprecated:
        found.append(f"deprecated ops: {_some(sorted(deprecated))}")
    if graph.weight_bytes > _LARGE:
        found.append("more than 1 GB of weights")
    devices = [device for device in graph.devices if "/job:" in device or "PU:" in device.upper()]
    devices = [device for device in devices if not device.upper().endswith(("CPU:0", "CPU:*"))]
    if devices:
        found.append(f"bound to devices: {_some(devices)}")
    if LOSS_OPS & graph.ops.keys():
        found.append("holds a loss: training residue")
    random = sorted(op for op in graph.ops if op.startswith("Random") or "Multinomial" in op)
    if random and not VARIABLE_OPS & graph.ops.keys():  # else they initialise variables
        found.append(f"draws random numbers ({_some(random)}): dropout left on, or a sampler")
    return found


def notable_summary(summary: Summary) -> list[str]:
    """The same of weights without a graph."""
    return [*(["more than 1 GB of weights"] if summary.weight_bytes > _LARGE else [])]


def notable_ops(ops: Collection[str]) -> list[str]:
    """What the ops that a result keeps will mean to its user."""
    found = []
    if V1_CONTROL_FLOW & set(ops):
        found.append("keeps TF1 control flow: it runs, but jit_compile and gradients do not")
    random = sorted(op for op in ops if op.startswith("Random"))
    if random:
        found.append(f"draws random numbers ({_some(random)})")
    return found


def _some(names: list[str]) -> str:
    shown = [ascii(name)[1:-1] for name in names[:_MOST]]
    from_all = ", ".join(
        name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in shown
    )
    return from_all + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
