"""Baselines: what is known is kept back, what is new is not, whatever wrote the file again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator.actions.audit import accept, audit
from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Audit, AuditedModel, Finding
from migrator.auditing.policy.baseline import SCHEMA, baseline_text, read_baseline
from migrator.auditing.subject import Subject
from migrator.errors import UsageError
from migrator.formats.load import load
from tests import handmade, wire
from tests.audit.small_rules import RULES

CODES = tuple(rule.code for rule in RULES)


def nodes(*names: str, op: str = "ReadFile") -> list[bytes]:
    return [handmade.text_const("path", b"/tmp/x"), *(wire.node(n, op, ["path"]) for n in names)]


def audited(*paths: Path) -> Audit:
    models = []
    for path in paths:
        subject = Subject(str(path), model=load(path))
        findings, skipped = run_rules(subject, RULES)
        assert not skipped
        models.append(
            AuditedModel(source=str(path), format=subject.format, bytes=1, findings=findings)
        )
    return Audit(models=tuple(models))


def record(path: Path, audit: Audit) -> Path:
    path.write_text(baseline_text(audit, path))
    return path


def held_against(audit: Audit, file: Path) -> tuple[Audit, list[str]]:
    notes: list[str] = []
    return accept(audit, read_baseline(file), CODES, notes.append), notes


def names(findings: tuple[Finding, ...]) -> list[str]:
    return [item.location.node for item in findings]


def test_what_is_recorded_is_kept_back_and_what_is_new_is_not(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(wire.graph(nodes("a", "b")))
    file = record(tmp_path / "known.json", audited(path))
    left, notes = held_against(audited(path), file)
    assert (left.findings, left.accepted, notes) == ((), 3, [])
    path.write_bytes(wire.graph(nodes("a", "b", "c")))
    left, notes = held_against(audited(path), file)
    assert (names(left.findings), left.accepted, notes) == (["c"], 3, [])


def test_another_model_with_the_same_findings_is_new(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pb", tmp_path / "two.pb"
    for path in (one, two):
        path.write_bytes(wire.graph(nodes("a")))
    file = record(tmp_path / "known.json", audited(one))
    left, _ = held_against(audited(one, two), file)
    assert {item.location.source for item in left.findings} == {str(two)}


def test_what_is_found_no_more_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(wire.graph(nodes("a", "b")))
    file = record(tmp_path / "known.json", audited(path))
    path.write_bytes(wire.graph(nodes("b")))
    left, notes = held_against(audited(path), file)
    assert left.findings == ()
    (note,) = notes
    assert "m.pb" in note
    assert "'a'" in note


def test_nothing_is_stale_that_nobody_looked_for(tmp_path: Path) -> None:
    """Other models, and rules that did not run, may be as they were."""
    one, two = tmp_path / "one.pb", tmp_path / "two.pb"
    for path in (one, two):
        path.write_bytes(wire.graph(nodes("a")))
    file = record(tmp_path / "known.json", audited(one, two))
    notes: list[str] = []
    empty = Audit(models=(AuditedModel(source=str(one), format="graph_def", bytes=1),))
    accept(empty, read_baseline(file), ("W101",), notes.append)
    assert notes == []
    two.unlink()
    accept(empty, read_baseline(file), ("W101",), notes.append)
    (note,) = notes
    assert "two.pb, which is gone" in note


def test_one_record_keeps_back_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(wire.graph(nodes("a")))
    audit = audited(path)
    file = record(tmp_path / "known.json", audit)
    (model,) = audit.models
    twice = Audit(
        models=(
            AuditedModel(
                source=model.source, format="", bytes=1, findings=model.findings + model.findings
            ),
        )
    )
    left, _ = held_against(twice, file)
    assert len(left.findings) == left.accepted == len(model.findings)


def _shuffled(data: bytes) -> bytes:
    """The same GraphDef with its nodes' fields and their attributes in another order."""
    found = []
    for field, payload in _fields(data):
        if field == 1:
            inner = list(_fields(payload))
            inputs = [item for item in inner if item[0] == 3]
            rest = [item for item in inner if item[0] != 3]
            payload = b"".join(wire.block(key, value) for key, value in rest[::-1] + inputs)
        found.append((field, payload))
    return b"".join(wire.block(key, value) for key, value in found[::-1])


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Length-delimited fields; there are no others in what these tests write."""
    found = []
    at = 0
    while at < len(data):
        tag, at = data[at], at + 1
        assert tag & 7 == 2
        length = shift = 0
        while True:
            byte, at = data[at], at + 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found.append((tag >> 3, data[at : at + length]))
        at += length
    return found


def test_a_model_that_is_written_again_keeps_its_findings(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    graph = wire.graph(
        [
            wire.node("x", "Placeholder", [], {"dtype": wire.F, "shape": wire.Dims((1, 2))}),
            *nodes("a", "b"),
            wire.node("c", "PyFunc", ["x"], {"Tin": [wire.F], "token": b"t", "Tout": [wire.F]}),
        ]
    )
    path.write_bytes(graph)
    file = record(tmp_path / "known.json", audited(path))
    again = _shuffled(graph)
    assert again != graph
    assert len(again) == len(graph)
    path.write_bytes(again)
    left, notes = held_against(audited(path), file)
    assert (left.findings, left.accepted, notes) == ((), 5, [])


def test_every_real_rule_survives_a_model_that_is_written_again(tmp_path: Path) -> None:
    """All rules over a model with something for most families, through TensorFlow's own order."""
    path = tmp_path / "m.pb"
    graph = wire.graph(
        [
            wire.node("x", "Placeholder", [], {"dtype": wire.F, "shape": wire.Dims((1, 2))}),
            *nodes("a", "b"),
            *nodes("w", op="NoSuchOp"),
            wire.node("c", "PyFunc", ["x"], {"Tin": [wire.F], "token": b"t", "Tout": [wire.F]}),
            wire.node("y", "Relu", ["c"], {"T": wire.F}),
        ]
    )
    path.write_bytes(graph)
    first = audit(path)
    file = record(tmp_path / "known.json", first)
    path.write_bytes(_shuffled(graph))
    notes: list[str] = []
    codes = tuple({item.code for item in first.findings})
    left = accept(audit(path), read_baseline(file), codes, notes.append)
    assert (left.findings, notes) == ((), [])
    assert left.accepted == len(first.findings) > 3


