"""Nothing here needs TensorFlow, and importing the package costs nothing."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import migrator
from tests.commands import environment
from tests.corpus import FIXTURES, FROZEN, PROTOBUF, sample

_FORBID = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "tf_keras", "keras", "jax", "torch"}:
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, Forbidden())
"""


def python(code: str, *words: str, cwd: Path) -> Any:
    """Run code that prints JSON, in a process where TensorFlow cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", _FORBID + code, *words],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_python_calls_work_without_tensorflow(tmp_path: Path) -> None:
    code = """
import json, migrator
found = []
for path in sys.argv[1:]:
    model = migrator.load(path)
    summary = migrator.summarize(model)
    view = migrator.to_networkx(model)
    arrays = sum(node.attrs["value"].numpy().size for node in model.graph if node.op == "Const")
    found.append([len(summary.meta_graphs), view.number_of_nodes(), arrays >= 0])
print(json.dumps(found))
"""
    paths = [str(item.path) for item in PROTOBUF]
    found = python(code, *paths, cwd=tmp_path)
    assert [row[:2] for row in found] == [
        [len(item.described), item.described[0]["nodes"]] for item in PROTOBUF
    ]


def test_plans_work_without_tensorflow(tmp_path: Path) -> None:
    code = """
import json, migrator
found = {}
for path in sys.argv[1:]:
    try:
        found[path] = len(migrator.plan(path).blockers)
    except migrator.NeedsDecision as question:
        found[path] = "open"
print(json.dumps(found))
"""
    found = python(code, *(str(item.path) for item in FROZEN), cwd=tmp_path)
    for item in FROZEN:
        expected = "open" if item.feeds or not item.record["decidable"] else 0
        assert found[str(item.path)] == expected


@pytest.mark.parametrize("verb", ["inspect", "plan"])
def test_the_commands_work_without_tensorflow(verb: str, tmp_path: Path) -> None:
    code = """
from migrator.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    found = python(code, verb, str(sample("tf1.15.5/mlp").path), "--format", "json", cwd=tmp_path)
    assert found["schema"] == f"migrator.{verb}/1"


def test_graphs_are_exported_without_tensorflow_and_networkx(tmp_path: Path) -> None:
    code = """
import json, migrator
found = {}
for name in ("a.graphml", "a.gexf", "a.dot", "a.json", "a.pb"):
    found[name] = migrator.export(sys.argv[1], name).nodes
found["log"] = migrator.export(sys.argv[1], "log", format="tensorboard").nodes
assert "networkx" not in sys.modules
print(json.dumps(found))
"""
    found = python(code, str(sample("tf1.15.5/mlp").path), cwd=tmp_path)
    assert set(found.values()) == {16}


def loaded(code: str, tmp_path: Path) -> set[str]:
    """The top-level packages that ``code`` imports."""
    tail = "\nimport json\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    return set(python(code + tail, cwd=tmp_path))


def test_differences_are_told_without_tensorflow(tmp_path: Path) -> None:
    code = """
from migrator.cli.main import main
assert main(["diff", *sys.argv[1:], "--format", "json"]) == 1
"""
    paths = [str(sample(f"tf1.15.5/{name}").path) for name in ("mlp", "conv_bn")]
    assert python(code, *paths, cwd=tmp_path)["schema"] == "migrator.diff/1"


HEAVY = {"numpy", "scipy", "igraph", "networkx", "google", "ml_dtypes", "tabulate", "tensorflow"}


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    assert not loaded("import migrator", tmp_path) & HEAVY


def test_asking_for_version_and_help_imports_nothing_heavy(tmp_path: Path) -> None:
    assert not loaded("import migrator.cli.main as m; m.build_parser()", tmp_path) & HEAVY


