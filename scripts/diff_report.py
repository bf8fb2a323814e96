#!/usr/bin/env python3
"""Compare the models of two trees, and leave a report for each pair and an index of them all.

    python scripts/diff_report.py OLD NEW DEST [--weights] [--ignore WORDS]

Models with the same path below OLD and NEW are a pair; of the rest, those with the same structure,
with the same file name, with much the same nodes and weights. DEST/index.html lists them, what
differs first; each pair has a page, a text and a JSON file. DEST is made whole or not at all, and
not replaced. Exit code 0 where nothing differs, 1 where a pair differs or a model has no
counterpart, 2 where nothing could be compared.
"""

from __future__ import annotations

import argparse
import html
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import migrator
from migrator.actions.pictures import diff_picture
from migrator.auditing.discovery.discover import check_paths, discover
from migrator.auditing.finding import Skipped
from migrator.auditing.twins.structure import graph_hash
from migrator.errors import DestinationError
from migrator.files import folder_beside, is_taken
from migrator.interrupts import unwind_on_signals
from migrator.model.tensors import LazyTensor
from migrator.report.audit_parts import sentence
from migrator.report.escape import shown
from migrator.report.html_diff import diff_html
from migrator.report.html_page import policy, template
from migrator.report.json_diff import diff_result
from migrator.report.json_v1 import Json, dumps
from migrator.report.text_diff import diff_text

ALIKE = 0.7
"""Share of nodes and weights that two models have in common, from which on they are a pair."""
MOST = 300
"""Models of a side that are compared with all of the other side for that."""
STYLE = """
main { max-width: 1200px; margin: 0 auto; padding: 28px clamp(12px, 3vw, 36px) 64px; }
h1 { font-size: 20px; overflow-wrap: anywhere; }
.counts { display: flex; flex-wrap: wrap; gap: 6px 24px; margin: 12px 0 22px; }
.counts b { font-weight: 600; }
.mark::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 8px;
  border-radius: 3px; background: var(--tone); }
.differs { --tone: var(--needs-you); } .alone { --tone: var(--changes); }
.failed { --tone: var(--blocked); } .same { --tone: var(--ready); }
article { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 2px 18px;
  padding: 12px 16px; margin-bottom: 10px; background: var(--card);
  border: 1px solid var(--line); border-left: 4px solid var(--tone); border-radius: 8px; }
article h2 { font: 600 14px/1.5 var(--mono); overflow-wrap: anywhere; }
article h2 span { color: var(--dim); font-weight: 400; }
article nav { display: flex; gap: 12px; font-size: 14px; }
article ul { grid-column: 1 / -1; }
article li { overflow-wrap: anywhere; }
article li + li { color: var(--dim); font-size: 14px; }
"""


@dataclass(frozen=True)
class Row:
    """A pair, or a model without counterpart, as the index tells of it."""

    left: str
    right: str
    kind: str
    """``differs``, ``alone``, ``failed`` or ``same``."""
    lines: Sequence[str]
    page: str = ""


KINDS = {
    "failed": "could not be compared",
    "differs": "differ",
    "alone": "without counterpart",
    "same": "without a difference",
}


def models(tree: Path) -> dict[str, Path]:
    """Every model below ``tree`` by its path there; a SavedModel by its folder."""
    check_paths([str(tree)])
    base = tree if tree.is_dir() else tree.parent
    found = {}
    for item in discover([str(tree)]):
        path = Path(item.source if isinstance(item, Skipped) else item.path)
        is_named = path.is_file() if isinstance(item, Skipped) else item.named
        if not is_named and _read(path, bool) is None:
            continue  # an archive of arrays, say
        name = Path(os.path.relpath(path, base))
        found[str(name.parent if name.name == "saved_model.pb" else name)] = path
    return found


def pairs(left: dict[str, Path], right: dict[str, Path]) -> list[tuple[str, str]]:
    """Names of models that belong together, each in one pair at most."""
    found = [(name, name) for name in left if name in right]
    for key in (_structure, _file_name):
        ours, theirs = (_unique(side, key) for side in _rest(left, right, found))
        found += [(ours[text], theirs[text]) for text in ours.keys() & theirs.keys()]
    found += _alike(*_rest(left, right, found))
    return sorted(found)


def _rest(
    left: dict[str, Path], right: dict[str, Path], found: Sequence[tuple[str, str]]
) -> tuple[dict[str, Path], dict[str, Path]]:
    taken = {one for one, _ in found}, {other for _, other in found}
    return (
        {name: path for name, path in left.items() if name not in taken[0]},
        {name: path for name, path in right.items() if name not in taken[1]},
    )


def _unique(side: dict[str, Path], key: Callable[[str, Path], str]) -> dict[str, str]:
    """Models by their keys, where no other of the side has it."""
    texts = {name: key(name, path) for name, path in side.items()}
    counts = Counter(texts.values())
    return {text: name for name, text in texts.items() if text and counts[text] == 1}


def _file_name(name: str, path: Path) -> str:
    """Of a SavedModel's folder no more than of a version: numbers stand for themselves."""
    last = Path(name).name
    return "" if last.isdigit() or last == "" else last


def _structure(name: str, path: Path) -> str:
    """What stands for the model's structure; empty for what cannot be read."""
    return _read(path, graph_hash) or ""


