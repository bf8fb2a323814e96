"""Rules on the files in a SavedModel's folder: assets, fingerprint.pb, leftovers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from migrator.formats.farmhash import fingerprint64
from migrator.formats.fingerprint import deterministic_form, parse_fingerprint
from tests import corpus, wire

CODES = ("H311", "H312", "H313", "H314")
NEWER = tuple(item for item in corpus.SAVED if (item.path / "fingerprint.pb").exists())


def _copied(name: str, folder: Path) -> Path:
    sample = corpus.sample(name)
    target = folder / name.replace("/", "-")
    shutil.copytree(sample.path, target)
    return target


def _found(path: Path) -> list[Finding]:
    findings, skipped = run_rules(open_subject(path), map(find_rule, CODES))
    assert not skipped
    return list(findings)


@pytest.mark.parametrize("sample", corpus.SAVED + corpus.HUB, ids=str)
def test_a_sound_model_has_no_finding(sample: corpus.Sample) -> None:
    assert not _found(sample.path)


def test_a_missing_asset_is_told(tmp_path: Path) -> None:
    model = _copied("tf1.15.5/sm_table", tmp_path)
    (model / "assets" / "words.txt").unlink()
    (finding,) = _found(model)
    assert finding.code == "H311"
    assert finding.detail["argument"] == "assets/words.txt"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, 0x9AE16A3B2F90404F),
        (1, 0xBE6056EDF5E94B54),
        (3, 0x94A13D22E9EBA49A),
        (4, 0x82BFFD898958E540),
        (7, 0xA2E0BFF20DB0A6A1),
        (8, 0xAD5A13E1E8E93B98),
        (16, 0x0EFD25A0A34156D4),
        (17, 0xBBB6A6F8F20D1F1C),
        (32, 0x1A9D8199972CDF49),
        (33, 0xE8756EC1CB75524E),
        (64, 0xF58504BB53DECC4B),
        (65, 0xC6A3282C3E793DBE),
        (128, 0x1C484C95F0EA5DD3),
        (200, 0x074C7FCC26D66FB3),
    ],
)
def test_fingerprint64_is_tensorflows(size: int, expected: int) -> None:
    """Numbers that tf.strings.to_hash_bucket_fast of TensorFlow 2.21 agrees with."""
    assert fingerprint64(bytes(range(size))) == expected


@pytest.mark.parametrize("sample", NEWER, ids=str)
def test_both_hashes_of_tensorflows_own_files_are_worked_out(sample: corpus.Sample) -> None:
    said = parse_fingerprint((sample.path / "fingerprint.pb").read_bytes(), "fingerprint.pb")
    index = (sample.path / "variables" / "variables.index").read_bytes()
    form = deterministic_form(sample.file.read_bytes())
    assert said.known
    assert fingerprint64(index) == said.checkpoint
    assert form is not None and fingerprint64(form) == said.saved_model


def test_weights_of_another_export_are_told(tmp_path: Path) -> None:
    model = _copied("tf2.21.0/sm_functions", tmp_path)
    other = corpus.sample("tf2.21.0/keras_export").path
    shutil.copytree(other / "variables", model / "variables", dirs_exist_ok=True)
    (finding,) = _found(model)
    assert finding.code == "H312"
    assert finding.detail["argument"] == "variables/variables.index"
    assert finding.detail["expected"] != finding.detail["found"]


def test_a_saved_model_that_was_edited_is_told(tmp_path: Path) -> None:
    model = _copied("tf2.21.0/sm_functions", tmp_path)
    file = model / "saved_model.pb"
    data = file.read_bytes()
    assert b"MatMul" in data
    file.write_bytes(data.replace(b"MatMul", b"MatMum", 1))
    (finding,) = _found(model)
    assert finding.code == "H313"


def test_the_order_of_map_entries_does_not_matter() -> None:
    """Each writer of protobuf sorts them in a way of its own."""

    def saved(*keys: bytes) -> bytes:
        maps = b"".join(wire.block(4, wire.block(1, key) + wire.block(2, b"v")) for key in keys)
        return wire.saved_model(wire.block(2, wire.block(2, wire.block(1, maps))))

    assert deterministic_form(saved(b"b", b"a", b"ab")) == saved(b"a", b"ab", b"b")
    assert deterministic_form(saved(b"a", b"a")) is None


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x12\x01\x07" * 3])
def test_what_is_no_message_has_no_deterministic_form(data: bytes) -> None:
    assert deterministic_form(data) is None


def test_messages_nested_without_end_are_given_up() -> None:
    value = b""
    for _ in range(500):
        value = wire.block(51, wire.block(1, value))
    function = wire.block(3, value)
    entry = wire.block(1, b"f") + wire.block(2, function)
    assert deterministic_form(wire.saved_model(wire.block(7, wire.block(2, entry)))) is None


def test_an_unreadable_fingerprint_is_told(tmp_path: Path) -> None:
    model = _copied("tf2.21.0/sm_functions", tmp_path)
    (model / "fingerprint.pb").write_bytes(b"\xff\xff")
    (finding,) = _found(model)
    assert (finding.code, finding.severity.label) == ("H312", "low")


def test_a_newer_fingerprint_is_left_alone(tmp_path: Path) -> None:
    model = _copied("tf2.21.0/sm_functions", tmp_path)
    later = wire.number(1, 7) + wire.number(5, 7) + wire.block(6, wire.number(1, 9))
    (model / "fingerprint.pb").write_bytes(later)
    assert not _found(model)


def test_leftovers_are_told(tmp_path: Path) -> None:
    model = _copied("tf1.15.5/sm_table", tmp_path)
    left = (
        "backup.ckpt",
        "assets/old.txt",
        "variables/variables.data-00001-of-00002",
        "variables/variables_temp",
    )
    for name in left:
        (model / name).write_bytes(b"")
    for name in ("README.md", "config.json", ".gitattributes", "LICENSE"):
        (model / name).write_bytes(b"")
    (finding,) = _found(model)
    assert finding.code == "H314"
    assert sorted(finding.detail["files"]) == sorted(left)
