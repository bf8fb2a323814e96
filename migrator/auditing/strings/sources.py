"""Where the strings that a node is given come from: followed back to constants and inputs.

Through ops that pass their input on, that join or pack, and through calls to every caller's
operand. Bounded in steps and in size, whatever the graph; what is beyond that is ``computed``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migrator.auditing.callgraph.calls import functions_named, operand
from migrator.auditing.callgraph.object_functions import captured_objects
from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.strings.lookup import LOOPS, MOST_CALLERS, Lookup
from migrator.auditing.strings.parts import (
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
from migrator.model.graph import Function, Node
from migrator.model.tensors import TensorRef
from migrator.ops.state import REFERENCE_VARIABLES

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject

_DEEPEST = 24
_MOST_INGREDIENTS = 4
_MOST_LOOKED_AT = 64
_ALL_LOOKED_AT = 20_000
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
_STRING = 7
_DATASET = re.compile(r"Dataset(V\d+)?$")
_OTHER_ELEMENTS = re.compile(
    r"Choose|Concatenate|FlatMap|Generator|Group|Interleave|Sample|Scan|Window|Zip"
)
"""Datasets whose elements are not those of their first input."""
_MAPS = re.compile(r"Map(AndBatch)?Dataset(V\d+)?$")
_LISTS = frozenset({"MatchingFilesDataset", "TensorDataset", "TensorSliceDataset"})
_MOST_DATASETS = 32


class Sources:
    """Answers for one subject; what was found once is kept."""

    def __init__(self, subject: Subject) -> None:
        self._find = Lookup(subject.bodies)
        self._known: dict[tuple[int, str], Value] = {}
        self._active: set[tuple[int, str]] = set()
        self._bound: dict[int, list[Any]] = {}
        self._given: dict[int, dict[tuple[str, int], Part]] = {}
        self._left = _ALL_STEPS
        self._left_to_look_at = _ALL_LOOKED_AT
        self._steps = 0
        self._cuts = 0
        """Times that a bound was hit: what was found on the way is then not kept."""

    def operand(self, place: Place, slot: int) -> Value:
        """What a node's data input can hold, in terms of constants and inputs."""
        inputs = self._find.data(place.node)
        return self.tensor(place.body, inputs[slot]) if slot < len(inputs) else UNKNOWN

    def tensor(self, body: Body, text: str) -> Value:
        """The same of a tensor of ``body``, named as a node's input names it."""
        allowed = min(_STEPS, self._left)
        self._steps = allowed
        found = self._value(body, text, 0)
        self._left -= allowed - self._steps
        return found

    def ingredients(self, place: Place, slot: int) -> list[bytes]:
        """The string constants that a node's data input is worked out from, nearest first.

        For what ``operand`` cannot follow: every input of every op on the way counts.
        """
        inputs = self._find.data(place.node)
        waiting = deque([(place.body, inputs[slot])] if slot < len(inputs) else [])
        most = min(_MOST_LOOKED_AT, self._left_to_look_at)
        seen: set[tuple[int, str]] = set()
        found: dict[bytes, None] = {}
        while waiting and len(found) < _MOST_INGREDIENTS and len(seen) < most:
            body, text = waiting.popleft()
            name = TensorRef.parse(text).node
            key = (id(body), name)
            if key in seen:
                continue
            seen.add(key)
            node = self._find.node(body, name)
            if node is None and body.function is not None:
                for call, _ in self._find.calls(body, body.function)[:MOST_CALLERS]:
                    waiting += [
                        (call.body, item) for item in self._find.data(call.node)[:MOST_PARTS]
                    ]
            elif node is not None and node.op == "Const":
                if node.attrs.get("dtype") == _STRING:
                    parts = [parts[0] for parts in constant_value(Place(body, node))]
                    found.update(dict.fromkeys(part.data for part in parts[:4] if part.data))
            elif node is not None:
                waiting += [(body, item) for item in self._find.data(node)[:MOST_PARTS]]
        self._left_to_look_at -= len(seen)
        return list(found)

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
        node = self._find.node(body, ref.node)
        if node is None:
            return None
        inputs = self._find.data(node)
        slot = ref.port if node.op == "IdentityN" else _PASS_ON.get(node.op)
        if slot is not None and slot < len(inputs):
            return body, inputs[slot]
        return None

    def _parts(self, body: Body, text: str, depth: int) -> Value:
        ref = TensorRef.parse(text)
        fixed = self._fixed(body, ref, depth)
        if fixed is not None:
            return ((fixed,),)
        node = self._find.node(body, ref.node)
        if node is None:
            return self._argument(body, ref, depth)
        if node.op == "Const":
            return constant_value(Place(body, node))
        if node.op in ("Placeholder", "PlaceholderV2"):
            return ((Part(kind=PLACEHOLDER, name=node.name, place=Place(body, node)),),)
        inputs = self._find.data(node)
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
        if node.op in REFERENCE_VARIABLES or (node.op == "ReadVariableOp" and inputs):
            return self._assigned(
                body, node.name if node.op in REFERENCE_VARIABLES else inputs[0], depth
            )
        return self._returned(body, node, ref, depth)

    def _assigned(self, body: Body, variable: str, depth: int) -> Value:
        """What is assigned to a variable of strings here; a TF2 asset's path goes through one.

        A function can assign it as well, so that nothing of it counts as the checkpoint's path,
        and one that is handed on, or that another node shares, holds what nobody knows.
        """
        name = TensorRef.parse(variable).node
        handle = self._find.node(body, name)
        texts = self._find.assigned(body, name)
        if handle is None or handle.attrs.get("dtype") != _STRING or not texts:
            return UNKNOWN
        found = union(self._value(body, text, depth) for text in texts[:MOST_CALLERS])
        if len(texts) > MOST_CALLERS or not self._find.is_private(body, handle):
            found = (*found, *UNKNOWN)
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
        number = self._find.numbers(function.inputs).get(ref.node)
        if number is None:
            return UNKNOWN
        calls = self._find.calls(body, function)
        captured = self._captured(body, function, number, depth)
        if not calls:
            return captured or ((Part(kind=ARGUMENT, name=ref.node),),)
        found = [captured] if captured else []
        for place, named in calls[:MOST_CALLERS]:
            slot = operand(place.node, named, function, number)
            inputs = self._find.data(place.node)
            if slot is None and _DATASET.search(place.node.op) and not named.nested:
                element = self._element(place.body, inputs[0], number, depth) if inputs else UNKNOWN
                found.append(element)
            elif slot is None or not self._find.stays(place, number):
                found.append(UNKNOWN)
            else:
                found.append(self._value(place.body, inputs[slot], depth))
        if len(calls) > MOST_CALLERS:
            found.append(UNKNOWN)
        return union(found)

    def _element(self, body: Body, text: str, number: int, depth: int) -> Value:
        """A component of the elements of a dataset: where its strings come from."""
        for _ in range(_MOST_DATASETS):
            node = self._find.node(body, TensorRef.parse(text).node)
            inputs = self._find.data(node) if node is not None else []
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
        """What a function is given by the object that has it; empty where that is not known."""
        meta = body.meta
        if meta.object_graph is None or body.holder is not None:
            return ()
        captured = self._bound.get(id(function))
        if captured is None:
            captured = captured_objects(meta.object_graph, function.name)
            self._bound[id(function)] = captured
        index = number - (len(function.inputs) - len(captured))
        item = captured[index] if 0 <= index < len(captured) else None
        if item is None:
            return ()
        kind = item.WhichOneof("kind")
        if kind == "asset" and 0 <= item.asset.asset_file_def_index < len(meta.assets):
            filename = meta.assets[item.asset.asset_file_def_index].filename
            return ((asset_part(filename),),)
        if kind == "constant" and item.constant.operation:
            return self._value(self._find.top(body), item.constant.operation, depth)
        return ()

    def _returned(self, body: Body, node: Node, ref: TensorRef, depth: int) -> Value:
        """What a call puts out: the results of each function that it may run."""
        if node.op in _CALLS:
            found = self._results(body, node, ref.port, depth)
            if node.op not in LOOPS:
                return found
            inputs = self._find.data(node)  # a loop may go round not once
            first = (
                self._value(body, inputs[ref.port], depth) if ref.port < len(inputs) else UNKNOWN
            )
            return union([first, found])
        called = body.graph.functions.get(node.op)
        if called is None:
            return UNKNOWN
        # As the function calls its results.
        port = self._find.numbers(called.outputs).get(ref.arg, ref.port)
        return self._results(body, node, port, depth)

    def _results(self, body: Body, node: Node, number: int, depth: int) -> Value:
        library = body.graph.functions
        bodies = self._find.functions(body)
        found: list[Value] = []
        for named in functions_named(node, library):
            if named.nested or (node.op in LOOPS and named.attr == "cond"):
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
        node = self._find.node(body, ref.node)
        place = Place(body, node) if node is not None else None
        if node is not None and node.op in ("PlaceholderWithDefault", "Const"):
            inputs = self._find.data(node)
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


def _tensors(node: Node, inputs: Sequence[str]) -> Sequence[str]:
    """Without the axis of a concatenation."""
    if node.op == "ConcatV2":
        return inputs[:-1]
    return inputs[1:] if node.op == "Concat" else inputs
