"""What is special to a TFLite file, as sections of the text and as a JSON object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from migrator.errors import first_few
from migrator.inspection.tflite_facts import QuantizedEnd, TFLiteFacts
from migrator.model.tflite import TensorAbout
from migrator.report.escape import many, shown, size
from migrator.report.table import folded

_NAMES = 12
_SUBGRAPHS = 12
_ENDS = 12
_SCHEMES = {
    "float": "none, float throughout",
    "float16": "float16 weights",
    "dynamic_range": "dynamic range (integer weights, float activations)",
    "full_integer": "full integer (weights and activations)",
    "mixed": "mixed (some activations are integers, some float)",
}
_KINDS = {
    "builtin": "Operators",
    "select": "TensorFlow ops (they need the Flex delegate)",
    "custom": "Custom operators (the program that runs the model must bring them)",
}
_ABOUT = (
    ("name", "name"),
    ("description", "description"),
    ("version", "version"),
    ("author", "author"),
    ("license", "license"),
    ("min_parser_version", "needs metadata parser"),
)


def tflite_sections(facts: TFLiteFacts) -> list[str]:
    """Sections for the terminal: where it comes from, operators, quantisation, metadata."""
    parts = [_origin(facts)]
    parts += [_operators(_KINDS[kind], found) for kind, found in facts.operators.items() if found]
    if len(facts.subgraphs) > 1:
        parts.append(_subgraphs(facts))
    parts.append(_quantization(facts))
    parts.append(_metadata(facts))
    return [part for part in parts if part]


def _origin(facts: TFLiteFacts) -> str:
    file = facts.file
    converter = file.converter
    lines = [
        f"schema version {file.schema_version}"
        + (f", {shown(file.description)}" if file.description else "")
    ]
    if file.min_runtime_version:
        lines.append(f"runs on TFLite {shown(file.min_runtime_version)} and later")
    if converter.get("converted_from"):
        lines.append(f"converted from: {shown(converter['converted_from'])}")
    for key, label in (("optimizations", "optimised for"), ("select_ops", "TensorFlow ops")):
        if converter.get(key):
            lines.append(f"{label} {shown(converter[key])}")
    counts = [
        many(facts.tensors, "tensor"),
        f"{facts.constants:,} constant",
        f"{many(facts.parameters, 'parameter')} in {size(facts.weight_bytes)}",
    ]
    if facts.shared:
        counts.append(f"{facts.shared:,} share the buffer of another")
    if facts.sparse:
        counts.append(f"{facts.sparse:,} stored sparse")
    lines.append(", ".join(counts))
    return "\n".join(["TFLite", *(f"  {line}" for line in lines)])


def _operators(title: str, found: Mapping[str, int]) -> str:
    items = list(found.items())
    text = ", ".join(f"{shown(name)} {count:,}" for name, count in items[:_NAMES])
    if len(items) > _NAMES:
        text += f", and {many(len(items) - _NAMES, 'more kind')}"
    return f"{title}: {sum(found.values()):,}, of {many(len(items), 'kind')}\n{folded(text)}"


def _subgraphs(facts: TFLiteFacts) -> str:
    lines = [
        f"  {shown(item.name) or '(no name)'}: {many(item.operators, 'operator')}, "
        f"{many(item.tensors, 'tensor')} ({item.constants:,} constant)"
        for item in facts.subgraphs[:_SUBGRAPHS]
    ]
    more = len(facts.subgraphs) - len(lines)
    if more:
        lines.append(f"  and {more:,} more")
    called = facts.file.signature_subgraphs
    others = sorted(key for key, number in called.items() if number)
    if others:
        names = ", ".join(map(shown, others[:_NAMES]))
        lines.append(f"  signatures that do not call the first one: {names}")
    return "\n".join([f"Subgraphs: {len(facts.subgraphs):,}", *lines])


def _quantization(facts: TFLiteFacts) -> str:
    found = facts.quantization
    lines = [f"Quantisation: {_SCHEMES[found.scheme]}"]
    for label, counts in (("constants", found.weights), ("activations", found.activations)):
        if counts:
            text = ", ".join(f"{count:,} {dtype}" for dtype, count in counts.items())
            lines.append(f"  {label}: {text}")
    lines += [f"  {_end(item)}" for item in found.ends[:_ENDS]]
    if len(found.ends) > _ENDS:
        lines.append(f"  and {len(found.ends) - _ENDS:,} more inputs and outputs")
    if found.per_channel:
        lines.append(f"  {found.per_channel:,} with a scale for each channel")
    if found.other_forms:
        lines.append(
            f"  {found.other_forms:,} with a scale for each block, or in a form of their own"
        )
    return "\n".join(lines)


def _end(item: QuantizedEnd) -> str:
    whose = f" of {shown(item.signature)}" if item.signature else ""
    return (
        f"{item.side} {shown(item.name)}{whose}: {item.dtype}, scale {item.scale:.8g}, "
        f"zero point {item.zero_point}"
    )


def _metadata(facts: TFLiteFacts) -> str:
    file = facts.file
    lines = [f"  {label}: {shown(file.about[key])}" for key, label in _ABOUT if file.about.get(key)]
    lines += [f"  {_about(item)}" for item in file.about_tensors[:_ENDS]]
    if len(file.about_tensors) > _ENDS:
        lines.append(f"  and {len(file.about_tensors) - _ENDS:,} more inputs and outputs")
    if file.metadata:
        names = [f"{shown(name)} ({size(count)})" for name, count in file.metadata.items()]
        lines.append(f"  entries: {', '.join(names[:_NAMES])}")
    if file.associated_files:
        names = [f"{shown(name)} ({size(count)})" for name, count in file.associated_files.items()]
        lines.append(f"  files on its end: {first_few(names, _NAMES, str)}")
    return "\n".join(["Metadata", *lines]) if lines else ""


def _about(item: TensorAbout) -> str:
    parts = [shown(item.description)] if item.description else []
    if item.mean or item.std:
        parts.append(f"normalised with mean {_numbers(item.mean)}, std {_numbers(item.std)}")
    if item.files:
        parts.append(f"files: {', '.join(map(shown, item.files[:_NAMES]))}")
    told = f": {'; '.join(parts)}" if parts else ""
    return f"{item.side} {item.number} {shown(item.name) or '(no name)'}{told}"


def _numbers(values: tuple[float, ...]) -> str:
    texts = [f"{value:.7g}" for value in values[:_NAMES]]
    return texts[0] if len(values) == 1 else f"[{', '.join(texts)}]"


def tflite_object(facts: TFLiteFacts) -> dict[str, Any]:
    """The ``tflite`` key of the inspect schema."""
    file, found = facts.file, facts.quantization
    return {
        "schema_version": file.schema_version,
        "description": file.description,
        "min_runtime_version": file.min_runtime_version,
        "converter": dict(file.converter),
        "operators": {kind: dict(names) for kind, names in facts.operators.items()},
        "subgraphs": [
            {
                "name": item.name,
                "tensors": item.tensors,
                "constants": item.constants,
                "operators": item.operators,
            }
            for item in facts.subgraphs
        ],
        "signature_subgraphs": dict(file.signature_subgraphs),
        "tensors": facts.tensors,
        "constants": facts.constants,
        "shared_buffers": facts.shared,
        "sparse": facts.sparse,
        "parameters": facts.parameters,
        "weight_bytes": facts.weight_bytes,
        "quantization": {
            "scheme": found.scheme,
            "tensors": found.tensors,
            "per_channel": found.per_channel,
            "weights": dict(found.weights),
            "activations": dict(found.activations),
            "other_forms": found.other_forms,
            "ends": [
                {
                    "signature": item.signature,
                    "side": item.side,
                    "name": item.name,
                    "dtype": item.dtype.name,
                    "scale": _finite(item.scale),
                    "zero_point": item.zero_point,
                }
                for item in found.ends
            ],
        },
        "about": dict(file.about),
        "about_tensors": [
            {
                "side": item.side,
                "number": item.number,
                "name": item.name,
                "description": item.description,
                "mean": [_finite(value) for value in item.mean],
                "std": [_finite(value) for value in item.std],
                "files": list(item.files),
            }
            for item in file.about_tensors
        ],
        "metadata": dict(file.metadata),
        "associated_files": dict(file.associated_files),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
