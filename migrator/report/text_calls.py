"""How a model is called, as text: its signatures, or functions; the tf.Examples that it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from migrator.inspection.summary import MetaGraphSummary
from migrator.inspection.unsigned import EXPORT_AGAIN, callable_keys
from migrator.model.model import Signature
from migrator.model.tensors import TensorSpec
from migrator.report.escape import shown
from migrator.report.folder_parts import default_lines, default_value
from migrator.report.table import folded, table

if TYPE_CHECKING:  # few models need them
    from migrator.inspection.callables import Call
    from migrator.inspection.examples import ExampleParser, Feature

_SIGNATURE_TENSORS = 24
_CALLS = 12
_PARSERS = 4
_FEATURES = 60
_LONGEST_DEFAULT = 40


def call_sections(meta: MetaGraphSummary) -> list[str]:
    """The signatures, TensorFlow's own last and in a line; where there are none, what else can be
    called."""
    keys = callable_keys(meta.signatures)
    parts = [_signature(key, meta.signatures[key]) for key in keys]
    if not keys and (meta.callables or meta.objects):
        parts.append(_callables(meta.callables))
    own = [shown(key) for key in meta.signatures if key not in keys]
    if own:
        parts.append(f"Run at load: {', '.join(own)}")
    return parts


def _signature(key: str, signature: Signature) -> str:
    rows = [
        *_specs("in", signature.inputs),
        *_specs("out", signature.outputs),
    ]
    method = f" ({shown(signature.method_name)})" if signature.method_name else ""
    more = len(rows) - _SIGNATURE_TENSORS
    text = f"Signature {shown(key)}{method}\n" + table(
        rows[:_SIGNATURE_TENSORS], ("", "name", "tensor", "dtype", "shape")
    )
    text = f"{text}\n  and {more} more" if more > 0 else text
    defaults = default_lines(signature)
    return f"{text}\n  by default: {', '.join(defaults)}" if defaults else text


def _callables(calls: tuple[Call, ...]) -> str:
    if not calls:
        return "No signatures, and no functions to call"
    rows = [row for call in calls[:_CALLS] for row in _call(call)]
    text = "No signatures; what its objects have to be called in Python\n" + table(
        rows[: 2 * _SIGNATURE_TENSORS], ("function", "", "name", "dtype", "shape")
    )
    more = len(calls) - _CALLS
    if more > 0:
        text += f"\n  and {more:,} more"
    elif len(rows) > 2 * _SIGNATURE_TENSORS:
        text += f"\n  and {len(rows) - 2 * _SIGNATURE_TENSORS:,} more tensors"
    return f"{text}\n{folded(f'to have a signature, {EXPORT_AGAIN}')}"


def _call(call: Call) -> list[tuple[str, ...]]:
    """Its name stands in its first row alone; a function without tensors has one all the same."""
    ends = [
        *(("in", shown(spec.tensor), spec.dtype.name, str(spec.shape)) for spec in call.inputs),
        *(("out", shown(spec.tensor), spec.dtype.name, str(spec.shape)) for spec in call.outputs),
    ] or [("", "", "", "")]
    return [(shown(call.name) if at == 0 else "", *end) for at, end in enumerate(ends)]


def example_sections(parsers: Iterable[ExampleParser]) -> list[str]:
    """The features of each kind of example that is parsed; the same ones once."""
    found: dict[str, str] = {}
    for item in parsers:
        found.setdefault(features_table(item), _title(item))
    parts = [f"{title}\n{text}" for text, title in found.items() if text]
    more = len(parts) - _PARSERS
    return parts[:_PARSERS] + ([f"and {more:,} more kinds of examples"] if more > 0 else [])


def _title(item: ExampleParser) -> str:
    from migrator.inspection.examples import SEQUENCES

    kind = "tf.SequenceExample" if item.op in SEQUENCES else "tf.Example"
    if item.tensor:
        return f"Features of the {kind}s in {shown(item.tensor)}"
    node = f"{item.function}/{item.node}" if item.function else item.node
    return f"Features of the {kind}s that {shown(node)} parses"


def features_table(item: ExampleParser) -> str:
    """The features that an op parses, empty where it has none."""
    rows = [
        (
            shown(feature.name) if feature.name else "(worked out)",
            feature.dtype.name if feature.dtype is not None else "?",
            str(feature.shape) if feature.kind == "dense" else "any",
            f"{feature.kind}, {feature.part}" if feature.part else feature.kind,
            _if_missing(feature),
        )
        for feature in item.features[:_FEATURES]
    ]
    if not rows:
        return ""
    more = len(item.features) - len(rows)
    text = table(rows, ("feature", "dtype", "shape", "kind", "if missing"))
    return f"{text}\n  and {more:,} more" if more > 0 else text


def _if_missing(feature: Feature) -> str:
    if feature.required:
        return "required"
    if feature.kind != "dense" or feature.part == "steps":
        return "empty"
    from migrator.inspection.examples import is_open

    varies = is_open(feature.shape)
    if feature.default is None:
        return "empty" if varies else "a default that is worked out"
    value = default_value(feature.default)
    text = "a constant" if value is None else shown(ascii(value), _LONGEST_DEFAULT)
    return f"empty; filled up with {text}" if varies else text


def _specs(side: str, specs: Mapping[str, TensorSpec]) -> list[tuple[str, ...]]:
    return [
        (
            side if at == 0 else "",
            shown(name) if at == 0 else "",
            shown(part) + (f" ({spec.encoding})" if at == 0 and spec.encoding != "dense" else ""),
            spec.dtype.name if at == 0 else "",
            str(spec.shape) if at == 0 else "",
        )
        for name, spec in specs.items()
        for at, part in enumerate((spec.tensor,) if spec.tensor else spec.parts or ("",))
    ]
