"""The work of a rule grows with the model, not with its square: a hostile file is no stall."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.registry import find_rule
from migrator.auditing.subject import Subject
from migrator.migration.plan import Blocker
from migrator.migration.readiness import judge
from tests import handmade, wire
from tests.handmade import const, op, placeholder, text_const

_MANY = 5000
_BOUND = 2.5
"""Seconds of this process for what takes less than one, and took a minute where it was square."""


def _sum(names: list[str]) -> bytes:
    return op("sum", "AddN", *names, T=wire.F, N=len(names))


def python_in_every_function() -> bytes:
    body = [op("y", "PyFunc", "x", token=b"p", Tin=[wire.F], Tout=[wire.F])]
    functions = [
        wire.function(f"f{i}", {"x": 1}, {"r": 1}, body, {"r": "y:output:0"}) for i in range(_MANY)
    ]
    types = {"Tin": [wire.F], "Tout": [wire.F]}
    calls = [
        op(f"c{i}", "PartitionedCall", "x", f=wire.Call(f"f{i}"), **types) for i in range(_MANY)
    ]
    return wire.graph([placeholder("x"), *calls, _sum([f"c{i}" for i in range(_MANY)])], functions)


def one_hidden_graph_run_by_all() -> bytes:
    reads = [op(f"n{i}", "ReadFile", "f") for i in range(_MANY)]
    hidden = wire.graph([text_const("f", b"/x"), *reads])
    runs = [op(f"d{i}", "DatasetFromGraph", "g") for i in range(_MANY)]
    return wire.graph([text_const("g", hidden), *runs])


def draws_that_one_node_reads() -> bytes:
    draws = [op(f"r{i}", "RandomUniform", "s", dtype=wire.F) for i in range(_MANY)]
    names = [f"r{i}" for i in range(_MANY)]
    return wire.graph([const("s", [2], "int32"), *draws, _sum(names)])


def masks_of_one_rate() -> bytes:
    nodes = [placeholder("x"), const("keep", 0.5), const("s", [2], "int32")]
    for i in range(_MANY):
        nodes += [
            op(f"u{i}", "RandomUniform", "s", dtype=wire.F),
            op(f"a{i}", "Add", f"u{i}", "keep", T=wire.F),
            op(f"f{i}", "Floor", f"a{i}", T=wire.F),
            op(f"m{i}", "Mul", "x", f"f{i}", T=wire.F),
        ]
    return wire.graph([*nodes, _sum([f"m{i}" for i in range(_MANY)])])


def differences_from_a_mean_of_many() -> bytes:
    mean = op("m", "Mean", "x", "axes", *["x"] * _MANY, T=wire.F, keep_dims=True)
    nodes = [op(f"s{i}", "SquaredDifference", "x", "m", T=wire.F) for i in range(_MANY)]
    first = [placeholder("x"), const("axes", [0], "int32"), mean]
    return wire.graph([*first, *nodes, _sum([f"s{i}" for i in range(_MANY)])])


def layers_with_one_reader() -> bytes:
    layers = [op(f"l{i}", "MatMul", "x", "w", T=wire.F) for i in range(_MANY)]
    first = [placeholder("x"), const("w", [[1.0]])]
    return wire.graph([*first, *layers, _sum([f"l{i}" for i in range(_MANY)])])


def layers_of_one_wide_weight() -> bytes:
    weight = op("w", "AddN", *["k"] * _MANY, T=wire.F, N=_MANY)
    layers = [op(f"l{i}", "MatMul", "x", "w", T=wire.F) for i in range(_MANY)]
    return wire.graph([placeholder("x"), const("k", [[1.0]]), weight, *layers])


@pytest.mark.parametrize(
    ("make", "codes"),
    [
        (python_in_every_function, ("B105",)),
        (one_hidden_graph_run_by_all, ("S401",)),
        (draws_that_one_node_reads, ("W303", "W305")),
        (masks_of_one_rate, ("W303",)),
        (differences_from_a_mean_of_many, ("W304",)),
        (layers_with_one_reader, ("H112",)),
        (layers_of_one_wide_weight, ("H112",)),
    ],
)
def test_a_large_graph_takes_rules_no_square(
    make: Callable[[], bytes], codes: tuple[str, ...]
) -> None:
    subject = Subject("m.pb", model=handmade.read_graph(make()))
    _assert_quick(subject, codes)


def test_many_meta_graphs_take_rules_no_square() -> None:
    nodes = [placeholder("x"), op("v", "VariableV2", dtype=wire.F, shape=wire.Dims((2,)))]
    graph = wire.graph([*nodes, op("y", "Identity", "x", T=wire.F), op("s", "Switch", "x", "x")])
    metas = [wire.meta_graph(graph, [f"t{i}"]) for i in range(_MANY)]
    subject = Subject("m", model=handmade.read_saved_model(wire.saved_model(*metas)))
    _assert_quick(subject, ("W101", "W106", "W107", "H102", "H103", "B314"))


def _assert_quick(subject: Subject, codes: tuple[str, ...]) -> None:
    assert subject.by_op
    assert subject.planned
    assert subject.served
    start = time.process_time()
    _, skipped = run_rules(subject, map(find_rule, codes))
    assert time.process_time() - start < _BOUND
    assert not skipped


def test_many_blockers_take_the_verdict_no_square() -> None:
    kinds = ("python", "unfed")
    blockers = [Blocker(code=kinds[i % 2], text=f"{i}", node=f"{i}") for i in range(40_000)]
    start = time.process_time()
    reasons = judge(blockers, ()).reasons
    assert time.process_time() - start < _BOUND
    assert [item.code for item in reasons] == ["python"] * 20_000 + ["unfed"] * 20_000
