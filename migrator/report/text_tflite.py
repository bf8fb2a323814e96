"""Conversions to TFLite as text."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.migration.tflite.record import (
    CONVERTED_UNVERIFIED,
    TFLiteRecord,
    TFLiteSignature,
    TFLiteTensor,
)
from migrator.report.escape import shown, size
from migrator.report.table import table
from migrator.report.text import bullets
from migrator.report.text_record import _cases, _steps, verdict_line
from migrator.verification.result import MISMATCH

_MOST_OPS = 40


def tflite_text(record: TFLiteRecord) -> str:
    """What became of a conversion."""
    where = "nothing was put in place"
    if record.dest:
        where = f"{shown(record.dest)} ({size(record.bytes)})"
    if not record.passed:
        state = f"FAILED: {shown(record.reason, 1000)}"
    elif record.outcome == CONVERTED_UNVERIFIED:
        state = "Converted, unverified"
    else:
        state = "Converted"
    parts = [
        f"{shown(record.source.path)} -> {where}",
        state,
        f"Verdict: {verdict_line(record.verification)}{_measure(record)}",
        *(_signature(key, item) for key, item in record.signatures.items()),
        _cases(record.verification),
        _ops(record),
        _weights(record),
        bullets("What was changed", _steps(record.steps)),
        bullets("Note", map(shown, record.notes)),
        f"{record.seconds:.1f} s, {size(record.peak_rss_bytes)} in the largest process, "
        f"TensorFlow {record.versions.get('tensorflow', '?')}",
    ]
    if not record.dest and record.verification.verdict == MISMATCH:
        parts.append("--keep-mismatch keeps the result all the same")
    return "\n\n".join(part for part in parts if part) + "\n"


def _measure(record: TFLiteRecord) -> str:
    share, mode = record.quantization.tolerance, record.quantization.mode
    if share is None or not record.verification.cases:
        return ""
    return f"\n  {mode}: what is within {share:g} of an output's range counts as the same"


def _signature(key: str, item: TFLiteSignature) -> str:
    rows = [
        (side, shown(name), shown(tensor.source_tensor), _dtype(tensor), str(tensor.shape))
        for side, tensors in (("in", item.inputs), ("out", item.outputs))
        for name, tensor in tensors.items()
    ]
    return f"Signature {shown(key)}\n" + table(rows, ("", "name", "from", "dtype", "shape"))


def _dtype(tensor: TFLiteTensor) -> str:
    if tensor.scale is None:
        return tensor.dtype
    return f"{tensor.dtype} (x{tensor.scale.scale:.3g}, zero {tensor.scale.zero_point})"


def _ops(record: TFLiteRecord) -> str:
    kinds = {
        "built-in": record.ops.builtin,
        "select (TensorFlow's own)": record.ops.select,
        "custom": record.ops.custom,
    }
    return bullets(
        "Ops", (f"{kind}: {_counted(counts)}" for kind, counts in kinds.items() if counts)
    )


def _counted(counts: Mapping[str, int]) -> str:
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{shown(name)} {count:,}" for name, count in listed[:_MOST_OPS])
    more = len(listed) - _MOST_OPS
    return f"{text} and {more:,} more kinds" if more > 0 else text


def _weights(record: TFLiteRecord) -> str:
    found = record.quantization.weight_bytes
    listed = ", ".join(f"{name} {size(count)}" for name, count in found.items())
    return f"Weights: {listed}" if listed else ""
