"""Where the strings that a node is given come from: followed back to constants and inputs.

Through ops that pass their input on, that join or pack, and through calls to every caller's
operand. Bounded in steps and in size, whatever the graph; what is beyond that is ``computed``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migrator.auditing.bodies import Body, Place
from migrator.auditing.calls import Named, functions_named, operand
from migrator.auditing.object_functions import captured_objects
from migrator.auditing.parts import (
    ARGUMENT,
    ASSET,
    CHANGES,
    CHECKPOINT,
    COMPUTED,
    CONSTANT,
    DEFAULT,
    MOST_KEPT,
    MOST_PARTS,
    PLACEHOLDER,
    UNKNOWN,
    Part,
    Value,
    as_default,
    asset_part,
    changed,
    constant_value,
    given_tensors,
    joined,
    union,
)
from migrator.model.graph import Function, Node, index_nodes
from migrator.model.tensors import TensorRef

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject

_MOST_CALLERS = 32
_DEEPEST = 24
_STEPS = 3_000
_ALL_STEPS = 100_000

_PASS_ON: Mapping[str, int] = {
    **dict.fromkeys(
        """
        AsString BroadcastTo CheckNumerics Copy CopyHost DebugIdentity DebugIdentityV2
        DebugIdentityV3 EnsureShape Enter Exit ExpandDims Gather GatherNd GatherV2 GuaranteeConst
        Identity NextIteration PreventGradient Print RandomShuffle RefEnter RefExit RefIdentity
        RefNextIteration RefSwitch Reshape Reverse ReverseV2 Roll Slice Snapshot SplitV Squeeze
        StopGradient StridedSlice Switch Tile Transpose Unpack
        """.split(),
        0,
    ),
    "Fill": 1,
    "Split": 1,
}
"""Op -> the operand whose strings, or some of them, it puts out."""
_ALL_OF = frozenset({"Concat", "ConcatV2", "Merge", "Pack", "ParallelConcat", "RefMerge"})
_EITHER = frozenset({"Select", "SelectV2"})
_SHARD = Part(kind=CONSTANT, data=b"-?????-of-?????")
_CALLS = frozenset(
    """
    Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile While
    """.split()
)
_VARIABLES = frozenset({"Variable", "VariableV2"})
_STRING = 7
_DATASET = re.compile(r"Dataset(V\d+)?$")
_OTHER_ELEMENTS = re.compile(r"Choose|FlatMap|Generator|Group|Interleave|Sample|Scan|Window|Zip")
"""Datasets whose elements are not those of their first input."""
_MAPS = re.compile(r"Map(AndBatch)?Dataset(V\d+)?$")
_LISTS = frozenset({"MatchingFilesDataset", "TensorDataset", "TensorSliceDataset"})
_MOST_DATASETS = 32
_LOOPS = frozenset({"StatelessWhile", "While"})


class Sources:
    """Answers for one subject; what was found once is kept."""

    def __init__(self, subject: Subject) -> None:
        self._known: dict[tuple[int, str], Value] = {}
        self._active: set[tuple[int, str]] = set()
        self._indices: dict[int, Mapping[str, Node]] = {}
        self._assigns: dict[int, dict[str, list[str]]] = {}
        self._callers: dict[int, dict[str, list[tuple[Place, Named]]]] = {}
        self._given: dict[int, dict[tuple[str, int], Part]] = {}
        self._groups: dict[int, list[Body]] = {}
        for body in subject.bodies:
            self._groups.setdefault(id(body.graph), []).append(body)
        self._left = _ALL_STEPS
        self._steps = 0
        self._cuts = 0
        """Times that a bound was hit: what was found on the way is then not kept."""

    def operand(self, place: Place, slot: int) -> Value:
        """What a node's data input can hold, in terms of constants and inputs."""
        inputs = _data(place.node)
        return self.tensor(place.body, inputs[slot]) if slot < len(inputs) else UNKNOWN

    def tensor(self, body: Body, text: str) -> Value:
        """The same of a tensor of ``body``, named as a node's input names it."""
        allowed = min(_STEPS, self._left)
        self._steps = allowed
        found = self._value(body, text, 0)
        self._left -= allowed - self._steps
        return found

    def _value(self, body: Body, text: str, depth: int) -> Value:
        """Follows what passes on in a loop, and calls itself only where ways part."""
        chain: list[tuple[int, str]] = []
        cuts = self._cuts
        try:
            while True:
                key = (id(body), text)
                known = self._known.get(key)
                if known is not None:
                    found = known
                    break
                self._steps -= 1
                if self._steps < 0 or depth > _DEEPEST:
                    self._cuts += 1
                    return UNKNOWN
                if key in self._active:  # a loop: what comes round is not told
                    found = UNKNOWN
                    break
                chain.append(key)
                self._active.add(key)
                step = self._next(body, text, depth)
                if step is None:
                    found = self._parts(body, text, depth + 1)
                    break
                body, text = step
        finally:
            self._active.difference_update(chain)
        if self._cuts == cuts and len(found) <= MOST_KEPT:
            self._known.update(dict.fromkeys(chain, found))
        return found

    def _next(self, body: Body, text: str, depth: int) -> tuple[Body, str] | None:
        """The one tensor whose strings are those of ``text``, where there is just one."""
        ref = TensorRef.parse(text)
        if self._fixed(body, ref, depth) is not None:
            return None
        node = self._node(body, ref.node)
        if node is None:
            return None
        inputs = _data(node)
        slot = ref.port if node.op == "IdentityN" else _PASS_ON.get(node.op)
        if slot is not None and slot < len(inputs):
            return body, inputs[slot]
        return None

    def _parts(self, body: Body, text: str, depth: int) -> Value:
        ref = TensorRef.parse(text)
        fixed = self._fixed(body, ref, depth)
        if fixed is not None:
            return ((fixed,),)
        node = self._node(body, ref.node)
        if node is None:
            return self._argument(body, ref, depth)
        if node.op == "Const":
            return constant_value(Place(body, node))
        if node.op in ("Placeholder", "PlaceholderV2"):
            return ((Part(kind=PLACEHOLDER, name=node.name, place=Place(body, node)),),)
        inputs = _data(node)
        if node.op == "PlaceholderWithDefault" and inputs:
            return as_default(self._value(body, inputs[0], depth))
        if node.op in _ALL_OF or node.op in _EITHER:
            wanted = inputs[1:] if node.op in _EITHER else inputs
            return union(self._value(body, item, depth) for item in _tensors(node, wanted))
        if node.op in ("ShardedFilename", "ShardedFilespec") and inputs:
            return joined([self._value(body, inputs[0], depth), ((_SHARD,),)])
        if node.op == "StringJoin":
            return self._join(body, node, inputs, depth)
        if node.op in CHANGES and inputs:
            return changed(self._value(body, inputs[0], depth), CHANGES[node.op])
        if node.op in _VARIABLES or (node.op == "ReadVariableOp" and inputs):
            return self._assigned(body, node.name if node.op in _VARIABLES else inputs[0], depth)
        return self._returned(body, node, ref, depth)

    def _assigned(self, body: Body, variable: str, depth: int) -> Value:
        """What is assigned to a variable of strings here; a TF2 asset's path goes through one.

        A function can assign it as well, so that nothing of it counts as the checkpoint's path.
        """
        assigned = self._assigns.get(id(body))
        if assigned is None:
            assigned = self._assigns[id(body)] = {}
            for node in body.nodes:
                if node.op in ("Assign", "AssignVariableOp") and len(inputs := _data(node)) > 1:
                    name = TensorRef.parse(inputs[0]).node
                    assigned.setdefault(name, []).append(inputs[1])
        name = TensorRef.parse(variable).node
        handle = self._node(body, name)
        if handle is None or handle.attrs.get("dtype") != _STRING or name not in assigned:
            return UNKNOWN
        found = union(self._value(body, text, depth) for text in assigned[name][:_MOST_CALLERS])
        return tuple(
            tuple(
                replace(part, kind=COMPUTED) if part.kind == CHECKPOINT else part for part in parts
            )
            for parts in found
        )

    def _join(self, body: Body, node: Node, inputs: Sequence[str], depth: int) -> Value:
        separator = node.attrs.get("separator", b"")
        if not isinstance(separator, bytes) or len(inputs) > MOST_PARTS:
            return UNKNOWN
        values: list[Value] = []
        for item in inputs:
            if values and separator:
                values.append(((Part(kind=CONSTANT, data=separator),),))
            values.append(self._value(body, item, depth))
        return joined(values)

    def _argument(self, body: Body, ref: TensorRef, depth: int) -> Value:
        """An argument of a function: the operands of all who call it, else what it captures."""
        function = body.function
        if function is None:
            return UNKNOWN
        names = [spec.tensor for spec in function.inputs]
        if ref.node not in names:
            return UNKNOWN
        number = names.index(ref.node)
        calls = self._calls(body).get(function.name, [])
        found = []
        for place, named in calls[:_MOST_CALLERS]:
            slot = operand(place.node, named, function, number)
            inputs = _data(place.node)
            if slot is None and _DATASET.search(place.node.op) and not named.nested:
                element = self._element(place.body, inputs[0], number, depth) if inputs else UNKNOWN
                found.append(element)
            elif slot is None or not _stays(place, number):
                found.append(UNKNOWN)
            else:
                found.append(self._value(place.body, inputs[slot], depth))
        if len(calls) > _MOST_CALLERS:
            found.append(UNKNOWN)
        return union(found) if found else self._captured(body, function, number, depth)

    def _element(self, body: Body, text: str, number: int, depth: int) -> Value:
        """A component of the elements of a dataset: where its strings come from."""
        for _ in range(_MOST_DATASETS):
            node = self._node(body, TensorRef.parse(text).node)
            inputs = _data(node) if node is not None else []
            if node is None or not inputs or _OTHER_ELEMENTS.search(node.op):
                break
            if node.op in _LISTS:
                slot = 0 if node.op == "MatchingFilesDataset" else number
                return self._value(body, inputs[slot], depth) if slot < len(inputs) else UNKNOWN
            if _MAPS.search(node.op):
                return self._results(body, node, number, depth)
            if node.op != "Identity" and not _DATASET.search(node.op):
                break
            text = inputs[0]
        return UNKNOWN

    def _captured(self, body: Body, function: Function, number: int, depth: int) -> Value:
        """What a function that the graph does not call is given by the object that has it."""
        name = function.inputs[number].tensor
        unknown: Value = ((Part(kind=ARGUMENT, name=name),),)
        meta = body.meta
        if meta.object_graph is None or body.holder is not None:
            return unknown
        captured = captured_objects(meta.object_graph, function.name)
        index = number - (len(function.inputs) - len(captured))
        item = captured[index] if 0 <= index < len(captured) else None
        if item is None:
            return unknown
        kind = item.WhichOneof("kind")
        if kind == "asset" and 0 <= item.asset.asset_file_def_index < len(meta.assets):
            filename = meta.assets[item.asset.asset_file_def_index].filename
            return ((asset_part(filename),),)
        if kind == "constant" and item.constant.operation:
            return self._value(self._groups[id(body.graph)][0], item.constant.operation, depth)
        return unknown

    def _returned(self, body: Body, node: Node, ref: TensorRef, depth: int) -> Value:
        """What a call puts out: the results of each function that it may run."""
        if node.op in _CALLS:
            found = self._results(body, node, ref.port, depth)
            if node.op not in _LOOPS:
                return found
            inputs = _data(node)  # a loop may go round not once
            first = (
                self._value(body, inputs[ref.port], depth) if ref.port < len(inputs) else UNKNOWN
            )
            return union([first, found])
        called = body.graph.functions.get(node.op)
        if called is None:
            return UNKNOWN
        names = [spec.tensor for spec in called.outputs]  # as the function calls its results
        port = names.index(ref.arg) if ref.arg in names else ref.port
        return self._results(body, node, port, depth)

    def _results(self, body: Body, node: Node, number: int, depth: int) -> Value:
        library = body.graph.functions
        group = self._groups[id(body.graph)]
        bodies = {item.function.name: item for item in group if item.function is not None}
        found: list[Value] = []
        for named in functions_named(node, library):
            if named.nested or (node.op in _LOOPS and named.attr == "cond"):
                continue
            function = library[named.function]
            if number >= len(function.outputs) or named.function not in bodies:
                return UNKNOWN
            text = function.returns.get(function.outputs[number].tensor)
            inner = bodies[named.function]
            found.append(self._value(inner, text, depth) if text else UNKNOWN)
        return union(found) if found else UNKNOWN

    def _fixed(self, body: Body, ref: TensorRef, depth: int) -> Part | None:
        """What a top-level tensor is fed with when the model is loaded, saved or called."""
        if body.function is not None or body.holder is not None:
            return None
        given = self._given.get(id(body.meta))
        if given is None:
            given = self._given[id(body.meta)] = given_tensors(body.meta)
        part = given.get((ref.node, ref.port))
        if part is None or part.kind == ASSET:
            return part
        node = self._node(body, ref.node)
        place = Place(body, node) if node is not None else None
        if node is not None and node.op in ("PlaceholderWithDefault", "Const"):
            inputs = _data(node)
            value = (
                constant_value(Place(body, node))
                if node.op == "Const"
                else self._value(body, inputs[0], depth + 1)
                if inputs
                else UNKNOWN
            )
            if len(value) == 1 and len(value[0]) == 1:
                kind = part.kind if part.kind == CHECKPOINT else DEFAULT
                own = value[0][0]
                return replace(part, kind=kind, data=own.data, whole=own.whole, place=place)
        return replace(part, place=place)

    def _node(self, body: Body, name: str) -> Node | None:
        index = self._indices.get(id(body))
        if index is None:
            index = body.graph.by_name if body.function is None else index_nodes(body.nodes)[0]
            self._indices[id(body)] = index
        return index.get(name)

    def _calls(self, body: Body) -> dict[str, list[tuple[Place, Named]]]:
        """Function -> the calls of it, in the graph that ``body`` belongs to."""
        found = self._callers.get(id(body.graph))
        if found is None:
            found = self._callers[id(body.graph)] = {}
            library = body.graph.functions
            for other in self._groups[id(body.graph)]:
                for node in other.nodes:
                    for named in functions_named(node, library):
                        calls = found.setdefault(named.function, [])
                        if len(calls) <= _MOST_CALLERS:
                            calls.append((Place(other, node), named))
        return found


def _data(node: Node) -> list[str]:
    return [text for text in node.inputs if text[:1] != "^"]


def _tensors(node: Node, inputs: Sequence[str]) -> Sequence[str]:
    """Without the axis of a concatenation."""
    if node.op == "ConcatV2":
        return inputs[:-1]
    return inputs[1:] if node.op == "Concat" else inputs


def _stays(call: Place, number: int) -> bool:
    """False where ``call`` is a loop whose body gives the argument another value."""
    if call.node.op not in _LOOPS:
        return True
    library = call.body.graph.functions
    bodies = [item for item in functions_named(call.node, library) if item.attr == "body"]
    for item in bodies:
        function = library[item.function]
        if number >= min(len(function.inputs), len(function.outputs)):
            return False
        text = function.returns.get(function.outputs[number].tensor, "")
        index = index_nodes(function.nodes)[0]
        for _ in range(8):
            node = index.get(TensorRef.parse(text).node)
            if node is None or node.op != "Identity" or not node.inputs:
                break
            text = node.inputs[0]
        if TensorRef.parse(text).node != function.inputs[number].tensor:
            return False
    return True
