"""One model of an audit as text: what was found in it, and whether it can be migrated."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from migrator.auditing.facts.blocker_codes import rule_code
from migrator.report.audit_parts import (
    FORMATS,
    SEVERITIES,
    counted,
    place_text,
    reached_text,
    verdict_of,
)
from migrator.report.colors import paint
from migrator.report.escape import shown, size
from migrator.report.json_v1 import Json

VERDICT_WORDS = {
    "blocked": "migration is blocked",
    "needs_you": "migration needs you",
    "ready_with_changes": "ready to migrate, with changes",
    "ready": "ready to migrate",
    "unknown": "readiness unknown",
}
_REASONS_TITLES = {
    "blocked": "Migration is blocked",
    "needs_you": "Migration needs you to decide, or to supply something",
    "ready_with_changes": "`migrator migrate` changes by itself",
    "ready": "Ready to migrate",
    "unknown": "Whether it can be migrated is not known",
}
_REASONS = 5
_OPTIONS = 8
_NODES = 3
_LONGEST = 600
"""Characters of a message or a reason."""
_WORST = ("critical", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a report is drawn."""

    width: int
    verbose: int
    color: bool
    rules: Json
    most: int
    """Findings of one rule in one model that are shown."""
    folded: frozenset[str]
    """Severities of which the names of the rules do."""
    later: bool
    """Each rule's own remedy stands at the report's end."""
    nothing: str = "nothing found"
    """Said of a model without findings."""
    told: set[tuple[str, str]] = field(default_factory=set)
    """Remedies that were told already: (code, fix)."""

    def fill(self, text: str, indent: int, *, first: str = "") -> str:
        """``text`` wrapped; ``first`` stands before it, inside of the indent."""
        lead = " " * indent
        return textwrap.fill(
            text,
            width=self.width,
            initial_indent=lead[: indent - len(first)] + first,
            subsequent_indent=lead,
            break_on_hyphens=False,
            break_long_words=False,  # a path that is cut can be neither copied nor searched for
        )


def model_text(model: Json, findings: Sequence[Json], style: Style) -> str:
    """A model's head line, its findings and its readiness; one line where there is neither."""
    _tell_options_once(model, findings, style)
    reasons = list(_readiness(model, findings, style))
    if not findings and not reasons:
        return _clean(model, style)
    parts = ["\n".join(_head(model, style))]
    shown_ones = [item for item in findings if item["severity"] not in style.folded]
    several_metas = len({item["location"]["meta_graph"] for item in findings} - {""}) > 1
    for _, group in groupby(shown_ones, key=lambda item: (item["severity"], item["code"])):
        parts.append("\n".join(_group(list(group), several_metas, style)))
    parts.append("\n".join(_folded(findings, style)))
    parts.append("\n".join(reasons))
    return "\n\n".join(part for part in parts if part)


def facts(model: Json) -> str:
    """Format, size and the like, in one line."""
    kind = FORMATS.get(model["format"], shown(model["format"]))
    items = [kind, size(model["bytes"])]
    if model["nodes"]:
        items.append(counted(model["nodes"], "node"))
    if model["tensorflow_version"]:
        items.append(f"TensorFlow {shown(model['tensorflow_version'], 40)}")
    return ", ".join(item for item in items if item)


def _head(model: Json, style: Style) -> Iterator[str]:
    name, about = shown(model["source"]), facts(model)
    fits = len(name) + len(about) + 2 <= style.width
    yield paint(name, "title", style.color) + (f": {about}" if fits else "")
    if not fits:
        yield style.fill(about, 2)
    counts = [
        paint(f"{model['summary'][item]:,} {item}", item, style.color)
        for item in SEVERITIES
        if model["summary"][item]
    ]
    yield "  " + "; ".join(
        filter(None, (", ".join(counts) or style.nothing, _verdict(model, style)))
    )


def _clean(model: Json, style: Style) -> str:
    name, about = shown(model["source"]), facts(model)
    word = VERDICT_WORDS.get(verdict_of(model), "")
    if len(f"{name}: {about}: {style.nothing}, {word}") > style.width:
        return "\n".join(_head(model, style))
    line = ", ".join(filter(None, (style.nothing, _verdict(model, style))))
    return f"{paint(name, 'title', style.color)}: {about}: {line}"


def _verdict(model: Json, style: Style) -> str:
    verdict = verdict_of(model)
    return paint(VERDICT_WORDS.get(verdict, shown(verdict)), verdict, style.color)


def _group(group: Sequence[Json], several_metas: bool, style: Style) -> Iterator[str]:
    """The findings of one rule at one severity."""
    first = group[0]
    severity, code = first["severity"], first["code"]
    word = severity.upper() if severity in _WORST else severity
    head = f"  {paint(word, severity, style.color)} {code} {first['name']}"
    yield head if len(group) == 1 else f"{head} ({len(group):,})"
    listed = group if style.verbose else group[: style.most]
    fixes = {item["fix"] for item in listed}
    for item in listed:
        bullet = "- " if len(group) > 1 else ""
        yield from _finding(item, bullet, several_metas, style)
        if len(fixes) > 1:
            yield from _fix(item, style)
    if len(group) > len(listed):
        more = f"... and {len(group) - len(listed):,} more: -v shows all"
        yield f"      {paint(more, 'faint', style.color)}"
    if len(fixes) == 1:
        yield from _fix(first, style)


