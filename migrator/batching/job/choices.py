"""What a task says of how its model is migrated, as the verbs take it."""

from __future__ import annotations

from migrator.batching.task import Task
from migrator.migration.options import Choice

_FOR_TFLITE = (
    "inputs",
    "outputs",
    "feeds",
    "signatures",
    "tag_set",
    "checkpoint",
    "op_libraries",
    "shapes",
)
"""Fields of ``Choice`` that a conversion to TFLite knows."""


def choice_of(task: Task) -> Choice:
    """Raises UsageError for words that are none."""
    from migrator.migration.spec import SignatureSpec

    given = dict(task.choice)
    wanted = [SignatureSpec(**item) for item in given.pop("wanted", ())]
    return Choice(
        inputs=task.inputs,
        outputs=task.outputs,
        feeds=task.feeds,
        signatures=task.signature,
        tag_set=task.tag_set,
        wanted=wanted,
        **given,
    )


def choice_for_tflite(task: Task) -> Choice:
    """The same, as far as a conversion knows it."""
    asked = choice_of(task)
    return Choice(**{name: getattr(asked, name) for name in _FOR_TFLITE})
