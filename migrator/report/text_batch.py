"""The summary that ends a batch: what is done, what is not, why, and how to go on."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from migrator.report.batch_left_out import left_out
from migrator.report.batch_parts import (
    BLOCKED,
    FAILED,
    NEEDS_DECISION,
    TFLITE,
    About,
    about,
    amount,
    as_object,
    commands,
    count,
    duration,
    group_of,
    looked,
    models_of,
    status_of,
    text_of,
    tflite_of,
)
from migrator.report.colors import paint
from migrator.report.escape import shown, size

_NAMED = 2
"""Models that a group names."""
_GROUPS = 8
"""Groups of one outcome, the largest."""
_HEADS = {
    "done": ("ready", "Done"),
    NEEDS_DECISION: ("needs_you", "Need a decision"),
    BLOCKED: ("blocked", "Blocked"),
    FAILED: ("critical", "Failed"),
}
_DONE = {
    "bitwise": "Bit for bit the same",
    "within_tolerance": "The same within tolerance",
    "done": "Not verified",
}
_TFLITE = {
    "bitwise": "the same bit for bit",
    "within_tolerance": "the same within tolerance",
    "unverified": "converted, but not compared",
}


class _Group:
    """Models that are not done for one reason: how many, and the first of them."""

    __slots__ = ("models", "names")

    def __init__(self) -> None:
        self.models = 0
        self.names: list[str] = []

    def add(self, name: str) -> None:
        self.models += 1
        if len(self.names) < _NAMED:
            self.names.append(name)


def batch_text(
    result: Mapping[str, Any], *, page: str = "", color: bool = False, width: int = 100
) -> str:
    """What to know in ten seconds. ``page`` is where ``index.html`` lies, if it was written.

    Names are escaped; without ``color`` there is no control character but the line feed. One pass
    over the models.
    """
    conversions = Counter[str]()
    groups = _groups(result, conversions)
    totals, run = as_object(result.get("totals")), as_object(result.get("run"))
    counts = {key: sum(item.models for item in found.values()) for key, found in groups.items()}
    lines = [_headline(counts, run), *_measures(totals, run), *_conversions(conversions, totals)]
    if more := left_out(run).line("the page names them" if page else "batch.json names them"):
        lines.append(_filled(more, width, "  "))
    lines.append("")
    digits = max(len(f"{found:,}") for found in counts.values())
    goes_on = commands(result)
    for outcome, found in groups.items():
        if not found:
            continue
        tone, head = _HEADS[outcome]
        lines.append(f"{counts[outcome]:>{digits},}  {paint(head, tone, color)}")
        lines += _lines(outcome, found, digits, width)
        lines += _advice(outcome, goes_on, digits)
    if page:
        lines += ["", f"All of it: {shown(page, 1000)}"]
    return "\n".join(lines) + "\n"


def _groups(result: Mapping[str, Any], conversions: Counter[str]) -> dict[str, dict[str, _Group]]:
    """By outcome and reason; ``conversions`` gets what became of those to TFLite."""
    found: dict[str, dict[str, _Group]] = {key: {} for key in _HEADS}
    for model in models_of(result):
        status = status_of(model)
        outcome = status if status in _HEADS else "done"
        key = (looked(model) or status) if outcome == "done" else group_of(model)
        if conversion := tflite_of(model):
            known = conversion in conversions or len(conversions) < _GROUPS
            conversions[conversion if known else "other"] += 1
        found[outcome].setdefault(key, _Group()).add(text_of(model.get("name")))
    return found


def _headline(counts: Mapping[str, int], run: Mapping[str, Any]) -> str:
    total, done = sum(counts.values()), counts["done"]
    unfinished = count(run.get("unfinished"))
    models = "1 model" if total == 1 else f"{total:,} models"
    if not total:
        text = "No model was brought through."
    elif done == total:
        text = f"All of {models} done." if total > 1 else "1 model, done."
    else:
        text = f"{done:,} of {models} done, {total - done:,} not."
    if run.get("interrupted") is True:
        text += " Interrupted" + (f" with {unfinished:,} to go." if unfinished else ".")
    elif unfinished:
        text += f" {unfinished:,} more were not begun."
    return text


def _measures(totals: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[str]:
    """Time and size, as far as they are known."""
    wall, work = amount(run.get("seconds")), amount(as_object(totals.get("seconds")).get("total"))
    sizes = as_object(totals.get("bytes"))
    before, after = count(sizes.get("source_of_results")), count(sizes.get("results"))
    parts = []
    if wall:
        ran = count(run.get("ran"))
        rate = f", {60 * ran / wall:,.1f} models a minute" if ran > 1 else ""
        parts.append(f"{duration(wall)} with {_slots(count(run.get('jobs')))}{rate}")
    elif work:
        parts.append(f"{duration(work)} of work")
    if earlier := count(run.get("kept")) + count(run.get("others")):
        parts.append(f"{earlier:,} from before")
    if before and after:
        parts.append(f"{size(before)} before, {size(after)} after")
    if parts:
        yield "; ".join(parts)


def _conversions(found: Counter[str], totals: Mapping[str, Any]) -> Iterator[str]:
    if not found:
        return
    words = {**TFLITE, **_TFLITE}
    parts = [
        f"{number:,} {words.get(key) or shown(key.replace('_', ' '), 40)}"
        for key, number in found.most_common()
    ]
    bytes_ = count(as_object(totals.get("bytes")).get("tflite"))
    why = "; the models' pages say why" if "unverified" in found or "failed" in found else ""
    yield f"TFLite: {', '.join(parts)}{f' ({size(bytes_)})' if bytes_ else ''}{why}"


def _filled(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, max(width, 60), subsequent_indent=indent, break_on_hyphens=False)


def _slots(jobs: int) -> str:
    return "1 job" if jobs < 2 else f"{jobs:,} jobs"


def _lines(outcome: str, found: Mapping[str, _Group], digits: int, width: int) -> Iterator[str]:
    order = [*_DONE, *(key for key in found if key not in _DONE)]
    if outcome != "done":
        order = sorted(found, key=lambda key: -found[key].models)
    keys = [key for key in order if key in found]
    for key in keys[:_GROUPS]:
        group = found[key]
        text = _DONE.get(key, key) if outcome == "done" else _title(outcome, key)
        if outcome != "done":
            more = group.models - len(group.names)
            text += f": {', '.join(shown(name, 60) for name in group.names)}"
            text += f" and {more:,} more" if more else ""
        room = " " * (2 * digits + 4)
        yield textwrap.fill(
            f"{group.models:,} {text}",
            max(width, 60),
            initial_indent=" " * (2 * digits + 2 - len(f"{group.models:,}")),
            subsequent_indent=room,
            break_on_hyphens=False,
        )
    if len(keys) > _GROUPS:
        rest = sum(found[key].models for key in keys[_GROUPS:])
        yield f"{' ' * (digits + 2)}... and {rest:,} for {len(keys) - _GROUPS} more reasons"


def _title(outcome: str, key: str) -> str:
    told: About = about(outcome, key)
    code = f" ({shown(key)})" if outcome == BLOCKED and key else ""
    return told.title + code


def _advice(outcome: str, goes_on: Mapping[str, str], digits: int) -> Iterator[str]:
    """How to go on, in a line of its own to copy."""
    indent = " " * (digits + 2)
    if outcome == NEEDS_DECISION:
        yield f"{indent}The page holds the entries to put into decided.yaml. Then:"
        yield f"{indent}  {goes_on[NEEDS_DECISION]}"
    elif outcome == BLOCKED:
        yield f"{indent}`migrator explain CODE` says why, and what would help"
    elif outcome == FAILED:
        yield f"{indent}Once the causes are dealt with:"
        yield f"{indent}  {goes_on[FAILED]}"