def test_the_file_moves_with_its_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a" / "zoo"
    place.mkdir(parents=True)
    (place / "m.pb").write_bytes(wire.graph(nodes("a")))
    record(tmp_path / "a" / "known.json", audited(place / "m.pb"))
    (tmp_path / "a").rename(tmp_path / "b")
    monkeypatch.chdir(tmp_path / "b" / "zoo")
    left, notes = held_against(audited(Path("m.pb")), Path("../known.json"))
    assert (left.findings, notes) == ((), [])


def test_a_link_on_the_way_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/m.pb").write_bytes(wire.graph(nodes("a")))
    file = record(tmp_path / "link/known.json", audited(tmp_path / "real/m.pb"))
    left, _ = held_against(audited(tmp_path / "link/m.pb"), file)
    assert left.findings == ()


def test_the_text_is_sorted_and_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b.pb", "a.pb", "clean.pb")]
    for path in paths[:2]:
        path.write_bytes(wire.graph(nodes("b", "a")))
    paths[2].write_bytes(wire.graph([wire.node("x", "Relu")]))
    text = baseline_text(audited(*paths), tmp_path / "known.json")
    assert text == baseline_text(audited(*paths[::-1]), tmp_path / "known.json")
    found = json.loads(text)
    assert found["schema"] == SCHEMA
    assert list(found["models"]) == ["a.pb", "b.pb"]
    rows = found["models"]["a.pb"]
    assert rows == sorted(rows, key=lambda row: (row["code"], row["fingerprint"]))
    assert all(row.keys() == {"fingerprint", "code", "message"} for row in rows)
    assert text.isascii()


def test_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    path = tmp_path / b"\xff.pb".decode("utf-8", "surrogateescape")
    path.write_bytes(wire.graph(nodes("a")))
    file = record(tmp_path / "known.json", audited(path))
    left, notes = held_against(audited(path), file)
    assert (left.findings, notes) == ((), [])


ROW = {"fingerprint": "0", "code": "S101", "message": "m"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a baseline"),
        (b"{}", "not a baseline"),
        (b'{"schema": 1}', "not a baseline"),
        (b'{"schema": "migrator.audit/1", "models": {}}', "migrator.audit/1"),
        (b'{"schema": "migrator.baseline/2", "models": {}}', "migrator.baseline/2"),
        (b'{"schema": "migrator.baseline/1"}', "models: expected an object"),
        (b'{"schema": "migrator.baseline/1", "models": []}', "models: expected an object"),
        (b'{"schema": "migrator.baseline/1", "models": {"a": {}}}', "models['a']: expected a list"),
        (
            b'{"schema": "migrator.baseline/1", "models": {"a": [{"code": "S1"}]}}',
            "models['a'][0]: expected an object",
        ),
    ],
)
def test_what_is_no_baseline_is_refused(data: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_baseline(path)
    assert why in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["missing.json", "folder", "a\0b"])
def test_a_baseline_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError):
        read_baseline(str(tmp_path / name))
