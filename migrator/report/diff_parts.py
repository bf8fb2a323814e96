"""Reading a comparison's JSON object: what its reports share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from migrator.report.audit_parts import FORMATS, counted
from migrator.report.escape import shown, size
from migrator.report.json_v1 import Json

KINDS = ("changed", "rewired", "removed", "added", "renamed")
"""In the order in which they are told."""
TITLES = {
    "changed": "Changed",
    "rewired": "Rewired",
    "removed": "Removed",
    "added": "Added",
    "renamed": "Renamed",
}
REASONS = {
    "packaging": "for saving, restoring and calling",
    "unused": "needed by no output",
    "identity": "only hand on their input",
    "home": "hold weights, or hand them on",
    "control_flow": "control flow in another form",
    "dropout": "dropout",
    "batch_norm": "batch norms",
    "folded": "follow from constants alone",
    "feed": "fixed inputs",
    "cut": "on ways that a fixed input never takes",
    "migration": "come or go with steps of the migration",
    "form": "another form of the same",
}
WEIGHT_KINDS = {
    "values": "other values",
    "shape": "other shape",
    "dtype": "other type",
    "home": "moved",
    "added": "added",
    "removed": "removed",
}
_ALIKE = 3
"""Nodes with the very same changes from which on these are told once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Nodes that changed in the same way."""

    nodes: tuple[Json, ...]
    changes: tuple[Json, ...]


def about(result: Json, side: str) -> str:
    """Format, size and nodes of one side."""
    source = result[side]
    kind = FORMATS.get(source["format"], shown(source["format"]))
    count = result["counts"].get(f"{side}_nodes", 0)
    return ", ".join([kind, size(source["bytes"]), *([counted(count, "node")] if count else [])])


def place(source: Json) -> str:
    """A SavedModel is named by its folder."""
    path = str(source["path"])
    return path.removesuffix("/saved_model.pb").removesuffix("/saved_model.pbtxt") or path


def told_nodes(result: Json, kind: str) -> list[Json]:
    """The nodes of a kind that are told one by one: what a scope's rename or the table of weights
    tells is left out."""
    weights = {(item["left"], item["right"]) for item in result["weights"]}
    scopes = {(item["left"], item["right"]) for item in result["scopes"]}
    found = []
    for item in result["nodes"]:
        if item["kind"] != kind:
            continue
        if kind == "renamed" and all(
            change["field"] == "scope" and (change["left"], change["right"]) in scopes
            for change in item["changes"]
        ):
            continue
        # A variable without a node has its new name nowhere else.
        if (
            item["op"] != "variable"
            and (item["left"], item["right"]) in weights
            and all(
                change["field"] in ("value", "home", "name", "scope") for change in item["changes"]
            )
        ):
            continue
        found.append(item)
    return found


def alike(nodes: Iterable[Json]) -> Iterator[Alike]:
    """Nodes with the same changes together, in the order of the first of them.

    Inputs count by their slots: in each layer they have other names.
    """
    groups: dict[str, list[Json]] = {}
    for item in nodes:
        changes = [
            change["field"] if is_wiring(change) else change
            for change in item["changes"]
            if change["field"] not in ("name", "scope")
        ]
        key = json.dumps([item["op"], changes], sort_keys=True)
        groups.setdefault(key, []).append(item)
    for group in groups.values():
        if len(group) >= _ALIKE:
            yield Alike(nodes=tuple(group), changes=tuple(group[0]["changes"]))
        else:
            for item in group:
                yield Alike(nodes=(item,), changes=tuple(item["changes"]))


def is_wiring(change: Json) -> bool:
    """Whether it tells of inputs, which are named as each side names them."""
    return str(change["field"]).startswith(("input ", "control inputs"))


def without_bodies(result: Json) -> Json:
    """The result with the names of bodies taken from those of their nodes, where that leaves no
    doubt which node is meant: a reader knows them by the rest. A model in a Keras model keeps
    its name, for that is a layer's, and calls and weights of it begin with it."""
    if str(result["left"]["format"]).startswith("keras"):
        return result
    bodies = {item[side] for item in result["functions"] for side in ("left", "right")} - {""}
    if not bodies:
        return result

    def plain(name: Any) -> Any:
        if isinstance(name, list):
            return [plain(item) for item in name]
        head, slash, rest = name.partition("/") if isinstance(name, str) else ("", "", "")
        return rest if slash and head in bodies else name

    def node(item: Json) -> Json:
        changes = [
            {**change, "left": plain(change["left"]), "right": plain(change["right"])}
            if is_wiring(change)
            else change
            for change in item["changes"]
        ]
        return {
            **item,
            "left": plain(item["left"]),
            "right": plain(item["right"]),
            "changes": changes,
        }

    return {
        **result,
        "nodes": [node(item) for item in result["nodes"]],
        "weights": [
            {**item, "left": plain(item["left"]), "right": plain(item["right"])}
            for item in result["weights"]
        ],
    }


