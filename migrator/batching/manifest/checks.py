"""What contradicts itself in one entry, told before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from migrator.errors import UsageError


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) for values that each are right, and not beside each other."""
    yield from _endpoints(values)
    yield from _steps(values)
    yield from _tflite(values)


def _endpoints(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    inputs, outputs = values.get("inputs", ()), values.get("outputs", ())
    if values.get("signatures") and (inputs or outputs):
        yield (
            "signatures",
            "names signatures of the source and endpoints too; inputs and outputs make a new one",
        )
    fed = Counter(filter(None, (_tensor(text, 0) for text in values.get("feeds", ()))))
    for key, texts in (("inputs", inputs), ("outputs", outputs)):
        tensors = Counter(filter(None, (_tensor(text, -1) for text in texts)))
        yield from ((key, f"{key}: names {item} twice") for item in _twice(tensors))
        names = Counter(text.partition("=")[0] for text in texts if text.count("=") == 1)
        names.pop("", None)
        yield from ((key, f"{key}: calls two {item!r}") for item in _twice(names))
        if key == "inputs":
            both = [item for item in tensors if item in fed]
            yield from ((key, f"{item} is both an input and fed") for item in both)
    yield from (("feeds", f"feeds: gives {item} two values") for item in _twice(fed))


def _tensor(text: str, at: int) -> str:
    """The tensor of ``NAME=TENSOR`` (``at`` -1) or ``TENSOR=VALUE`` (0) in full.

    Empty where the text can be split in several ways, which the model's own names decide.
    """
    parts = text.split("=")
    if len(parts) > 2:
        return ""
    name, _, port = parts[at].rpartition(":")
    return parts[at] if name and port.isdigit() else f"{parts[at]}:0"


def _twice(counts: Mapping[str, int]) -> list[str]:
    return [item for item, count in counts.items() if count > 1]


def _steps(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    steps = values.get("steps")
    if steps is None:
        return
    if not steps:
        yield "steps", "steps: is empty; leave it out for those of the run"
    if "verify" in steps and not {"migrate", "tflite"}.intersection(steps):
        yield "steps", "steps: verify is asked for, and nothing is made; add migrate"
    asked = values.get("tflite")
    if asked is False and "tflite" in steps:
        yield "steps", "steps: has tflite, and tflite is false"
    if isinstance(asked, dict) and steps and "tflite" not in steps:
        yield "steps", "steps: tflite is asked for, and not among the steps"


def _tflite(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    asked = values.get("tflite")
    if not isinstance(asked, dict):
        return
    from migrator.migration.tflite.options import TFLiteOptions

    try:
        TFLiteOptions(data=values.get("data"), **asked)
    except UsageError as error:
        yield "tflite", f"tflite: {error.what}" + (f"; {error.hint}" if error.hint else "")
