"""A folder on disk by what lies in it, where it is neither a SavedModel's nor a checkpoint's."""

from __future__ import annotations

import gzip
import shlex
import shutil
from pathlib import Path

import pytest

from migrator.cli.main import main
from migrator.errors import EXIT_NEEDS_DECISION, FormatError, NeedsDecision
from migrator.formats.load import load, load_on_disk, model_file
from tests.corpus import HUB, SAVED, Sample, sample
from tests.places.packs import zipped

MLP = sample("tf1.15.5/mlp").path.read_bytes()
FIXTURES = sample("tf1.15.5/mlp").path.parents[2]
ONES = {
    "frozen": sample("tf1.15.5/mlp").path,
    "text": FIXTURES / "text_twins" / "tf1.4.1" / "graph.pbtxt",
    "tflite": FIXTURES / "tflite_files" / "variables.tflite",
    "keras": sample("tf2.21.0/keras_zip").path,
}


def beside(folder: Path) -> None:
    (folder / "README.md").write_text("# A model\n")
    (folder / "labels.txt").write_text("cat\ndog\n")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (folder / "empty.pb").touch()
    (folder / "src").mkdir()


@pytest.mark.parametrize("kind", ONES)
def test_a_folder_of_one_model_file_is_that_model(kind: str, tmp_path: Path) -> None:
    beside(tmp_path)
    file = Path(shutil.copy(ONES[kind], tmp_path / "whatever"))
    assert model_file(tmp_path) == file
    if kind != "keras":
        assert load(tmp_path).source == load(file).source == load_on_disk(tmp_path).source


@pytest.mark.parametrize("item", [SAVED[0], HUB[0]], ids=str)
def test_a_folder_of_one_version_is_the_saved_model_in_it(item: Sample, tmp_path: Path) -> None:
    shutil.copytree(item.path, tmp_path / "serving" / "7")
    beside(tmp_path / "serving")
    assert load(tmp_path / "serving").source == load(tmp_path / "serving" / "7").source


def test_several_versions_need_a_decision_and_each_option_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = tmp_path / "two words"
    for name in ("1", "20"):
        shutil.copytree(SAVED[0].path, top / name)
    (top / "frozen.pb").write_bytes(MLP)
    with pytest.raises(NeedsDecision, match="holds 3 models") as caught:
        load(top)
    options = [word for option in caught.value.options for word in shlex.split(option)]
    assert options == [str(top / name) for name in ("1", "20", "frozen.pb")]
    kinds = [load(option).source.format for option in options]
    assert kinds == ["saved_model", "saved_model", "graph_def"]
    assert main(["inspect", str(top)]) == EXIT_NEEDS_DECISION
    assert str(top / "20") in capsys.readouterr().err


def checkpoint(folder: Path) -> Path:
    """A MetaGraph and its checkpoint, and models of other kinds; no ``checkpoint`` file."""
    found = sample("tf1.15.5/mg_train").path
    for file in (found if found.is_dir() else found.parent).iterdir():
        if file.is_file() and file.name != "checkpoint":
            shutil.copy(file, folder)
    (meta,) = folder.glob("*.meta")
    (folder / "frozen.pb").write_bytes(MLP)
    shutil.copytree(SAVED[0].path, folder / "export")
    return meta


def test_models_beside_a_lone_checkpoint_need_a_decision(tmp_path: Path) -> None:
    meta = checkpoint(tmp_path)
    with pytest.raises(NeedsDecision, match="holds 3 models") as caught:
        load(tmp_path)
    assert caught.value.options == tuple(
        shlex.quote(str(tmp_path / name)) for name in ("export", "frozen.pb", meta.name)
    )


def test_models_beside_the_latest_checkpoint_are_told_of(tmp_path: Path) -> None:
    meta = checkpoint(tmp_path)
    prefix = meta.name.removesuffix(".meta")
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{prefix}"\n')
    found = load(tmp_path)
    assert found.source == load(meta).source
    (told,) = set(found.warnings) - set(load(meta).warnings)
    assert "'export', 'frozen.pb' beside it are models too" in told
    (tmp_path / "frozen.pb").unlink()
    shutil.rmtree(tmp_path / "export")
    assert load(tmp_path).warnings == load(meta).warnings


def test_a_folder_of_folders_leads_to_what_lists_them(tmp_path: Path) -> None:
    (tmp_path / "old" / "net").mkdir(parents=True)
    (tmp_path / "old" / "net" / "frozen.pb").write_bytes(MLP)
    with pytest.raises(FormatError) as caught:
        load(tmp_path)
    assert "migrator batch --plan" in caught.value.hint


def test_an_archive_counts_where_it_lies_alone(tmp_path: Path) -> None:
    (tmp_path / "drawer").write_bytes(zipped({"a/m": MLP}))
    assert load(tmp_path).source.path == f"{tmp_path}/drawer/a/m"
    (tmp_path / "m").write_bytes(MLP)
    assert load(tmp_path).source.path == f"{tmp_path}/m"
    (tmp_path / "drawer").write_bytes(gzip.compress(MLP))
    (tmp_path / "m").unlink()
    assert load(tmp_path).source.bytes == len(MLP)


def test_folders_below_are_not_searched(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m.pb").write_bytes(MLP)
    shutil.copytree(SAVED[0].path, tmp_path / "b" / "1")
    with pytest.raises(FormatError, match=r"without a checkpoint.*it holds 'a', 'b'"):
        load(tmp_path)


def test_a_folder_of_very_many_files_is_not_looked_through(tmp_path: Path) -> None:
    (tmp_path / "m.pb").write_bytes(MLP)
    for number in range(1000):
        (tmp_path / f"{number}.jpg").touch()
    with pytest.raises(FormatError, match="and 996 more"):
        load(tmp_path)
