"""Results as JSON objects by the contract, version 1 of each schema.

The only place that knows the keys: result classes may change, these stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migrator._version import __version__
from migrator.report.folder_parts import IN_FOLDERS, defaults_json, folder_json

if TYPE_CHECKING:
    from migrator.inspection.candidates import Candidate, Control, Endpoints
    from migrator.inspection.stored import StoredVariable
    from migrator.inspection.summary import GraphSummary, MetaGraphSummary, Summary
    from migrator.inspection.weights import WeightTotal
    from migrator.model.model import Signature, Source
    from migrator.model.tensors import TensorSpec

Json = dict[str, Any]
_LARGEST_WEIGHTS = 20


def envelope(verb: str) -> Json:
    """The keys that every result starts with."""
    return {"schema": f"migrator.{verb}/1", "migrator": __version__}


def dumps(result: Mapping[str, Any]) -> str:
    """ASCII-only text of a result: control characters of a name stay escaped."""
    return json.dumps(result, indent=2, allow_nan=False) + "\n"


def inspect_result(summaries: Sequence[Summary], *, several: bool = False) -> Json:
    """One summary as the object itself, several (or one of several asked for) as ``results``."""
    if len(summaries) == 1 and not several:
        return {**envelope("inspect"), **_summary(summaries[0])}
    return {
        **envelope("inspect"),
        "results": [{**envelope("inspect"), **_summary(item)} for item in summaries],
    }


def source(item: Source) -> Json:
    return {"path": item.path, "bytes": item.bytes, "format": item.format}


def _summary(summary: Summary) -> Json:
    from migrator.inspection.notable import notable_summary

    found: Json = {
        "source": source(summary.source),
        "meta_graphs": [_meta_graph(meta, summary.source.format) for meta in summary.meta_graphs],
    }
    if summary.variables or not summary.meta_graphs:
        found |= {
            "variables": [_variable(item) for item in summary.variables],
            "parameters": summary.parameters,
            "optimizer_parameters": summary.optimizer_parameters,
            "metric_variables": _total(summary.metric_variables),
            "weight_bytes": summary.weight_bytes,
            "weights_by_dtype": _by_dtype(summary.weights_by_dtype),
        }
    if summary.keras is not None:
        found["untrained_parameters"] = summary.untrained_parameters
    if not summary.meta_graphs:
        found["stands_out"] = notable_summary(summary)
    if summary.source.kind == "meta_graph":
        found["checkpoint"] = summary.checkpoint
    if summary.source.format in IN_FOLDERS:
        found["folder"] = None if summary.folder is None else folder_json(summary.folder)
    if summary.tflite is not None:
        from migrator.report.tflite_file import tflite_object

        found["tflite"] = tflite_object(summary.tflite)
    return {**found, "warnings": list(summary.warnings)}


def _variable(item: StoredVariable) -> Json:
    found: Json = {
        "name": item.name,
        "dtype": item.dtype.name,
        "shape": item.shape.as_list(),
        "bytes": item.bytes,
    }
    if item.shard is not None:
        found["shard"] = item.shard
    return found


def _by_dtype(totals: Mapping[str, WeightTotal]) -> Json:
    return {
        name: {"tensors": item.tensors, "parameters": item.parameters, "bytes": item.bytes}
        for name, item in totals.items()
    }


def _meta_graph(meta: MetaGraphSummary, form: str) -> Json:
    from migrator.inspection.notable import notable

    found: Json = {
        "tags": list(meta.tags),
        "tensorflow_version": meta.tensorflow_version,
        "signatures": {key: signature(item) for key, item in meta.signatures.items()},
        "assets": list(meta.assets),
        "objects": dict(meta.objects),
        "stands_out": notable(meta, form),
        "graph": _graph(meta.graph),
    }
    if meta.callables:
        from migrator.report.json_calls import call_json

        found["callables"] = [call_json(item) for item in meta.callables]
    if meta.examples:
        from migrator.report.json_calls import parser_json

        found["examples"] = [parser_json(item) for item in meta.examples]
    if meta.cost is not None:
        from migrator.report.json_cost import cost_json

        found["cost"] = cost_json(meta.cost)
    return found


def signature(item: Signature) -> Json:
    found: Json = {
        "method_name": item.method_name,
        "inputs": {name: tensor(spec) for name, spec in item.inputs.items()},
        "outputs": {name: tensor(spec) for name, spec in item.outputs.items()},
    }
    return {**found, "defaults": defaults_json(item)} if item.defaults else found


def tensor(spec: TensorSpec) -> Json:
    found: Json = {
        "tensor": spec.tensor,
        "dtype": spec.dtype.name,
        "shape": spec.shape.as_list(),
    }
    if spec.encoding != "dense":
        found["encoding"] = spec.encoding
        found["parts"] = list(spec.parts)
    return found


def _total(found: WeightTotal | None) -> Json | None:
    if found is None:
        return None
    return {"tensors": found.tensors, "elements": found.parameters, "bytes": found.bytes}


def _graph(graph: GraphSummary) -> Json:
    return {
        "nodes": graph.nodes,
        "edges": graph.edges,
        "control_edges": graph.control_edges,
        "functions": graph.functions,
        "function_nodes": graph.function_nodes,
        "ops": dict(graph.ops),
        "parameters": graph.parameters,
        "optimizer_parameters": graph.optimizer_parameters,
        "weight_bytes": graph.weight_bytes,
        "weights_by_dtype": _by_dtype(graph.weights_by_dtype),
        "body_constants": _total(graph.body_constants),
        "metric_variables": _total(graph.metric_variables),
        "largest_weights": [
            {
                "name": weight.name,
                "op": weight.op,
                "dtype": weight.dtype.name,
                "shape": weight.shape.as_list(),
                "bytes": weight.bytes,
            }
            for weight in graph.weights[:_LARGEST_WEIGHTS]
        ],
        "producer": graph.producer,
        "min_consumer": graph.min_consumer,
        "control_flow": graph.control_flow,
        "devices": list(graph.devices),
        "endpoints": endpoints(graph.endpoints),
    }


def endpoints(found: Endpoints) -> Json:
    return {
        "inputs": [_candidate(item) for item in found.inputs],
        "outputs": [_candidate(item) for item in found.outputs],
        "decided": found.decided,
        "controls": [_control(item) for item in found.controls],
        "options": [_candidate(item) for item in found.options],
        "alternatives": [_candidate(item) for item in found.alternatives],
        "questions": list(found.questions),
    }


def _candidate(item: Candidate) -> Json:
    return {
        "tensor": item.tensor,
        "dtype": item.dtype.name if item.dtype is not None else None,
        "shape": item.shape.as_list(),
        "score": item.score,
        "reasons": list(item.reasons),
    }


def _control(item: Control) -> Json:
    return {
        "tensor": item.tensor,
        "dtype": item.dtype.name if item.dtype is not None else None,
        "shape": item.shape.as_list(),
        "suggested": item.suggested,
        "reasons": list(item.reasons),
    }
