"""Pictures of models for their pages: scenes, or why there are none."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from migrator.diffing.compare import are_of_one_kind, choose
from migrator.diffing.result import Diff
from migrator.drawing.layers import load_igraph
from migrator.drawing.scene import diff_scene, picture_scene
from migrator.errors import MigratorError
from migrator.model.model import MetaGraph, Model

Json = dict[str, Any]


def diff_picture(
    left: Model, right: Model, diff: Diff, tag_set: Collection[str] | None = None
) -> tuple[Json | None, str]:
    """The scene of the meta graphs that ``diff`` compares, else why there is none.

    Where one has no graph, or one of another kind, the headline says so: no word is needed.
    """
    if not are_of_one_kind(left, right):
        return None, ""
    missing = _missing()
    if missing:
        return None, missing
    return diff_scene(*choose(left, right, tag_set), diff), ""


def model_pictures(metas: Iterable[MetaGraph]) -> tuple[list[tuple[str, Json]], str]:
    """Label and scene of each, else why there are none."""
    graphs = list(metas)
    missing = _missing() if graphs else ""
    if missing:
        return [], missing
    return [(",".join(meta.tags) or "graph", picture_scene(meta)) for meta in graphs], ""


def _missing() -> str:
    """Why nothing can be drawn; empty where it can."""
    try:
        load_igraph()
    except MigratorError as error:
        return f"no picture: {error}"
    return ""
