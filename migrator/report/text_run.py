"""A run as text."""

from __future__ import annotations

import textwrap
from typing import Any

from migrator.report.array_values import (
    MOST_TOP_ROWS,
    Summary,
    shown_values,
    summary,
    top_classes,
    type_name,
)
from migrator.report.escape import shown, size
from migrator.report.table import table
from migrator.verification.run_result import RunResult, Timing

_WHOLE = 40
"""Elements of an output that is shown whole."""


def run_text(result: RunResult, *, full: bool = False) -> str:
    """What a model was given and gave; with ``full`` every value of it."""
    what = f", signature {shown(result.signature)}" if result.signature is not None else ""
    inputs = [
        (shown(name), type_name(item.array), str(list(item.array.shape)), shown(item.origin))
        for name, item in result.inputs.items()
    ]
    parts = [
        f"{shown(result.source.path)}{what}: {shown(result.ran)}",
        "Inputs\n" + table(inputs, ("name", "dtype", "shape", "from")) if inputs else "No inputs",
        "Outputs",
        *(_output(name, array, full=full) for name, array in result.outputs.items()),
        f"{_timing(result.timing)}; {size(result.peak_rss_bytes)} of memory, "
        f"TensorFlow {shown(result.versions.get('tensorflow', '?'))}",
    ]
    return "\n\n".join(parts) + "\n"


def _output(name: str, array: Any, *, full: bool) -> str:
    facts = [f"{shown(name)}: {type_name(array)} {list(array.shape)}"]
    if array.size > 1:
        facts += _facts(summary(array))
    lines = [f"  {', '.join(facts)}"]
    whole = full or array.size <= _WHOLE
    if array.size:
        lines.append(textwrap.indent(shown_values(array, None if full else _WHOLE), " " * 4))
    tops = top_classes(name, array)
    if tops and (not whole or array.shape[-1] > len(tops[0])):
        lines += _tops(tops, array)
    return "\n".join(lines)


def _facts(found: Summary) -> list[str]:
    facts = []
    if found.low is not None and found.high is not None:
        facts.append(f"{found.low:.6g} to {found.high:.6g}")
    if found.mean is not None:
        facts.append(f"mean {found.mean:.6g}")
    if found.not_finite:
        facts.append(f"{found.not_finite:,} not finite")
    return facts


def _tops(tops: list[list[tuple[int, float]]], array: Any) -> list[str]:
    several = array.ndim == 2 and array.shape[0] > 1
    lines = []
    for number, row in enumerate(tops):
        best = ", ".join(f"{index} ({score:.4g})" for index, score in row)
        lines.append(f"    highest{f' of row {number}' if several else ''}: {best}")
    if several and array.shape[0] > MOST_TOP_ROWS:
        lines.append(f"    ... ({array.shape[0] - MOST_TOP_ROWS:,} more rows)")
    return lines


def _timing(timing: Timing) -> str:
    parts = [] if timing.load is None else [f"loaded in {_seconds(timing.load)}"]
    parts.append(f"first call {_seconds(timing.first)}")
    if timing.spread is not None:
        low, middle, high = map(_seconds, timing.spread)
        count = len(timing.further)
        calls = f"{count:,} further call{'s' if count != 1 else ''}"
        parts.append(f"{calls}: median {middle}, {low} to {high}")
    return ", ".join(parts)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms"
