"""Patterns for paths, as ``exclude`` and ``per-path-ignores`` take them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache


class PathGlobs:
    """Patterns that a path is held against.

    A pattern without ``/`` fits a name at any depth (``*.meta``, ``old``). One with ``/`` fits a
    whole path, taken from the working directory unless it is absolute; ``*`` and ``?`` stop at a
    ``/``, ``**`` does not. What fits a folder fits all that is in it.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._names: list[re.Pattern[str]] = []
        self._paths: list[re.Pattern[str]] = []
        for pattern in patterns:
            text = pattern.rstrip("/") or "/"
            if "/" not in text:
                self._names.append(_compiled(text))
                continue
            whole = text if text.startswith("/") else f"{literal(os.getcwd())}/{text}"
            self._paths.append(_compiled(re.sub(r"/(\./)+", "/", whole)))

    def __bool__(self) -> bool:
        return bool(self._names or self._paths)

    def fits_name(self, name: str) -> bool:
        """Whether a pattern without ``/`` fits one name."""
        return any(item.fullmatch(name) for item in self._names)

    def fits_path(self, path: str) -> bool:
        """Whether a pattern with ``/`` fits the path or a folder that it lies in."""
        if not self._paths:
            return False
        whole = os.path.abspath(path)
        while True:
            if any(item.fullmatch(whole) for item in self._paths):
                return True
            above = os.path.dirname(whole)
            if above == whole:
                return False
            whole = above

    def fits(self, path: str) -> bool:
        """Whether any pattern fits the path as it is written, or a folder in it."""
        names = [name for name in path.split("/") if name not in ("", ".", "..")]
        return any(map(self.fits_name, names)) or self.fits_path(path)


def literal(path: str) -> str:
    """A pattern that fits ``path`` and nothing else."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def anchored(pattern: str, folder: str) -> str:
    """A pattern with ``/`` that was written in ``folder``, fit for any working directory."""
    if "/" not in pattern.rstrip("/") or pattern.startswith("/"):
        return pattern
    return f"{literal(os.path.abspath(folder)).rstrip('/')}/{pattern}"


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        end = pattern.find("]", at + 2) if char == "[" else -1
        if pattern.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        elif char == "*":
            parts.append("[^/]*")
            at += 1
        elif char == "?":
            parts.append("[^/]")
            at += 1
        elif end > 0:
            inner = pattern[at + 1 : end]
            negated = inner[0] in "!^" and len(inner) > 1
            body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner[1:] if negated else inner)
            parts.append(f"[{'^' if negated else ''}{body}]")
            at = end + 1
        else:
            parts.append(re.escape(char))
            at += 1
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:  # a range that runs backwards: then it is no range
        return re.compile(re.escape(pattern), re.DOTALL)
