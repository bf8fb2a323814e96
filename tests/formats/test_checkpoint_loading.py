"""Checkpoints, MetaGraphs and hub modules through ``load`` and ``inspect``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from migrator.actions.faces import saved_model_face
from migrator.cli.main import main
from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.formats.checkpoint import checkpoint_prefix, open_checkpoint
from migrator.formats.load import load
from migrator.inspection.summary import summarize
from migrator.model.tensors import LazyTensor
from migrator.report import json_v1
from migrator.report.text import inspect_text
from tests import handmade, tables, tables_v1, wire
from tests.corpus import sample
from tests.schemas import parsed, validate

VARIABLES = sample("tf1.15.5/sm_variables").path / "variables"


def ramp(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)


def meta_bytes(more: bytes = b"") -> bytes:
    """A MetaGraphDef with a variable and a large constant."""
    table = np.arange(4000, dtype=np.float32)
    variable = handmade.op(
        "w", "VariableV2", dtype=wire.F, shape=wire.Dims((4, 3)), shared_name=b"", container=b""
    )
    nodes = [handmade.placeholder("x"), variable, handmade.const("table", table)]
    nodes += [handmade.op("y", "MatMul", "x", "w", T=wire.F)]
    return wire.meta_graph(wire.graph(nodes), tags=(), version="1.4.1", more=more)


def save(folder: Path, name: str, *, meta: bool = True, shards: int = 1) -> Path:
    """A checkpoint as a Saver leaves it."""
    folder.mkdir(exist_ok=True)
    writer = tables.Writer(shards=shards)
    writer.add("w", ramp(4, 3))
    writer.add("w/Adam", ramp(4, 3), shards - 1)
    writer.add("step", np.array(7, np.int64))
    prefix = writer.write(folder / name)
    if meta:
        Path(f"{prefix}.meta").write_bytes(meta_bytes())
    return prefix


def test_a_checkpoint_may_be_named_by_prefix_index_shard_or_folder(tmp_path: Path) -> None:
    prefix = save(tmp_path / "run", "model.ckpt-7", meta=False, shards=2)
    names = [prefix, f"{prefix}.index", tables.shard_file(prefix, 1, 2), prefix.parent]
    for name in names:
        model = load(name)
        assert model.source.format == "checkpoint"
        assert model.source.path == f"{prefix}.index"
        assert model.meta_graphs == ()
        assert list(model.variables) == ["step", "w", "w/Adam"]
        assert model.variables["w"].numpy().tolist() == ramp(4, 3).tolist()
        assert checkpoint_prefix(model) == prefix
    assert list(open_checkpoint(f"{prefix}.index").tensors) == list(load(prefix).variables)


def test_a_checkpoint_is_as_large_as_its_files_that_are_there(tmp_path: Path) -> None:
    prefix = save(tmp_path / "run", "m", shards=2)
    files = [Path(f"{prefix}.index"), *(tables.shard_file(prefix, n, 2) for n in (0, 1))]
    whole = sum(Path(file).stat().st_size for file in files)
    assert load(f"{prefix}.index").source.bytes == whole
    facts = summarize(load(f"{prefix}.meta")).folder
    assert facts is not None and facts.checkpoint is not None
    assert facts.checkpoint.bytes == whole
    assert f"in 2 shards, {whole} B" in inspect_text(summarize(load(f"{prefix}.meta")))
    gone = Path(files[2])
    whole -= gone.stat().st_size
    gone.unlink()
    assert load(f"{prefix}.index").source.bytes == whole


def test_a_shard_without_its_index_says_that_the_index_is_missing(tmp_path: Path) -> None:
    prefix = save(tmp_path / "run", "m")
    Path(f"{prefix}.index").unlink()
    with pytest.raises(FormatError, match=r"data of a checkpoint, and its index \(m\.index\) is"):
        load(tables.shard_file(prefix))


def state(folder: Path, latest: str) -> None:
    text = f'model_checkpoint_path: "{latest}"\nall_model_checkpoint_paths: "model.ckpt-1"\n'
    (folder / "checkpoint").write_text(text)


@pytest.mark.parametrize(
    "noted",
    [
        "model.ckpt-2",
        "/gone/from/this/machine/model.ckpt-2",
        r"C:\\\\runs\\\\model.ckpt-2",
        r"model.ckpt\0552",
    ],
)
def test_a_folder_means_its_latest_checkpoint(noted: str, tmp_path: Path) -> None:
    for name in ("model.ckpt-1", "model.ckpt-2", "model.ckpt-3"):
        save(tmp_path, name)
    state(tmp_path, noted)
    model = load(tmp_path)
    assert model.source.path == str(tmp_path / "model.ckpt-2.meta")
    assert checkpoint_prefix(model) == tmp_path / "model.ckpt-2"
    (tmp_path / "model.ckpt-2.meta").unlink()
    assert load(tmp_path).source.path == str(tmp_path / "model.ckpt-2.index")


def test_a_latest_checkpoint_that_is_gone_is_named(tmp_path: Path) -> None:
    save(tmp_path, "model.ckpt-1")
    state(tmp_path, "model.ckpt-9")
    with pytest.raises(FormatError, match=r"says that 'model.ckpt-9' is the latest"):
        load(tmp_path)


@pytest.mark.parametrize("noted", ["", "/etc/", "../../etc/passwd", r"a\000b", "."])
def test_a_hostile_checkpoint_file_leads_nowhere(noted: str, tmp_path: Path) -> None:
    save(tmp_path, "model.ckpt-1")
    state(tmp_path, noted)
    with pytest.raises(FormatError, match="is the latest, and neither"):
        load(tmp_path)


def test_a_folder_with_one_checkpoint_means_that_one(tmp_path: Path) -> None:
    save(tmp_path, "only")
    assert load(tmp_path).source.format == "meta_graph"
    (tmp_path / "only.meta").unlink()
    (tmp_path / "checkpoint").write_bytes(b"\xff\0 no text at all")
    assert load(tmp_path).source.format == "checkpoint"


def test_a_folder_of_several_lists_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path, name)
    with pytest.raises(FormatError, match=r"several checkpoints: 'a\.meta', 'b\.meta'"):
        load(tmp_path)


def test_a_meta_graph_is_read_with_its_constants_left_in_the_file(tmp_path: Path) -> None:
    prefix = save(tmp_path, "model.ckpt-7")
    model = load(f"{prefix}.meta")
    assert model.source.format == "meta_graph"
    (meta,) = model.meta_graphs
    assert meta.tensorflow_version == "1.4.1"
    assert [node.name for node in model.graph] == ["x", "w", "table", "y"]
    table = model.graph.by_name["table"].attrs["value"]
    assert isinstance(table, LazyTensor) and table.numpy().sum() == 3999 * 2000
    assert table.stored_bytes > 16_000  # a mark stands in its place
    assert checkpoint_prefix(model) == prefix
    Path(f"{prefix}.index").unlink()
    assert checkpoint_prefix(model) is None


def test_a_version_1_checkpoint_beside_a_meta_graph_is_found(tmp_path: Path) -> None:
    prefix = save(tmp_path, "model.ckpt-7")
    Path(f"{prefix}.index").unlink()
    prefix.write_bytes(tables_v1.checkpoint({"w": ramp(4, 3)}))
    found = checkpoint_prefix(load(f"{prefix}.meta"))
    assert found == prefix
    checkpoint = open_checkpoint(found)
    assert checkpoint.version == 1
    assert checkpoint.tensors["w"].numpy().tolist() == ramp(4, 3).tolist()


def test_an_error_in_a_meta_graph_names_the_node(tmp_path: Path) -> None:
    path = tmp_path / "m.meta"
    good = handmade.op("x", "NoOp")
    path.write_bytes(wire.meta_graph(wire.graph([good, wire.block(1, "nameless")])))
    with pytest.raises(FormatError) as caught:
        load(path)
    assert caught.value.where == f"{path}: graph_def.node[1]"


def test_where_the_weights_of_a_saved_model_lie() -> None:
    assert checkpoint_prefix(sample("tf1.15.5/sm_variables").model()) == VARIABLES / "variables"
    assert checkpoint_prefix(sample("tf1.15.5/mlp").model()) is None


def hub_module(folder: Path) -> Path:
    shutil.copytree(sample("tf1.15.5/sm_variables").path, folder)
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return folder


def test_a_hub_module_is_a_saved_model_with_a_marker_beside_it(tmp_path: Path) -> None:
    folder = hub_module(tmp_path / "module")
    for path in (folder, folder / "saved_model.pb"):
        model = load(path)
        assert model.source.format == "hub_module"
        assert checkpoint_prefix(model) == folder / "variables" / "variables"
    with pytest.raises(UnsupportedFormat, match="hub module") as caught:
        load(folder / "tfhub_module.pb")
    assert "folder" in caught.value.hint
    result = json_v1.inspect_result([summarize(load(folder))])
    validate(result)
    assert result["source"]["format"] == "hub_module"
    assert "TensorFlow 1 hub module" in inspect_text(summarize(load(folder)))


def inspected(path: Path | str, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", str(path), *words]) == 0
    found = capsys.readouterr()
    assert found.err == ""
    return found.out


def test_inspect_lists_the_variables_of_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = save(tmp_path, "model.ckpt-7", shards=2)
    result = parsed(inspected(prefix, capsys, "--format", "json"))
    assert result["source"] == {
        "path": f"{prefix}.index",
        "bytes": sum(file.stat().st_size for file in tmp_path.glob("model.ckpt-7.[di]*")),
        "format": "checkpoint",
    }
    assert result["meta_graphs"] == [] and result["warnings"] == []
    first, last = (f"model.ckpt-7.data-0000{n}-of-00002" for n in (0, 1))
    assert result["variables"] == [
        {"name": "step", "dtype": "int64", "shape": [], "bytes": 8, "shard": first},
        {"name": "w", "dtype": "float32", "shape": [4, 3], "bytes": 48, "shard": first},
        {"name": "w/Adam", "dtype": "float32", "shape": [4, 3], "bytes": 48, "shard": last},
    ]
    assert (result["parameters"], result["weight_bytes"]) == (24, 96)
    text = inspected(prefix, capsys)
    assert "checkpoint of version 2, " in text and "3 variables, 24 parameters" in text
    assert "(96 B), 12 of them the optimizer's, in 2 shards" in text
    assert result["optimizer_parameters"] == 12
    assert "w/Adam" in text and last in text


def test_inspect_warns_of_a_missing_shard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = save(tmp_path, "m", shards=2)
    tables.shard_file(prefix, 1, 2).unlink()
    result = parsed(inspected(prefix, capsys, "--format", "json"))
    assert result["warnings"] == ["1 of 2 shards missing: m.data-00001-of-00002"]
    assert ["shard" in item for item in result["variables"]] == [True, True, False]
    assert "1 of 2 shards missing" in inspected(prefix, capsys)


def test_inspect_says_where_the_weights_of_a_meta_graph_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = save(tmp_path, "m")
    result = parsed(inspected(f"{prefix}.meta", capsys, "--format", "json"))
    assert result["source"]["format"] == "meta_graph"
    assert result["checkpoint"] == str(prefix)
    assert result["meta_graphs"][0]["graph"]["parameters"] == 4012
    assert f"MetaGraph, {Path(f'{prefix}.meta').stat().st_size / 1000:.0f}" in inspected(
        f"{prefix}.meta", capsys
    )
    Path(f"{prefix}.index").unlink()
    assert "no checkpoint beside it" in inspected(f"{prefix}.meta", capsys)
    assert json.loads(inspected(f"{prefix}.meta", capsys, "--format", "json"))["checkpoint"] is None


@pytest.mark.parametrize("words", [["--tag-set", "serve"], ["--signature", "x"]])
def test_a_checkpoint_has_no_tags_and_no_signatures(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(save(tmp_path, "m")), *words]) == 2
    assert "m.index" in capsys.readouterr().err


def test_the_schema_tells_a_checkpoint_from_a_graph(tmp_path: Path) -> None:
    found = json_v1.inspect_result([summarize(load(save(tmp_path, "m")))])
    validate(found)
    for key in ("variables", "parameters", "weight_bytes", "meta_graphs"):
        with pytest.raises(AssertionError):
            validate({name: value for name, value in found.items() if name != key})
    graph = json_v1.inspect_result([summarize(load(tmp_path / "m.meta"))])
    validate(graph)
    with pytest.raises(AssertionError):
        validate({**graph, "meta_graphs": []})
    with pytest.raises(AssertionError):
        validate({**found, "meta_graphs": graph["meta_graphs"]})
    with pytest.raises(AssertionError):
        validate({name: value for name, value in graph.items() if name != "checkpoint"})


def test_everything_that_needs_a_graph_refuses_a_bare_checkpoint(tmp_path: Path) -> None:
    model = load(save(tmp_path, "m", meta=False))
    for ask in (lambda: model.graph, lambda: saved_model_face(model)):
        with pytest.raises(UnsupportedFormat, match="is a checkpoint: variables without a graph"):
            ask()


def test_a_prefix_that_is_nothing_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MigratorError, match="cannot be read: No such file"):
        load(tmp_path / "model.ckpt-7")
