"""The subgraphs of a file as rows: tensors and operators, what is damaged left out and told."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from migrator.formats.tflite.flat import Broken, Flat, Kind
from migrator.formats.tflite.options import check_options, kind_of
from migrator.formats.tflite.schema import (
    BLOCKWISE,
    DETAILS,
    OPERATOR,
    OPERATOR_CODE,
    QUANTIZATION,
    SUBGRAPH,
    TENSOR,
    dtype_of,
)
from migrator.formats.tflite.warnings import Warnings
from migrator.model.dtypes import INVALID, DType
from migrator.model.tensors import SCALAR, UNKNOWN_SHAPE, Shape
from migrator.model.tflite import Quantization
from migrator.ops.tflite import CUSTOM, operator_name

_MOST_DIMENSIONS = 255
_ROW = 128
"""Bytes that each naming of a subgraph, a tensor or an operator counts as: many offsets may name
one table, and each becomes a row of its own. Less than eight times what the smallest takes."""
FLEX = "Flex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What an operator does: ``kind`` is ``builtin``, ``select`` or ``custom``."""

    kind: str
    name: str
    version: int


@dataclass(slots=True, eq=False)
class TensorRow:
    """A tensor as the file has it. ``shape`` is that of its values, ``shown`` may be less sure."""

    name: str
    dtype: DType
    shape: Shape
    shown: Shape
    buffer: int
    quantization: Quantization | None
    is_variable: bool
    sparsity: int
    """Position of how the values lie in the shape, 0 for a dense tensor."""
    external: int
    ranked: bool


@dataclass(slots=True, eq=False)
class OperatorRow:
    """An operator. ``inputs`` holds -1 for what is left out;"""

    index: int
    at: int
    code: Code
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[tuple[Kind, int], ...]
    """Tables of options that have fields, and where."""