UNNEEDED = HEAVY - {"google"} | {"h5py", "fsspec", "yaml"}
FORMATS = {
    "a frozen graph": "tf1.15.5/mlp/model.pb",
    "a graph with a default": "tf1.15.5/placeholder_default/model.pb",
    "a graph in text": "text_twins/tf1.4.1/graph.pbtxt",
    "a SavedModel of TensorFlow 1": "tf1.4.1/sm_variables/saved_model",
    "a SavedModel in text": "text_twins/tf2.21.0/text",
    "a SavedModel of TensorFlow 2": "tf2.21.0/keras_export/saved_model",
    "a MetaGraph": "tf1.15.5/mg_train/trained/model.ckpt-10.meta",
    "a MetaGraph with shards": "tf1.15.5/mg_sharded/trained/model.ckpt-10.meta",
    "a MetaGraph of version 1": "tf1.15.5/mg_version_1/trained/model.ckpt-10.meta",
    "a MetaGraph of version 1 with shards": "tf1.15.5/mg_version_1_sharded/trained",
    "a hub module": "tf1.15.5/hub_text/module",
    "a Keras HDF5 file": "tf2.21.0/keras_h5/model.h5",
    "an old Keras HDF5 file": "tf1.15.5/keras2_nested/model.h5",
    "a Keras archive": "tf2.21.0/keras_zip/model.keras",
    "a TFLite file": "tflite_files/plain.tflite",
    "a described TFLite file": "tflite_files/described.tflite",
}


def unneeded(path: Path, tmp_path: Path) -> set[str]:
    """The packages that ``inspect`` imports and could do without."""
    code = f"""
import contextlib, io
from migrator.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["inspect", {str(path)!r}]) == 0
"""
    return loaded(code, tmp_path) & UNNEEDED


@pytest.mark.parametrize("name", FORMATS.values(), ids=FORMATS)
def test_inspecting_in_text_imports_no_heavy_package(name: str, tmp_path: Path) -> None:
    assert unneeded(FIXTURES / name, tmp_path) == set()


NOT_THEIRS = {
    "tf1.15.5/mlp/model.pb": """
        formats.checkpoint.reader formats.saved_model formats.packed places.archive
        inspection.folder inspection.optimizer inspection.stored
        report.text_calls report.folder_parts files
    """,
    "tf1.4.1/sm_variables/saved_model": """
        formats.graph_def formats.packed places.archive inspection.inputs inspection.outputs
        inspection.stored files
    """,
    "tflite_files/plain.tflite": """
        formats.checkpoint.reader formats.packed places.archive inspection.folder
        inspection.outputs files
    """,
}
"""Model -> modules of ours that other models need; importing is most of what a small one costs."""


@pytest.mark.parametrize("name", NOT_THEIRS)
def test_inspecting_imports_what_the_model_needs(name: str, tmp_path: Path) -> None:
    code = f"""
import contextlib, io, json
from migrator.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["inspect", {str(FIXTURES / name)!r}]) == 0
print(json.dumps([name for name in sys.modules if name.startswith("migrator.")]))
"""
    found = python(code, cwd=tmp_path)
    others = {f"migrator.{module}" for module in NOT_THEIRS[name].split()}
    assert "migrator.formats.load" in found
    assert others.isdisjoint(found), others.intersection(found)
    for module in others:
        assert importlib.util.find_spec(module) is not None, module


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_inspecting_an_archive_imports_no_heavy_package(form: str, tmp_path: Path) -> None:
    folder = FIXTURES / "tf1.15.5" / "hub_image"
    packed = shutil.make_archive(str(tmp_path / "packed"), form, folder, "module")
    assert unneeded(Path(packed), tmp_path) == set()


def test_the_types_of_a_models_fields_can_be_asked_for() -> None:
    assert typing.get_type_hints(migrator.Model)["warnings"] == tuple[str, ...]


def test_public_names_are_all_there_and_listed() -> None:
    expected = {
        "load", "Model", "Graph", "Node", "to_networkx", "summarize", "plan", "migrate", "verify",
        "MigratorError", "NeedsDecision", "__version__",
    }  # fmt: skip
    assert expected <= set(dir(migrator))
    assert expected <= set(migrator.__all__)
    for name in migrator.__all__:
        assert getattr(migrator, name) is not None


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        migrator.nonsense  # noqa: B018


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(migrator.__file__).parent / "py.typed").exists()


def test_reading_needs_no_pool_of_tensorflows(tmp_path: Path) -> None:
    """Our messages are in a pool of their own: TensorFlow's names stay free."""
    code = f"""
import json
from google.protobuf import descriptor_pool, descriptor_pb2
import migrator
migrator.load({str(sample("tf1.15.5/mlp").path)!r})
name = "tensorflow/core/framework/graph.proto"
file = descriptor_pb2.FileDescriptorProto(name=name, package="tensorflow")
file.message_type.add(name="GraphDef")
descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
print(json.dumps("apart"))
"""
    assert python(code, cwd=tmp_path) == "apart"
