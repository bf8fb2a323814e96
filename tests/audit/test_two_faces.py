"""Files that TensorFlow reads as something else than they look like (S408, readings)."""

from __future__ import annotations

import struct
from pathlib import Path
from time import perf_counter

import pytest

from migrator.auditing.contents.readings import readings
from migrator.auditing.discovery.shapes import Shape, look_at
from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from migrator.errors import MigratorError
from migrator.limits import DEFAULT_LIMITS
from migrator.places.source import ByteSource
from tests import corpus, handmade, wire

_NODES = [handmade.text_const("p", b"/etc/passwd"), handmade.op("r", "ReadFile", "p")]
_TAME = handmade.placeholder("x")
_GRAPH = wire.graph(_NODES)
_META = wire.meta_graph(_GRAPH)
_SAVED = wire.saved_model(_META)
_PNG = b"\x89PNG\r\n\x1a\n\0\0"
_GROUP = wire.tag(15, 3) + wire.number(1, 7) + wire.tag(15, 4)


def _tar() -> bytes:
    data = bytearray(400)
    data[254:260] = b"ustar\0"
    return wire.block(15, bytes(data))


def _text() -> bytes:
    length = "à ".encode()  # printable, and a number too
    size = length[0] & 127 | (length[1] & 127) << 7 | length[2] << 14
    return b"z" + length + b"a" * size


_BEFORE = {
    "png": _PNG,
    "hdf5": b"\x89HDF\r\n\x1a\n\0\0",
    "pdf": b"%PDF-",
    "pickle": b"\x80\x02\x00",
    "tar": _tar(),
    "events": wire.block(15, b"\0" * 6 + b"brain.Event:2".ljust(58)),
    "text": _text(),
    "unknown fields": b"\x78\x00\x78\x00",
    "group": _GROUP + _GROUP,
}
"""Bytes that a parser of TensorFlow's messages skips as unknown fields."""


def _findings(path: Path, *codes: str) -> list[Finding]:
    findings, skipped = run_rules(open_subject(path), map(find_rule, codes))
    assert not skipped
    return list(findings)


def _assert_found(path: Path) -> None:
    assert look_at(str(path), DEFAULT_LIMITS).shape is not Shape.NONE
    found = {item.code: item for item in _findings(path, "S201", "S408")}
    assert found["S201"].detail["argument"] == "/etc/passwd"
    assert {item.severity.label for item in found.values()} == {"high"}
    assert set(found) == {"S201", "S408"}


@pytest.mark.parametrize("name", _BEFORE)
@pytest.mark.parametrize("kind", ["saved_model.pb", "frozen.pb", "model.meta"])
def test_model_behind_other_bytes_is_read_and_told(tmp_path: Path, name: str, kind: str) -> None:
    data = {"saved_model.pb": _SAVED, "frozen.pb": _GRAPH, "model.meta": _META}[kind]
    path = tmp_path / kind
    path.write_bytes(_BEFORE[name] + data)
    _assert_found(path)


def test_model_that_ends_as_a_checkpoint_does(tmp_path: Path) -> None:
    path = tmp_path / "saved_model.pb"
    footer = bytes(40) + bytes.fromhex("57fb808b247547db")
    path.write_bytes(_SAVED + wire.block(99, footer))
    _assert_found(path)


def test_saved_model_that_looks_like_a_graph(tmp_path: Path) -> None:
    path = tmp_path / "saved_model.pb"
    path.write_bytes(wire.block(1, _TAME) + _SAVED[2:] + _SAVED[:2])
    _assert_found(path)


def test_graph_that_looks_like_a_saved_model(tmp_path: Path) -> None:
    decoy = wire.block(2, wire.block(1, handmade.op("x", "NoOp"))) + wire.block(5, b"")
    path = tmp_path / "frozen.pb"
    path.write_bytes(wire.number(1, 1) + wire.block(2, decoy) + _GRAPH)
    _assert_found(path)
    assert open_subject(path).faces == (
        "TensorFlow can read it as a SavedModel",
        "TensorFlow can read it as a GraphDef",
    )


def test_a_reading_that_fails_hides_no_other(tmp_path: Path) -> None:
    broken = wire.block(1, handmade.op("x", "NoOp") + wire.block(1, b"\xff"))
    path = tmp_path / "saved_model.pb"
    path.write_bytes(wire.block(1, _TAME) + broken + _SAVED[2:])
    _assert_found(path)
    (finding,) = _findings(path, "S408")
    assert "as a GraphDef it cannot be audited" in finding.message


def test_two_graphs_in_one_file_are_one_graph(tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    path.write_bytes(wire.graph([_TAME]) + _GRAPH)
    assert [item.code for item in _findings(path, "S201", "S408")] == ["S201"]


@pytest.mark.parametrize("sample", corpus.SAVED + corpus.META + corpus.FROZEN, ids=str)
def test_honest_models_read_as_one_thing(sample: corpus.Sample) -> None:
    subject = open_subject(sample.path)
    assert subject.faces == ()
    form = subject.format.replace("hub_module", "saved_model")
    assert readings(ByteSource.open(subject.file)) == (form,)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 4000, b"import os\n" * 500, _PNG + b"\0\0\0\rIHDR" * 99, b"\x7fELF" + b"\1" * 99],
)
def test_other_files_read_as_nothing(tmp_path: Path, data: bytes) -> None:
    assert readings(ByteSource.of_bytes(data)) == ()
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(MigratorError):
        open_subject(path)


def test_a_file_of_tiny_fields_is_looked_at_for_a_bounded_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<H", 0x0178) * 3_000_000)
    start = perf_counter()
    assert look_at(str(path), DEFAULT_LIMITS).shape is Shape.NONE
    assert perf_counter() - start < 2