def _finding(item: Json, bullet: str, several_metas: bool, style: Style) -> Iterator[str]:
    message = shown(item["message"], _LONGEST)
    if item["confidence"] != "high":
        message += f" ({item['confidence']} confidence)"
    yield style.fill(message, 6 if bullet else 4, first=bullet)
    place = [place_text(item), reached_text(item)]
    if several_metas and item["location"]["meta_graph"]:
        place.append(f"meta graph {shown(item['location']['meta_graph'])}")
    place.append(_nodes(item, style))
    argument = item["detail"].get("argument")
    if isinstance(argument, str) and argument and argument not in item["message"]:
        place.append(f"argument {shown(argument)}")
    if style.verbose > 1:
        place.append(f"fingerprint {shown(item['fingerprint'])}")
    text = "; ".join(part for part in place if part)
    if text:
        yield style.fill(text, 8 if bullet else 6)


def _nodes(item: Json, style: Style) -> str:
    """The first names of a finding that sums up many."""
    names = item["detail"].get("nodes")
    if not isinstance(names, list) or not names or item["location"]["node"]:
        return ""
    listed = names if style.verbose else names[:_NODES]
    count = item["detail"].get("count")
    total = max(len(names), count if isinstance(count, int) else 0)
    more = f" and {total - len(listed):,} more" if total > len(listed) else ""
    return f"nodes {', '.join(shown(str(name), 80) for name in listed)}{more}"


def _fix(item: Json, style: Style) -> Iterator[str]:
    code, fix = item["code"], item["fix"]
    usual = style.rules.get(code, {}).get("fix", "")
    if not fix or (code, fix) in style.told or (style.later and fix == usual):
        return
    style.told.add((code, fix))
    yield style.fill(shown(fix, _LONGEST), 9, first="Fix: ")


def _folded(findings: Sequence[Json], style: Style) -> Iterator[str]:
    """What is not worth a paragraph here: the names of its rules."""
    for severity in SEVERITIES:
        if severity not in style.folded:
            continue
        counts = Counter(
            (item["code"], item["name"]) for item in findings if item["severity"] == severity
        )
        if not counts:
            continue
        listed = [
            f"{code} {name}" + (f" ({count:,})" if count > 1 else "")
            for (code, name), count in sorted(counts.items())
        ]
        text = style.fill(f"{', '.join(listed)}", 4 + len(severity), first=f"{severity}: ")
        yield text.replace(severity, paint(severity, severity, style.color), 1)


def _readiness(model: Json, findings: Sequence[Json], style: Style) -> Iterator[str]:
    """Why the verdict is what it is, and what to paste. What a finding tells is only named."""
    verdict = verdict_of(model)
    if not verdict:
        return
    reasons, options = model["readiness"]["reasons"], model["readiness"]["options"]
    found = {item["code"] for item in findings if item["severity"] not in style.folded}
    rules = [rule_code(item["code"]) for item in reasons]
    above = ", ".join(sorted({rule for rule in rules if rule and rule in found}))
    others = [item for item, rule in zip(reasons, rules, strict=True) if rule not in found]
    listed = others if style.verbose else others[:_REASONS]
    if reasons or options:
        title = _REASONS_TITLES.get(verdict, shown(verdict))
        yield f"  {paint(title, verdict, style.color)}" + (f": {above}, see above" if above else "")
    for item in listed:
        node = shown(item["node"])
        where = f" (node {node})" if node and item["node"] not in item["text"] else ""
        yield style.fill(shown(item["text"], _LONGEST) + where, 6, first="- ")
        if item["fix"] and (item["code"], item["fix"]) not in style.told:
            style.told.add((item["code"], item["fix"]))
            yield style.fill(shown(item["fix"], _LONGEST), 6)
    if len(others) > len(listed):
        more = f"... and {len(others) - len(listed):,} more: -v shows all"
        yield f"    {paint(more, 'faint', style.color)}"
    if options:
        yield "    paste what fits of these after `migrator migrate SOURCE DEST`:"
        few = options if style.verbose else options[:_OPTIONS]
        for option in few:
            yield f"      {shown(option, _LONGEST)}"
        if len(options) > len(few):
            yield f"      ... and {len(options) - len(few):,} more: -v shows all"


def _tell_options_once(model: Json, findings: Sequence[Json], style: Style) -> None:
    """Remedies that only list what is to be pasted below are told by that."""
    options = model["readiness"]["options"] if model["readiness"] else ()
    if options:
        for item in findings:
            if all(option in item["fix"] for option in options):
                style.told.add((item["code"], item["fix"]))
