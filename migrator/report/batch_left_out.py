"""What a batch's sources hold and no model is: the files, and of what kinds they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrator.report.batch_parts import as_object, count, text_of
from migrator.report.escape import shown

_MOST = 1000
_MOST_KINDS = 6
_MOST_WORD = 40
_MOST_TEXT = 600
# By what stands in a reason: the word for one file, and for several.
_KINDS = (
    (re.compile(r"\bTFLite\b"), "TFLite", "TFLite"),
    (re.compile(r"\bgraph as text\b"), "text graph", "text graphs"),
    (re.compile(r"\bas text\b"), "text twin", "text twins"),
    (
        re.compile(r"\bweights without a (graph|model)\b"),
        "file of weights alone",
        "files of weights alone",
    ),
    (
        re.compile(r"\bresults? of (a|an earlier) batch\b"),
        "result of a batch",
        "results of a batch",
    ),
    (re.compile(r"\bis a text file\b"), "text file", "text files"),
    (re.compile(r"\bcannot be (read|opened|listed)\b"), "unreadable", "unreadable"),
    (re.compile(r"\bis not a model\b"), "other file", "other files"),
)
_HEAD = re.compile(r"(?:is |an? )*([^;:,'\"(\n]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Files that are nothing to migrate; ``files`` are the first of ``count``."""

    count: int
    files: tuple[tuple[str, str, str], ...]
    """(source, kind, reason) each; kinds in the singular."""

    def line(self, where: str = "") -> str:
        """``16 left out: 9 TFLite, 4 text graphs; where``; empty where there is nothing."""
        if not self.count:
            return ""
        kinds = Counter(kind for _, kind, _ in self.files).most_common()
        parts = [f"{number:,} {_several(kind, number)}" for kind, number in kinds[:_MOST_KINDS]]
        rest = self.count - sum(number for _, number in kinds[:_MOST_KINDS])
        if parts and rest:
            parts.append(f"{rest:,} more")
        told = f": {', '.join(parts)}" if parts else ""
        return f"{self.count:,} left out{told}{f'; {where}' if where else ''}"


def left_out(run: Mapping[str, Any]) -> LeftOut:
    """What ``run`` says of it; texts are escaped, what is not as expected is left out."""
    told = run.get("skipped")
    items = map(as_object, told[:_MOST]) if isinstance(told, list) else ()
    files = tuple(
        (shown(text_of(item["source"]), _MOST_TEXT), kind_of(reason), shown(reason, _MOST_TEXT))
        for item in items
        if "source" in item
        for reason in (text_of(item.get("reason"))[: 4 * _MOST_TEXT],)
    )
    listed = len(told) if isinstance(told, list) and files else 0
    return LeftOut(count=max(count(run.get("left_out")), listed), files=files)


def kind_of(reason: str) -> str:
    """A word or a few for a reason, whatever it says; escaped."""
    for pattern, word, _ in _KINDS:
        if pattern.search(reason):
            return word
    head = _HEAD.match(reason.strip())
    return shown(head[1].strip() if head else "", _MOST_WORD) or "for other reasons"


def _several(kind: str, number: int) -> str:
    words = {one: many for _, one, many in _KINDS}
    return kind if number == 1 else words.get(kind, kind)
