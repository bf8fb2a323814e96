"""Lines about what lies around the nodes: who is called what, what waits, what is loaded."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.diffing.result import CHANGED, REWIRED
from migrator.diffing.telling.facts import Facts
from migrator.diffing.telling.reasons import runs_at_load

_MOST = 4


def around_lines(facts: Facts) -> Iterator[str]:
    """What makes two graphs with the same nodes another computation."""
    if facts.verdict.is_same:
        return
    for item in facts.diff.signatures:
        for word in ("input", "output"):
            names = [
                change.field.removeprefix(f"{word} ").removesuffix(" tensor")
                for change in item.changes
                if change.field.startswith(f"{word} ") and change.field.endswith(" tensor")
            ]
            if names:
                yield f"signature {item.key}: {word} {_some(names)} of another tensor"
    assets = [
        item.field.removeprefix("asset ")
        for item in facts.diff.others
        if item.field.startswith("asset ") and not item.field.endswith(" lines that differ")
    ]
    if assets:
        yield f"other content: {_some(assets)}"
    if any(item.field == "runs at load" for item in facts.diff.others):
        yield "another op runs when the model is loaded"
    elif any(
        item.kind in (CHANGED, REWIRED) and not item.why and runs_at_load(item, facts.both)
        for item in facts.diff.nodes
    ):
        yield "what runs when the model is loaded changed"
    waiting = sum(
        item.kind == REWIRED
        and not item.why
        and any(change.field == "control inputs" for change in item.changes)
        for item in facts.diff.nodes
    )
    if waiting:
        nouns = "1 node waits" if waiting == 1 else f"{waiting:,} nodes wait"
        yield f"{nouns} for others than before"


def _some(names: list[str]) -> str:
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more:,} more" if more > 0 else "")
