"""A frozen graph against its migrated SavedModel: the same computation, and nothing unexplained.

``tests/diff/test_migrated.py`` has the same without TensorFlow, of results that were kept.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import migrator
from migrator.diffing.result import ADDED, CHANGED, REMOVED, REWIRED
from tests.diff.test_compare_laws import told
from tests.with_tensorflow.conftest import load_fixture


@pytest.mark.parametrize(
    ("name", "weights", "optimize"),
    (
        ("tf1.15.5/conv_bn", "variables", False),
        ("tf1.15.5/conv_bn", "constants", True),
        ("tf1.15.5/cond_in_while", "auto", False),
        ("tf1.15.5/is_training_residue", "auto", False),
        ("tf1.15.5/sm_switches", "constants", False),
        ("tf1.15.5/sm_counter", "variables", False),
        ("tf1.15.5/sm_table_mutable", "auto", False),
        ("tf1.4.1/mg_rnn", "variables", False),
        ("tf2.21.0/sm_functions", "auto", False),
    ),
)
def test_migrated_model_computes_the_same_and_its_record_says_the_rest(
    name: str, weights: str, optimize: bool, tmp_path: Path
) -> None:
    fixture = load_fixture(name)
    asked = {key: tuple(value) for key, value in fixture.options().items()}
    choice = migrator.Choice(weights=weights, optimize=optimize, **asked)
    result = tmp_path / "saved"
    migrator.migrate(fixture.model, result, choice=choice)
    forth = migrator.diff(fixture.model, result, weights=True)
    assert forth.same_computation, forth.headline
    assert forth.counts["weights_unknown"] == 0
    assert optimize or not forth.counts["weights_different"]
    assert all(item.why for item in forth.nodes if item.kind in (ADDED, REMOVED))
    assert "but what its migration record says" in "\n".join(forth.headline)
    assert not [
        item
        for item in forth.nodes
        if item.kind == REWIRED or (item.kind == CHANGED and item.op == "MatMul" and not optimize)
        if not item.why
    ]
    back = migrator.diff(result, fixture.model, weights=True)
    assert told(forth) == told(back, mirrored=True)


def test_loop_is_the_same_in_both_forms_without_any_proof(tmp_path: Path) -> None:
    fixture = load_fixture("tf1.15.5/while_plain")
    asked = {key: tuple(value) for key, value in fixture.options().items()}
    choice = migrator.Choice(**asked)
    migrator.migrate(fixture.model, tmp_path / "saved", choice=choice, verify=False)
    (tmp_path / "saved" / "assets.extra" / "migrator.json").unlink()
    assert migrator.diff(fixture.model, tmp_path / "saved").same_computation
