"""Reading an audit's JSON object: what its reports share."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from migrator.report.escape import shown
from migrator.report.json_v1 import Json

SEVERITIES = ("critical", "high", "medium", "low", "info")
VERDICTS = {
    "blocked": "blocked",
    "needs_you": "needs you",
    "ready_with_changes": "ready with changes",
    "ready": "ready",
    "unknown": "unknown",
}
"""Readiness in a word, the worst first."""
FORMATS = {
    "checkpoint": "checkpoint",
    "graph_def": "GraphDef",
    "graph_def_text": "text GraphDef",
    "hub_module": "hub module",
    "keras_h5": "Keras .h5",
    "keras_zip": "Keras .keras",
    "meta_graph": "MetaGraph",
    "meta_graph_text": "text MetaGraph",
    "saved_model": "SavedModel",
    "saved_model_text": "text SavedModel",
    "tflite": "TFLite",
}
_REACHED = {
    "load": "runs when the model is loaded",
    "restore": "runs when its variables are restored",
    "save": "runs when it is saved",
    "output": "runs for an output of the graph",
    "init": "gives variables and tables their first values",
    "train": "runs when it is trained",
    "nothing": "reached by nothing",
}
_MOST_NAMES = 3


def findings_by_source(result: Json) -> dict[str, list[Json]]:
    """Source -> its findings, in the order of the result (the worst first)."""
    found: dict[str, list[Json]] = defaultdict(list)
    for item in result["findings"]:
        found[item["location"]["source"]].append(item)
    return found


def worst_first(result: Json) -> list[Json]:
    """The models, those with the gravest findings first, then by readiness and path."""
    verdicts = list(VERDICTS)

    def key(model: Json) -> tuple[Any, ...]:
        counts = [-model["summary"][name] for name in SEVERITIES]
        verdict = verdict_of(model)
        rank = verdicts.index(verdict) if verdict in verdicts else len(verdicts)
        return (*counts[:3], rank, *counts[3:], model["source"])

    return sorted(result["models"], key=key)


def verdict_of(model: Json) -> str:
    """Key of its readiness, empty where there is none."""
    return str(model["readiness"]["verdict"]) if model["readiness"] else ""


def place_text(finding: Json, *, most: int = 200) -> str:
    """Where a finding lies in its model, escaped; empty for the model as a whole."""
    place, op = finding["location"], finding["detail"].get("op", "")
    parts = []
    if place["node"]:
        parts.append(f"node {shown(place['node'], most)}" + (f" ({shown(op)})" if op else ""))
    if place["attr"]:
        parts.append(f"attribute {shown(place['attr'], most)}")
    if place["function"]:
        parts.append(_body(place["function"], most))
    return ", ".join(parts)


def _body(label: str, most: int) -> str:
    holder, nested, inner = label.rpartition("!")
    if not nested:
        return f"in function {shown(label, most)}"
    graph = f"the graph inside of constant {shown(holder, most)}"
    return f"in function {shown(inner, most)} of {graph}" if inner else f"in {graph}"


def reached_text(finding: Json) -> str:
    """How a finding's place comes to run, in words, escaped; empty where that is not known."""
    words: list[str] = []
    named: dict[str, list[str]] = {}
    for item in map(str, finding["detail"].get("reached", ())):
        kind, colon, name = item.partition(":")
        if colon and kind in ("signature", "call", "gradient"):
            named.setdefault(kind, []).append(shown(name, 80))
        else:
            words.append(_REACHED.get(item, shown(item, 80)))
    titles = {"signature": "reached from signature", "call": "called as", "gradient": "gradient of"}
    for kind, names in named.items():
        more = len(names) - _MOST_NAMES
        tail = f" and {more} more" if more > 0 else ""
        words.append(f"{titles[kind]} {', '.join(names[:_MOST_NAMES])}{tail}")
    return "; ".join(words)


def counted(count: int, noun: str) -> str:
    """``1 model``, ``1,000 models``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def sentence(text: str) -> str:
    """``text`` with a capital at its start, unless that is a name such as ``float64``."""
    return text[:1].upper() + text[1:] if text.split(" ", 1)[0].rstrip(",").isalpha() else text
