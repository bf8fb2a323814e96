"""Rules on checkpoints: real ones of TensorFlow, damaged in every way that a copy can be."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from tests import corpus
from tests.audit.notation import put_model
from tests.tables import Writer, array_bytes, entry

CODES = ("H301", "H302", "H303", "H304")


def _copied(name: str, folder: Path) -> Path:
    """A copy of a fixture; what a user would name of it."""
    sample = corpus.sample(name)
    target = folder / "copy"
    shutil.copytree(sample.folder, target)
    return target / sample.path.relative_to(sample.folder)


def _found(path: Path) -> list[Finding]:
    findings, skipped = run_rules(open_subject(path), map(find_rule, CODES))
    assert not skipped
    return list(findings)


def _codes(path: Path) -> list[str]:
    return sorted(finding.code for finding in _found(path))


@pytest.mark.parametrize("sample", corpus.SAMPLES, ids=str)
def test_a_sound_model_has_no_finding(sample: corpus.Sample) -> None:
    assert not _found(sample.path)


@pytest.mark.parametrize("name", ["tf1.15.5/sm_variables", "tf2.21.0/sm_functions"])
def test_a_saved_model_without_its_variables_is_told(name: str, tmp_path: Path) -> None:
    model = _copied(name, tmp_path)
    shutil.rmtree(model / "variables")
    (finding,) = _found(model)
    assert finding.code == "H301"
    assert finding.severity.label == "medium"
    assert finding.detail["argument"] == "variables/variables.index"


def test_a_meta_graph_without_its_checkpoint_is_told(tmp_path: Path) -> None:
    meta = _copied("tf1.15.5/mg_train", tmp_path)
    alone = tmp_path / meta.name
    shutil.copy(meta, alone)
    (finding,) = _found(alone)
    assert finding.code == "H301"
    assert finding.detail["argument"] == "model.ckpt-10.index"


def test_a_missing_shard_is_told_with_its_name(tmp_path: Path) -> None:
    meta = _copied("tf1.15.5/mg_sharded", tmp_path)
    shard = meta.with_name("model.ckpt-10.data-00001-of-00003")
    shard.unlink()
    (finding,) = _found(meta)
    assert finding.code == "H302"
    assert finding.detail["argument"] == shard.name
    assert finding.detail["count"] >= 1
    assert str(tmp_path) not in finding.message


def test_the_fingerprint_of_damage_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    marks = set()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        meta = _copied("tf1.15.5/mg_sharded", tmp_path / name)
        meta.with_name("model.ckpt-10.data-00001-of-00003").unlink()
        marks |= {finding.fingerprint for finding in _found(meta)}
    assert len(marks) == 1


def test_truncated_variables_are_told(tmp_path: Path) -> None:
    model = _copied("tf1.15.5/sm_variables", tmp_path)
    shard = model / "variables" / "variables.data-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:-4])
    (finding,) = _found(model)
    assert finding.code == "H302"
    assert finding.detail["argument"] == "variables/variables.data-00000-of-00001"
    assert "truncated" not in finding.message  # the remedy says it
    assert "ends at byte" in finding.message


def test_a_damaged_index_is_told(tmp_path: Path) -> None:
    model = _copied("tf1.15.5/sm_variables", tmp_path)
    index = model / "variables" / "variables.index"
    data = bytearray(index.read_bytes())
    data[20] ^= 1
    index.write_bytes(data)
    (finding,) = _found(model)
    assert finding.code == "H302"
    assert finding.detail["argument"] == "variables/variables.index"


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_flipped_byte_in_a_shard_is_told_with_its_variable(place: int, tmp_path: Path) -> None:
    model = _copied("tf1.15.5/sm_variables", tmp_path)
    shard = model / "variables" / "variables.data-00000-of-00001"
    data = bytearray(shard.read_bytes())
    data[place] ^= 64
    shard.write_bytes(data)
    (finding,) = _found(model)
    assert finding.code == "H303"
    assert finding.detail["count"] == 1


MODEL = """
x = Placeholder | dtype=:float shape=:[-1,2]
w = VariableV2 | dtype=:float shape=:[2,3]
y = MatMul x w | T=:float
save/Const = Const "model"
save/names = Const "w" "b"
save/slices = Const "" ""
save/RestoreV2 = RestoreV2 save/Const save/names save/slices | dtypes=[:float,:float]
b = VariableV2 | dtype=:float shape=:[3]
save/a = Assign w save/RestoreV2 | T=:float
save/b = Assign b save/RestoreV2:1 | T=:float
save/restore_all = NoOp ^save/a ^save/b
signature serving_default: x=x:0 -> y=y:0
saver filename=save/Const:0 save=save/Const:0 restore=save/restore_all
"""


def _with_checkpoint(folder: Path, writer: Writer) -> Path:
    put_model(MODEL, folder)
    (folder / "variables").mkdir()
    writer.write(folder / "variables" / "variables")
    return folder


def test_keys_that_are_restored_and_not_there_are_told(tmp_path: Path) -> None:
    writer = Writer()
    writer.add("w", np.zeros((2, 3), np.float32))
    writer.add("bias", np.zeros(3, np.float32))
    (finding,) = _found(_with_checkpoint(tmp_path, writer))
    assert finding.code == "H304"
    assert finding.detail["nodes"] == ["b"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [(np.zeros(4, np.float32), "has shape [3]"), (np.zeros(3, np.float64), "is float32")],
)
def test_a_variable_of_another_shape_or_type_is_told(
    kind: np.ndarray[tuple[int], np.dtype[np.float32]], said: str, tmp_path: Path
) -> None:
    writer = Writer()
    writer.add("w", np.zeros((2, 3), np.float32))
    writer.add("b", kind)
    (finding,) = _found(_with_checkpoint(tmp_path, writer))
    assert finding.code == "H304"
    assert said in finding.message


def test_the_right_checkpoint_is_silent(tmp_path: Path) -> None:
    writer = Writer()
    writer.add("w", np.ones((2, 3), np.float32))
    writer.add("b", np.ones(3, np.float32))
    assert not _codes(_with_checkpoint(tmp_path, writer))


def test_an_entry_whose_size_does_not_fit_its_shape_is_told(tmp_path: Path) -> None:
    writer = Writer()
    writer.add("w", np.ones((2, 3), np.float32))
    dtype, body, checksum = array_bytes(np.ones(3, np.float32))
    writer.entries[b"b"] = entry(dtype, (3,), offset=0, size=len(body) - 4, checksum=checksum)
    assert "H302" in _codes(_with_checkpoint(tmp_path, writer))
