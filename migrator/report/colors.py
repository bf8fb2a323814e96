"""Colours of a terminal, for what a report wants to stand out; nothing where none are wanted."""

from __future__ import annotations

_CODES = {
    "critical": "1;31",
    "high": "31",
    "medium": "33",
    "low": "36",
    "info": "2",
    "blocked": "31",
    "needs_you": "33",
    "ready_with_changes": "32",
    "ready": "32",
    "unknown": "2",
    "title": "1",
    "faint": "2",
}


def paint(text: str, kind: str, color: bool) -> str:
    """``text`` in the colour of a severity, a verdict, ``title`` or ``faint``."""
    code = _CODES.get(kind, "")
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text
