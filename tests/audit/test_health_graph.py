"""Rules on outsized constants and files, which no notation of a few lines can hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.registry import find_rule
from migrator.auditing.subject import Subject
from migrator.model.model import Model
from tests import handmade, wire


def _found(code: str, model: Model) -> tuple[Finding, ...]:
    findings, skipped = run_rules(Subject("model.pb", model=model), [find_rule(code)])
    assert not skipped
    return findings


def _claiming(name: str, rows: int) -> bytes:
    """A constant of ``rows`` x 1,024 float32 that is stored as one value."""
    value = wire.Raw(wire.block(8, wire.tensor(wire.FLOAT, (rows, 1024), wire.single(5, 1.0))))
    return handmade.op(name, "Const", dtype=wire.F, value=value)


def test_a_constant_of_64_mb_is_large_and_one_row_less_is_not() -> None:
    model = handmade.model(_claiming("large", 16 << 10), _claiming("less", (16 << 10) - 1))
    (finding,) = _found("H104", model)
    assert finding.location.node == "large"
    assert finding.detail["bytes"] == 64 << 20


def test_several_large_constants_are_one_finding() -> None:
    model = handmade.model(*(_claiming(f"w{number}", 20 << 10) for number in range(30)))
    (finding,) = _found("H104", model)
    assert finding.detail["count"] == 30
    assert len(finding.detail["nodes"]) == 10


def test_a_file_near_2_gib_is_told_and_one_past_it_counts_more() -> None:
    model = handmade.model(handmade.placeholder("x"))
    said = {}
    for size in (100, (3 << 29) - 1, 3 << 29, (1 << 31) - 1, 1 << 31):
        findings = _found("H105", replace(model, source=replace(model.source, bytes=size)))
        said[size] = [item.severity.label for item in findings]
    assert list(said.values()) == [[], [], ["low"], ["low"], ["medium"]]


def test_one_dead_constant_that_holds_the_weights_is_told() -> None:
    model = handmade.model(
        *handmade.dense("y", handmade_input := "x"),
        handmade.placeholder(handmade_input),
        handmade.op("waits", "NoOp", "^old"),
        handmade.const("old", np.zeros(20_000)),
    )
    (finding,) = _found("H101", model)
    assert finding.severity.label == "low"
    assert finding.detail["bytes"] == 80_000
    assert "old" in finding.detail["nodes"]
