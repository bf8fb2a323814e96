"""Models and what was migrated from them: the same computation, until somebody changes one.

``migrated`` holds what ``migrator migrate fixtures/tf1.15.5/NAME/...`` made of four fixtures, with
the long parts of the records left out; nothing here needs TensorFlow.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.diffing.result import ADDED, CHANGED, REMOVED, REWIRED
from migrator.formats.messages import message_class
from tests.corpus import sample
from tests.diff.test_compare_laws import told

MIGRATED = Path(__file__).parent / "migrated"
NAMES = ("is_training", "rnn_while", "sm_counter", "sm_variables")


def source(name: str) -> Path:
    return sample(f"tf1.15.5/{name}").path


@pytest.mark.parametrize("name", NAMES)
def test_result_of_a_migration_computes_the_same_and_its_record_says_the_rest(name: str) -> None:
    pair = source(name), MIGRATED / name
    for left, right in (pair, pair[::-1]):
        found = migrator.diff(left, right, weights=True)
        assert found.same_computation, found.headline
        assert found.counts["weights_different"] == found.counts["weights_unknown"] == 0
        assert all(item.why for item in found.nodes if item.kind in (ADDED, REMOVED))
        assert not [item for item in found.nodes if item.kind == REWIRED and not item.why]
        assert "but what its migration record says" in "\n".join(found.headline)


@pytest.mark.parametrize("name", NAMES)
def test_result_of_a_migration_mirrors(name: str) -> None:
    pair = source(name), MIGRATED / name
    forth, back = migrator.diff(*pair), migrator.diff(*reversed(pair))
    assert told(forth) == told(back, mirrored=True)


def test_fixed_input_is_told() -> None:
    found = migrator.diff(source("is_training"), MIGRATED / "is_training")
    assert "is_training:0 is fixed to False" in found.headline


def test_loop_in_its_other_form_leaves_its_nodes_as_they_were() -> None:
    found = migrator.diff(source("rnn_while"), MIGRATED / "rnn_while")
    assert "1 loop became functional" in found.headline
    assert not [item for item in found.nodes if item.kind == CHANGED and not item.why]


class Copy:
    """A result of a migration that a test may change."""

    def __init__(self, name: str, folder: Path) -> None:
        self.source = source(name)
        self.path = folder / name
        shutil.copytree(MIGRATED / name, self.path)
        self._file = self.path / "saved_model.pb"
        self._model = message_class("SavedModel").FromString(self._file.read_bytes())

    def node(self, name: str, op: str = "") -> Any:
        """The node of that name in a body, of several the one with this op."""
        for function in self._model.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                if node.name == name and (not op or node.op == op):
                    return node
        raise LookupError(name)

    @property
    def meta(self) -> Any:
        return self._model.meta_graphs[0]

    def found(self) -> migrator.Diff:
        self._file.write_bytes(self._model.SerializeToString())
        return migrator.diff(self.source, self.path, weights=True)

    def record(self, change: Callable[[Any], None]) -> None:
        file = self.path / "assets.extra" / "migrator.json"
        data = json.loads(file.read_text())
        change(data)
        file.write_text(json.dumps(data))


def set_value(node: Any, array: Any) -> None:
    tensor = node.attr["value"].tensor
    for name in ("float_val", "int_val"):
        tensor.ClearField(name)
    tensor.tensor_content = np.ascontiguousarray(array).tobytes()


def values(node: Any) -> Any:
    return np.frombuffer(node.attr["value"].tensor.tensor_content, np.float32).copy()


def one_weight(copy: Copy) -> None:
    node = copy.node("hidden/kernel")
    array = values(node)
    array[3] += 1e-6
    set_value(node, array)


def one_attribute(copy: Copy) -> None:
    copy.node("hidden/MatMul").attr["transpose_a"].b = True


def another_op(copy: Copy) -> None:
    copy.node("Relu").op = "Elu"


def no_bias(copy: Copy) -> None:
    copy.node("predictions_0").input[0] = "logits/MatMul:product:0"


def other_wiring(copy: Copy) -> None:
    copy.node("logits/MatMul").input[0] = "hidden/BiasAdd:output:0"


def swapped_inputs(copy: Copy) -> None:
    node = copy.node("bn/batchnorm/sub")
    node.input[0], node.input[1] = node.input[1], node.input[0]


def a_small_constant(copy: Copy) -> None:
    set_value(copy.node("bn/batchnorm/add/y"), np.float32(0.01))


def mean_for_variance(copy: Copy) -> None:
    copy.node("bn/cond_1/Switch_2").input[0] = "bn/moving_mean/read:output:0"


def another_output(copy: Copy) -> None:
    for function in copy.meta.graph_def.library.function:
        if "predictions" in function.ret:
            function.ret["predictions"] = "logits/BiasAdd:output:0"


def an_output_more(copy: Copy) -> None:
    signature = copy.meta.signature_def["serving_default"]
    signature.outputs["again"].CopyFrom(signature.outputs["predictions"])


def a_signature_more(copy: Copy) -> None:
    signatures = copy.meta.signature_def
    signatures["other"].CopyFrom(signatures["serving_default"])
    signatures["other"].outputs["predictions"].name = "serving_default_x:0"


def step_left_out(copy: Copy) -> None:
    copy.record(lambda data: data["steps"].pop(0))


def another_feed(copy: Copy) -> None:
    copy.record(lambda data: data["feeds"][0].update(value=True))


def no_proof(copy: Copy) -> None:
    copy.record(lambda data: data["verification"].update(verdict="mismatch"))


def made_up_steps(copy: Copy) -> None:
    """What was done is put down as a step, and still leads nowhere."""
    one_attribute(copy)
    step = {"code": "fold_batch_norm", "text": "batch norms are folded", "count": 1}
    copy.record(lambda data: data["steps"].append(step))


@pytest.mark.parametrize(
    "damage",
    (
        one_weight,
        one_attribute,
        another_op,
        no_bias,
        other_wiring,
        mean_for_variance,
        swapped_inputs,
        a_small_constant,
        another_output,
        an_output_more,
        a_signature_more,
        step_left_out,
        another_feed,
        no_proof,
        made_up_steps,
    ),
)
def test_result_that_was_changed_since_is_not_the_same(
    damage: Callable[[Copy], None], tmp_path: Path
) -> None:
    copy = Copy("is_training", tmp_path)
    assert copy.found().same_computation
    damage(copy)
    found = copy.found()
    assert not found.same_computation
    assert "same computation" not in found.headline[0]
    (copy.path / "assets.extra" / "migrator.json").unlink()
    assert not copy.found().same_computation


def test_changed_result_is_told_to_have_strayed_from_its_record(tmp_path: Path) -> None:
    copy = Copy("is_training", tmp_path)
    another_op(copy)
    copy.record(lambda data: data.update(migrator=migrator.__version__))
    assert "its record does not lead to it" in "\n".join(copy.found().headline)


def test_record_of_another_version_accuses_nobody(tmp_path: Path) -> None:
    copy = Copy("is_training", tmp_path)
    another_op(copy)
    copy.record(lambda data: data.update(migrator="0.0.1"))
    lines = "\n".join(copy.found().headline)
    assert "another version of migrator" in lines and "by hand" not in lines


def test_change_in_the_body_of_a_loop_is_found(tmp_path: Path) -> None:
    copy = Copy("rnn_while", tmp_path)
    copy.node("rnn/while/cell/BiasAdd").input[0] = "rnn/while/cell/concat:output:0"
    assert not copy.found().same_computation


def test_loop_that_ends_at_another_time_is_found(tmp_path: Path) -> None:
    copy = Copy("rnn_while", tmp_path)
    copy.node("rnn/while/Less").op = "LessEqual"
    assert not copy.found().same_computation


def test_order_in_which_state_is_read_and_written_counts(tmp_path: Path) -> None:
    copy = Copy("sm_counter", tmp_path)
    assert copy.found().same_computation
    function = next(
        item
        for item in copy.meta.graph_def.library.function
        if any(node.op.startswith("AssignAdd") for node in item.node_def)
    )
    changed = 0
    for node in function.node_def:
        kept = [text for text in node.input if not text.startswith("^")]
        if node.op == "ReadVariableOp" and len(kept) < len(node.input):
            del node.input[:]
            node.input.extend(kept)
            changed += 1
    assert changed
    assert not copy.found().same_computation


def test_variable_with_another_value_is_found(tmp_path: Path) -> None:
    copy = Copy("sm_counter", tmp_path)
    data = next((copy.path / "variables").glob("*.data-*"))
    content = data.read_bytes()
    data.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert not copy.found().same_computation