def by_reason(nodes: Iterable[Json]) -> Iterator[tuple[str, list[Json]]]:
    """Added or removed nodes by what explains them: those that nothing explains come first."""
    order = ["", *REASONS]

    def rank(item: Json) -> int:
        why = item.get("why", "")
        return order.index(why) if why in order else len(order)

    for _, group in groupby(sorted(nodes, key=rank), key=rank):
        found = list(group)
        yield str(found[0].get("why", "")), found


def weights_title(result: Json) -> str:
    """``Weights (6 differ, 1 equal)``: of those that are on both sides in one shape."""
    words = {"different": "differ", "equal": "equal", "unknown": "not compared"}
    counts = [
        f"{count:,} {word}"
        for key, word in words.items()
        if (count := result["counts"].get(f"weights_{key}", 0))
    ]
    return f"Weights ({', '.join(counts)})" if counts else "Weights"


def op_counts(nodes: Iterable[Json]) -> Counter[str]:
    return Counter(item["op"] for item in nodes)


def value_text(value: Any, most: int = 60) -> str:
    """A value of a change in one line, escaped."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return shown(value, most) if value else '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return shown(_list_text(value), most)
    if isinstance(value, float):
        return f"{value:.6g}"
    return shown(str(value), most)


def _list_text(value: list[Any]) -> str:
    """A list as Python would write it, with ``?`` for an unknown size."""
    stack: list[Any] = [value]
    parts: list[str] = []
    # A hostile value may be nested deeper than anyone may recurse.
    while stack and len(parts) < 400:
        item = stack.pop()
        if isinstance(item, list):
            stack.append("]")
            for number, inner in enumerate(reversed(item)):
                if number:
                    stack.append(", ")
                stack.append(inner if isinstance(inner, list) else _scalar(inner))
            parts.append("[")
        else:
            parts.append(str(item))
    return "".join(parts)


def _scalar(item: Any) -> str:
    if item is None or item == "":
        return "?" if item is None else '""'
    return f"{item:.6g}" if isinstance(item, float) else str(item)


def names(item: Json, most: int = 100) -> tuple[str, str]:
    """Both names of a node, escaped; the right one empty where it is the left one's."""
    left, right = item["left"], item["right"]
    return shown(left, most), "" if left == right else shown(right, most)


def magnitude(value: float | None) -> str:
    """Three digits; steps and other large counts as they are."""
    if value is None:
        return ""
    if not value:
        return "0"
    return f"{value:,.0f}" if 999.5 <= value < 1e7 else f"{value:.3g}"


def share_text(value: float | None) -> str:
    if value is None:
        return "not compared"
    if not value:
        return "equal"
    return f"{value:.0%}" if value >= 0.995 else f"{value:.1%}" if value >= 0.001 else "< 0.1%"


def weight_share(item: Json) -> str:
    """How much of a weight differs; empty where there was nothing to compare."""
    is_bare = item["kind"] == "shape" and item["share"] is None
    return "" if item["kind"] in ("added", "removed") or is_bare else share_text(item["share"])


def told_weights(result: Json) -> list[Json]:
    """Weights that differ the most first, then those that came, went or moved.

    Those of another shape have no numbers: where their node tells both shapes they are left out.
    """
    order = list(WEIGHT_KINDS)
    shapes = {
        (item["left"], item["right"])
        for item in result["nodes"]
        if any(change["field"] == "shape" for change in item["changes"])
    }
    return sorted(
        (
            item
            for item in result["weights"]
            if item["kind"] != "shape" or (item["left"], item["right"]) not in shapes
        ),
        key=lambda item: (
            order.index(item["kind"]) if item["kind"] in order else len(order),
            -(item["max_abs"] or 0.0),
            item["left"] or item["right"],
        ),
    )
