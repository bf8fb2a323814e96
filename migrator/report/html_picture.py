"""A model as one HTML page: facts, a picture of its graph, tables.

A pure function of JSON: the result's and the scenes' (``drawing.scene``), so that the page needs
nothing but itself. What the page of a comparison shares with it is here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from migrator.report.html_page import page, text
from migrator.report.json_v1 import Json

STYLES = ("page.css", "model_page.css", "picture.css")
PICTURE = (
    "page.js",
    "picture_scene.js",
    "picture_faces.js",
    "picture_layout.js",
    "picture_columns.js",
    "picture_routes.js",
    "picture_draw.js",
    "picture_map.js",
    "picture_view.js",
    "picture_panel.js",
    "picture.js",
    "picture_tables.js",
)
MOST = 200
"""Rows of the table for readers without JavaScript."""

Scenes = Sequence[tuple[str, Json]]
"""Label and scene of each graph; the labels tell meta graphs apart."""


def inspect_html(result: Json, scenes: Scenes, *, note: str = "") -> str:
    """The page for ``result`` (``migrator.inspect/1``, one model) with a picture of each graph.

    ``note`` says why it has none.
    """
    path = get(result, "source", "path")
    metas = result.get("meta_graphs")
    rows = [
        (name, count)
        for meta in (metas if isinstance(metas, Sequence) else ())
        for name, count in as_object(get(meta, "graph", "ops")).items()
    ]
    return page(
        title=f"Model {path}",
        data={"result": result, "scenes": labelled(scenes), "note": note},
        styles=STYLES,
        scripts=(*PICTURE, "inspect.js"),
        fallback=without_script(table(("Op", "Count"), rows[:MOST])),
    )


def labelled(scenes: Scenes) -> list[Json]:
    return [{"label": label, "scene": scene} for label, scene in scenes]


def without_script(rest: str) -> str:
    return (
        "<p>This page needs JavaScript for its picture. "
        "Its script is part of this file, and loads nothing.</p>" + rest
    )


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f'<th scope="col">{text(item)}</th>' for item in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{text(item)}</td>" for item in row) + "</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def as_object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = as_object(value).get(key)
    return value
