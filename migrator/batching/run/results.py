"""The files in DEST that tell of all models: batch.json, batch.csv, index.html."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from migrator.batching.job.places import make_working, unwritable
from migrator.batching.task import Json
from migrator.report.csv_batch import csv_lines
from migrator.report.html_batch import batch_html
from migrator.report.json_batch import batch_chunks, batch_totals
from migrator.report.json_v1 import envelope

_MOST_DRAWN = 200_000
"""Models beyond which no page is made: a browser would not show it."""


def write_results(folder: Path, models: Sequence[Json], run: Json) -> None:
    """Each whole or not at all. Raises DestinationError."""
    _write(folder / "batch.json", batch_chunks(models, run=run))
    _write(folder / "batch.csv", csv_lines(models))
    if len(models) <= _MOST_DRAWN:
        result = {**envelope("batch"), "run": run, "totals": batch_totals(models), "models": models}
        _write(folder / "index.html", [batch_html(result)])


def _write(target: Path, pieces: Iterable[str]) -> None:
    """In pieces: a large batch's would be a large part of the memory."""
    work = make_working(target.parent)  # what is left there by who is killed is cleared
    made = work / target.name
    try:
        with open(made, "w", encoding="utf-8") as file:
            file.writelines(pieces)
        made.replace(target)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise unwritable(error, target) from None
