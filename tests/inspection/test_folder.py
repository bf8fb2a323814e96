"""What lies in a model's folder: variables and their keys, assets, what says where it came from."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from migrator.errors import LimitError, MigratorError
from migrator.formats.load import load
from migrator.inspection.folder import Folder, describe_folder
from migrator.inspection.joined import variable_values
from migrator.inspection.summary import Summary, summarize
from migrator.inspection.weights import weights
from migrator.limits import Limits
from migrator.report.json_v1 import inspect_result
from migrator.report.text import inspect_text
from tests import handmade, tables, wire
from tests.corpus import HUB, META, SAVED, Sample, sample
from tests.fuzz.survive import assert_harmless
from tests.schemas import validate

TABLES = sample("tf2.21.0/sm2_tables").path
VARIABLES = sample("tf1.15.5/sm_variables").path
AT_LOAD = {
    "tf1.15.5/sm_asset_tensor": {"scales"},
    "tf1.15.5/sm_init_variables": {"scale", "norm"},
    "tf2.21.0/sm2_tables": {"Variable"},
}
"""Variables that loading computes."""


def described(path: Path) -> tuple[Folder, Summary]:
    """The folder and the summary, whose reports are sound."""
    summary = summarize(load(path))
    validate(inspect_result([summary]))
    assert_harmless(inspect_text(summary))
    assert summary.folder is not None
    return summary.folder, summary


def copied(source: Path, target: Path) -> Path:
    return shutil.copytree(source, target / "model")


@pytest.mark.parametrize("item", SAVED + HUB + META, ids=str)
def test_every_variable_of_a_fixture_has_its_key(item: Sample) -> None:
    folder, summary = described(item.path)
    assert not folder.problems and not summary.warnings
    facts = folder.checkpoint
    expected = AT_LOAD.get(item.name, set())
    if facts is None:
        assert not variable_values(item.model())
        return
    assert set(facts.without_value) == expected
    values = variable_values(item.model())
    assert len(values) == facts.joined
    for tensor in values.values():
        assert tensor.numpy().shape == tuple(tensor.shape.dims or ())
    if item.record.get("checkpoint"):
        taken = {*facts.by_node.values(), *facts.without_variable}
        assert taken <= item.record["checkpoint"].keys()


def test_the_checkpoint_keeps_to_the_limits_that_the_model_was_loaded_with() -> None:
    bound = Limits(variables=1)
    model = load(VARIABLES, limits=bound)
    assert model.limits == bound
    summary = summarize(model)
    assert summary.folder is not None and summary.folder.checkpoint is None
    assert any("the limit is 1" in warning for warning in summary.warnings)
    with pytest.raises(LimitError, match="the limit is 1"):
        weights(model)


def asset(name: str, tensor: str = "path:0") -> bytes:
    return wire.block(6, wire.block(1, wire.block(1, tensor)) + wire.block(2, name))


def saved_model(folder: Path, more: bytes = b"") -> Path:
    """A SavedModel with a variable `w`, and its checkpoint."""
    variable = handmade.op(
        "w", "VarHandleOp", dtype=wire.F, shape=wire.Dims((4, 3)), shared_name=b"w", container=b""
    )
    graph = wire.graph([handmade.placeholder("x"), variable])
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(wire.saved_model(wire.meta_graph(graph, more=more)))
    writer = tables.Writer()
    writer.add("w", np.ones((4, 3), np.float32))
    writer.add("w/Adam", np.ones((4, 3), np.float32))
    writer.write(folder / "variables" / "variables")
    return folder


def test_keys_that_no_variable_takes_are_listed(tmp_path: Path) -> None:
    folder, summary = described(saved_model(tmp_path / "m"))
    assert folder.checkpoint is not None
    assert folder.checkpoint.by_node == {"w": "w"}
    assert folder.checkpoint.without_variable == ("w/Adam",)
    assert "1 key that no variable takes: w/Adam" in inspect_text(summary)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", ".."])
def test_an_asset_path_that_leaves_the_folder_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    folder, summary = described(saved_model(tmp_path / "m", asset(name)))
    (warning,) = summary.warnings
    assert warning == f"the path of the asset {name} leaves the folder assets/"
    assert [item.bytes for item in folder.assets] == [None]
    assert summary.meta_graphs[0].graph.nodes == 2


def test_assets_have_sizes_or_are_missed(tmp_path: Path) -> None:
    names = ["a.txt", "sub/b.txt", "gone.txt", "./a.txt"]
    path = saved_model(tmp_path / "m", b"".join(asset(name) for name in names))
    (path / "assets" / "sub").mkdir(parents=True)
    (path / "assets" / "a.txt").write_text("abc")
    (path / "assets" / "sub" / "b.txt").write_text("hello")
    (path / "assets" / "nobody.txt").write_text("no matter")
    folder, summary = described(path)
    found = {item.name: item.bytes for item in folder.assets}
    assert found == {"a.txt": 3, "sub/b.txt": 5, "gone.txt": None, "./a.txt": 3}
    assert summary.warnings == ("assets/gone.txt is not there",)
    assert "gone.txt, not there" in inspect_text(summary)


def test_what_lies_in_assets_extra_is_listed_and_a_loop_ends(tmp_path: Path) -> None:
    path = saved_model(tmp_path / "m")
    (path / "assets.extra" / "deep").mkdir(parents=True)
    (path / "assets.extra" / "deep" / "x.json").write_text("{}")
    os.symlink("..", path / "assets.extra" / "deep" / "up")
    folder, _ = described(path)
    assert [(item.name, item.bytes) for item in folder.extra] == [("deep/x.json", 2)]


def test_a_fingerprint_is_held_against_the_files(tmp_path: Path) -> None:
    folder, _ = described(TABLES)
    assert folder.fingerprint is not None
    assert folder.fingerprint.saved_model_matches and folder.fingerprint.checkpoint_matches
    path = copied(TABLES, tmp_path)
    other = saved_model(tmp_path / "other")
    shutil.copy(other / "variables" / "variables.index", path / "variables")
    _, summary = described(path)
    assert any("variables.index is not the file that" in text for text in summary.warnings)
    (path / "fingerprint.pb").write_bytes(b"\xff\xff")
    _, summary = described(path)
    assert any("fingerprint.pb cannot be read" in text for text in summary.warnings)


def keras_object(class_name: str, **more: str) -> bytes:
    text = json.dumps({"class_name": class_name, **more})
    return wire.block(1, wire.block(4, "_tf_keras_layer") + wire.block(5, text))


def test_keras_version_and_classes_are_told(tmp_path: Path) -> None:
    path = saved_model(tmp_path / "m")
    items = [keras_object("Functional", keras_version="2.4.0"), *[keras_object("Dense")] * 3]
    (path / "keras_metadata.pb").write_bytes(b"".join(items))
    folder, summary = described(path)
    assert folder.keras is not None
    assert (folder.keras.version, folder.keras.root) == ("2.4.0", "Functional")
    assert folder.keras.classes == {"Dense": 3, "Functional": 1}
    assert "Functional, Keras 2.4.0" in inspect_text(summary)
    (path / "keras_metadata.pb").write_bytes(b"\x0a\xff")
    _, summary = described(path)
    assert any("keras_metadata.pb cannot be read" in text for text in summary.warnings)
    (path / "keras_metadata.pb").write_bytes(wire.block(1, wire.block(5, "[" * 100_000)))
    assert described(path)[0].keras is not None


def test_attachments_of_a_hub_module_are_listed(tmp_path: Path) -> None:
    attachment = wire.block(1, "image_module_info") + wire.block(2, b"\x08\x01")
    entry = wire.block(1, "hub_module_attachments") + wire.block(
        2, wire.block(2, wire.block(1, attachment))
    )
    path = saved_model(tmp_path / "m", wire.block(4, entry))
    (path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    folder, summary = described(path)
    assert summary.source.format == "hub_module"
    assert [(item.key, item.bytes) for item in folder.attachments] == [("image_module_info", 2)]


def test_defaults_of_a_signature_are_shown(tmp_path: Path) -> None:
    def default(name: str, value: bytes) -> bytes:
        return wire.block(4, wire.block(1, name) + wire.block(2, value))

    info = wire.block(1, "x:0") + wire.number(2, 1)
    signature = wire.block(1, wire.block(1, "rate") + wire.block(2, info))
    signature += default("rate", wire.array_tensor(np.array(0.5, np.float32)))
    signature += default("words", wire.string_tensor([2], [b"a", b"\xff"]))
    signature += default("large", wire.array_tensor(np.ones(5000, np.float32)))
    signature += default("odd", wire.array_tensor(np.array([np.inf], np.float32)))
    entry = wire.block(1, "serve") + wire.block(2, signature)
    _, summary = described(saved_model(tmp_path / "m", wire.block(5, entry)))
    found = inspect_result([summary])["meta_graphs"][0]["signatures"]["serve"]["defaults"]
    assert found["rate"] == {"dtype": "float32", "shape": [], "value": 0.5}
    assert found["words"]["value"] == ["a", "\\xff"]
    assert found["large"] == {"dtype": "float32", "shape": [5000], "value": None}
    assert found["odd"]["value"] == ["inf"]
    defaults = summary.meta_graphs[0].signatures["serve"].defaults
    assert defaults["large"].stored_bytes > 20_000  # left in the file
    assert defaults["large"].numpy().sum() == 5000
    assert "rate = 0.5" in inspect_text(summary)


def no_shard(path: Path) -> None:
    (path / "variables" / "variables.data-00000-of-00001").unlink()


def no_index(path: Path) -> None:
    (path / "variables" / "variables.index").unlink()


def short_shard(path: Path) -> None:
    os.truncate(path / "variables" / "variables.data-00000-of-00001", 5)


def wrong_crc(path: Path) -> None:
    index = path / "variables" / "variables.index"
    data = bytearray(index.read_bytes())
    data[12] ^= 1
    index.write_bytes(bytes(data))


def no_variables(path: Path) -> None:
    shutil.rmtree(path / "variables")


def looping_variables(path: Path) -> None:
    shutil.rmtree(path / "variables")
    os.symlink("variables", path / "variables")


def variables_is_a_file(path: Path) -> None:
    shutil.rmtree(path / "variables")
    (path / "variables").write_text("")


DAMAGE: list[tuple[Callable[[Path], None], str]] = [
    (no_shard, "1 of 1 shards missing: variables.data-00000-of-00001"),
    (no_index, "variables/variables.index is missing"),
    (short_shard, "variables.data-00000-of-00001 ends at byte 5, and"),
    (wrong_crc, "its checksum is"),
    (no_variables, "variables/variables.index is missing"),
    (looping_variables, "variables is no folder, or a link that leads nowhere"),
    (variables_is_a_file, "variables is no folder, or a link that leads nowhere"),
]


@pytest.mark.parametrize(
    ("damage", "words"), DAMAGE, ids=lambda item: getattr(item, "__name__", "")
)
def test_damage_beside_the_graph_is_a_warning_and_the_graph_is_shown(
    damage: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    path = copied(VARIABLES, tmp_path)
    damage(path)
    _, summary = described(path)
    assert any(words in text for text in summary.warnings), summary.warnings
    assert summary.meta_graphs[0].graph.nodes > 5


def test_a_saved_model_that_is_a_link_to_itself_is_called_that(tmp_path: Path) -> None:
    os.symlink("saved_model.pb", tmp_path / "saved_model.pb")
    with pytest.raises(MigratorError, match="symbolic links") as caught:
        load(tmp_path)
    assert caught.value.where == str(tmp_path / "saved_model.pb")


def test_files_that_lie_about_are_no_matter(tmp_path: Path) -> None:
    path = copied(VARIABLES, tmp_path)
    (path / "notes.bin").write_bytes(os.urandom(100))
    (path / "variables" / "old.data-00000-of-00001").write_bytes(b"x")
    assert not described(path)[1].warnings


def test_a_table_of_keys_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    keys = wire.tensor(wire.STRING, [1], wire.block(8, "a") + wire.block(8, "b"))
    nodes = [
        handmade.op("w", "VariableV2", dtype=wire.F, shape=wire.Dims((2,))),
        handmade.op("keys", "Const", dtype=wire.S, value=wire.Raw(wire.block(8, keys))),
        handmade.op("r", "RestoreV2", "keys", "keys", "keys"),
        handmade.op("a", "Assign", "w", "r"),
    ]
    path = saved_model(tmp_path / "m")
    (path / "saved_model.pb").write_bytes(wire.saved_model(wire.meta_graph(wire.graph(nodes))))
    _, summary = described(path)
    assert any("what its restore ops read cannot be told" in text for text in summary.warnings)


def test_a_graph_alone_has_no_folder() -> None:
    assert describe_folder(sample("tf1.15.5/mlp").model()) is None
