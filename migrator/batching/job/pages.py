"""A model's own page, from the results that lie in its folder."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from migrator.batching.job.places import LOG
from migrator.batching.task import Json, Outcome
from migrator.errors import MigratorError
from migrator.model.model import Model

PAGE = "index.html"
_MOST_BYTES = 32 << 20
"""Of a result that goes into the page, and of a log."""
_MOST_NODES = 20_000
"""Of a graph that is drawn: its picture takes longer than the rest of the work else."""


def write_page(folder: Path, outcome: Outcome, model: Model | None = None) -> None:
    """Write ``index.html`` into a model's folder; with a picture where its ``model`` is given."""
    from migrator.report.html_batch_model import batch_model_html

    text = batch_model_html(
        outcome.to_json(),
        inspect=_result(folder / "inspect.json"),
        audit=_result(folder / "audit.json"),
        plan=_result(folder / "plan.json"),
        record=_result(folder / "record.json"),
        tflite=_result(folder / "tflite.json"),
        scene=_scene(model),
        log=_log(folder / LOG),
        files=sorted([*os.listdir(folder), PAGE]),
    )
    (folder / PAGE).write_text(text, encoding="utf-8", errors="backslashreplace")


def _result(file: Path) -> Json | None:
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _log(file: Path) -> str:
    with contextlib.suppress(OSError), open(file, "rb") as opened:
        return opened.read(_MOST_BYTES).decode("utf-8", "replace")
    return ""


def _scene(model: Model | None) -> Json | None:
    if model is None or not model.meta_graphs:
        return None
    meta = model.meta_graphs[0]
    if len(meta.graph.nodes) > _MOST_NODES:
        return None
    from migrator.drawing.scene import picture_scene

    try:
        return picture_scene(meta)
    except MigratorError:  # no igraph, for one
        return None
