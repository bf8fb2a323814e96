"""What a rule is: a short function with its metadata and one docstring that tells all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migrator.auditing.finding import Severity

if TYPE_CHECKING:
    from migrator.auditing.contents.bodies import Place
    from migrator.auditing.subject import Subject

HEADINGS = ("What it detects", "Why it matters", "How to fix", "Limits")
FAMILIES = {
    "security": "S",
    "blocker": "B",
    "warning": "W",
    "health": "H",
}
"""Family -> the letter that its codes begin with."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Issue:
    """What a rule yields. What it leaves out, the engine takes from the rule."""

    message: str
    """One sentence. Names of the model stand in it as they are: reports escape them."""
    place: Place | None = None
    """The node; None for what concerns the source, or ``meta_graph``, as a whole."""
    meta_graph: str = ""
    """Tags, where there is no ``place``."""
    attr: str = ""
    severity: Severity | None = None
    confidence: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """JSON values. ``op`` and ``reached`` of a place are put in by the engine. With ``nodes``
    or ``functions`` (the first names of many), ``place`` is only one of them and tells no issue
    from another."""
    fix: str = ""
    key: str = ""
    """What tells it from another issue of the rule at the same place (a path, an URL)."""


Check = Callable[["Subject"], Iterator[Issue]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """A check with everything that is known of it without running it."""

    code: str
    name: str
    severity: Severity
    """The usual one; an issue may carry its own."""
    confidence: str
    family: str
    looks_at: tuple[str, ...]
    """Ops, or parts of a model in words."""
    since: str
    deep: bool
    """Reads weights, so it runs only when asked for."""
    title: str
    """The docstring's first line."""
    sections: Mapping[str, str]
    """Heading -> text, all of ``HEADINGS``."""
    check: Check

    @property
    def fix(self) -> str:
        """The remedy in short: the first sentence of *How to fix*."""
        text = self.sections["How to fix"]
        return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


def rule(
    *,
    code: str,
    name: str,
    severity: Severity,
    family: str,
    looks_at: Iterable[str],
    since: str,
    confidence: str = "high",
    deep: bool = False,
) -> Callable[[Check], Rule]:
    """Make a check a rule; its docstring has a first line and all of ``HEADINGS``.

    Raises ValueError for a docstring or metadata that do not fit: a fault of the rule's author.
    """
    if not re.fullmatch(rf"{FAMILIES[family]}\d{{3}}", code):
        raise ValueError(f"{code}: a {family} rule's code is {FAMILIES[family]} and three digits")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"{code}: {name!r} is not in kebab case")

    def decorate(check: Check) -> Rule:
        title, sections = parse_docstring(check.__doc__ or "", code)
        return Rule(
            code=code,
            name=name,
            severity=severity,
            confidence=confidence,
            family=family,
            looks_at=tuple(looks_at),
            since=since,
            deep=deep,
            title=title,
            sections=sections,
            check=check,
        )

    return decorate


def parse_docstring(text: str, code: str) -> tuple[str, dict[str, str]]:
    """First line, and the text under each of ``HEADINGS`` (``What it detects: ...``)."""
    lines = inspect.cleandoc(text).splitlines()
    title = lines[0].strip() if lines else ""
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines[1:]:
        head, colon, rest = line.partition(":")
        if colon and head in HEADINGS:
            current = sections.setdefault(head, [])
            line = rest
        if current is not None:
            current.append(line.strip())
    found = {head: "\n".join(part).strip() for head, part in sections.items()}
    missing = [head for head in HEADINGS if not found.get(head)]
    if missing or not title:
        raise ValueError(f"{code}: its docstring lacks {', '.join(missing) or 'a first line'}")
    return title, {head: _paragraphs(found[head]) for head in HEADINGS}


def _paragraphs(text: str) -> str:
    """Lines joined to paragraphs; an empty line keeps two apart."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
