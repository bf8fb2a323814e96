"""One model of a batch: what a manifest, or a tree, says of it. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migrator.batching.task import DEFAULT_STEPS, TFLITE, ordered_steps

if TYPE_CHECKING:
    from migrator.migration.options import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model and what was decided for it; empty and None where nothing was.

    ``inputs``, ``outputs``, ``feeds`` and ``signatures`` are as on ``migrate``'s command line.
    """

    name: str
    """Its folder below DEST."""
    source: str
    """A path, or an address that fsspec knows."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    tag_set: str | None = None
    """Comma-separated; an empty text means the meta graph without tags."""
    rtol: float | None = None
    atol: float | None = None
    data: str = ""
    """File of inputs to verify on."""
    seed: int | None = None
    trust: bool | None = None
    """Also run it where the audit warns of what it does."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of ``Choice``: weights, control_flow, shapes, decode_images, optimize,
    op_libraries, checkpoint; lists are tuples. What is as by default is left out."""
    tflite: Mapping[str, Any] | None = None
    """Arguments of ``tflite`` (quantize, integer_io, builtin_only, custom_ops, range_tolerance,
    rtol, atol) where it is asked for; empty for the defaults."""
    steps: tuple[str, ...] = ()
    """Of ``task.STEPS``; empty for what the run does by default."""
    timeout: float | None = None
    """Seconds for all of its steps together."""
    memory_limit: int | None = None
    """Bytes that all of its processes may hold together."""
    file: str = field(default="", compare=False)
    """The manifest that it stands in, empty for what was found in a tree."""
    line: int = field(default=0, compare=False)


def choice_of(entry: Entry) -> Choice:
    """The options of its migration. Raises UsageError for words that are none."""
    from migrator.migration.options import Choice

    return Choice(
        inputs=entry.inputs,
        outputs=entry.outputs,
        feeds=entry.feeds,
        signatures=entry.signatures,
        tag_set=None if entry.tag_set is None else _tags(entry.tag_set),
        **entry.options,
    )


def task_arguments(entry: Entry, steps: Sequence[str] = DEFAULT_STEPS) -> dict[str, Any]:
    """What the entry says, as arguments of ``Task``, and nothing of what it leaves open.

    ``steps`` are those of the run, for an entry that names none.
    """
    found: dict[str, Any] = {"name": entry.name, "source": entry.source}
    asked = entry.steps or (*steps, *((TFLITE,) if entry.tflite is not None else ()))
    found["steps"] = ordered_steps(asked)
    for key, name in _TASK.items():
        value = getattr(entry, key)
        if value not in (None, "", ()):
            found[name] = value
    if entry.tag_set is not None:
        found["tag_set"] = _tags(entry.tag_set)
    if entry.options:
        found["choice"] = dict(entry.options)
    return found


_TASK = {
    "inputs": "inputs",
    "outputs": "outputs",
    "feeds": "feeds",
    "signatures": "signature",
    "rtol": "rtol",
    "atol": "atol",
    "data": "data",
    "seed": "seed",
    "trust": "trust",
    "timeout": "timeout",
    "memory_limit": "memory_limit",
}
"""Field of an entry -> what a task calls it."""


def _tags(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))
