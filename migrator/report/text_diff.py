"""The result of ``migrator diff`` as text: the verdict first, then what changed, by kind."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from migrator.report.audit_parts import counted, sentence
from migrator.report.colors import paint
from migrator.report.diff_parts import (
    KINDS,
    REASONS,
    TITLES,
    WEIGHT_KINDS,
    Alike,
    about,
    alike,
    by_reason,
    is_wiring,
    magnitude,
    names,
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

_NARROWEST, _WIDEST = 60, 120
_ENTRIES = 12
"""Entries of one kind that are shown."""
_NAMES = 4
_WEIGHTS = 15
_COLOURS = {"removed": "high", "added": "ready", "changed": "medium", "rewired": "medium"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    width: int
    verbose: bool
    color: bool

    def some(self, items: Sequence[Json], most: int) -> Sequence[Json]:
        return items if self.verbose else items[:most]

    def fill(self, text: str, indent: int, first: str = "") -> str:
        lead = " " * indent
        return textwrap.fill(
            text,
            width=self.width,
            initial_indent=lead[: indent - len(first)] + first,
            subsequent_indent=lead,
            break_on_hyphens=False,
        )


def diff_text(result: Json, *, verbose: int = 0, color: bool = False, width: int = 100) -> str:
    """A result for the terminal, ``width`` columns wide; ``verbose`` folds nothing.

    Names are escaped; without ``color`` there is no control character in it but the line feed.
    """
    style = _Style(width=max(_NARROWEST, min(width, _WIDEST)), verbose=bool(verbose), color=color)
    result = without_bodies(result)
    parts = [
        "\n".join(_head(result, style)),
        "\n".join(_headline(result, style)),
        "\n".join(_scopes(result, style)),
        "\n".join(_signatures(result, style)),
        *("\n".join(_kind(result, kind, style)) for kind in KINDS),
        "\n".join(_weights(result, style)),
        "\n".join(_functions(result, style)),
        "\n".join(_others(result, style)),
        "\n".join(_matches(result, style)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(text: str, style: _Style) -> str:
    return paint(text, "title", style.color)


def _head(result: Json, style: _Style) -> Iterator[str]:
    for side in ("left", "right"):
        name, facts = shown(place(result[side])), about(result, side)
        line = f"{side:<5}  {name}"
        if len(line) + len(facts) + 2 <= style.width:
            yield f"{line}: {facts}"
        else:
            yield line
            yield f"       {facts}"


def _headline(result: Json, style: _Style) -> Iterator[str]:
    first, *rest = result["headline"] or [""]
    text = style.fill(sentence(shown(first, 400)), 0)
    kind = "ready" if result["identical"] or result["same_computation"] else "title"
    yield paint(text, kind, style.color)
    for item in rest:
        yield style.fill(shown(item, 400), 4, first="- ")


def _scopes(result: Json, style: _Style) -> Iterator[str]:
    items = result["scopes"]
    if not items:
        return
    yield _title(f"Scopes renamed ({len(items):,})", style)
    listed = style.some(items, _ENTRIES)
    rows = [
        (_scope(item["left"]), _scope(item["right"]), counted(item["nodes"], "node"))
        for item in listed
    ]
    wide = max(len(row[0]) for row in rows)
    for left, right, count in rows:
        if wide + len(right) + len(count) + 10 <= style.width:
            yield f"  {left:<{wide}}  ->  {right}  ({count})"
        else:
            yield f"  {left}"
            yield f"    -> {right}  ({count})"
    yield from _more(len(items) - len(listed), style)


def _scope(name: str) -> str:
    return f"{shown(name, 100)}/" if name else "(top level)"


def _more(count: int, style: _Style, indent: int = 2) -> Iterator[str]:
    if count > 0:
        text = f"... and {count:,} more: -v shows all"
        yield " " * indent + paint(text, "faint", style.color)


def _signatures(result: Json, style: _Style) -> Iterator[str]:
    items = result["signatures"]
    if not items:
        return
    yield _title("Signatures", style)
    for item in style.some(items, _ENTRIES):
        word = paint(item["kind"], _COLOURS.get(item["kind"], ""), style.color)
        yield f"  {shown(item['key'])}: {word}"
        for change in style.some(item["changes"], _ENTRIES):
            yield from _change(change, 6, style, one_sided=item["kind"] in ("added", "removed"))
        yield from _more(len(item["changes"]) - _ENTRIES if not style.verbose else 0, style, 6)
    yield from _more(len(items) - _ENTRIES if not style.verbose else 0, style)


def _change(change: Json, indent: int, style: _Style, *, one_sided: bool = False) -> Iterator[str]:
    """``field   old -> new``, on lines of their own where they are long."""
    room = style.width - indent
    field = shown(change["field"], 60)
    most = 400 if style.verbose else max(40, room - 10)
    left, right = value_text(change["left"], most), value_text(change["right"], most)
    if change["field"].startswith("control inputs"):
        left, right = _waits(change["left"]), _waits(change["right"])
    if is_wiring(change) and left == right:
        right += " (another node there)"
    lead = " " * indent
    if one_sided:
        value = left if change["right"] is None else right
        yield style.fill(f"{field}  {value}", indent + 2).replace("  ", "", 1)
        return
    if len(field) + len(left) + len(right) + 6 <= room:
        yield f"{lead}{field}  {left} -> {right}"
    else:
        yield f"{lead}{field}"
        yield style.fill(left, indent + 5, first="   ")
        yield style.fill(right, indent + 5, first="-> ")


def _waits(names_: Sequence[str]) -> str:
    """Nodes that are waited for, the first of them."""
    items = [shown(str(name), 60) for name in names_[:_NAMES]]
    more = len(names_) - len(items)
    return (", ".join(items) or "none") + (f" and {more:,} more" if more > 0 else "")


def _kind(result: Json, kind: str, style: _Style) -> Iterator[str]:
    nodes = told_nodes(result, kind)
    if not nodes:
        return
    title = f"{TITLES[kind]} ({len(nodes):,})"
    yield paint(title, _COLOURS.get(kind, "title"), style.color)
    if kind in ("added", "removed"):
        for why, group in by_reason(nodes):
            yield from _one_sided(why, group, style)
        return
    folded = [] if style.verbose else [item for item in nodes if item.get("why")]
    told = [item for item in nodes if style.verbose or not item.get("why")]
    groups = (
        list(alike(told))
        if kind != "renamed"
        else [Alike(nodes=(item,), changes=tuple(item["changes"])) for item in told]
    )
    listed = groups if style.verbose else groups[:_ENTRIES]
    for entry in listed:
        yield from (_renamed(entry, style) if kind == "renamed" else _changed(entry, style))
    yield from _more(sum(len(item.nodes) for item in groups[len(listed) :]), style)
    for why, group in by_reason(folded):
        yield from _one_sided(why, group, style)


def _one_sided(why: str, group: Sequence[Json], style: _Style) -> Iterator[str]:
    """Nodes of one side: one by one where nothing explains them, else how many and of what op."""
    if why and not style.verbose:
        ops = op_counts(group).most_common(5)
        text = ", ".join(f"{shown(op, 40)} {count:,}" for op, count in ops)
        text += ", ..." if len(op_counts(group)) > 5 else ""
        reason = REASONS.get(why, shown(why, 40))
        yield style.fill(f"{reason}: {counted(len(group), 'node')} ({text})", 4).replace(
            "  ", "", 1
        )
        return
    listed = style.some(group, _ENTRIES)
    reason = f"  {REASONS.get(why, shown(why, 40))}" if why else ""
    for item in listed:
        name = shown(item["left"] or item["right"], 100)
        yield f"  {name} ({shown(item['op'], 40)}){reason}"
    yield from _more(len(group) - len(listed), style)


def _changed(group: Alike, style: _Style) -> Iterator[str]:
    first = group.nodes[0]
    op = shown(first["op"], 40)
    if len(group.nodes) == 1:
        left, right = names(first)
        line = f"  {left} ({op})"
        if right and len(line) + len(right) + 7 <= style.width:
            yield f"{line}, now {right}"
        else:
            yield line
            if right:
                yield f"      now {right}"
    else:
        listed = [_short(names(item, 300)[0], 60) for item in style.some(group.nodes, _NAMES)]
        more = len(group.nodes) - len(listed)
        tail = f" and {more:,} more" if more else ""
        yield style.fill(f"{len(group.nodes):,} {op}: {', '.join(listed)}{tail}", 4).replace(
            "  ", "", 1
        )
    for change in group.changes:
        field = change["field"]
        if len(group.nodes) > 1 and field.startswith(("input ", "control inputs")):
            yield from _change({**change, "field": f"{field}, of the first"}, 6, style)
        elif field not in ("name", "scope"):
            yield from _change(change, 6, style)
    if len(group.nodes) == 1 and first["confidence"] < 0.7:
        yield f"      (matched with confidence {first['confidence']:.2f})"


def _renamed(group: Alike, style: _Style) -> Iterator[str]:
    item = group.nodes[0]
    left, right = names(item)
    line = f"  {left} -> {right} ({shown(item['op'], 40)})"
    if len(line) <= style.width:
        yield line
    else:
        yield f"  {left} ({shown(item['op'], 40)})"
        yield f"    -> {right}"


def _weights(result: Json, style: _Style) -> Iterator[str]:
    from tabulate import tabulate

    items = told_weights(result)
    if not items:
        return
    yield _title(weights_title(result), style)
    listed = style.some(items, _WEIGHTS)
    rows = [
        (
            WEIGHT_KINDS.get(item["kind"], shown(item["kind"], 20)),
            f"{item['elements']:,}",
            magnitude(item["max_abs"]),
            magnitude(item["mean_abs"]),
            _share(item),
        )
        for item in listed
    ]
    header = ("what", "elements", "max diff", "mean diff", "share")
    columns = [
        n
        for n in ((0, 1, 2, 3, 4) if style.width >= 80 else (0, 2, 4))
        if any(map(itemgetter(n), rows))
    ]
    if style.width < 80 and {item["kind"] for item in items} == {"values"}:
        columns.remove(0)
    # tabulate gives a header two columns more than it needs.
    taken = sum(max(len(header[n]) + 2, *(len(row[n]) for row in rows)) + 2 for n in columns)
    room = max(16, style.width - taken - 2)
    names_ = _shortened([shown(item["left"] or item["right"], 300) for item in listed], room)
    text = tabulate(
        [(name, *(row[n] for n in columns)) for name, row in zip(names_, rows, strict=True)],
        headers=("weight", *(header[n] for n in columns)),
        tablefmt="simple",
        disable_numparse=True,
        colalign=("left", "left", *["right"] * (len(columns) - 1)),
    )
    yield from (f"  {line}".rstrip() for line in text.splitlines())
    yield from _more(len(items) - len(listed), style)


def _share(item: Json) -> str:
    odd = item.get("not_finite", 0)
    return weight_share(item) + (f", {odd:,} not finite" if odd else "")


def _shortened(names_: Sequence[str], most: int) -> list[str]:
    """Names of at most ``most`` characters, whole where they would not be told apart."""
    short = [_short(name, most) for name in names_]
    counts = Counter(short)
    return [name if counts[cut] > 1 else cut for name, cut in zip(names_, short, strict=True)]


def _short(text: str, most: int) -> str:
    """The end of a name tells the most; it is cut between scopes if that costs little."""
    if len(text) <= most:
        return text
    end = text[len(text) - most + 3 :]
    slash = end.find("/")
    return "..." + (end[slash:] if 0 <= slash <= most // 3 else end)


def _functions(result: Json, style: _Style) -> Iterator[str]:
    items = result["functions"]
    if not items:
        return
    yield _title(f"Functions ({len(items):,})", style)
    for kind in ("changed", "added", "removed", "renamed"):
        group = [item for item in items if item["kind"] == kind]
        if not group:
            continue
        listed = style.some(group, _NAMES)
        texts = [shown(item["left"] or item["right"], 60) for item in listed]
        more = len(group) - len(listed)
        tail = f" and {more:,} more" if more else ""
        yield style.fill(f"{len(group):,} {kind}: {', '.join(texts)}{tail}", 4).replace("  ", "", 1)


def _others(result: Json, style: _Style) -> Iterator[str]:
    items = result["others"]
    if not items:
        return
    yield _title("Around the graph", style)
    for item in items:
        yield from _change(item, 2, style)


def _matches(result: Json, style: _Style) -> Iterator[str]:
    items = result.get("matches")
    if not items:
        return
    yield _title(f"Matches ({len(items):,})", style)
    for left, right in items.items():
        yield f"  {shown(left)}" if left == right else f"  {shown(left)} -> {shown(right)}"
