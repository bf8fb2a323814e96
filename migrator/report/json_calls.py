"""How a model is called beside its signatures, as JSON: functions, the tf.Examples it takes."""

from __future__ import annotations

from typing import Any

from migrator.inspection.callables import Call
from migrator.inspection.examples import ExampleParser, Feature
from migrator.report.folder_parts import default_value
from migrator.report.json_v1 import tensor

Json = dict[str, Any]


def call_json(call: Call) -> Json:
    return {
        "name": call.name,
        "function": call.function,
        "inputs": [tensor(spec) for spec in call.inputs],
        "outputs": [tensor(spec) for spec in call.outputs],
    }


def parser_json(item: ExampleParser) -> Json:
    return {
        "node": item.node,
        "function": item.function or None,
        "op": item.op,
        "tensor": item.tensor or None,
        "features": [_feature(feature) for feature in item.features],
    }


def _feature(item: Feature) -> Json:
    found: Json = {
        "name": item.name or None,
        "kind": item.kind,
        "dtype": None if item.dtype is None else item.dtype.name,
        "shape": item.shape.as_list(),
        "required": item.required,
    }
    if item.part:
        found["part"] = item.part
    if item.default is not None:
        found["default"] = default_value(item.default)
    return found
