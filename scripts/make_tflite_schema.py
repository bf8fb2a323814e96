"""Take the names of TFLite's operators and their options out of TensorFlow's schema.

    python scripts/make_tflite_schema.py        with TensorFlow 2.21

Writes ``migrator/ops/tflite.json`` from the accessors that TensorFlow ships for its FlatBuffers
schema: operator names by number, enums, and for each table of options its fields in the order of
their slots, as ``name:type``, ``name:type=default``, ``name:type/Enum`` or ``-`` for a dropped one.
The accessors do not say which enum a number is of; that is told by the field's name here.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

RELEASE = "2.21.0"
TARGET = Path(__file__).resolve().parent.parent / "migrator" / "ops" / "tflite.json"
TYPES = {
    "Bool": "bool",
    "Float32": "f32",
    "Int8": "i8",
    "Int32": "i32",
    "Int64": "i64",
    "Uint8": "u8",
    "Uint32": "u32",
    "Uint64": "u64",
}
ENUM_OF = {
    "algorithm": "RngAlgorithm",
    "combiner": "CombinerType",
    "compare_type": "StablehloComparisonType",
    "comparison_direction": "StablehloComparisonDirection",
    "composite_attributes_format": "CustomOptionsFormat",
    "fused_activation_function": "ActivationFunctionType",
    "idx_out_type": "TensorType",
    "in_data_type": "TensorType",
    "kernel_type": "LSTMKernelType",
    "key_dtype": "TensorType",
    "mode": "MirrorPadMode",
    "out_data_type": "TensorType",
    "out_type": "TensorType",
    "padding": "Padding",
    "output_type": "TensorType",
    "precision_config": "StablehloPrecisionConfig",
    "quantized_bias_type": "TensorType",
    "reduce_function": "ReduceWindowFunction",
    "type": "LSHProjectionType",
    "value_dtype": "TensorType",
    "weights_format": "FullyConnectedOptionsWeightsFormat",
}
SLOT = re.compile(r"_tab\.Offset\((\d+)\)")
VALUE = re.compile(r"_tab\.Get\(flatbuffers\.number_types\.(\w+)Flags")


def classes() -> dict[str, ast.ClassDef]:
    from tensorflow.lite.python import schema_py_generated

    tree = ast.parse(Path(str(schema_py_generated.__file__)).read_text())
    return {item.name: item for item in tree.body if isinstance(item, ast.ClassDef)}


def constants(found: ast.ClassDef) -> dict[int, str]:
    names = {}
    for item in found.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            value = ast.literal_eval(item.value)
            if isinstance(value, int):
                names[value] = item.targets[0].id
    return names


def in_order(found: ast.ClassDef) -> list[str]:
    names = constants(found)
    return [names.get(number, "") for number in range(max(names) + 1)]


def fields(found: ast.ClassDef) -> str:
    """The fields of a table, by slot."""
    slots: dict[int, str] = {}
    methods = {item.name: item for item in found.body if isinstance(item, ast.FunctionDef)}
    for name, method in methods.items():
        text = ast.unparse(method)
        slot = SLOT.search(text)
        helper = any(
            name.endswith(tail) and name.removesuffix(tail) in methods
            for tail in ("Length", "IsNone", "AsNumpy")
        )
        if slot and not helper:
            number = (int(slot[1]) - 4) // 2
            slots[number] = field(name, text, len(method.args.args) > 1, f"{name}Type" in methods)
    return " ".join(slots.get(number, "-") for number in range(max(slots, default=-1) + 1))


def field(name: str, text: str, vector: bool, union: bool) -> str:
    own = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    value = VALUE.search(text)
    if value is None:
        table = re.search(r"obj = (\w+)\(", text)
        kind = "union" if union else table[1] if table else "str"
        return f"{own}:[{kind}]" if vector else f"{own}:{kind}"
    kind = TYPES[value[1]]
    if vector:
        kind = f"[{kind}]"
    elif (default := text.rpartition("return ")[2]) not in ("0", "0.0", "False"):
        kind += f"={default}"
    if own in ENUM_OF and "i64" not in kind:
        kind += f"/{ENUM_OF[own]}"
    return f"{own}:{kind}"


def main() -> int:
    import tensorflow as tf

    if tf.__version__ != RELEASE:
        print(f"this is TensorFlow {tf.__version__}, not {RELEASE}", file=sys.stderr)
        return 2
    found = classes()
    unions = [in_order(found[name]) for name in ("BuiltinOptions", "BuiltinOptions2")]
    tables = sorted(
        {name for union in unions for name in union if name in found and name != "NONE"}
    )
    result: dict[str, Any] = {
        "tensorflow": RELEASE,
        "operators": in_order(found["BuiltinOperator"]),
        "options": unions[0],
        "options_2": unions[1],
        "enums": {name: in_order(found[name]) for name in sorted(set(ENUM_OF.values()))},
        "fields": {name: fields(found[name]) for name in tables},
    }
    TARGET.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{TARGET}: {len(result['operators'])} operators, {len(tables)} tables of options")
    return 0


if __name__ == "__main__":
    sys.exit(main())
