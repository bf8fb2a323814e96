"""Rules explained: as text, as JSON and as the whole of docs/rules.md."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby

from migrator.auditing.rule import FAMILIES, HEADINGS, Rule
from migrator.report.audit_parts import sentence
from migrator.report.json_audit import rule_object
from migrator.report.json_v1 import Json, envelope
from migrator.report.table import table

_FAMILY_TITLES = {
    "security": "Security",
    "blocker": "Migration blockers",
    "warning": "Migration warnings",
    "health": "Health",
}
_FAMILY_TEXTS = {
    "security": "What a model does to the machine that runs it.",
    "blocker": "What stops `migrator migrate`, and TensorFlow 2 too.",
    "warning": "What bends a migration, or is worth a look before it.",
    "health": "What is wasteful, damaged or twice there.",
}
_INTRODUCTION = """\
# Rules

What `migrator audit` looks for. `migrator explain CODE` prints one of these sections; this file is
made from the same text by `scripts/make_rules_doc.py`. A finding may differ in severity from its
rule where the case is graver or milder; *deep* rules read weights and run with `--deep` alone.
[audit.md](audit.md) tells what severities and verdicts mean.
"""


def explain_text(rule: Rule, *, width: int = 88) -> str:
    """One rule for the terminal."""
    facts = [
        f"{rule.family}, severity {rule.severity.label}, confidence {rule.confidence}, "
        f"since {rule.since}",
        *(["reads weights: runs with --deep alone"] if rule.deep else []),
        f"looks at {', '.join(rule.looks_at)}",
    ]
    lines = [f"{rule.code} {rule.name}: {rule.title}", ""]
    lines += [_filled(fact, width, "  ", "    ") for fact in facts]
    for head in HEADINGS:
        lines += ["", head]
        parts = sentence(rule.sections[head]).split("\n\n")
        lines.append("\n\n".join(_filled(part, width, "  ", "  ") for part in parts))
    return "\n".join(lines) + "\n"


def explain_list(rules: Iterable[Rule]) -> str:
    """All rules, a line each, by family."""
    parts = []
    for family, found in _by_family(rules):
        rows = [
            (
                item.code,
                item.name,
                item.severity.label,
                item.title + (" (--deep)" if item.deep else ""),
            )
            for item in found
        ]
        parts.append(
            f"{_FAMILY_TITLES[family]}\n{table(rows, ('code', 'name', 'severity', 'what it is'))}"
        )
    parts.append("`migrator explain CODE` tells all of a rule.")
    return "\n\n".join(parts) + "\n"


def explain_result(rules: Iterable[Rule]) -> Json:
    """Rules as JSON, by code."""
    return {**envelope("explain"), "rules": {item.code: rule_object(item) for item in rules}}


def rules_markdown(rules: Iterable[Rule]) -> str:
    """The whole of docs/rules.md."""
    families = [(family, list(found)) for family, found in _by_family(rules)]
    parts = [_INTRODUCTION.rstrip()]
    for family, found in families:
        lines = ["| code | name | severity | what it is |", "|---|---|---|---|"]
        for item in found:
            title = _cell(item.title) + (" (deep)" if item.deep else "")
            name = f"[{item.name}](#{_anchor(item)})"
            lines.append(f"| {item.code} | {name} | {item.severity.label} | {title} |")
        parts.append("\n".join([f"**{_FAMILY_TITLES[family]}**\n", *lines]))
    for family, found in families:
        parts += [f"## {_FAMILY_TITLES[family]}", _FAMILY_TEXTS[family]]
        parts += [_section(item) for item in found]
    return "\n\n".join(parts) + "\n"


def _section(rule: Rule) -> str:
    looks = ", ".join(map(_cell, rule.looks_at))
    lines = [
        f"### {rule.code} {rule.name}",
        "",
        _safe(rule.title) + ".",
        "",
        "| severity | confidence | family | looks at | since | deep |",
        "|---|---|---|---|---|---|",
        f"| {rule.severity.label} | {rule.confidence} | {rule.family} | {looks} | {rule.since} "
        f"| {'yes' if rule.deep else 'no'} |",
    ]
    for head in HEADINGS:
        paragraphs = sentence(rule.sections[head]).split("\n\n")
        paragraphs[0] = f"**{head}.** {paragraphs[0]}"
        lines += ["", "\n\n".join(_filled(_safe(item), 100, "", "") for item in paragraphs)]
    return "\n".join(lines)


def _by_family(rules: Iterable[Rule]) -> list[tuple[str, Sequence[Rule]]]:
    order = list(FAMILIES)
    listed = sorted(rules, key=lambda item: (order.index(item.family), item.code))
    return [(family, list(found)) for family, found in groupby(listed, key=lambda x: x.family)]


def _anchor(rule: Rule) -> str:
    """Of a heading, as GitHub makes it."""
    return f"{rule.code} {rule.name}".lower().replace(" ", "-")


def _cell(text: str) -> str:
    return _safe(text).replace("|", "\\|")


def _safe(text: str) -> str:
    """What Markdown would take for a tag, escaped outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part[:1] == "`" else part.replace("<", "&lt;") for part in parts)


def _filled(text: str, width: int, first: str, rest: str) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
