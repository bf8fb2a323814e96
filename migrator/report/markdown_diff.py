"""The result of ``migrator diff`` for a pull request: a headline, and details to unfold.

Whatever a model's names hold, they stay text: every character of them that Markdown or HTML knows
is written as an entity, and they stand in code, where nobody is mentioned and nothing linked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from migrator.report.audit_parts import counted, sentence
from migrator.report.diff_parts import (
    KINDS,
    REASONS,
    TITLES,
    WEIGHT_KINDS,
    about,
    alike,
    by_reason,
    is_wiring,
    magnitude,
    op_counts,
    place,
    told_nodes,
    told_weights,
    value_text,
    weight_share,
    weights_title,
    without_bodies,
)
from migrator.report.escape import shown
from migrator.report.json_v1 import Json

LIMIT = 60_000
"""Characters of a comment: GitHub takes 65,536."""
_ROWS = 40
_NAMES = 3
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 /.,-;%()?+")
_NO_WIDTH = "&#8203;"


def diff_markdown(result: Json, *, limit: int = LIMIT) -> str:
    """A comment of at most ``limit`` characters: what does not fit is counted."""
    result = without_bodies(result)
    parts = ["\n".join(_head(result))]
    room = limit - len(parts[0]) - 200
    left_out = []
    for title, lines in _sections(result):
        text = "\n".join((f"<details><summary>{title}</summary>", "", *lines, "", "</details>"))
        if len(text) + 2 <= room:
            room -= len(text) + 2
            parts.append(text)
        else:
            left_out.append(title)
    if left_out:
        parts.append(f"Too long to show here: {', '.join(left_out)}."[: max(0, room + 200)])
    return "\n\n".join(parts) + "\n"


def _head(result: Json) -> Iterator[str]:
    first, *rest = result["headline"] or [""]
    yield f"### {_words(sentence(first))}"
    yield ""
    for side in ("left", "right"):
        yield f"{side}: {code(place(result[side]), 200)} ({_words(about(result, side))})<br>"
    if rest:
        yield ""
        yield from (f"- {_words(item)}" for item in rest)


def code(text: str, most: int = 80) -> str:
    """A name or a value as code that is nothing but text."""
    return f"<code>{_entities(shown(text, most))}</code>" if text else ""


def _words(text: str) -> str:
    """A sentence that may hold names."""
    return _entities(shown(text, 400)).replace("&#64;", f"&#64;{_NO_WIDTH}")


def _entities(text: str) -> str:
    return "".join(char if char in _PLAIN else f"&#{ord(char)};" for char in text)


def _sections(result: Json) -> Iterator[tuple[str, list[str]]]:
    if result["scopes"]:
        rows = [
            (_scope(item["left"]), _scope(item["right"]), f"{item['nodes']:,}")
            for item in result["scopes"]
        ]
        yield f"Scopes renamed ({len(rows):,})", _table(("left", "right", "nodes"), rows)
    yield from _signatures(result)
    for kind in KINDS:
        nodes = told_nodes(result, kind)
        if nodes:
            title = f"{TITLES[kind]} ({len(nodes):,})"
            yield title, list(_SECTIONS.get(kind, _changed)(nodes))
    yield from _weights(result)
    if result["functions"]:
        bodies = [
            (code(item["left"]), code(item["right"]), _words(item["kind"]), f"{item['nodes']:,}")
            for item in result["functions"]
        ]
        title = f"Functions ({len(bodies):,})"
        yield title, _table(("left", "right", "what", "nodes"), bodies)
    if result["others"]:
        yield "Around the graph", _table(("what", "left", "right"), map(_row, result["others"]))


def _row(change: Json) -> tuple[str, str, str]:
    left, right = _value(change["left"]), _value(change["right"])
    if is_wiring(change) and left == right:
        right += " (another node there)"
    return _words(change["field"]), left, right


def _value(value: object) -> str:
    return code(value_text(value, 120), 160)


def _scope(name: str) -> str:
    return code(f"{name}/") if name else "top level"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = list(rows)
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    lines += [f"| {' | '.join(row)} |" for row in found[:_ROWS]]
    if len(found) > _ROWS:
        lines += ["", f"... and {len(found) - _ROWS:,} more"]
    return lines


def _signatures(result: Json) -> Iterator[tuple[str, list[str]]]:
    items = result["signatures"]
    if not items:
        return
    rows: list[tuple[str, ...]] = []
    for item in items:
        key = code(item["key"])
        rows.append((key, _words(item["kind"]), "", "", ""))
        rows += [("", "", *_row(change)) for change in item["changes"]]
    header = ("signature", "", "what", "left", "right")
    yield f"Signatures ({len(items):,})", _table(header, rows)


def _changed(nodes: Sequence[Json]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for group in alike(sorted(nodes, key=lambda item: bool(item.get("why")))):
        listed = [code(item["left"]) for item in group.nodes[:_NAMES]]
        more = len(group.nodes) - len(listed)
        name = "<br>".join(listed) + (f"<br>and {more:,} more" if more else "")
        first = group.nodes[0]
        if len(group.nodes) == 1 and first["right"] != first["left"]:
            name += f"<br>now {code(first['right'])}"
        op = code(first["op"], 40)
        changes = [item for item in group.changes if item["field"] not in ("name", "scope")]
        for change in changes[:8]:
            rows.append((name, op, *_row(change)))
            name = op = ""
    return _table(("node", "op", "what", "left", "right"), rows)


def _one_sided(nodes: Sequence[Json]) -> list[str]:
    lines = []
    for why, group in by_reason(nodes):
        if why:
            ops = ", ".join(f"{code(op, 40)} {n:,}" for op, n in op_counts(group).most_common(5))
            reason = _words(REASONS.get(why, why))
            lines.append(f"- {reason}: {counted(len(group), 'node')} ({ops})")
            continue
        for item in group[:_ROWS]:
            lines.append(f"- {code(item['left'] or item['right'])} ({code(item['op'], 40)})")
        if len(group) > _ROWS:
            lines.append(f"- ... and {len(group) - _ROWS:,} more")
    return lines


def _renamed(nodes: Sequence[Json]) -> list[str]:
    rows = [(code(item["left"]), code(item["right"]), code(item["op"], 40)) for item in nodes]
    return _table(("left", "right", "op"), rows)


_SECTIONS = {"added": _one_sided, "removed": _one_sided, "renamed": _renamed}


def _weights(result: Json) -> Iterator[tuple[str, list[str]]]:
    items = told_weights(result)
    if not items:
        return
    rows = [
        (
            code(item["left"] or item["right"]),
            _words(WEIGHT_KINDS.get(item["kind"], str(item["kind"]))),
            f"{item['elements']:,}",
            magnitude(item["max_abs"]),
            magnitude(item["mean_abs"]),
            weight_share(item),
        )
        for item in items
    ]
    header = ("weight", "what", "elements", "max diff", "mean diff", "share")
    yield weights_title(result), _table(header, rows)
