"""A Keras file on its way in: exported as a SavedModel by Keras, in a child process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrator.errors import FormatError, WorkerError
from migrator.formats.load import model_file
from migrator.formats.sniff import sniff
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.plan import Step
from migrator.migration.planning import keras_refused
from migrator.model.model import Source
from migrator.places.source import ByteSource
from migrator.runtime.client import Child, ChildLimits
from migrator.verification.keras_side import KerasSide

KERAS_FORMATS = ("keras_h5", "keras_zip")
_MOST = 5
_LONGEST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasExport:
    """A SavedModel that Keras made, with signature ``serving_default``."""

    path: Path
    source: Source
    used: str
    """Which Keras, with its version."""
    inputs: Mapping[str, str]
    """The signature's name -> the model's own."""
    outputs: Mapping[str, str]
    side: KerasSide
    """The model as Keras runs it, under the signature's names."""
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    peak_rss_bytes: int


def is_keras(source: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> bool:
    """True for a Keras file. Raises what ``load`` raises for a path that cannot be read."""
    return sniff(ByteSource.open(model_file(source)), limits).format in KERAS_FORMATS


def keras_to_saved_model(
    source: str | os.PathLike[str],
    work: Path,
    child_limits: ChildLimits,
    child: Child | None = None,
) -> KerasExport:
    """Export the Keras model in file ``source`` into a folder under ``work``.

    In ``child`` where one is given, else in one of its own.

    Raises BlockedError for a file that would run code or read other files, FormatError where
    no Keras reads it or it holds weights alone, WorkerError, TensorFlowMissing.
    """
    opened = ByteSource.open(model_file(source))
    kind = sniff(opened, DEFAULT_LIMITS).format or ""
    dest = work / "keras_saved_model"
    with ExitStack() as stack:
        worker = child or stack.enter_context(Child(child_limits))
        try:
            outcome = worker.run("export_keras", path=opened.name, dest=str(dest))
        except WorkerError as error:
            raise error.at(f"loading {opened.name} by Keras") from None
    if outcome["refused"]:
        raise keras_refused(outcome["refused"], opened.name)
    if "unreadable" in outcome:
        raise FormatError(outcome["unreadable"], where=opened.name, hint=outcome["hint"])
    return KerasExport(
        path=dest,
        source=Source(path=opened.name, bytes=opened.size, format=kind),
        used=outcome["used"],
        inputs=outcome["inputs"],
        outputs=outcome["outputs"],
        side=KerasSide(
            path=opened.name,
            inputs={name: name for name in outcome["inputs"]},
            outputs={name: name for name in outcome["outputs"]},
        ),
        steps=_steps(outcome),
        notes=_notes(outcome),
        peak_rss_bytes=outcome["peak_rss_bytes"],
    )


def _steps(outcome: Mapping[str, Any]) -> tuple[Step, ...]:
    exported = Step(code="export_keras", text=f"exported by {outcome['used']}")
    names = [ascii(name)[:_LONGEST] for name in outcome["mended"]]
    if not names:
        return (exported,)
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    text = (
        f"TimeDistributed goes over all time steps in {', '.join(names[:_MOST])}{more}: "
        f"{outcome['used']} itself traces it, as in Model.export, to as many steps as there are "
        "examples where the number of steps is unknown"
    )
    return (exported, Step(code="mend_keras", text=text))


def _notes(outcome: Mapping[str, str]) -> tuple[str, ...]:
    """What is worth knowing where Keras 3 took a file of Keras 2."""
    if not outcome["why"]:
        return ()
    return (
        f"the file was written by Keras {outcome['keras_version'] or '(unknown)'} and read by "
        f"{outcome['used']} ({outcome['why']})",
    )