@dataclass(slots=True, eq=False)
class SubgraphRow:
    index: int
    name: str
    tensors: list[TensorRow]
    operators: list[OperatorRow]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Reader:
    """Reads the parts of one file; ``tensors`` and ``operators`` count those of all subgraphs."""

    __slots__ = ("_codes", "_codes_at", "_interned", "flat", "operators", "tensors", "warnings")

    def __init__(self, flat: Flat, codes_at: int, warnings: Warnings) -> None:
        """``codes_at``: the vector of operator codes. Raises Broken."""
        self.flat = flat
        self.warnings = warnings
        self._codes_at = flat.vector(codes_at, 4, "operator_codes") if codes_at else (0, 0)
        self._codes: dict[int, Code] = {}
        self._interned: dict[tuple[int, ...], Shape] = {}
        self.tensors = 0
        self.operators = 0

    def code(self, number: int) -> Code:
        """Operator code ``number``. Raises Broken."""
        found = self._codes.get(number)
        if found is None:
            start, count = self._codes_at
            if number >= count:
                raise Broken(
                    f"is {number:,}, and there are {count:,} operator codes", where="opcode_index"
                )
            part = f"operator_codes[{number}]"
            at = self.flat.follow(start + 4 * number, part)
            old, custom_at, version, new = self.flat.table(OPERATOR_CODE, at, part)
            builtin = max(old, new)  # the older field ends at 127
            custom = self.flat.text(custom_at, f"{part}.custom_code") if custom_at else ""
            if builtin == CUSTOM:
                if custom.startswith(FLEX) and custom != FLEX:
                    found = Code(kind="select", name=custom[len(FLEX) :], version=version)
                else:
                    found = Code(kind="custom", name=custom or "CUSTOM", version=version)
            else:
                name = operator_name(builtin)
                if name is None:
                    name = f"OPERATOR_{builtin}"
                    self.warnings.add(
                        "unknown operators",
                        f"{part}: built-in operator {builtin} is newer than this version knows",
                    )
                found = Code(kind="builtin", name=name, version=version)
            self._codes[number] = found
        return found

    def subgraph(self, at: int, index: int) -> SubgraphRow:
        """One subgraph with the tensors and operators that can be read. Raises Broken."""
        flat, part = self.flat, f"subgraphs[{index}]"
        row = flat.table(SUBGRAPH, at, part)
        tensors_at, inputs_at, outputs_at, operators_at, name_at = row
        places = {"tensors": (0, 0), "operators": (0, 0)}
        if tensors_at:
            places["tensors"] = flat.vector(tensors_at, 4, f"{part}.tensors")
        if operators_at:
            places["operators"] = flat.vector(operators_at, 4, f"{part}.operators")
        self.tensors += places["tensors"][1]
        self.operators += places["operators"][1]
        where = flat.source.name
        flat.limits.check("nodes", max(self.tensors, self.operators), where=f"{where}: {part}")
        rows = 1 + places["tensors"][1] + places["operators"][1]
        flat.spend(rows * _ROW, part)
        inputs = self._indexes(inputs_at, f"{part}.inputs")
        outputs = self._indexes(outputs_at, f"{part}.outputs")
        tensors = self._tensors(*places["tensors"], f"{part}.tensors")
        operators = self._operators(*places["operators"], f"{part}.operators", len(tensors))
        try:
            name = flat.text(name_at, f"{part}.name")
        except Broken as error:
            self.warnings.error("names that cannot be read", error)
            name = ""
        kept = [
            tuple(item for item in side if self._known(item, len(tensors), f"{part}.{label}"))
            for side, label in ((inputs, "inputs"), (outputs, "outputs"))
        ]
        return SubgraphRow(index, name, tensors, operators, kept[0], kept[1])

    def _indexes(self, at: int, part: str) -> tuple[int, ...]:
        try:
            return self.flat.numbers(at, "i", part)
        except Broken as error:
            self.warnings.error("lists of tensors that cannot be read", error)
            return ()

    def _known(self, number: int, count: int, part: str) -> bool:
        if 0 <= number < count:
            return True
        if number != -1:
            self.warnings.add(
                "tensors that are not there", f"{part}: names tensor {number:,} of {count:,}"
            )
        return False

    def _tensors(self, start: int, count: int, part: str) -> list[TensorRow]:
        found = []
        for number, target in enumerate(self.flat.targets(start, count)):
            try:
                at = target or self.flat.follow(start + 4 * number, "")
                found.append(self._tensor(at, number, part))
            except Broken as error:
                error.inside(f"{part}[{number}]")
                self.warnings.error("tensors that cannot be read", error)
                shape = UNKNOWN_SHAPE
                found.append(TensorRow("", INVALID, shape, shape, 0, None, False, 0, 0, False))
        return found

    def _operators(self, start: int, count: int, part: str, tensors: int) -> list[OperatorRow]:
        found = []
        for number, target in enumerate(self.flat.targets(start, count)):
            try:
                at = target or self.flat.follow(start + 4 * number, "")
                found.append(self._operator(at, number, part, tensors))
            except Broken as error:
                error.inside(f"{part}[{number}]")
                self.warnings.error("operators that cannot be read", error)
        return found

    def _tensor(self, at: int, number: int, part: str) -> TensorRow:
        flat = self.flat
        row = flat.table(TENSOR, at)
        (shape_at, kind, buffer, name_at, quantized, is_variable, sparsity) = row[:7]
        signature_at, ranked, _, external = row[7:]
        dtype = dtype_of(kind)
        if dtype is INVALID:
            self.warnings.add(
                "unknown element types",
                f"{part}[{number}].type: {kind} is newer than this version knows",
            )
        dims = flat.numbers(shape_at, "i", "shape")
        shape = self._shape(dims, number, part)
        shown = shape
        if signature_at:
            unsure = flat.numbers(signature_at, "i", "shape_signature")
            if unsure and (len(unsure) == len(dims) or not dims):
                shown = self._shape(unsure, number, part)
        quantization = None
        if quantized:
            try:
                quantization = self._quantization(quantized, number, part)
            except Broken as error:
                error.inside("quantization").inside(f"{part}[{number}]")
                self.warnings.error("quantisations that cannot be read", error)
        name = flat.text(name_at, "name") if name_at else ""
        return TensorRow(
            name,
            dtype,
            shape,
            shown,
            buffer,
            quantization,
            is_variable,
            sparsity,
            external,
            ranked or bool(dims),
        )

    def _shape(self, dims: tuple[int, ...], number: int, part: str) -> Shape:
        if not dims:
            return SCALAR
        found = self._interned.get(dims)
        if found is None:
            if len(dims) > _MOST_DIMENSIONS:
                self.warnings.add(
                    "shapes that no tensor has",
                    f"{part}[{number}].shape: has {len(dims):,} dimensions",
                )
                return UNKNOWN_SHAPE
            found = Shape(tuple([None if dim < 0 else dim for dim in dims]))
            self._interned[dims] = found
        return found

    def _quantization(self, at: int, number: int, part: str) -> Quantization | None:
        flat = self.flat
        _, _, scale_at, zero_at, kind, details, dimension = flat.table(QUANTIZATION, at)
        counts = []
        for place, width, name in ((scale_at, 4, "scale"), (zero_at, 8, "zero_point")):
            count = flat.vector(place, width, name)[1] if place else 0
            flat.spend(count * width, name)
            counts.append(count)
        if details and kind:
            form = DETAILS.get(kind, "custom")
            scales, size = -1, 0
            if kind in DETAILS:
                scales, _, size = flat.table(BLOCKWISE, details, "details")
            return Quantization(
                form=form,
                scales=0,
                dimension=dimension,
                read=lambda: ((), ()),
                block_size=size,
                scales_tensor=scales,
            )
        if not counts[0]:
            return None
        read = partial(_scales, flat, scale_at, zero_at, f"{part}[{number}].quantization")
        return Quantization(form="affine", scales=counts[0], dimension=dimension, read=read)

    def _operator(self, at: int, number: int, part: str, tensors: int) -> OperatorRow:
        flat = self.flat
        row = flat.table(OPERATOR, at)
        code = self.code(row[0])
        inputs = flat.numbers(row[1], "i", "inputs")
        outputs = flat.numbers(row[2], "i", "outputs")
        if inputs and not -1 <= min(inputs) <= max(inputs) < tensors:
            inputs = self._checked(inputs, tensors, f"{part}[{number}].inputs")
        if outputs and not -1 <= min(outputs) <= max(outputs) < tensors:
            outputs = self._checked(outputs, tensors, f"{part}[{number}].outputs")
        options: tuple[tuple[Kind, int], ...] = ()
        try:
            if row[4]:
                options += self._options(row[3], row[4], second=False)
            if row[12]:
                options += self._options(row[11], row[12], second=True)
            if row[5]:
                flat.spend(flat.vector(row[5], 1, "custom_options")[1], "custom_options")
        except Broken as error:
            error.inside(f"{part}[{number}]")
            self.warnings.error("options that cannot be read", error)
        return OperatorRow(number, at, code, inputs, outputs, options)

    def _options(self, kind: int, at: int, *, second: bool) -> tuple[tuple[Kind, int], ...]:
        table = kind_of(kind, second=second)
        if table is None or not table.fields:
            return ()
        check_options(self.flat, table, at, "builtin_options_2" if second else "builtin_options")
        return ((table, at),)

    def _checked(self, numbers: tuple[int, ...], tensors: int, part: str) -> tuple[int, ...]:
        return tuple([item if self._known(item, tensors, part) else -1 for item in numbers])


def _scales(
    flat: Flat, scale_at: int, zero_at: int, part: str
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    return (
        flat.numbers(scale_at, "f", f"{part}.scale"),
        flat.numbers(zero_at, "q", f"{part}.zero_point"),
    )
