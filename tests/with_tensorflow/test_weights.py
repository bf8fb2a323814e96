"""Weights in the result: variables that can be trained, or constants that are bit-exact."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.actions import verify as verifying
from migrator.actions.migrate import migrate
from migrator.actions.proving import CONSTANTS_KEPT
from migrator.formats.checkpoint import open_checkpoint
from migrator.formats.load import load
from migrator.migration.options import Choice
from migrator.migration.record import MigrationRecord
from tests.corpus import Sample, sample

from .conftest import load_fixture


@dataclass(frozen=True, kw_only=True)
class Made:
    sample: Sample
    record: MigrationRecord
    dest: Path


Make = Callable[..., Made]


SMALL = 32
"""Bytes from which on these tests lift a constant: the fixtures are small."""


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, warm: None) -> Iterator[Make]:
    """Migrations, each made once: ``make(NAME, **choice)``."""
    made: dict[str, Made] = {}

    def once(name: str, **choice: Any) -> Made:
        key = json.dumps([name, choice], sort_keys=True)
        if key not in made:
            item = sample(name)
            dest = tmp_path_factory.mktemp("weights") / "model"
            options = load_fixture(name).options() if item.kind == "graph_def" else {}
            record = migrate(item.path, dest, choice=Choice(**choice), timeout=300, **options)
            made[key] = Made(sample=item, record=record, dest=dest)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("migrator.migration.storage.weights.LIFT_FROM", SMALL)
        yield once


def variables_of(dest: Path) -> dict[str, bool]:
    """The result's variables and whether each is trainable, by our own reading."""
    graph = load(dest).meta_graphs[0].object_graph
    assert graph is not None
    return {item.name: item.trainable for item in graph.variables}


def values_of(dest: Path) -> dict[str, Any]:
    """The result's variables by name."""
    checkpoint = open_checkpoint(dest / "variables/variables")
    return {
        name: checkpoint.tensors[key].numpy()
        for name, key in checkpoint.names.items()
        if key in checkpoint.tensors
    }


def constants_of(item: Sample) -> dict[str, Any]:
    """The weights of a frozen graph."""
    return {
        node.name: node.attrs["value"].numpy()
        for node in item.model().graph.nodes
        if node.op == "Const" and node.name in item.record["trained"]
    }


FROZEN = ["tf1.15.5/mlp", "tf1.15.5/conv_bn", "tf1.15.5/embedding", "tf1.15.5/rnn_while"]


# --- constants that become variables


@pytest.mark.parametrize("name", FROZEN)
def test_lifted_weights_are_the_constants_bit_for_bit_under_their_names(
    make: Make, name: str
) -> None:
    made = make(name, weights="variables")
    stored = constants_of(made.sample)
    values = values_of(made.dest)
    large = {key for key, value in stored.items() if value.nbytes >= SMALL}
    assert large
    assert large <= set(values)
    assert all(value.nbytes >= SMALL for value in values.values())
    for key in large:
        assert values[key].dtype == stored[key].dtype
        assert values[key].tobytes() == stored[key].tobytes()


@pytest.mark.parametrize("name", FROZEN)
def test_lifting_is_proven_in_two_stages(make: Make, name: str) -> None:
    """Constants in place: bit for bit. As variables other kernels may run: within rounding."""
    made = make(name, weights="variables")
    stages = {stage.name: stage.verdict for stage in made.record.verification.stages}
    assert stages[CONSTANTS_KEPT] == "bitwise"
    assert made.record.weights == "variables"
    assert made.record.verification.passed


@pytest.mark.parametrize(("weights", "by_largest"), [("variables", True), ("constants", False)])
def test_verify_measures_a_result_as_migrate_did(
    make: Make, monkeypatch: pytest.MonkeyPatch, weights: str, by_largest: bool
) -> None:
    """Sums are reordered where constants became variables, and only there."""
    found = make("tf1.15.5/mlp", weights=weights)
    measured = []

    class Spied(verifying.Trial):
        def __init__(self, faces: Any, check: Any, *rest: Any, **more: Any) -> None:
            measured.append(check.by_largest)
            super().__init__(faces, check, *rest, **more)

    monkeypatch.setattr(verifying, "Trial", Spied)
    assert verifying.verify(found.sample.path, found.dest).passed
    assert measured == [by_largest]


@pytest.mark.parametrize("name", FROZEN)
def test_constants_stay_bit_exact_and_leave_no_variable(make: Make, name: str) -> None:
    made = make(name, weights="constants")
    assert made.record.verification.verdict == "bitwise"
    assert variables_of(made.dest) == {}
    assert made.record.weights_reason == "asked for"


