"""``--tree``, ``--node`` and ``--weights`` as keys of a JSON result."""

from __future__ import annotations

from typing import Any

from migrator.inspection.node import NodeDetail, TensorEnd
from migrator.inspection.parts import Parts
from migrator.inspection.tree import Scope, largest_children
from migrator.inspection.weight_list import ListedWeight
from migrator.model.tensors import FileSpan
from migrator.report.attribute_values import attribute_json
from migrator.report.json_calls import parser_json
from migrator.report.weight_files.saving import SavedWeights

Json = dict[str, Any]
_CHILDREN = 1000
_SCOPES = 20_000
_CONSUMERS = 1000
_VALUES = 1000


def parts_json(parts: Parts) -> Json:
    """Only the keys of what was asked for."""
    found: Json = {}
    if parts.tree is not None:
        found["tree"] = tree_json(parts.tree)
    if parts.node is not None:
        found["node"] = node_json(parts.node)
    if parts.weights is not None:
        found["weights"] = [_weight(item) for item in parts.weights]
    return found


def tree_json(root: Scope) -> Json:
    """Scopes inside of scopes. Where there are too many, the largest stay; ``left_out`` counts."""
    left = [_SCOPES]

    def one(scope: Scope) -> Json:
        kept = largest_children(scope, min(_CHILDREN, left[0]))
        left[0] -= len(kept)
        found: Json = {
            "name": scope.name,
            "nodes": scope.nodes,
            "weights": scope.weights,
            "parameters": scope.parameters,
            "bytes": scope.bytes,
        }
        if scope.is_function:
            found["function"] = True
        found["children"] = [one(child) for child in kept]
        if len(kept) < len(scope.children):
            found["left_out"] = len(scope.children) - len(kept)
        return found

    return one(root)


def node_json(node: NodeDetail) -> Json:
    """One node; at most 1,000 consumers, ``consumer_count`` of them there are."""
    found: Json = {
        "name": node.name,
        "op": node.op,
        "function": node.function or None,
        "meta_graph": node.meta_graph,
        "device": node.device,
        "attributes": {str(key): attribute_json(node.attrs[key]) for key in node.attrs},
        "inputs": [{**_end(item), "control": item.control} for item in node.inputs],
        "outputs": [_end(item) for item in node.outputs],
        "consumers": [
            {"node": item.node, "op": item.op, "slot": item.slot, "tensor": item.tensor}
            for item in node.consumers[:_CONSUMERS]
        ],
        "consumer_count": len(node.consumers),
        "calls": list(node.calls),
    }
    if node.value is not None:
        found["value"] = _value(node)
    if node.examples is not None:
        found["examples"] = parser_json(node.examples)
    if node.own_weights:
        found["weights"] = [
            {"name": name, "dtype": item.dtype.name, "shape": item.shape.as_list()}
            for name, item in node.own_weights.items()
        ]
    if node.trouble:
        found["trouble"] = node.trouble
    return found


def _end(item: TensorEnd) -> Json:
    return {
        "tensor": item.tensor,
        "op": item.op,
        "dtype": None if item.dtype is None else item.dtype.name,
        "shape": item.shape.as_list(),
    }


def _value(node: NodeDetail) -> Json:
    from migrator.report.array_values import summary, values_of

    value = node.value
    assert value is not None
    found: Json = {
        "dtype": value.dtype.name,
        "shape": value.shape.as_list(),
        "bytes": value.nbytes,
        "place": place_json(node.place),
    }
    if node.array is not None:
        numbers = summary(node.array)
        found |= {"low": _finite(numbers.low), "high": _finite(numbers.high)}
        found |= {"mean": _finite(numbers.mean), "not_finite": numbers.not_finite}
        if node.array.size <= _VALUES:
            found["values"] = values_of(node.array)
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def _weight(item: ListedWeight) -> Json:
    weight = item.weight
    found: Json = {
        "name": weight.name,
        "op": weight.op,
        "dtype": weight.dtype.name,
        "shape": weight.shape.as_list(),
        "bytes": weight.bytes,
        "place": place_json(item.place),
    }
    if item.trouble:
        found["trouble"] = item.trouble
    return found


def place_json(place: FileSpan | None) -> Json | None:
    if place is None:
        return None
    return {"path": place.path, "offset": place.offset, "length": place.length}


def saved_json(saved: SavedWeights) -> Json:
    """What became of weights that were saved."""
    return {
        "saved": {
            "path": saved.path,
            "bytes": saved.bytes,
            "weights": len(saved.names),
            "left_out": [{"name": name, "reason": why} for name, why in saved.left_out],
            "unreadable": [{"name": name, "reason": why} for name, why in saved.unreadable],
            "widened": dict(saved.widened),
        }
    }
