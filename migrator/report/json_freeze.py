"""The result of ``migrator freeze`` as a JSON object by the contract."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.migration.freezing.record import FreezeRecord
from migrator.migration.plan import Endpoint
from migrator.report.json_record import verification
from migrator.report.json_v1 import Json, envelope, source


def freeze_result(record: FreezeRecord) -> Json:
    """What ``migrator freeze`` tells. ``tensor`` is of the frozen graph, ``source_tensor`` of
    the source."""
    return {
        **envelope("freeze"),
        "outcome": record.outcome,
        "source": source(record.source),
        "dest": {"path": record.dest or None, "bytes": record.dest_bytes},
        "signatures": {
            key: {
                "method_name": item.method_name,
                "inputs": _endpoints(item.inputs, record.source_tensors, "in"),
                "outputs": _endpoints(item.outputs, record.source_tensors, "out"),
            }
            for key, item in record.signatures.items()
        },
        "functions": list(record.functions),
        "producer": record.producer,
        "min_consumer": record.min_consumer,
        "older_runtimes": {
            release: {
                "takes_it": not missing,
                "missing": [{"op": op, "why": why} for op, why in missing.items()],
            }
            for release, missing in record.missing.items()
        },
        "steps": [
            {"code": step.code, "text": step.text, "count": step.count} for step in record.steps
        ],
        "notes": list(record.notes),
        "verification": verification(record.verification),
        "seconds": record.seconds,
        "peak_rss_bytes": record.peak_rss_bytes,
        "versions": dict(record.versions),
    }


def _endpoints(items: Mapping[str, Endpoint], tensors: Mapping[str, str], side: str) -> Json:
    return {
        name: {
            "tensor": item.tensor,
            "source_tensor": tensors[f"{side}/{name}"],
            "dtype": item.dtype.name if item.dtype is not None else None,
            "shape": item.shape.as_list(),
        }
        for name, item in items.items()
    }
