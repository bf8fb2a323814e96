#!/usr/bin/env python3
"""Compare the models of two folders, and leave a report for each pair and an index.

    python scripts/diff_report.py OLD NEW DEST [--weights] [--ignore WORDS]

Models with the same path below OLD and NEW are a pair; of the rest, those whose structure or whose
weights are alike. DEST/index.html lists the pairs; each has a .txt and a .json beside it, and an
.html page where that can be drawn. Exit code 1 where a pair differs or a model has no counterpart,
2 where nothing could be compared.
"""

from __future__ import annotations

import argparse
import html
import sys
from dataclasses import dataclass
from pathlib import Path

import migrator
from migrator.auditing.twins.structure import graph_hash
from migrator.diffing.result import Diff
from migrator.report.escape import shown
from migrator.report.json_diff import diff_result
from migrator.report.json_v1 import Json, dumps
from migrator.report.text_diff import diff_text

SUFFIXES = (".pb", ".meta", ".index")
BESIDE = ("fingerprint.pb", "tfhub_module.pb", "keras_metadata.pb")
"""Files that lie beside models and are none."""
STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .4rem .6rem; }
tr { border-bottom: 1px solid #8885; }
code { overflow-wrap: anywhere; }
.same { color: #2a7d3f; } .differs { color: #b3541e; }
"""


@dataclass(frozen=True)
class Row:
    """A pair, or a model without counterpart, as the index tells of it."""

    left: str
    right: str
    verdict: str
    same: bool
    page: str = ""


def models(folder: Path) -> dict[str, Path]:
    """Every model below ``folder`` by its path there; a SavedModel by its folder."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.name == "saved_model.pb":
            found[str(name.parent)] = path
        elif path.suffix not in SUFFIXES or path.name in BESIDE or not path.is_file():
            continue
        elif "variables" not in name.parts:
            found[str(name)] = path
    return found


def _file_name(name: str, _: Path) -> str:
    return Path(name).name


def _structure(_: str, path: Path) -> str:
    """What stands for the model's structure; empty for what cannot be read."""
    try:
        return graph_hash(migrator.load(path).graph)
    except migrator.MigratorError:
        return ""


def pairs(left: dict[str, Path], right: dict[str, Path]) -> list[tuple[str, str]]:
    """Names of models that belong together: by path, by file name, by structure."""
    found = [(name, name) for name in left if name in right]
    for key in (_file_name, _structure):
        taken = {one for one, _ in found}, {other for _, other in found}
        there: dict[str, list[str]] = {}
        for name, path in right.items():
            if name not in taken[1]:
                there.setdefault(key(name, path), []).append(name)
        for name, path in left.items():
            if name in taken[0]:
                continue
            alike = there.get(text, []) if (text := key(name, path)) else []
            if len(alike) == 1:
                found.append((name, alike.pop()))
    return sorted(found)


def compare(left: Path, right: Path, stem: Path, options: argparse.Namespace) -> tuple[str, bool]:
    """Write the reports of one pair; its verdict, and whether nothing differs."""
    ignore = [word for text in options.ignore for word in text.split(",") if word]
    ours, theirs = migrator.load(left), migrator.load(right)
    found = migrator.diff(ours, theirs, weights=options.weights, ignore=ignore)
    result = diff_result(found)
    stem.with_suffix(".txt").write_text(diff_text(result, width=120), encoding="utf-8")
    stem.with_suffix(".json").write_text(dumps(result), encoding="utf-8")
    draw(ours, theirs, found, result, stem.with_suffix(".html"))
    return "; ".join(found.headline[:3]), found.identical


def draw(
    ours: migrator.Model, theirs: migrator.Model, found: Diff, result: Json, target: Path
) -> None:
    """A page with a picture, where what draws it is installed."""
    if not ours.meta_graphs or not theirs.meta_graphs:
        return
    try:
        from migrator.diffing.compare import choose
        from migrator.drawing.scene import diff_scene
        from migrator.report.html_diff import diff_html
    except ImportError:
        return
    scene = diff_scene(*choose(ours, theirs, None), found)
    target.write_text(diff_html(result, scene), encoding="utf-8")


def index(rows: list[Row], left: Path, right: Path, dest: Path) -> str:
    cells = []
    for row in rows:
        kind = "same" if row.same else "differs"
        links = ""
        if row.page:
            kinds = ("html", "txt", "json")
            there = [end for end in kinds if (dest / f"{row.page}.{end}").exists()]
            links = " ".join(f'<a href="{row.page}.{end}">{end}</a>' for end in there)
        names = [f"<code>{html.escape(shown(name))}</code>" for name in (row.left, row.right)]
        verdict = html.escape(shown(row.verdict, 600))
        cells.append(
            f"<tr><td>{names[0]}</td><td>{names[1]}</td>"
            f'<td class="{kind}">{verdict}</td><td>{links}</td></tr>'
        )
    title = f"{html.escape(shown(str(left)))} against {html.escape(shown(str(right)))}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><h1>{title}</h1><table><tr><th>left</th><th>right</th>"
        f"<th>what changed</th><th>reports</th></tr>{''.join(cells)}</table></html>\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the models of two folders.")
    parser.add_argument("left", type=Path, help="a tree of models")
    parser.add_argument("right", type=Path, help="another one")
    parser.add_argument("dest", type=Path, help="folder for the reports")
    parser.add_argument("--weights", action="store_true", help="compare all values")
    parser.add_argument("--ignore", action="append", default=[], metavar="WORDS")
    options = parser.parse_args()
    left, right = models(options.left), models(options.right)
    together = pairs(left, right)
    options.dest.mkdir(parents=True, exist_ok=True)
    rows = []
    compared = 0
    for number, (one, other) in enumerate(together, 1):
        page = f"pair-{number:04}"
        try:
            verdict, same = compare(left[one], right[other], options.dest / page, options)
            compared += 1
        except migrator.MigratorError as error:
            verdict, same, page = f"could not be compared: {error}", False, ""
        rows.append(Row(one, other, verdict, same, page))
        print(f"{shown(one)}: {shown(verdict, 300)}")
    known = {one for one, _ in together}, {other for _, other in together}
    rows += [Row(name, "", "only on the left", False) for name in left if name not in known[0]]
    rows += [Row("", name, "only on the right", False) for name in right if name not in known[1]]
    rows.sort(key=lambda row: (row.same, row.left or row.right))
    target = options.dest / "index.html"
    target.write_text(index(rows, options.left, options.right, options.dest), encoding="utf-8")
    print(f"{compared} pairs compared, {len(rows) - len(together)} without counterpart: {target}")
    if not compared:
        return 2
    return 0 if all(row.same for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
