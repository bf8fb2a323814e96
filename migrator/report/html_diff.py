"""How two models differ, as one HTML page: the headline, both graphs as one picture, tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.report.html_page import page, text
from migrator.report.html_picture import MOST, PICTURE, STYLES, get, labelled, table, without_script
from migrator.report.json_v1 import Json


def diff_html(result: Json, scene: Json | None = None, *, note: str = "") -> str:
    """The page for ``result`` (``migrator.diff/1``); ``scene`` is of ``drawing.scene.diff_scene``.

    Without one (a saved result, checkpoints) it is summary and tables, and a ``note`` says why.
    """
    headline = result.get("headline")
    lines = [headline] if isinstance(headline, str) else list(headline or ())
    nodes = [item for item in result.get("nodes") or () if isinstance(item, Mapping)]
    rows = [(item.get("kind"), item.get("left"), item.get("right")) for item in nodes[:MOST]]
    kept = {key: value for key, value in result.items() if key != "matches"}
    return page(
        title=f"Difference of {_path(result.get('left'))} and {_path(result.get('right'))}",
        data={
            "result": kept,
            "scenes": labelled([("", scene)] if scene is not None else []),
            "note": note,
        },
        styles=STYLES,
        scripts=(*PICTURE, "diff.js"),
        fallback=without_script(
            "".join(f"<p>{text(line, 400)}</p>" for line in lines)
            + table(("What", "Left", "Right"), rows)
        ),
    )


def _path(side: Any) -> str:
    return str(get(side, "path") or "") if isinstance(side, Mapping) else str(side)
