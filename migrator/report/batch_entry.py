"""An open question as a manifest's entry: what the options to paste say, in YAML.

Only what stands after ``name`` and ``source``: models with the same question share it. A YAML text
in double quotes is one in JSON, so that nothing in a name can act.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.report.batch_parts import as_object, strings, text_of, word
from migrator.report.escape import shown

_LISTS = {"--input": "inputs", "--output": "outputs", "--feed": "feeds"}
_SINGLE = {"--tag-set": "tag_set", "--signature": "signatures"}
_MOST_LINES = 60
_MOST_CANDIDATES = 40
_MOST_TEXT = 400
_REASONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of several answers. What is not known is empty."""

    text: str
    """Mostly a tensor."""
    role: str = ""
    """``input``, ``output``, ..."""
    type: str = ""
    """Type and shape."""
    score: float | None = None
    why: str = ""


def entry_lines(decision: Mapping[str, Any]) -> list[str]:
    """Lines of YAML, not indented; a choice among several leaves the others as comments."""
    lists: dict[str, list[str]] = {}
    single: dict[str, list[str]] = {}
    rest: list[str] = []
    for name, value in _options(strings(decision.get("options"))[:_MOST_LINES]):
        if name in _LISTS and value:
            lists.setdefault(_LISTS[name], []).append(value)
        elif name in _SINGLE and value:
            single.setdefault(_SINGLE[name], []).append(value)
        else:
            rest.append(f"{name} {value}".strip())
    lines = []
    for key, values in lists.items():
        lines.append(f"{key}:")
        lines += [f"  - {_quoted(value)}{_note(value)}" for value in values]
    for key, (first, *others) in single.items():
        lines.append(f"{key}: [{_quoted(first)}]")
        lines += [f"# {key}: [{_quoted(value)}]" for value in others]
    lines += [f"# {shown(text, _MOST_TEXT)}" for text in rest]
    return lines


def entry(name: str, source: str, lines: Iterable[str]) -> str:
    """One entry of the manifest's list of models."""
    head = [f"- name: {_quoted(name)}", f"  source: {_quoted(source)}"]
    return "\n".join([*head, *(f"  {line}" for line in lines)]) + "\n"


def _options(texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    """(option, value) of each option to paste; what is no option has an empty value."""
    for text in texts:
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if not words or not words[0].startswith("--"):
            yield text, ""
            continue
        at = 0
        while at < len(words):
            name, equals, value = words[at].partition("=")
            at += 1
            if not equals and at < len(words):
                value = words[at]
                at += 1
            yield name, value


def _quoted(text: str) -> str:
    return shown(json.dumps(text, ensure_ascii=False), 4 * _MOST_TEXT)


def _note(value: str) -> str:
    return "  # its value is for you to say" if value.endswith("=VALUE") else ""


def candidates(decision: Mapping[str, Any]) -> list[Candidate]:
    """The candidates, as a list, or lists by role."""
    told = decision.get("candidates")
    by_role = told.items() if isinstance(told, Mapping) else [("", told)]
    found = [
        _candidate(word(role).removesuffix("s"), item)
        for role, items in by_role
        if isinstance(items, (list, tuple))
        for item in items[:_MOST_CANDIDATES]
    ]
    return found[:_MOST_CANDIDATES]


def _candidate(role: str, value: Any) -> Candidate:
    if not isinstance(value, Mapping):
        return Candidate(text=text_of(value)[:_MOST_TEXT], role=role)
    item = as_object(value)
    shape, score, why = item.get("shape"), item.get("score"), item.get("reasons")
    dims = "" if not isinstance(shape, list) else _shape(shape)
    return Candidate(
        text=(word(item.get("tensor"), _MOST_TEXT) or word(item.get("text"), _MOST_TEXT)),
        role=word(item.get("role")) or role,
        type=f"{word(item.get('dtype'))} {dims}".strip(),
        score=score if isinstance(score, float) and 0 <= score <= 1 else None,
        why="; ".join(strings(why)[:_REASONS])[:_MOST_TEXT] or word(item.get("why"), _MOST_TEXT),
    )


def _shape(dims: list[Any]) -> str:
    return f"[{', '.join('?' if dim is None else text_of(dim)[:20] for dim in dims[:12])}]"
