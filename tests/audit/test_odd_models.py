"""Models that nobody exports: no rule fails on one, whatever its file says."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.auditing.discovery.discover import Found
from migrator.auditing.engine import run_rules
from migrator.auditing.examine import Order, examine
from migrator.auditing.finding import AuditedModel
from migrator.auditing.registry import all_rules
from migrator.auditing.subject import Subject
from migrator.migration.readiness import assess
from migrator.ops.registry import op_facts
from tests import handmade, wire
from tests.audit.notation import MORE, write_model
from tests.audit.test_cases import all_cases

_ORDER = Order(codes=tuple(rule.code for rule in all_rules()), deep=True)
_OPS = sorted(
    {name for rule in all_rules() for name in rule.looks_at if op_facts(name) is not None}
    | set("Const Identity Placeholder MatMul AddN Cast Reshape PartitionedCall If While".split())
)
_NAMES = ("a", "b", "c", "a/b", "save/restore_all", "^")
_REFS = ("a", "b", "c:1", "a/b:0", "^a", "^", "nowhere", "b:out:0", ":0", "a:-1", "x", "")
_ATTRS = sorted(
    {
        *"T dtype shape value f body cond Tin Tout dtypes _class _output_shapes N".split(),
        *"is_training Tout_types".split(),
        *"data_format shared_name container token frame_name then_branch else_branch seed".split(),
        *"SrcT DstT keep_dims component_types _gradient_op_type output_stream debug_urls".split(),
        *"tensor_array_name then_branch branches address filename key_dtype".split(),
    }
)
_VALUES = st.one_of(
    st.sampled_from([wire.F, wire.S, wire.Type(0), wire.Type(101), wire.Type(20), wire.Type(9999)]),
    st.sampled_from([wire.Dims(None), wire.Dims(()), wire.Dims((-1, 4)), wire.Dims((2**62,) * 3)]),
    st.sampled_from([wire.Call("f"), wire.Call("g"), wire.Call("nowhere")]),
    st.sampled_from([b"", b"loc:@a", b"/etc/passwd", b"file://x", b"\xff\0", b"NCHW"]),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats(width=32),
    st.just([wire.Call("f"), wire.Call("g")]),
    st.just([wire.F, wire.S]),
    st.just([b"x", b"loc:@b"]),
    st.just([]),
)


@st.composite
def _nodes(draw: st.DrawFn) -> bytes:
    names = st.sampled_from(_NAMES)
    return wire.node(
        draw(names),
        draw(st.sampled_from(_OPS)),
        draw(st.lists(st.sampled_from(_REFS), max_size=4)),
        draw(st.dictionaries(st.sampled_from(_ATTRS), _VALUES, max_size=4)),
    )


@st.composite
def _graphs(draw: st.DrawFn) -> bytes:
    bodies = st.lists(_nodes(), max_size=4)
    functions = [
        wire.function(
            name,
            dict.fromkeys(draw(st.lists(st.sampled_from(_NAMES), max_size=2)), 1),
            {"r": 1},
            draw(bodies),
            {"r": draw(st.sampled_from(_REFS))},
        )
        for name in draw(st.lists(st.sampled_from(("f", "g", "Identity")), max_size=2))
    ]
    return wire.graph(draw(st.lists(_nodes(), max_size=8)), functions)


def _assert_no_rule_fails(subject: Subject) -> None:
    findings, skipped = run_rules(subject, all_rules())
    assert not skipped, skipped
    planned = subject.planned
    assess(plan=planned.plan, decision=planned.decision, error=planned.error)
    for finding in findings:
        assert finding.message and finding.fix and len(finding.fingerprint) == 32


@settings(max_examples=60)
@given(graph=_graphs())
def test_no_rule_fails_on_a_graph_of_odd_nodes(graph: bytes) -> None:
    _assert_no_rule_fails(Subject("m.pb", model=handmade.read_graph(graph)))


@settings(max_examples=60)
@given(graph=_graphs(), ends=st.lists(st.sampled_from(_REFS), min_size=2, max_size=4))
def test_no_rule_fails_on_odd_signatures_and_hooks(graph: bytes, ends: list[str]) -> None:
    first, last = (end or "a" for end in (ends[0], ends[-1]))
    more = b"".join(
        (
            MORE["signature"](f"serving_default: x={first} -> y={last}"),
            MORE["main_op"](last),
            MORE["saver"](f"filename={first} save={last} restore={first}"),
            MORE["asset"](f"{first} ../v.txt"),
        )
    )
    metas = (wire.meta_graph(graph, ["serve"], more=more), wire.meta_graph(graph, []))
    _assert_no_rule_fails(Subject("m", model=handmade.read_saved_model(wire.saved_model(*metas))))


def _mutant(data: bytes, dice: random.Random) -> bytes:
    """One to three bytes changed, which most often leaves a model that can be read."""
    found = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(found))
        found[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, found[at] ^ (1 << dice.randrange(8))))
    return bytes(found)


@pytest.mark.parametrize("part", range(4))
def test_no_rule_fails_on_damaged_models(part: int, tmp_path: Path) -> None:
    audited = 0
    for number, item in enumerate(all_cases()):
        if number % 4 != part:
            continue
        case: dict[str, Any] = item.values[2]
        data, form = write_model(case["model"])
        path = tmp_path / ("m.pb" if form == "graph_def" else "saved_model.pb")
        for turn in range(3):
            path.write_bytes(_mutant(data, random.Random(f"{number} {turn}")))
            found = examine(Found(path=str(path), named=True), _ORDER)
            if isinstance(found, AuditedModel):
                audited += 1
                assert not found.skipped, (number, turn, found.skipped)
                reasons = found.readiness.reasons if found.readiness is not None else ()
                assert not any(item.text.startswith("planning it failed") for item in reasons)
            elif found is not None:
                assert "failed: " not in found.reason, (number, turn, found)
    assert audited > 40