def _alike(left: dict[str, Path], right: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Those that have most in common, from the most alike on."""
    ours, theirs = (
        {name: held for name in sorted(side)[:MOST] if (held := _read(side[name], _contents))}
        for side in (left, right)
    )
    ranked = sorted(
        (-share, one, other)
        for one, a in ours.items()
        for other, b in theirs.items()
        if (share := (a & b).total() / max(1, (a | b).total())) >= ALIKE
    )
    for _, one, other in ranked:
        if one in ours and other in theirs:
            del ours[one], theirs[other]
            yield one, other


def _contents(graph: migrator.Graph) -> Counter[str]:
    """Ops, and the shapes of constants, with how often they occur."""
    found: Counter[str] = Counter()
    for node in graph.all_nodes():
        value = node.attrs.get("value")
        found[f"{node.op} {value.shape}" if isinstance(value, LazyTensor) else node.op] += 1
    return found


def _read(path: Path, look: Callable[[migrator.Graph], Any]) -> Any:
    """What ``look`` finds in the model's graph; None where there is none that can be read."""
    try:
        return look(migrator.load(path).graph)
    except Exception:  # told when it is compared
        return None


def compare(left: Path, right: Path, stem: Path, options: argparse.Namespace) -> Json:
    """Write the reports of one pair; its result. Raises MigratorError for what cannot be read."""
    ignore = [word for text in options.ignore for word in text.split(",") if word]
    ours, theirs = migrator.load(left), migrator.load(right)
    found = migrator.diff(ours, theirs, weights=options.weights, ignore=ignore)
    result = diff_result(found)
    scene, note = diff_picture(ours, theirs, found)
    for suffix, text in (
        (".txt", diff_text(result, width=120)),
        (".json", dumps(result)),
        (".html", diff_html(result, scene, note=note)),
    ):
        stem.with_suffix(suffix).write_text(text, encoding="utf-8")
    return result


def index(rows: Sequence[Row], title: str) -> str:
    """The page that lists them all. It holds no script, and every name is escaped."""
    style = f"{template('page.css')}\n{STYLE}"
    counts = Counter(row.kind for row in rows)
    told = [
        f'<li class="mark {kind}"><b>{counts[kind]:,}</b> {words}</li>'
        for kind, words in KINDS.items()
        if counts[kind]
    ]
    articles = "\n".join(map(_article, rows)) or "<p>No model was found.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(scripts=(), styles=(style,))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{_text(title)}</h1>
<ul class="counts">{"".join(told)}</ul>
{articles}
</main>
</body>
</html>
"""


def _article(row: Row) -> str:
    names = [_text(name) for name in dict.fromkeys((row.left, row.right)) if name]
    links = "".join(
        f'<a href="{row.page}.{end}">{word}</a>'
        for end, word in (("html", "page"), ("txt", "text"), ("json", "JSON"))
        if row.page
    )
    first, *rest = row.lines
    lines = "".join(f"<li>{_text(line, 600)}</li>" for line in (sentence(first), *rest))
    return (
        f'<article class="{row.kind}"><h2>{" <span>&rarr;</span> ".join(names)}</h2>'
        f"<nav>{links}</nav><ul>{lines}</ul></article>"
    )


def _text(value: str, most: int = 300) -> str:
    return html.escape(shown(value, most))


def report(options: argparse.Namespace, folder: Path) -> tuple[list[Row], int]:
    """Fill ``folder``; the rows of the index, and how many pairs were compared."""
    left, right = models(options.left), models(options.right)
    together = pairs(left, right)
    rows = []
    for number, (one, other) in enumerate(together, 1):
        page = f"pair-{number:04}"
        try:
            result = compare(left[one], right[other], folder / page, options)
            kind = "same" if result["identical"] else "differs"
            row = Row(one, other, kind, result["headline"], page)
        except OSError:  # of what is written here: reading raises MigratorError
            raise
        except Exception as error:  # one bad model does not stop the others
            row = Row(one, other, "failed", [_why(error, left[one])])
        rows.append(row)
        print(f"{number}/{len(together)} {shown(one)}: {shown(row.lines[0], 300)}", flush=True)
    paired = {one for one, _ in together}, {other for _, other in together}
    rows += [Row(name, "", "alone", ["only on the left"]) for name in left.keys() - paired[0]]
    rows += [Row("", name, "alone", ["only on the right"]) for name in right.keys() - paired[1]]
    order = list(KINDS)
    rows.sort(key=lambda row: (order.index(row.kind), row.left or row.right))
    title = f"{options.left} against {options.right}"
    (folder / "index.html").write_text(index(rows, title), encoding="utf-8")
    return rows, sum(row.kind in ("same", "differs") for row in rows)


def _why(error: Exception, left: Path) -> str:
    """What is wrong, and on which side."""
    if not isinstance(error, migrator.MigratorError):
        return repr(error)
    side = "left" if error.where.startswith(str(left)) else "right"
    return f"{side}: {error.what}" + (f"; {error.hint}" if error.hint else "")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the models of two trees.")
    parser.add_argument("left", type=Path, metavar="OLD", help="a tree of models")
    parser.add_argument("right", type=Path, metavar="NEW", help="another one")
    parser.add_argument("dest", type=Path, metavar="DEST", help="new folder for the reports")
    parser.add_argument("--weights", action="store_true", help="compare all values")
    parser.add_argument("--ignore", action="append", default=[], metavar="WORDS")
    options = parser.parse_args()
    unwind_on_signals()
    try:
        if is_taken(options.dest):
            raise DestinationError("exists, and is not replaced", where=str(options.dest))
        with folder_beside(options.dest) as folder:
            rows, compared = report(options, folder)
            folder.chmod(0o777 & ~_mask())
            folder.rename(options.dest)
    except (migrator.MigratorError, OSError) as error:
        print(f"error: {shown(str(error), 2000)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    counts = Counter(row.kind for row in rows)
    told = ", ".join(f"{counts[kind]} {words}" for kind, words in KINDS.items() if counts[kind])
    print(f"{told or 'no model found'}: {options.dest / 'index.html'}")
    if not compared:
        return 2
    return 0 if counts["same"] == len(rows) else 1


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    sys.exit(main())
