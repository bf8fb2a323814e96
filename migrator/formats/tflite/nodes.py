"""Subgraphs to graphs and functions.

A node for each operator, called as its first output, in the order in which they run. What no
operator computes has a node too, before them: ``Placeholder`` for the main graph's inputs,
``Const`` for each tensor with a buffer, ``State`` for what is kept between calls and ``Undefined``
for what nothing gives a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from migrator.errors import LimitError
from migrator.formats.tflite.custom import read_custom
from migrator.formats.tflite.flat import Broken, Flat
from migrator.formats.tflite.naming import Names, node_name, shown_name
from migrator.formats.tflite.options import (
    Functions,
    LazyAttrs,
    read_options,
)
from migrator.formats.tflite.sparse import read_sparsity
from migrator.formats.tflite.subgraphs import FLEX, Code, OperatorRow, SubgraphRow, TensorRow
from migrator.formats.tflite.values import Buffers, Stored, lazy_constant, stored_size
from migrator.formats.tflite.warnings import Warnings
from migrator.model.graph import (
    AttrValue,
    Function,
    FunctionRef,
    Graph,
    Node,
    Versions,
    index_nodes,
)
from migrator.model.tensors import UNKNOWN_SHAPE, LazyTensor, Shape, TensorSpec
from migrator.model.tflite import (
    CONSTANT_OP,
    INPUT_OP,
    STATE_OP,
    UNDEFINED_OP,
    TFLiteSubgraph,
    TFLiteTensor,
)

_EXTERNAL = "its values lie in another file, which is not read"


class Wired:
    """One subgraph as nodes. ``refs`` is how an input names each tensor, ``shown`` its name."""

    __slots__ = (
        "buffers",
        "constants",
        "flat",
        "functions",
        "names",
        "nodes",
        "producers",
        "ranks_told",
        "refs",
        "roles",
        "row",
        "shown",
        "stored",
        "warnings",
    )

    def __init__(
        self,
        row: SubgraphRow,
        buffers: Buffers,
        functions: Functions,
        warnings: Warnings,
        *,
        ranks_told: bool,
    ) -> None:
        self.row = row
        self.buffers = buffers
        self.flat: Flat = buffers.flat
        self.functions = functions
        self.warnings = warnings
        self.ranks_told = ranks_told
        self.names = Names()
        self.refs: list[str] = [""] * len(row.tensors)
        self.shown: list[str] = [tensor.name for tensor in row.tensors]
        self.stored: list[int] = [0] * len(row.tensors)
        self.constants: dict[int, LazyTensor] = {}
        self.producers = self._producers()
        self.roles = self._roles()
        self.nodes: list[Node] = []

    def _producers(self) -> dict[int, int]:
        """Tensor -> the operator that computes it, by its place in the list."""
        found: dict[int, int] = {}
        for number, operator in enumerate(self.row.operators):
            for tensor in operator.outputs:
                if tensor >= 0 and found.setdefault(tensor, number) != number:
                    self.warnings.add(
                        "tensors that two operators compute",
                        f"subgraphs[{self.row.index}].operators[{operator.index}].outputs: tensor "
                        f"{tensor} is already computed by another operator",
                    )
        return found

    def _roles(self) -> list[str]:
        """What gives each tensor its value, empty where nobody asks for it."""
        roles = [""] * len(self.row.tensors)
        asked = {item for operator in self.row.operators for item in operator.inputs}
        asked.update(self.row.outputs)
        for number in self.row.inputs:
            roles[number] = "input"
        for number in self.producers:
            roles[number] = "computed"
        for number, tensor in enumerate(self.row.tensors):
            if roles[number]:
                continue
            constant = self._constant(number, tensor)
            if constant is not None:
                self.constants[number] = constant
                roles[number] = "constant"
            elif tensor.is_variable:
                roles[number] = "state"
            elif number in asked:
                roles[number] = "undefined"
        return roles

    def _constant(self, number: int, tensor: TensorRow) -> LazyTensor | None:
        part = f"subgraphs[{self.row.index}].tensors[{number}]"
        offset = length = 0
        unread = ""
        if tensor.external:
            unread = _EXTERNAL
        elif tensor.buffer:
            try:
                offset, length = self.buffers.locate(tensor.buffer)
            except Broken as error:
                self.warnings.error("buffers that cannot be read", error.inside(part))
                unread = str(error)
        empty = tensor.shape.elements == 0 and not tensor.is_variable
        if not (length or unread or empty or tensor.sparsity):  # sparse ones may be all zeros
            return None
        expected = stored_size(tensor.dtype, tensor.shape)
        if not (unread or tensor.sparsity) and expected is not None and expected != length:
            self.warnings.add(
                "constants of another size than their buffer",
                f"{part}: {tensor.dtype} of shape {tensor.shape} takes {expected:,} bytes, its "
                f"buffer holds {length:,}",
            )
        self.stored[number] = length
        stored = Stored(
            flat=self.flat,
            offset=offset,
            length=length,
            sparsity=tensor.sparsity,
            where=part,
            unread=unread,
        )
        return lazy_constant(stored, tensor.dtype, tensor.shape)

    def spec(self, number: int, name: str | None = None) -> TensorSpec:
        tensor = self.row.tensors[number]
        return TensorSpec(
            tensor=self.shown[number] if name is None else name,
            dtype=tensor.dtype,
            shape=self.shape(tensor),
        )

    def shape(self, tensor: TensorRow) -> Shape:
        """What the file says of a tensor's shape. Before ranks were told, ``[]`` was a scalar."""
        return tensor.shown if tensor.ranked or not self.ranks_told else UNKNOWN_SHAPE

    def wire(self, *, top: bool) -> None:
        """Make the nodes; the inputs of a function are no nodes, and names that nodes refer to."""
        for number in self.row.inputs:
            if self.roles[number] == "input" and not self.refs[number]:
                name = self._leaf(number)
                if top:
                    self.nodes.append(self._pseudo(number, name, INPUT_OP))
        for number, role in enumerate(self.roles):
            if role in ("constant", "state", "undefined"):
                op = {"constant": CONSTANT_OP, "state": STATE_OP}.get(role, UNDEFINED_OP)
                self.nodes.append(self._pseudo(number, self._leaf(number), op))
                if role == "undefined":
                    self.warnings.add(
                        "tensors without a value",
                        f"subgraphs[{self.row.index}].tensors[{number}]: is used, and nothing "
                        "gives it a value",
                    )
        names = [self._name(number, item) for number, item in enumerate(self.row.operators)]
        refs = self.refs
        for name, operator in zip(names, self.row.operators, strict=True):
            inputs = tuple([refs[item] for item in operator.inputs if item >= 0])
            self.nodes.append(Node(name, _op(operator.code), inputs, "", self._attrs(operator)))

    def _leaf(self, number: int) -> str:
        tensor = self.row.tensors[number]
        name = self.names.give(node_name(tensor.name), number)
        self.refs[number] = name
        self.shown[number] = shown_name(tensor.name, name, 0)
        return name

    def _name(self, number: int, operator: OperatorRow) -> str:
        """Name an operator, and with it the tensors that it computes."""
        own = [
            (port, item)
            for port, item in enumerate(operator.outputs)
            if item >= 0 and self.producers[item] == number and not self.refs[item]
        ]
        if not own:
            return self.names.give(f"{_op(operator.code)}#{operator.index}", "again")
        first = own[0][1]
        name = self.names.give(node_name(self.row.tensors[first].name), first)
        for port, item in own:
            self.refs[item] = f"{name}:{port}" if port else name
            self.shown[item] = shown_name(self.row.tensors[item].name, name, port)
        return name

    def _pseudo(self, number: int, name: str, op: str) -> Node:
        return Node(name, op, (), "", LazyAttrs(partial(self._leaf_attrs, number), calls=False))

    def _leaf_attrs(self, number: int) -> dict[str, AttrValue]:
        tensor = self.row.tensors[number]
        found: dict[str, AttrValue] = {"dtype": tensor.dtype, "shape": self.shape(tensor)}
        if number in self.constants:
            found["value"] = self.constants[number]
        if tensor.sparsity:
            found |= self._sparse_attrs(tensor.sparsity)
            found["_stored_bytes"] = self.stored[number]
        return found | self._tensor_attrs([number])

    def _sparse_attrs(self, at: int) -> dict[str, AttrValue]:
        try:
            order, blocks, levels = read_sparsity(self.flat, at)
        except (Broken, LimitError) as error:
            return {"_damaged": str(error).encode("utf-8", "backslashreplace")}
        forms: list[AttrValue] = [b"csr" if level.sparse else b"dense" for level in levels]
        found: dict[str, AttrValue] = {"_sparse": forms, "_traversal_order": list(order)}
        return found | {"_block_map": list(blocks)} if blocks else found

    def _attrs(self, operator: OperatorRow) -> LazyAttrs:
        calls = any(kind.calls for kind, _ in operator.options)
        more = None
        if operator.code.kind != "builtin":
            more = partial(read_custom, self.flat, operator, self.row.index)
        return LazyAttrs(partial(self._operator_attrs, operator), calls=calls, more=more)

    def _operator_attrs(self, operator: OperatorRow) -> dict[str, AttrValue]:
        part = f"subgraphs[{self.row.index}].operators[{operator.index}]"
        found: dict[str, AttrValue] = {}
        try:
            for kind, at in operator.options:
                found |= read_options(self.flat, kind, at, self.functions)
        except (Broken, LimitError) as error:
            found["_damaged"] = f"{part}: {error}".encode("utf-8", "backslashreplace")
        found["_version"] = operator.code.version
        return found | self._tensor_attrs([item for item in operator.outputs if item >= 0])

    def _tensor_attrs(self, numbers: list[int]) -> dict[str, AttrValue]:
        """What is known of a node's outputs. Quantisation is the first quantised one's."""
        tensors = [self.row.tensors[number] for number in numbers]
        found: dict[str, AttrValue] = {
            "_output_shapes": [self.shape(tensor) for tensor in tensors],
            "_output_types": [tensor.dtype for tensor in tensors],
            "_tensor_names": [tensor.name.encode("utf-8", "replace") for tensor in tensors],
        }
        for port, tensor in enumerate(tensors):
            about = tensor.quantization
            if about is None:
                continue
            behind = f"_{port}" if port else ""
            found[f"_quantization{behind}"] = about.form.encode()
            if about.block_size:
                found[f"_block_size{behind}"] = about.block_size
            if 0 <= about.scales_tensor < len(self.shown):
                shown = self.shown[about.scales_tensor]
                found[f"_scales_in{behind}"] = shown.encode("utf-8", "replace")
            if about.scales:
                try:
                    scales, zeros = about.read()
                except (Broken, LimitError):
                    continue
                found[f"_scale{behind}"] = list(scales)
                found[f"_zero_point{behind}"] = list(zeros)
                if about.per_channel:
                    found[f"_quantized_dimension{behind}"] = about.dimension
        return found

    def graph(self, functions: Mapping[str, Function]) -> Graph:
        by_name, duplicates = index_nodes(self.nodes)
        return Graph(
            nodes=tuple(self.nodes),
            functions=MappingProxyType(dict(functions)),
            versions=Versions(),
            by_name=MappingProxyType(by_name),
            duplicates=duplicates,
        )

    def function(self, name: str) -> Function:
        results = Names()
        outputs, returns = [], {}
        for number in self.row.outputs:
            result = results.give(node_name(self.row.tensors[number].name), number)
            outputs.append(self.spec(number, result))
            returns[result] = self.refs[number]
        return Function(
            name=name,
            nodes=tuple(self.nodes),
            inputs=tuple(self.spec(number, self.refs[number]) for number in self.row.inputs),
            outputs=tuple(outputs),
            returns=MappingProxyType(returns),
            control_returns=MappingProxyType({}),
            attrs={},
        )

    def facts(self) -> TFLiteSubgraph:
        """What the file says of this subgraph."""
        results = frozenset(self.row.outputs)
        tensors = tuple(
            TFLiteTensor(
                name=self.shown[number],
                dtype=tensor.dtype,
                shape=self.shape(tensor),
                role=self.roles[number],
                is_output=number in results,
                quantization=tensor.quantization,
                buffer=tensor.buffer if number in self.constants else 0,
                stored_bytes=self.stored[number],
                sparse=bool(tensor.sparsity),
            )
            for number, tensor in enumerate(self.row.tensors)
        )
        counts = Counter((item.code.kind, item.code.name) for item in self.row.operators)
        return TFLiteSubgraph(name=self.row.name, tensors=tensors, operators=dict(counts))


def _op(code: Code) -> str:
    return FLEX + code.name if code.kind == "select" else code.name


def function_of(names: list[str], number: int) -> FunctionRef | None:
    """The function that subgraph ``number`` became, None where there is no such subgraph."""
    return FunctionRef(name=names[number]) if 0 <= number < len(names) else None
