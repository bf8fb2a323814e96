"""The result of ``migrator audit`` as text: by model, worst first, then the whole tree."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from migrator.report.audit_parts import (
    FORMATS,
    SEVERITIES,
    VERDICTS,
    counted,
    findings_by_source,
    verdict_of,
    worst_first,
)
from migrator.report.colors import paint
from migrator.report.escape import shown
from migrator.report.json_v1 import Json
from migrator.report.text_audit_model import Style, model_text

_NARROWEST, _WIDEST = 60, 120
_FEW = 5
"""So many models are shown with everything but what is ``info``."""
_MODELS = 20
"""Models whose findings are shown, the worst, where there are more."""
_ROWS = 40
_SKIPPED = 10
_ALIKE = 3
"""From so many sources on that one reason keeps from being audited, they are told in one line."""
_NAMES = 3
"""Sources that such a line names."""
_OTHERS = 60
"""Columns of the table beside the model's, without format and info."""
_FORMAT = 16


def audit_text(result: Json, *, verbose: int = 0, color: bool = False, width: int = 100) -> str:
    """A result for the terminal, ``width`` columns wide.

    ``verbose`` 1 folds nothing, 2 adds fingerprints. Names are escaped; without ``color`` there
    is no control character in it but the line feed.
    """
    models = worst_first(result)
    style = _style(result, verbose, color, max(_NARROWEST, min(width, _WIDEST)))
    parts = [*_models(result, models, style)]
    if len(models) > 1:
        parts += [_remedies(result, style), _table(models, style)]
    parts += [_skipped(result["skipped"], style), "\n".join(_closing(result, style))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _style(result: Json, verbose: int, color: bool, width: int) -> Style:
    count = len(result["models"])
    folded = set() if verbose else {"info"} if count <= _FEW else {"info", "low"}
    return Style(
        width=width,
        verbose=verbose,
        color=color,
        rules=result["rules"],
        most=5 if count <= _FEW else 3,
        folded=frozenset(folded),
        later=count > 1,
        nothing="nothing new" if result["accepted"] else "nothing found",
    )


def _models(result: Json, models: Sequence[Json], style: Style) -> Iterator[str]:
    found = findings_by_source(result)
    if len(models) == 1:
        yield model_text(models[0], found[models[0]["source"]], style)
        return
    loud = [model for model in models if style.verbose or _is_loud(model, style)]
    groups = _alike(loud, found, style)
    listed = groups if style.verbose else groups[:_MODELS]
    for model, *others in listed:
        text = model_text(model, found[model["source"]], style)
        yield "\n\n".join(filter(None, (text, _same(others, style))))
    lines = []
    if len(groups) > len(listed):
        more = counted(len(loud) - sum(map(len, listed)), "more model")
        lines.append(f"... and {more} with findings or decisions: -v shows them")
    quiet = [model for model in models if not _is_loud(model, style)]
    clean = sum(not any(model["summary"].values()) for model in quiet)
    if clean and not style.verbose:
        lines.append(f"{counted(clean, 'more model' if listed else 'model')}: {style.nothing}")
    if len(quiet) > clean and not style.verbose:
        above = "info" if "low" not in style.folded else "low"
        count = counted(len(quiet) - clean, "model")
        lines.append(f"{count}: nothing above {above}: -v shows what it is")
    if lines:
        yield "\n".join(lines)


def _is_loud(model: Json, style: Style) -> bool:
    """Worth a paragraph in a list of many."""
    told = any(model["summary"][item] for item in SEVERITIES if item not in style.folded)
    return told or verdict_of(model) in ("blocked", "needs_you")


def _alike(models: Sequence[Json], found: dict[str, list[Json]], style: Style) -> list[list[Json]]:
    """Models of which the same is to be told, such as the checkpoints of one training."""
    if style.verbose:
        return [[model] for model in models]
    groups: dict[str, list[Json]] = {}
    for model in models:
        items = found[model["source"]]
        told = [
            (item["severity"], item["message"], {**item["location"], "source": ""}, item["fix"])
            for item in items
            if item["severity"] not in style.folded
        ]
        folded = Counter(item["code"] for item in items if item["severity"] in style.folded)
        readiness = model["readiness"]
        key = json.dumps([told, sorted(folded.items()), readiness], sort_keys=True)
        groups.setdefault(key, []).append(model)
    return list(groups.values())


def _same(models: Sequence[Json], style: Style) -> str:
    if not models:
        return ""
    names = _first([model["source"] for model in models])
    return style.fill(f"The same holds for {names}", 2)


def _first(sources: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(sources) - _NAMES
    tail = f" and {more:,} more" if more > 0 else ""
    return ", ".join(map(shown, sources[:_NAMES])) + tail


def _remedies(result: Json, style: Style) -> str:
    """Each rule with its remedy once, for all models."""
    findings: dict[str, int] = {}
    models: dict[str, set[str]] = {}
    worst: dict[str, int] = {}
    for item in result["findings"]:
        code = item["code"]
        findings[code] = findings.get(code, 0) + 1
        models.setdefault(code, set()).add(item["location"]["source"])
        worst[code] = min(worst.get(code, len(SEVERITIES)), SEVERITIES.index(item["severity"]))
    lines = []
    for code in sorted(worst, key=lambda item: (worst[item], -len(models[item]), item)):
        severity, rule = SEVERITIES[worst[code]], result["rules"].get(code)
        if rule is None or (severity == "info" and not style.verbose):
            continue
        count = f"{counted(findings[code], 'finding')} in {counted(len(models[code]), 'model')}"
        word = paint(severity, severity, style.color)
        lines.append(f"  {word} {code} {shown(rule['name'])}: {count}")
        lines.append(style.fill(shown(rule["fix"], 600), 4))
    if not lines:
        return ""
    return "\n".join([paint("What to do", "title", style.color), *lines])


def _table(models: Sequence[Json], style: Style) -> str:
    """One line a model, and their sum."""
    from tabulate import tabulate

    listed = models if style.verbose else models[:_ROWS]
    base = _common_folder([model["source"] for model in models])
    is_wide = style.width >= 100
    columns = [item for item in SEVERITIES if item != "info" or (style.verbose and is_wide)]
    names = [shown(_name(model, base), 1000) for model in listed]
    room = style.width - _OTHERS - 8 * (len(columns) - 4)
    heads = ["model", "readiness"]
    if style.width >= _WIDEST or max(map(len, names)) <= room - _FORMAT:
        heads.insert(1, "format")
        room -= _FORMAT
    rows = []
    for model, name in zip(listed, names, strict=True):
        cells = {
            "model": _short(name, room),
            "format": FORMATS.get(model["format"], shown(model["format"], 20)),
            "readiness": _verdict(model, style),
        }
        counts = (_count(model["summary"][item], item, style) for item in columns)
        rows.append([*(cells[head] for head in heads), *counts])
    if len(models) > len(listed):
        rows.append([f"... {len(models) - len(listed):,} more (-v)"])
    sums = (f"{sum(model['summary'][item] for model in models):,}" for item in columns)
    rows.append([f"total of {len(models):,}", *[""] * (len(heads) - 1), *sums])
    text = tabulate(
        rows,
        headers=[*heads, *columns],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["left"] * len(heads) + ["right"] * len(columns),
    )
    title = f"Models in {shown(base)}" if base else "Models"
    body = (f"  {line}".rstrip() for line in text.splitlines())
    return "\n".join([paint(title, "title", style.color), *body])


def _verdict(model: Json, style: Style) -> str:
    verdict = verdict_of(model)
    return paint(VERDICTS.get(verdict, shown(verdict)), verdict, style.color)


def _count(count: int, severity: str, style: Style) -> str:
    return paint(f"{count:,}", severity, style.color) if count else ""


def _common_folder(sources: Sequence[str]) -> str:
    """The folder that all lie in, with its last slash; empty where there is none to speak of."""
    if len({os.path.isabs(item) for item in sources}) > 1:
        return ""
    folder = os.path.commonpath([os.path.dirname(item) for item in sources])
    return "" if folder in ("", "/") else f"{folder}/"


def _name(model: Json, base: str) -> str:
    """A SavedModel is named by its folder."""
    name = model["source"].removeprefix(base)
    return str(name.removesuffix("/saved_model.pb"))


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word.replace("needs", "need")


def _short(text: str, most: int) -> str:
    """The end of a path tells the most."""
    return text if len(text) <= most else "..." + text[len(text) - most + 3 :]


def _skipped(items: Sequence[Json], style: Style) -> str:
    if not items:
        return ""
    lines = [paint(f"Not audited ({len(items):,})", "title", style.color)]
    groups: dict[tuple[str, ...], list[Json]] = {}
    for item in items:
        groups.setdefault((item["rule"], item["reason"]), []).append(item)
    told: list[list[Json]] = []
    for item in items:
        group = groups[item["rule"], item["reason"]]
        if style.verbose or len(group) < _ALIKE:
            told.append([item])
        elif item is group[0]:
            told.append(group)
    listed = told if style.verbose else told[:_SKIPPED]
    for first, *others in listed:
        rule = f" (rule {shown(first['rule'])})" if first["rule"] else ""
        reason = shown(first["reason"], 600)
        if others:
            names = _first([item["source"] for item in (first, *others)])
            text = f"{len(others) + 1:,} alike{rule}: {reason}: {names}"
        else:
            text = f"{shown(first['source'])}{rule}: {reason}"
        lines.append(style.fill(text, 4, first="- "))
    if len(told) > len(listed):
        more = len(items) - sum(map(len, listed))
        lines.append(f"    ... and {more:,} more: -v shows all")
    return "\n".join(lines)


def _closing(result: Json, style: Style) -> Iterator[str]:
    """The sums in a sentence or three."""
    models = result["models"]
    if not models:
        yield "No model was audited."
    if len(models) > 1:
        verdicts = [
            f"{count:,} {paint(_plural(word, count), key, style.color)}"
            for key, word in VERDICTS.items()
            if (count := result["readiness"].get(key, 0))
        ]
        counts = [
            f"{count:,} {paint(key, key, style.color)}"
            for key in SEVERITIES
            if (count := result["summary"][key])
        ]
        yield f"{counted(len(models), 'model')}: {', '.join(verdicts) or 'no verdicts'}"
        yield f"{counted(len(result['findings']), 'finding')}: {', '.join(counts) or 'none'}"
    if result["accepted"]:
        count = counted(result["accepted"], "finding")
        yield f"{count} kept back by the baseline or an ignore rule"
    if dangerous := _dangerous(result):
        which = "model" if dangerous == 1 else f"{dangerous:,} models"
        which = f"the {which} with critical or high security findings" if len(models) > 1 else "it"
        text = f"Neither run nor migrate {which} before you know why: migrating runs a model"
        yield style.fill(text, 0)
    if any(result["summary"][key] for key in SEVERITIES if key not in style.folded):
        yield "`migrator explain CODE` tells more of a rule"


def _dangerous(result: Json) -> int:
    """Models with a security finding that is high or critical."""
    grave = (
        item["location"]["source"]
        for item in result["findings"]
        if item["family"] == "security" and item["severity"] in ("critical", "high")
    )
    return len(set(grave))
