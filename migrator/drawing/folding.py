"""Which nodes are drawn as a mark on another one: constants and weights on what uses them,
identities on what they pass on. Nothing that a comparison found new or gone is hidden but those.
"""

from __future__ import annotations

from migrator.drawing.cells import Cells
from migrator.graph.elements import ARGUMENT_OP
from migrator.inspection.endpoints import find_endpoints
from migrator.model.joined import name_parts
from migrator.model.model import MetaGraph
from migrator.model.tensors import TensorRef
from migrator.ops.state import VARIABLE_OPS

VALUES = VARIABLE_OPS | {"TemporaryVariable", "Const", "HostConst", "ImmutableConst"}
_READS = frozenset(("Identity", "ReadVariableOp", "Enter", "RefEnter"))
"""They hand a value on; where the value is folded they are too."""
_PASSES = frozenset(("Identity", "StopGradient", "Snapshot", "PreventGradient"))
_KEEPERS = frozenset(
    (
        "Assign",
        "AssignVariableOp",
        "IsVariableInitialized",
        "MergeV2Checkpoints",
        "Save",
        "SaveSlices",
        "SaveV2",
        "VarIsInitializedOp",
    )
)
"""They take every variable, but are not what it is for."""


class Folding:
    """``hosts[i]``: the cell that shows cell i, itself where it stands on its own.

    ``values``: cells that are a constant, a variable, a reading of one or an argument that stands
    for one, folded or not. ``given``: argument -> what its first caller gives for it.
    """

    __slots__ = ("given", "hosts", "values")

    def __init__(self, cells: Cells, readers: list[list[int]], kept: set[int]) -> None:
        givers = _givers(cells)
        self.given = {argument: found[0] for argument, found in givers.items()}
        self.values = _values(cells, readers, givers)
        target = list(range(len(cells)))
        for number in range(len(cells)):
            if number in kept:
                continue
            if number in self.values:
                target[number] = _user(cells, readers[number], number)
            elif cells.kinds[number] not in ("added", "removed"):
                target[number] = _passed(cells, readers, number, self.values)
        self.hosts = _resolved(target)


def readers_of(cells: Cells) -> list[list[int]]:
    """Who takes data from each cell, itself left out."""
    readers: list[list[int]] = [[] for _ in range(len(cells))]
    for number, inputs in enumerate(cells.inputs):
        for producer, port in inputs:
            if port != -1 and producer != number:
                readers[producer].append(number)
    return readers


def ends_of(metas: tuple[MetaGraph, ...]) -> dict[str, str]:
    """The nodes that a model is fed and asked for, each with ``in`` or ``out``.

    By its signatures; where it has none, as far as its graph suggests them.
    """
    found: dict[str, str] = {}
    for meta in metas:
        sides = {"in": [], "out": []}  # type: dict[str, list[str]]
        for signature in meta.signatures.values():
            for side, specs in (("in", signature.inputs), ("out", signature.outputs)):
                for spec in specs.values():
                    sides[side] += (spec.tensor, *spec.parts)
        if not meta.signatures:
            guess = find_endpoints(meta)
            sides["in"] += (item.tensor for item in guess.inputs)
            sides["out"] += (item.tensor for item in guess.outputs)
        for side, texts in sides.items():
            for text in filter(None, texts):
                found.setdefault(TensorRef.parse(text).node, side)
    return found


def _givers(cells: Cells) -> dict[int, list[int]]:
    """Argument of a body -> what each call gives for it."""
    found: dict[int, list[int]] = {}
    for call, bodies in cells.calls.items():
        data = [producer for producer, port in cells.inputs[call] if port != -1]
        for _, area in bodies:
            arguments = cells.areas[area].arguments
            ahead = len(data) - len(arguments)  # a condition, ahead of what the branches take
            if 0 <= ahead <= 1:
                for argument, producer in zip(arguments, data[ahead:], strict=True):
                    found.setdefault(argument, []).append(producer)
    return found


def _values(cells: Cells, readers: list[list[int]], givers: dict[int, list[int]]) -> set[int]:
    taken: dict[int, list[int]] = {}
    waiting: dict[int, int] = {}
    for argument, producers in givers.items():
        waiting[argument] = len(producers)
        for producer in producers:
            taken.setdefault(producer, []).append(argument)
    found: set[int] = set()
    for number, op in enumerate(cells.ops):
        spec = cells.specs[number]
        handle = op == ARGUMENT_OP and spec is not None and spec.dtype.kind == "h"
        if handle or (op in VALUES and not any(port != -1 for _, port in cells.inputs[number])):
            found.add(number)
    stack = list(found)
    while stack:
        number = stack.pop()
        new = []
        for reader in readers[number]:
            one = sum(port != -1 for _, port in cells.inputs[reader]) == 1
            if one and cells.ops[reader] in _READS:
                new.append(reader)
        for argument in taken.get(number, ()):
            waiting[argument] -= 1
            if not waiting[argument]:
                new.append(argument)
        for item in new:
            if item not in found:
                found.add(item)
                stack.append(item)
    return found


def _user(cells: Cells, readers: list[int], number: int) -> int:
    """What a value is for: a call before what only reads it, else the first that is no keeper."""
    if not readers:
        return number
    users = [item for item in readers if cells.ops[item] not in _KEEPERS]
    return next((item for item in users if item in cells.calls), next(iter(users), readers[0]))


def _passed(cells: Cells, readers: list[list[int]], number: int, values: set[int]) -> int:
    """The producer on which an identity is shown, if both are of one scope."""
    inputs = cells.inputs[number]
    if cells.ops[number] not in _PASSES or len(inputs) != 1 or not readers[number]:
        return number
    producer, port = inputs[0]
    if port == -1 or producer in values or _scope(cells, producer) != _scope(cells, number):
        return number
    return producer


def _scope(cells: Cells, number: int) -> tuple[int, list[str]]:
    return cells.homes[number], name_parts(cells.locals[number])[:-1]


def _resolved(target: list[int]) -> list[int]:
    """The end of each chain; what lies on a circle stands on its own."""
    hosts = [-1] * len(target)
    for start in range(len(target)):
        way: list[int] = []
        number = start
        while hosts[number] == -1:
            hosts[number] = -2
            way.append(number)
            if target[number] == number:
                hosts[number] = number
                break
            number = target[number]
        end = hosts[number]
        if end == -2:  # a circle
            for item in way:
                hosts[item] = item
            continue
        for item in way:
            hosts[item] = end
    return hosts