def test_auto_keeps_a_small_frozen_graph_constant(make: Make) -> None:
    made = make("tf1.15.5/mlp")
    assert made.record.weights == "constants"
    assert made.record.verification.verdict == "bitwise"


def test_statistics_are_not_trained(warm: None, tmp_path: Path) -> None:
    """A batch norm wide enough for its mean to be a weight."""
    source = tmp_path / "wide.pb"
    source.write_bytes(_wide_batch_norm())
    record = migrate(
        source,
        tmp_path / "out",
        inputs=["x"],
        outputs=["y"],
        choice=Choice(weights="variables"),
    )
    assert record.verification.passed, record.verification.reason
    assert variables_of(tmp_path / "out") == {
        "scale": True,
        "offset": True,
        "mean": False,
        "variance": False,
    }


def _wide_batch_norm() -> bytes:
    from tests import wire
    from tests.handmade import const, op, placeholder

    size = 512
    random = np.random.default_rng(5)
    names = ("scale", "offset", "mean", "variance")
    return wire.graph(
        [
            placeholder("x", dims=(-1, 2, 2, size)),
            *(const(name, random.uniform(0.5, 2, size)) for name in names),
            op("y", "FusedBatchNorm", "x", *names, T=wire.F, epsilon=0.001, is_training=False),
        ]
    )


def test_the_graph_stays_small_where_weights_are_variables(tmp_path: Path, warm: None) -> None:
    """A constant of 2 MB, which no saved_model.pb should carry."""
    from tests import wire
    from tests.handmade import dense, placeholder

    source = tmp_path / "large.pb"
    source.write_bytes(wire.graph([placeholder("x"), *dense("y", "x", 4, 1 << 17)]))
    record = migrate(source, tmp_path / "out", choice=Choice(weights="variables"))
    assert record.verification.passed, record.verification.reason
    assert (tmp_path / "out/saved_model.pb").stat().st_size < 100_000
    assert values_of(tmp_path / "out")["y/weights"].nbytes == 1 << 21


# --- variables that were variables


SAVED = ["tf1.15.5/sm_variables", "tf1.15.5/sm_variables_resource", "tf1.15.5/sm_averages"]


@pytest.mark.parametrize("name", SAVED)
def test_variables_of_a_saved_model_keep_names_values_and_who_trains(make: Make, name: str) -> None:
    made = make(name)
    assert made.record.weights == "variables"
    trainable = variables_of(made.dest)
    assert trainable
    assert all(trainable[name] for name in made.sample.record["trainable"] if name in trainable)
    stored = open_checkpoint(made.sample.path / "variables/variables").tensors
    for key, value in values_of(made.dest).items():
        source = key if key in stored else f"{key}/ExponentialMovingAverage"
        assert value.tobytes() == stored[source].numpy().tobytes()


def test_variables_of_a_saved_model_may_become_constants(make: Make) -> None:
    made = make("tf1.15.5/sm_variables", weights="constants")
    assert variables_of(made.dest) == {}
    assert made.record.verification.passed
    assert not list(made.dest.glob("variables/*.data-*")) or values_of(made.dest) == {}


def test_batch_norms_averages_are_kept_from_training(make: Make) -> None:
    found = variables_of(make("tf1.15.5/sm_switches").dest)
    assert {name for name, trains in found.items() if not trains} == {
        "bn/moving_mean",
        "bn/moving_variance",
    }


def test_variables_of_tensorflow_2_train_as_there(make: Make) -> None:
    found = variables_of(make("tf2.21.0/keras_export").dest)
    assert {name for name, trains in found.items() if not trains} == {
        "bn/moving_mean_1",
        "bn/moving_variance_1",
    }


# --- what a user does with the result, in a process of its own


