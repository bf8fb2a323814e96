"""Conversions to TFLite as JSON objects by the contract."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.migration.tflite.record import TFLiteRecord, TFLiteTensor
from migrator.report.json_record import _feeds, _steps, verification
from migrator.report.json_v1 import Json, envelope, source


def tflite_result(record: TFLiteRecord) -> Json:
    """What ``migrator tflite`` tells."""
    quantization = record.quantization
    return {
        **envelope("tflite"),
        "outcome": record.outcome,
        "reason": record.reason,
        "source": source(record.source),
        "dest": {"path": record.dest, "bytes": record.bytes} if record.dest else None,
        "quantization": {
            "mode": quantization.mode,
            "integer_io": quantization.integer_io,
            "samples": quantization.samples,
            "tolerance": quantization.tolerance,
            "weight_bytes": dict(quantization.weight_bytes),
        },
        "ops": {
            "builtin": dict(record.ops.builtin),
            "select": dict(record.ops.select),
            "custom": dict(record.ops.custom),
        },
        "signatures": {
            key: {"inputs": _tensors(item.inputs), "outputs": _tensors(item.outputs)}
            for key, item in record.signatures.items()
        },
        "feeds": _feeds(record.feeds),
        "steps": _steps(record.steps),
        "notes": list(record.notes),
        "verification": verification(record.verification),
        "seconds": record.seconds,
        "peak_rss_bytes": record.peak_rss_bytes,
        "versions": dict(record.versions),
    }


def _tensors(items: Mapping[str, TFLiteTensor]) -> Json:
    return {
        name: {
            "tensor": item.tensor,
            "source_tensor": item.source_tensor,
            "dtype": item.dtype,
            "shape": item.shape.as_list(),
            "quantization": None
            if item.scale is None
            else {"scale": item.scale.scale, "zero_point": item.scale.zero_point},
        }
        for name, item in items.items()
    }
