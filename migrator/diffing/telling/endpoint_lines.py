"""What a headline says of inputs, outputs and signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from migrator.diffing.changes.nodes import SHAPED
from migrator.diffing.result import NodeChange
from migrator.diffing.telling.facts import Facts

_MOST_INPUTS = 3


def endpoint_lines(facts: Facts) -> Iterator[str]:
    """Inputs and outputs under other names, or fewer and more of them."""
    if "names" in facts.diff.ignored or facts.record is not None:
        return  # a migration's signature keeps the names that matter
    named = [item for item in facts.diff.nodes if item.left and item.right]
    by_left = {item.left: item for item in named}
    outputs = []
    for name, _ in facts.outputs.left if by_left else ():
        change = by_left.get(name)
        fields = () if change is None else tuple(item.field for item in change.changes)
        if change is not None and "name" in fields:
            outputs.append(_locals(facts, change))
    if outputs:
        yield _renamed_words("output", outputs)
    inputs = [
        _locals(facts, item)
        for item in named
        if item.op.startswith("Placeholder")
        and any(change.field == "name" for change in item.changes)
    ]
    if inputs and len(inputs) <= 8:
        yield _renamed_words("input", inputs)
    for item in facts.diff.signatures:
        left_has = bool(facts.both.left.meta.signatures)
        right_has = bool(facts.both.right.meta.signatures)
        if left_has and right_has and item.kind in ("added", "removed", "renamed"):
            yield f"signature {item.key} {item.kind}"


def input_shape_lines(facts: Facts) -> Iterator[str]:
    """Inputs that are of another shape: they limit what a model can be fed."""
    if facts.record is not None:
        return
    texts: dict[str, None] = {}
    for item in facts.diff.nodes:
        if item.left in facts.both.left.home or item.op not in SHAPED:
            continue
        for change in item.changes:
            if change.field == "shape":
                sizes = f"{_size(change.left)} -> {_size(change.right)}"
                texts[f"input {facts.both.left.local(item.left)}: {sizes}"] = None
    if len(texts) > _MOST_INPUTS:
        yield f"{len(texts):,} inputs of another shape"
    else:
        yield from texts


def _size(dims: Any) -> str:
    """``?x32x32x3``."""
    if not isinstance(dims, list):
        return "any shape"
    return "x".join("?" if item is None else str(item) for item in dims) or "scalar"


def _locals(facts: Facts, item: NodeChange) -> tuple[str, str]:
    return facts.both.left.local(item.left), facts.both.right.local(item.right)


def _renamed_words(word: str, pairs: list[tuple[str, str]]) -> str:
    names = sorted({left for left, _ in pairs} & {right for _, right in pairs})
    if len(names) > 1:
        return f"{word}s {', '.join(names[:-1])} and {names[-1]} are exchanged"
    if names:
        return f"{word} {names[0]} is another one now"
    if len(pairs) == 1:
        return f"{word} renamed: {pairs[0][0]} is {pairs[0][1]} now"
    return f"{len(pairs)} {word}s renamed"