def in_tensorflow(script: str, *arguments: object) -> dict[str, Any]:
    """Run ``script`` in a fresh process; it prints one JSON object last."""
    text = "import json, sys\nimport numpy as np\nimport tensorflow as tf\n"
    done = subprocess.run(
        [sys.executable, "-c", text + textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


FINE_TUNE = """
    source, dest = sys.argv[1:3]
    rows = json.loads(sys.argv[3])
    given = {key: np.asarray(value, dtype) for key, (value, dtype) in rows.items()}
    model = tf.saved_model.load(source)
    serve = model.signatures["serving_default"]
    inputs = {key: tf.constant(value) for key, value in given.items()}
    output = sys.argv[4]
    before = serve(**inputs)[output].numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(serve(**inputs)[output] ** 2)
    weights = model.trainable_variables
    gradients = tape.gradient(loss, weights)
    for weight, gradient in zip(weights, gradients):
        if gradient is not None:
            weight.assign_sub(0.05 * tf.convert_to_tensor(gradient))
    after = serve(**inputs)[output].numpy()
    tf.saved_model.save(model, dest, signatures=dict(model.signatures))
    again = tf.saved_model.load(dest).signatures["serving_default"](**inputs)[output].numpy()
    print(json.dumps({
        "variables": [v.name for v in model.variables],
        "trainable": [v.name for v in weights],
        "gradients": {v.name: float(tf.reduce_sum(abs(tf.convert_to_tensor(g))))
                      for v, g in zip(weights, gradients) if g is not None},
        "moved": float(abs(after - before).max()),
        "loss": [float((before ** 2).sum()), float((after ** 2).sum())],
        "kept": bool((again == after).all()),
    }))
"""


def fine_tuned(made: Made, folder: Path, output: str, given: dict[str, Any]) -> dict[str, Any]:
    """One step of gradient descent on a result, saved again and loaded again."""
    texts = {key: (value.tolist(), value.dtype.name) for key, value in given.items()}
    return in_tensorflow(FINE_TUNE, made.dest, folder / "tuned", json.dumps(texts), output)


def test_a_migrated_saved_model_is_trained_one_step_and_saved_again(
    make: Make, tmp_path: Path
) -> None:
    made = make("tf1.15.5/sm_variables")
    rows = np.random.default_rng(1).standard_normal((3, 5)).astype(np.float32)
    found = fine_tuned(made, tmp_path, "scores", {"x": rows})
    trainable = {name for name, trains in variables_of(made.dest).items() if trains}
    assert {name.partition(":")[0] for name in found["trainable"]} == trainable
    assert set(found["gradients"]) == set(found["trainable"])
    assert all(size > 0 for size in found["gradients"].values())
    assert found["moved"] > 0
    assert found["loss"][1] < found["loss"][0]
    assert found["kept"]


def test_a_lifted_frozen_graph_is_trained(make: Make, tmp_path: Path) -> None:
    made = make("tf1.15.5/embedding", weights="variables")
    given = load_fixture("tf1.15.5/embedding").cases()["case0"]["in"]
    (output,) = made.record.signatures["serving_default"].outputs
    found = fine_tuned(made, tmp_path, output, given)
    assert found["gradients"]
    assert found["moved"] > 0 and found["kept"]


def test_gradients_flow_through_a_loop_that_was_made_functional(make: Make, tmp_path: Path) -> None:
    made = make("tf1.15.5/rnn_while", weights="variables", control_flow="functional")
    assert made.record.verification.passed
    kernels = {name for name in values_of(made.dest) if "lstm" in name or "rnn" in name}
    assert kernels
    given = load_fixture("tf1.15.5/rnn_while").cases()["case0"]["in"]
    (output, *_) = made.record.signatures["serving_default"].outputs
    found = fine_tuned(made, tmp_path, output, given)
    sizes = {name.partition(":")[0]: size for name, size in found["gradients"].items()}
    assert all(sizes[name] > 0 for name in kernels), sizes
    assert found["moved"] > 0 and found["kept"]


ROOT_GONE = """
    import gc
    def part(get):
        return get(tf.saved_model.load(sys.argv[1]))
    found = {}
    for name, get in [
        ("signature", lambda model: model.signatures["serving_default"]),
        ("function", lambda model: model.serve),
    ]:
        call = part(get)
        gc.collect()
        try:
            found[name] = sorted(call(x=tf.zeros([1, 5])))
        except Exception as error:
            found[name] = str(error)
    print(json.dumps(found))
"""


def test_of_a_loaded_result_the_signature_may_be_kept_alone_but_not_the_function(
    make: Make,
) -> None:
    """A signature holds the variables of its model. A function does not, by TensorFlow's rules:
    keep the loaded model (docs/weights.md).
    """
    found = in_tensorflow(ROOT_GONE, make("tf1.15.5/sm_variables").dest)
    assert found["signature"] == ["classes", "scores"]
    assert "deleted" in found["function"]


def test_a_result_with_variables_may_be_moved(make: Make, tmp_path: Path) -> None:
    made = make("tf1.15.5/sm_variables")
    moved = tmp_path / "elsewhere"
    shutil.copytree(made.dest, moved)
    script = """
        model = tf.saved_model.load(sys.argv[1])
        found = model.signatures["serving_default"](x=tf.ones([2, 5]))
        print(json.dumps({"rows": found["scores"].shape[0], "count": len(model.variables)}))
    """
    assert in_tensorflow(script, moved) == {"rows": 2, "count": len(variables_of(made.dest))}
