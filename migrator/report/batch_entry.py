"""An open question as a manifest's entry: what the options to paste say, in YAML.

As ``batch --plan`` has it: what is open is a comment, to take in.

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
_MOST_READ = 100
"""Candidates of one role that are looked at."""
_MOST_TEXT = 400
_MOST_NOTE = 100
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
    """Lines of YAML, not indented. What the rules are sure of is plain, all else a comment.

    Always reads back: a tensor stands there once, and no guess is taken for an answer.
    """
    lists: dict[str, dict[str, str]] = {}
    single: dict[str, dict[str, None]] = {}
    rest: dict[str, None] = {}
    told = strings(decision.get("options"))
    for name, value in _options(told[:_MOST_LINES]):
        if name in _LISTS and value:
            full = value if ":" in value or name == "--feed" else f"{value}:0"
            lists.setdefault(_LISTS[name], {}).setdefault(full, value)
        elif name in _SINGLE and value:
            single.setdefault(_SINGLE[name], {})[value] = None
        else:
            rest[f"{name} {value}".strip()] = None
    sure = _Sure(decision, lists)
    lines = []
    for key, values in lists.items():
        lines.append(f"{key}:")
        for full, value in values.items():
            off = "" if sure.has(key, full) and _is_whole(value) else "# "
            lines.append(f"  {off}- {_quoted(value)}{sure.note(value)}")
    for key, some in single.items():
        lines += [f"# {key}: [{_quoted(value)}]" for value in some]
    lines += [f"# {shown(text, _MOST_TEXT)}" for text in rest]
    more = len(told) - _MOST_LINES
    return [*lines, f"# and {more:,} more"] if more > 0 else lines


class _Sure:
    """Which endpoints the rules are sure of, by their scores, and what they say of each."""

    def __init__(self, decision: Mapping[str, Any], asked: Mapping[str, Iterable[str]]) -> None:
        from migrator.inspection.outputs import ACCEPT

        self._notes: dict[str, str] = {}
        self._sure: set[str] = set()
        for item in _all_candidates(decision):
            if (item.score or 0) >= ACCEPT:
                self._sure.add(item.text)
            self._notes.setdefault(item.text, _note(item))
        # Other outputs may need other inputs, so these are open as long as one output is.
        self._inputs = self._sure.issuperset(asked.get("outputs", ()))

    def has(self, key: str, tensor: str) -> bool:
        """A value to feed, an inner node's or an output that may be left over is never sure."""
        if "=" in tensor or key == "feeds" or (key == "inputs" and not self._inputs):
            return False
        return tensor in self._sure

    def note(self, value: str) -> str:
        """A comment that ends the line."""
        if value.endswith("=VALUE"):
            return "  # its value is for you to say"
        note = self._notes.get(value) or self._notes.get(value.rpartition("=")[0], "")
        return f"  # {shown(note, _MOST_NOTE)}" if note else ""


def entry(name: str, source: str, lines: Iterable[str]) -> str:
    """One entry of the manifest's list of models."""
    head = [f"- name: {_quoted(name)}", f"  source: {_quoted(source)}"]
    return "\n".join([*head, *(f"  {line}" for line in lines)]) + "\n"


def _note(item: Candidate) -> str:
    """Type and reasons, as many as a line has room for."""
    note = item.type
    for why in item.why.split("; "):
        longer = f"{note}; {why}" if note and why else note + why
        if len(longer) > _MOST_NOTE:
            break
        note = longer
    return note


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


def _is_whole(text: str) -> bool:
    """Whether ``_quoted`` tells all of it, and a name may hold what it tells."""
    try:
        text.encode()
        return "\0" not in text and json.loads(_quoted(text)) == text
    except ValueError:
        return False


def candidates(decision: Mapping[str, Any]) -> list[Candidate]:
    """The candidates, as a list, or lists by role; each once, with its best score."""
    best: dict[tuple[str, str], Candidate] = {}
    for item in _all_candidates(decision):
        before = best.get((item.role, item.text))
        if before is None or (item.score or 0) > (before.score or 0):
            best[item.role, item.text] = item
    return list(best.values())[:_MOST_CANDIDATES]


def _all_candidates(decision: Mapping[str, Any]) -> Iterable[Candidate]:
    told = decision.get("candidates")
    by_role = told.items() if isinstance(told, Mapping) else [("", told)]
    for role, items in by_role:
        if isinstance(items, (list, tuple)):
            for item in items[:_MOST_READ]:
                yield _candidate(word(role).removesuffix("s"), item)


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
