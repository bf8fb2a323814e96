"""Look-ups in ``ops.json``: arguments, dtypes, statefulness, deprecation, kernels.

The data comes from TensorFlow's own registries by ``scripts/make_op_facts.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from migrator.model.dtypes import DType, dtype_named
from migrator.model.graph import AttrValue, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One declared argument of an op; it stands for several tensors where it is a list."""

    name: str
    dtype: DType | None
    """The fixed type, None where an attribute gives it."""
    type_attr: str = ""
    number_attr: str = ""
    is_list: bool = False
    """The type attribute is a list of types, one to a tensor."""
    is_ref: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpFacts:
    """What the newest TensorFlow that has the op says of it."""

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    defaults: Mapping[str, int]
    """Attribute -> default, of types (as numbers) and integers only."""
    stateful: bool
    deprecated_at: int
    """GraphDef version from which on the op is refused, 0 for never."""
    deprecation: str
    cpu_kernel: bool
    last_release: str
    """The release that it was last seen in; empty where the newest one has it."""


@cache
def _lines() -> tuple[str, dict[str, str]]:
    """The table's first line, and op -> its line: of 2,000 a model has a few dozen to parse."""
    head, _, *rows, _ = Path(__file__).with_name("ops.json").read_text("ascii").splitlines()
    return head, {row[1 : row.index('"', 1)]: row for row in rows}


@cache
def covered_releases() -> tuple[str, ...]:
    """The TensorFlow releases that the facts were taken from, newest first."""
    return tuple(json.loads(_lines()[0].rstrip(",") + "}")["tensorflow"])


@cache
def op_facts(name: str) -> OpFacts | None:
    """Facts about one op, None where no covered release registers it."""
    line = _lines()[1].get(name)
    if line is None:
        return None
    row: dict[str, Any] = json.loads("{" + line.rstrip(",") + "}")[name]
    version, explanation = row.get("d", (0, ""))
    return OpFacts(
        name=name,
        inputs=tuple(_argument(text) for text in row["i"]),
        outputs=tuple(_argument(text) for text in row["o"]),
        defaults=row.get("a", {}),
        stateful=bool(row.get("s")),
        deprecated_at=version,
        deprecation=explanation,
        cpu_kernel=bool(row.get("k", 1)),
        last_release=row.get("x", ""),
    )


def _argument(text: str) -> Argument:
    name, _, kind = text.partition(":")
    is_ref = kind.endswith("&")
    kind, _, number = kind.rstrip("&").partition("*")
    if not kind.startswith("$"):
        return Argument(name=name, dtype=dtype_named(kind), number_attr=number, is_ref=is_ref)
    is_list = kind.endswith("[]")
    attr = kind[1:].removesuffix("[]")
    return Argument(
        name=name, dtype=None, type_attr=attr, number_attr=number, is_list=is_list, is_ref=is_ref
    )


def input_dtypes(node: Node) -> tuple[DType, ...] | None:
    """Types of all data inputs of a node in slot order, None where they cannot be known."""
    facts = op_facts(node.op)
    return None if facts is None else _all_dtypes(facts.inputs, node, facts)


def output_dtypes(node: Node) -> tuple[DType, ...] | None:
    """Types of all outputs of a node in port order, None where they cannot be known."""
    facts = op_facts(node.op)
    return None if facts is None else _all_dtypes(facts.outputs, node, facts)


def _all_dtypes(
    arguments: tuple[Argument, ...], node: Node, facts: OpFacts
) -> tuple[DType, ...] | None:
    found: list[DType] = []
    for argument in arguments:
        types = argument_dtypes(argument, node.attrs, facts.defaults)
        if types is None:
            return None
        found += types
    return tuple(found)


def output_dtype(node: Node, port: int) -> DType | None:
    """Type of one output, None where it cannot be known or the port does not exist."""
    types = output_dtypes(node)
    return types[port] if types is not None and 0 <= port < len(types) else None


def output_ports(node: Node) -> dict[str, tuple[int, int]] | None:
    """Output argument -> (first port, number of ports): flattens ``node:out_arg:k``."""
    facts = op_facts(node.op)
    return None if facts is None else _ports(facts.outputs, node, facts)


def input_slots(node: Node) -> dict[str, tuple[int, int]] | None:
    """Input argument -> (first slot, number of slots), counting data inputs."""
    facts = op_facts(node.op)
    return None if facts is None else _ports(facts.inputs, node, facts)


def _ports(
    arguments: tuple[Argument, ...], node: Node, facts: OpFacts
) -> dict[str, tuple[int, int]] | None:
    ports: dict[str, tuple[int, int]] = {}
    start = 0
    for argument in arguments:
        types = argument_dtypes(argument, node.attrs, facts.defaults)
        if types is None:
            return None
        ports[argument.name] = (start, len(types))
        start += len(types)
    return ports


_MOST_OUTPUTS = 1 << 16


def argument_dtypes(
    argument: Argument, attrs: Mapping[str, AttrValue], defaults: Mapping[str, int]
) -> list[DType] | None:
    """Types of the tensors that one argument stands for, by a node's attributes."""
    if argument.is_list:
        types = attrs.get(argument.type_attr)
        if not isinstance(types, list) or not all(isinstance(item, DType) for item in types):
            return None
        return list(types)
    dtype = argument.dtype
    if dtype is None:
        value = attrs.get(argument.type_attr)
        if value is None and argument.type_attr in defaults:
            value = DType(defaults[argument.type_attr])
        if not isinstance(value, DType):
            return None
        dtype = value
    if argument.is_ref and not dtype.is_ref:
        dtype = DType(dtype + 100)
    if not argument.number_attr:
        return [dtype]
    count = attrs.get(argument.number_attr, defaults.get(argument.number_attr))
    if not isinstance(count, int) or not 0 <= count <= _MOST_OUTPUTS:
        return None
    return [dtype] * count
