"""What the name and the op of a node tell about its being an output."""

from __future__ import annotations

from migrator.inspection import vocabulary as words


def by_name_and_op(name: str, op: str) -> tuple[float, list[str]]:
    """What to add to the score of a node, and why."""
    score, reasons = 0.0, []
    word, judging = words.output_word(name), words.judging_word(name)
    if op in words.FINAL_OPS and word:
        judging = None  # "labels_softmax" are no labels to learn from
    if op in words.FINAL_OPS:
        score += 0.15
        reasons.append(f"{op} often ends a model")
    scope = words.judging_scope(name)
    doubtful = None if op in words.FINAL_OPS else words.doubtful_word(name)
    if judging or scope:
        score -= 0.5
        reasons.append(f"its name says {judging or scope!r}")
    elif doubtful:
        score -= 0.25
        reasons.append(f"its name says {doubtful!r}")
    elif words.is_given_name(name, op):
        score += 0.3
        reasons.append("somebody gave it its name")
    if word and not judging and not scope:
        score += 0.1
        reasons.append(f"its name says {word!r}")
    return score, reasons
