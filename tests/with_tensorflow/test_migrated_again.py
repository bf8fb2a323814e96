"""Sources whose functions are called as TensorFlow calls those that it makes itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import migrator
from migrator.migration.record import MIGRATED
from tests import wire
from tests.handmade import const, op, placeholder, unary

from .conftest import load_fixture

_NUMBERS = range(0, 200)
"""Tracing numbers functions from a low number on; a migration gets to about 60."""


def _adding(name: str, step: float) -> bytes:
    """A function that adds ``step``."""
    nodes = [const("step", step), op("sum", "AddV2", "a", "step:output:0", T=wire.F)]
    return wire.function(name, {"a": wire.FLOAT}, {"b": wire.FLOAT}, nodes, {"b": "sum:z:0"})


def _call(name: str, source: str, function: str, kind: str = "PartitionedCall") -> bytes:
    types = {"Tin": [wire.F], "Tout": [wire.F]}
    return op(name, kind, source, f=wire.Call(function), **types)


def _clashing() -> bytes:
    """A graph with functions of every name that tracing is about to give, called in every way."""
    serve = [f"__inference_serve_{number}" for number in _NUMBERS]
    wrapped = [f"__inference_wrapped_function_{number}" for number in _NUMBERS]
    functions = [_adding(name, 1 + number / 8) for number, name in enumerate(serve)]
    for inner, name in zip(serve, wrapped, strict=True):  # each calls another one
        body = [_call("inner", "a", inner, "StatefulPartitionedCall")]
        returns = {"b": "inner:output:0"}
        functions.append(wire.function(name, {"a": wire.FLOAT}, {"b": wire.FLOAT}, body, returns))
    less = [
        const("axes", [0, 1], "int32"),
        op("sum", "Sum", "a", "axes:output:0", T=wire.F, Tidx=wire.I32, keep_dims=False),
        const("end", 1000.0),
        op("less", "Less", "sum:output:0", "end:output:0", T=wire.F),
    ]
    cond = {"a": wire.FLOAT}, {"go": wire.BOOL}, less, {"go": "less:z:0"}
    functions.append(wire.function("while_cond_31", *cond))
    types = {"Tin": [wire.F], "Tout": [wire.F]}
    bodies = {"cond": wire.Call("while_cond_31"), "body": wire.Call(wrapped[31])}
    branches = {"then_branch": wire.Call(wrapped[7]), "else_branch": wire.Call(serve[9])}
    nodes = [placeholder("x", dims=(2, 4)), unary("first", "Relu", "x")]
    nodes += [_call(f"call{number}", "first", name) for number, name in enumerate(wrapped)]
    nodes += [
        op("all", "AddN", *[f"call{number}" for number in _NUMBERS], T=wire.F, N=len(wrapped)),
        const("which", 3, "int32"),
        op("case", "Case", "which", "all", branches=[*map(wire.Call, serve)], **types),
        const("yes", True, "bool"),
        op("if", "If", "yes", "case", Tcond=wire.B, **branches, **types),
        op("while", "While", "if", T=[wire.F], **bodies),
        op("direct", serve[5], "while"),
        unary("y", "Tanh", "direct"),
    ]
    return wire.graph(nodes, functions, gradients={serve[1]: wrapped[1]})


def test_functions_named_as_tracing_names_its_own_are_no_clash(tmp_path: Path) -> None:
    source = tmp_path / "graph.pb"
    source.write_bytes(_clashing())
    record = migrator.migrate(source, tmp_path / "saved", inputs=["x"], outputs=["y"])
    assert record.outcome == MIGRATED, record.verification.reason


@pytest.mark.parametrize("name", ("tf2.21.0/keras_export", "tf2.21.0/sm_functions"))
def test_results_migrate_again_and_again(name: str, tmp_path: Path) -> None:
    source = load_fixture(name).model
    for number in range(3):
        result = tmp_path / str(number)
        record = migrator.migrate(source, result)
        assert record.outcome == MIGRATED, record.verification.reason
        found = migrator.diff(source, result, weights=True)
        assert found.same_computation, found.headline
        source = result
