"""What the conversion knows of ops and functions: types, states, free names, the new functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from migrator.formats.tensors import constant_tensor
from migrator.migration.passes.functional.items import (
    ARGUMENT,
    GIVEN,
    SOURCES,
    Item,
    Tensor,
    Unconvertible,
    in_order,
)
from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue, Function, FunctionRef, Node
from migrator.model.tensors import UNKNOWN_SHAPE, TensorSpec
from migrator.ops.registry import op_facts, output_dtypes, output_ports

_LONGEST = 120
HARMLESS_TWICE = frozenset(
    (
        "Assert",
        "VarHandleOp",
        "ReadVariableOp",
        "HashTableV2",
        "LookupTableFindV2",
        "LookupTableSizeV2",
        "TensorArraySizeV3",
    )
)
"""Stateful ops that may run once more than they did, and nobody would tell."""


class Names:
    """Hands out names that nothing has yet. Amortised constant time for each."""

    __slots__ = ("_next", "_taken")

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def free(self, wish: str) -> str:
        name = wish
        while name in self._taken:
            number = self._next[wish] = self._next.get(wish, 0) + 1
            name = f"{wish}_{number}"
        self._taken.add(name)
        return name


class Library:
    """The functions of a graph with those that are made on the way."""

    def __init__(self, functions: Mapping[str, Function], node_names: Iterable[str]) -> None:
        self.functions = dict(functions)
        self.node_names = Names(node_names)
        self.function_names = Names(self.functions)
        self._orders = 1 << 40
        self._stateful: dict[str, bool] = {}

    def item(
        self, name: str, op: str, attrs: Mapping[str, AttrValue], inputs: Sequence[Tensor] = ()
    ) -> Item:
        """A new node under a name that is free."""
        self._orders += 1
        return Item(self.node_names.free(name), op, attrs, self._orders, list(inputs))

    def argument(self, dtype: DType) -> Item:
        self._orders += 1
        return Item("", ARGUMENT, {}, self._orders, dtype=dtype)

    def identity(self, name: str, tensor: Tensor) -> Item:
        return self.item(name, "Identity", {"T": self.dtype(tensor)}, [tensor])

    def constant(self, name: str, value: int, dtype: DType) -> Item:
        return self.item(name, "Const", {"dtype": dtype, "value": constant_tensor(value, dtype)})

    def dtypes(self, item: Item) -> tuple[DType, ...]:
        """Types of an item's outputs, reference types as what they refer to."""
        if item.dtype is not None:
            return (item.dtype,)
        function = self.functions.get(item.op)
        if function is not None:
            return tuple(spec.dtype for spec in function.outputs)
        found = output_dtypes(Node(item.name, item.op, (), "", item.attrs))
        if found is None:
            raise Unconvertible(f"the types of what {item.op} gives are not known", where=item.name)
        return tuple(dtype.base for dtype in found)

    def dtype(self, tensor: Tensor) -> DType:
        types = self.dtypes(tensor[0])
        if not 0 <= tensor[1] < len(types) or not types[tensor[1]].known:
            item, port = tensor
            raise Unconvertible(f"{item.op} has no output {port} of a known type", where=item.name)
        return types[tensor[1]]

    def stateful(self, op: str, attrs: Mapping[str, AttrValue]) -> bool:
        """Whether running it once more, or not at all, could be told. Unknown ops count."""
        if op in SOURCES:
            return False
        if op in self.functions:
            return self._function_is_stateful(op)
        facts = op_facts(op)
        return facts is None or facts.stateful

    def _function_is_stateful(self, name: str) -> bool:
        """Walks the calls below ``name`` once; a call to itself adds nothing."""
        found = self._stateful.get(name)
        if found is not None:
            return found
        seen = {name}
        stack = [name]
        answer = False
        while stack and not answer:
            for node in self.functions[stack.pop()].nodes:
                if node.op in self.functions:
                    known = self._stateful.get(node.op)
                    if known:
                        answer = True
                    elif known is None and node.op not in seen:
                        seen.add(node.op)
                        stack.append(node.op)
                    continue
                facts = op_facts(node.op)
                if facts is None or facts.stateful:
                    answer = True
                    break
        self._stateful[name] = answer
        return answer

    def close(
        self,
        wish: str,
        arguments: Sequence[Item],
        results: Sequence[Tensor],
        controls: Sequence[Item] = (),
    ) -> FunctionRef:
        """Make a function of what ``results`` need. Raises Unconvertible for a cycle."""
        name = self.function_names.free(function_name(wish))
        roots = [item for item, _ in results] + list(controls)
        items = [item for item in in_order(roots, wish) if item.op != ARGUMENT]
        self.functions[name] = Function(
            name=name,
            **self._parts(items, arguments, results),
            control_returns={item.name: item.name for item in controls},
            attrs={},
        )
        return FunctionRef(name=name)

    def _parts(
        self, items: Sequence[Item], arguments: Sequence[Item], results: Sequence[Tensor]
    ) -> dict[str, Any]:
        names = {item.name for item in items}
        prefix = "arg"
        while any(f"{prefix}_{k}" in names for k in range(len(arguments))):
            prefix += "_"
        for k, argument in enumerate(arguments):
            if not argument.name:
                argument.name = f"{prefix}_{k}"
        specs = [
            TensorSpec(tensor=arg.name, dtype=arg.dtype, shape=UNKNOWN_SHAPE)
            for arg in arguments
            if arg.dtype is not None
        ]
        outputs = [
            TensorSpec(tensor=f"result_{k}", dtype=self.dtype(tensor), shape=UNKNOWN_SHAPE)
            for k, tensor in enumerate(results)
        ]
        return {
            "nodes": tuple(self.body_node(item) for item in items),
            "inputs": tuple(specs),
            "outputs": tuple(outputs),
            "returns": {
                spec.tensor: self.body_text(tensor)
                for spec, tensor in zip(outputs, results, strict=True)
            },
        }

    def body_node(self, item: Item) -> Node:
        """A node as function bodies write it."""
        texts = [self.body_text(tensor) for tensor in item.inputs]
        texts += [f"^{control.name}" for control in item.controls]
        return Node(item.name, item.op, tuple(texts), "", item.attrs)

    def body_text(self, tensor: Tensor) -> str:
        """A tensor as function bodies write it: ``node:out_arg:k``, or an argument's name."""
        item, port = tensor
        if item.op in SOURCES:
            return item.name
        function = self.functions.get(item.op)
        if function is not None:
            if port < len(function.outputs):
                return f"{item.name}:{function.outputs[port].tensor}:0"
        else:
            ports = output_ports(Node(item.name, item.op, (), "", item.attrs)) or {}
            for argument, (start, count) in ports.items():
                if start <= port < start + count:
                    return f"{item.name}:{argument}:{port - start}"
        raise Unconvertible(f"{item.op} has no output {port} that has a name", where=item.name)

    @staticmethod
    def graph_node(item: Item) -> Node:
        """A node as graphs write it."""
        texts = [
            one.name if one.op == GIVEN or not port else f"{one.name}:{port}"
            for one, port in item.inputs
        ]
        texts += [f"^{control.name}" for control in item.controls]
        return Node(item.name, item.op, tuple(texts), "", item.attrs)


def function_name(wish: str) -> str:
    """What a function may be called after a node or a frame."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", wish)[:_LONGEST].strip("_")
    return name if name[:1].isalpha() else f"f_{name}"
