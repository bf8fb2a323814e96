"""What ``migrator inspect`` tells a newcomer: what to do next, what was meant, in few words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests import wire
from tests.commands import run
from tests.corpus import FIXTURES, sample
from tests.handmade import const, op, placeholder
from tests.migration.test_saved_model_plans import unsigned
from tests.schemas import parsed

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
TRAINED = sample("tf1.15.5/mg_train").folder / "trained"
OLD = sample("tf1.15.5/mg_version_1").folder / "trained/model.ckpt-10.meta"
FLOAT = next((FIXTURES / "tflite_files").glob("float*.tflite"))


@pytest.mark.parametrize(
    ("path", "step"),
    [
        (MLP, "`migrator migrate {} DEST` makes a verified TensorFlow 2 SavedModel of it"),
        (OLD, "`migrator migrate {} DEST`"),
        (TRAINED / "model.ckpt-10.meta", "`migrator plan {}` prints options"),
        (TRAINED / "model.ckpt-10", "its graph is in model.ckpt-10.meta: `migrator inspect "),
        (sample("tf2.21.0/sm_functions").path, "`migrator run {}` calls it"),
        (sample("tf2.21.0/keras_h5").path, "`migrator migrate {} DEST` makes a verified SavedMod"),
        (FIXTURES / "attacks/tf2.21.0/load/write", "`migrator audit {}`, before anything loads"),
        (FLOAT, "`migrator export {} -o FILE.graphml`"),
    ],
)
def test_the_last_line_says_what_to_do_next(path: Path, step: str, capsys: Capture) -> None:
    done = run(capsys, "inspect", path)
    assert done.out.splitlines()[-1].startswith(f"Next: {step.format(path)}")
    assert "Next: " not in run(capsys, "inspect", path, "-q").out
    assert "Next: " not in run(capsys, "inspect", path, path).out
    assert "Next: " not in run(capsys, "inspect", path, "--format", "json").out


def test_a_graph_whose_weights_are_elsewhere_is_not_to_be_migrated(
    capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "model.meta"
    path.write_bytes(OLD.read_bytes())
    assert "\nNext: copy its checkpoint beside it" in run(capsys, "inspect", path).out


def test_a_step_can_be_pasted_whatever_the_path_is_called(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "my model; rm x.pb"
    path.write_bytes(MLP.read_bytes())
    assert f"`migrator migrate '{path}' DEST`" in run(capsys, "inspect", path).out
    odd = tmp_path / "a\nb.pb"
    odd.write_bytes(MLP.read_bytes())
    assert "Next: " not in run(capsys, "inspect", odd).out


def test_variables_of_a_saved_model_lead_to_its_graph(capsys: Capture) -> None:
    folder = sample("tf1.15.5/sm_variables").path
    done = run(capsys, "inspect", folder / "variables/variables")
    assert f"`migrator inspect {folder / 'saved_model.pb'}`" in done.out


def test_a_wrong_prefix_is_answered_with_the_checkpoints_near_it(
    capsys: Capture, tmp_path: Path
) -> None:
    for name in TRAINED.iterdir():
        for step in ("9", "10"):
            shutil.copy(name, tmp_path / name.name.replace("ckpt-10", f"ckpt-{step}"))
    done = run(capsys, "inspect", tmp_path / "model.ckpt")
    assert done.code == 2
    assert done.err.endswith("; in its folder there is model.ckpt-10, model.ckpt-9\n")
    done = run(capsys, "inspect", tmp_path / "modle.ckpt-9")
    assert "in its folder there is model.ckpt-9" in done.err
    assert run(capsys, "inspect", tmp_path / "zzz").err.endswith("; check the path\n")


@pytest.mark.parametrize(
    ("name", "version"), [("tf1.15.5/mg_train", 2), ("tf1.15.5/mg_version_1", 1)]
)
def test_a_checkpoint_says_its_version_first(name: str, version: int, capsys: Capture) -> None:
    folder = sample(name).folder / "trained"
    meta = next(folder.glob("*.meta"))
    done = run(capsys, "inspect", str(meta).removesuffix(".meta"))
    assert f": checkpoint of version {version}, " in done.out.splitlines()[0]


def test_each_of_cost_and_tree_is_shown(capsys: Capture) -> None:
    for path in (MLP, sample("tf2.21.0/keras_h5").path):
        done = run(capsys, "inspect", path, "--cost", "--tree")
        assert "\nScopes\n" in done.out
        assert "\nCost of one run" in done.out


def test_a_cost_that_cannot_be_is_told(capsys: Capture) -> None:
    done = run(capsys, "inspect", TRAINED / "model.ckpt-10", "--cost")
    assert done.code == 0
    assert "--cost counts nothing: there is no graph in it" in done.err


def test_one_of_a_thing_is_no_plural(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    body = wire.function("f", {"x": 1}, {"y": 1}, [op("y", "Relu", "x", T=wire.F)], {"y": "y:y:0"})
    path.write_bytes(
        wire.graph([placeholder("x"), op("z", "Relu", "x", T=wire.F), const("c", [1.0])], [body])
    )
    line = run(capsys, "inspect", path).out.splitlines()[2]
    assert line.startswith("3 nodes, 1 edge, 1 function (1 node), 1 parameter (")
    path.write_bytes(wire.graph([op("z", "NoOp")]))
    out = run(capsys, "inspect", path).out
    assert "\n1 node, 0 edges, " in out
    assert "\nOps (1 kind)\n" in out


def test_operators_of_a_tflite_file_are_listed_once(capsys: Capture) -> None:
    out = run(capsys, "inspect", FLOAT).out
    assert "Ops (" not in out
    assert out.count("Operators: ") == 1


def test_what_tensorflow_runs_at_load_stands_in_a_line_below_the_signatures(
    capsys: Capture,
) -> None:
    lines = run(capsys, "inspect", sample("tf2.21.0/sm2_tables").path).out.splitlines()
    places = [at for at, line in enumerate(lines) if "__saved_model_init_op" in line]
    assert [lines[at] for at in places] == ["Run at load: __saved_model_init_op"]
    assert all(at < places[0] for at, line in enumerate(lines) if line.startswith("Signature "))


def test_functions_stand_in_for_signatures_that_are_not_there(
    capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "saved_model.pb"
    path.write_bytes(object_model())
    done = run(capsys, "inspect", tmp_path)
    assert "No signatures; what its objects have to be called in Python" in done.out
    assert "tf.saved_model.save(model, ..., signatures=model.FUNCTION)" in done.out
    (row,) = [line.split() for line in done.out.splitlines() if line.strip().startswith("serve")]
    assert row == ["serve", "in", "x", "float32", "[?,", "4]"]
    (meta,) = parsed(run(capsys, "inspect", tmp_path, "--format", "json").out)["meta_graphs"]
    (call,) = meta["callables"]
    assert (call["name"], call["function"]) == ("serve", "__inference_serve_7")
    assert call["inputs"] == [{"tensor": "x", "dtype": "float32", "shape": [None, 4]}]
    assert [item["tensor"] for item in call["outputs"]] == ["y"]


def object_model() -> bytes:
    """``unsigned`` with a body for its function, whose last argument its objects give."""
    from migrator.formats.messages import message_class

    objects = message_class("SavedObjectGraph")()
    root = objects.nodes.add()
    root.children.add(node_id=1, local_name="serve")
    root.children.add(node_id=2, local_name="_initialize")
    for _ in range(2):
        objects.nodes.add().function.concrete_functions.append("__inference_serve_7")
    objects.concrete_functions["__inference_serve_7"].bound_inputs.append(0)
    body = wire.function(
        "__inference_serve_7",
        {"x": 1, "held": 20},
        {"y": 1},
        [op("r", "Relu", "x", T=wire.F)],
        {"y": "r:activations:0"},
    ) + wire._entry(5, "_input_shapes", [wire.Dims((-1, 4)), wire.Dims(())])
    graph = wire.graph([op("NoOp", "NoOp")], [body])
    more = wire.block(7, objects.SerializeToString())
    return wire.saved_model(wire.meta_graph(graph, more=more))


def test_no_functions_are_said_to_be_none(capsys: Capture, tmp_path: Path) -> None:
    from migrator.inspection.callables import callables

    assert callables(unsigned().meta_graphs[0]) == ()
    assert callables(unsigned("gone").meta_graphs[0]) == ()


def test_keys_of_objects_are_shown_short_and_taken_so(capsys: Capture, tmp_path: Path) -> None:
    path = sample("tf2.21.0/sm_functions").path / "variables/variables"
    keys = [
        item["name"]
        for item in json.loads(run(capsys, "inspect", path, "--format", "json").out)["variables"]
    ]
    long = next(key for key in keys if key.endswith("/.ATTRIBUTES/VARIABLE_VALUE"))
    short = long.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
    text = run(capsys, "inspect", path).out
    assert ".ATTRIBUTES" not in text
    assert f"\n  {short} " in text
    assert f"\n  {short} " in run(capsys, "inspect", path, "--weights", "--match", short).out
    assert run(capsys, "inspect", path, "--node", short).code == 0
