"""What a TFLite file holds: its signatures, how often each op, and its weights by type."""

from __future__ import annotations

from collections import Counter
from typing import Any

_FLEX = "Flex"


def describe(content: bytes) -> dict[str, Any]:
    """Read a file that TensorFlow has just made (no other: nothing is checked).

    Gives ``signatures`` {key: {``inputs``, ``outputs``: {name: {tensor, dtype, shape,
    quantization}}}}, ``ops`` {``builtin``, ``select``, ``custom``: {op: count}} and
    ``weight_bytes`` {dtype: bytes}. Source: the schema of TFLite's FlatBuffers.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    types = {value: name.lower() for name, value in _constants(schema.TensorType).items()}
    return {
        "signatures": dict(_signatures(model, types)),
        "ops": _ops(model, {v: k for k, v in _constants(schema.BuiltinOperator).items()}),
        "weight_bytes": _weights(model, types),
    }


def _constants(kind: type) -> dict[str, int]:
    return {name: value for name, value in vars(kind).items() if isinstance(value, int)}


def _signatures(model: Any, types: dict[int, str]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for number in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(number)
        graph = model.Subgraphs(signature.SubgraphIndex())
        sides = {
            "inputs": [signature.Inputs(i) for i in range(signature.InputsLength())],
            "outputs": [signature.Outputs(i) for i in range(signature.OutputsLength())],
        }
        described = {
            side: {
                item.Name().decode(): _tensor(graph.Tensors(item.TensorIndex()), types)
                for item in items
            }
            for side, items in sides.items()
        }
        found.append((signature.SignatureKey().decode(), described))
    return found


def _tensor(tensor: Any, types: dict[int, str]) -> dict[str, Any]:
    if tensor.ShapeSignatureLength():
        shape = [None if dim < 0 else int(dim) for dim in tensor.ShapeSignatureAsNumpy()]
    else:
        shape = [int(tensor.Shape(i)) for i in range(tensor.ShapeLength())]
    scale = tensor.Quantization()
    quantized = scale is not None and scale.ScaleLength() == 1
    return {
        "tensor": (tensor.Name() or b"").decode("utf-8", "replace"),
        "dtype": types[tensor.Type()],
        "shape": shape,
        "quantization": {"scale": float(scale.Scale(0)), "zero_point": int(scale.ZeroPoint(0))}
        if quantized
        else None,
    }


def _ops(model: Any, builtin: dict[int, str]) -> dict[str, dict[str, int]]:
    codes = []
    for number in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(number)
        custom = (code.CustomCode() or b"").decode("utf-8", "replace")
        if custom.startswith(_FLEX):
            codes.append(("select", custom.removeprefix(_FLEX)))
        elif custom:
            codes.append(("custom", custom))
        else:  # the older field counts to 127 only
            value = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            codes.append(("builtin", builtin.get(value, str(value))))
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        for index in range(graph.OperatorsLength()):
            counts[codes[graph.Operators(index).OpcodeIndex()]] += 1
    return {
        kind: {name: count for (its, name), count in sorted(counts.items()) if its == kind}
        for kind in ("builtin", "select", "custom")
    }


def _weights(model: Any, types: dict[int, str]) -> dict[str, int]:
    """Bytes of constants by type; a buffer that several tensors share counts once."""
    found: Counter[str] = Counter()
    seen = set()
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        for index in range(graph.TensorsLength()):
            tensor = graph.Tensors(index)
            place = tensor.Buffer()
            if place in seen:
                continue
            seen.add(place)
            buffer = model.Buffers(place)
            size = buffer.DataLength() or buffer.Size()
            if size:
                found[types[tensor.Type()]] += int(size)
    return dict(sorted(found.items()))
