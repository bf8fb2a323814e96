"""``batch --plan``: a manifest that says what is open, reads back, and can be edited."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.manifest.blocks import Block, Section, Suggestion
from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.planning import make_manifest, plan_manifest, survey_all
from migrator.batching.manifest.sources import read_entries
from migrator.batching.manifest.survey import DECIDE, READY, STUCK, survey
from migrator.batching.manifest.writing import manifest_text, write_entries
from migrator.errors import UsageError
from migrator.migration.options import Choice
from migrator.migration.planning import plan
from tests import handmade as made
from tests import wire
from tests.batch.manifests import FORMATS, read
from tests.corpus import sample

TRAINED = wire.graph(
    [
        made.placeholder("x"),
        made.op("is_training", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        *made.dense("logits", "x"),
        made.op("dropped", "Switch", "logits", "is_training", T=wire.F),
        made.op("probs", "Merge", "dropped", "dropped:1", T=wire.F, N=2),
    ]
)
READY_GRAPH = wire.graph([made.placeholder("x"), *made.dense("y", "x")])
PYTHON = wire.graph([made.placeholder("x"), made.op("f", "PyFunc", "x", token=b"t")])


@pytest.fixture()
def zoo(tmp_path: Path) -> Path:
    """A model of each kind, and one that is damaged."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "trained.pb").write_bytes(TRAINED)
    (folder / "ready.pb").write_bytes(READY_GRAPH)
    (folder / "python.pb").write_bytes(PYTHON)
    (folder / "cut.pb").write_bytes(READY_GRAPH[:-9])
    tags = [wire.meta_graph(READY_GRAPH, tags=[tag]) for tag in ("train", "eval")]
    (folder / "tags").mkdir()
    (folder / "tags" / "saved_model.pb").write_bytes(wire.saved_model(*tags))
    (folder / "lite.tflite").write_bytes((16).to_bytes(4, "little") + b"TFL3" + bytes(40))
    return folder


def written(zoo: Path, format: str, **options: Any) -> Path:
    path = zoo.parent / f"models.{format}"
    text = plan_manifest([zoo], format=format, folder=str(zoo.parent), jobs=1, **options)
    path.write_text(text, "utf-8", newline="")
    return path


def kinds(zoo: Path) -> dict[str, str]:
    return {item.entry.name: item.kind for item in survey_all(read_entries([zoo]), jobs=1)}


def test_each_model_is_told_for_what_it_is(zoo: Path) -> None:
    assert kinds(zoo) == {
        "cut": STUCK,
        "python": STUCK,
        "ready": READY,
        "tags": DECIDE,
        "trained": DECIDE,
    }


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_reads_back_as_it_was_found(format: str, zoo: Path) -> None:
    wanted = {item.name: item for item in read_entries([zoo]) if item.name not in ("cut", "python")}
    path = written(zoo, format)
    assert {item.name: item for item in read_entries([path])} == wanted
    text = path.read_text()
    titles = ("2 models need a decision", "1 model is ready", "2 models cannot be migrated")
    assert sorted(titles, key=text.index) == list(titles)
    assert "B105: PyFunc" in text and "lite.tflite: is a TFLite model already" in text


def off_lines(text: str, mark: str = "# ") -> str:
    """``text`` with the models taken in that are comments."""
    head, found, tail = text.partition("models cannot be migrated")
    assert found
    tail, _, _ = tail.partition("---- files that are no")
    lines = [line.removeprefix(mark) for line in tail.split("\n")[1:]]
    return head[: head.rindex("#")] + "\n" + "\n".join(lines)


@pytest.mark.parametrize("format", FORMATS)
def test_a_model_that_is_a_comment_can_be_taken_in(format: str, zoo: Path) -> None:
    path = written(zoo, format)
    path.write_text(off_lines(path.read_text()))
    assert sorted(read_entries([path]), key=lambda item: item.name) == list(read_entries([zoo]))


@pytest.mark.parametrize("format", ["yaml", "toml"])
def test_every_candidate_can_be_taken_in_alone(format: str, zoo: Path) -> None:
    path = written(zoo, format)
    lines = path.read_text().split("\n")
    before = read_entries([path])
    taken = 0
    for number, line in enumerate(lines):
        if not re.match(r" *# (?:- |\"|tag_set)", line) or line.startswith("#   -"):
            continue
        edited = [*lines[:number], line.replace("# ", "", 1), *lines[number + 1 :]]
        path.write_text("\n".join(edited))
        after = read_entries([path])
        assert len(after) == len(before) and after != before, line
        taken += 1
    assert taken >= 6


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_row_with_all_candidates_can_take_the_place_of_the_bare_one(
    format: str, zoo: Path
) -> None:
    path = written(zoo, format)
    lines = path.read_text().split("\n")
    at = next(n for n, line in enumerate(lines) if re.match(r'# (?:\{"name": "|)trained', line))
    lines[at : at + 2] = [lines[at].removeprefix("# ")]
    path.write_text("\n".join(lines))
    entry = next(item for item in read_entries([path]) if item.name == "trained")
    assert entry.feeds == ("is_training:0=false",) and "x:0" in entry.inputs


@pytest.mark.parametrize("format", ["yaml", "toml"])
def test_what_was_decided_is_planned_so_and_is_open_no_more(format: str, zoo: Path) -> None:
    path = written(zoo, format)
    text = path.read_text()
    for word in ("is_training:0=false", 'tag_set: "?eval', 'tag_set = "eval'):
        text = re.sub(rf"# ([^\n]*{word}[^\n]*)", r"\1", text)
    path.write_text(text)
    again = plan_manifest([path], format=format, folder=str(zoo.parent), jobs=1)
    assert "3 models are ready" in again and "need" not in again.partition("ready")[0]
    assert read_entries([path])[0].file == str(path)


def test_candidates_come_with_types_reasons_and_values(zoo: Path) -> None:
    found = survey(Entry(name="t", source=str(zoo / "trained.pb")))
    notes = {
        (key, item.value): item.note for key in found.suggestions for item in found.suggestions[key]
    }
    assert notes["feeds", "is_training:0=false"].startswith("bool []; ")
    assert notes["inputs", "x:0"].startswith("float32 [?, 4]; ")
    assert found.notes[0].startswith("B301: ")


def test_a_placeholder_without_a_known_value_gets_one_that_fits_it(tmp_path: Path) -> None:
    nodes = [
        made.placeholder("x", dims=(2, 3)),
        made.op("out", "AddV2", "x", "x", T=wire.F),
    ]
    spec = wire.block(1, "out:0") + wire.number(2, 1)
    signature = wire.block(2, wire.block(1, "y") + wire.block(2, spec))
    more = wire.block(5, wire.block(1, "serving_default") + wire.block(2, signature))
    data = wire.saved_model(wire.meta_graph(wire.graph(nodes), more=more))
    (tmp_path / "saved_model.pb").write_bytes(data)
    found = survey(Entry(name="s", source=str(tmp_path)))
    (item,) = found.suggestions["feeds"]
    assert item.note.startswith("a guess; float32 [2, 3]")
    feed = item.value
    assert json.loads(feed.partition("=")[2]) == [[1.0] * 3] * 2
    assert not plan(tmp_path, choice=Choice(feeds=[feed])).blockers


def test_what_the_entry_says_already_is_no_candidate(zoo: Path) -> None:
    entry = Entry(name="t", source=str(zoo / "trained.pb"), inputs=("image=x",))
    assert "inputs" not in survey(entry).suggestions
    decided = Entry(name="t", source=str(zoo / "trained.pb"), feeds=("is_training=false",))
    assert survey(decided).kind == READY


def test_a_path_that_no_manifest_can_name_is_told_and_left_out(zoo: Path) -> None:
    name = os.fsdecode(b"odd\xff.pb")
    (zoo / name).write_bytes(READY_GRAPH)
    entries = read_entries([zoo])
    text = make_manifest(entries, format="jsonl", jobs=1)
    assert "no manifest can name it" in text and text.isascii()
    assert "odd%FF" not in text
    with pytest.raises(UsageError, match="is no text"):
        write_entries(entries)


@pytest.mark.parametrize("format", FORMATS)
def test_names_out_of_a_model_cannot_leave_their_comment(format: str, tmp_path: Path) -> None:
    evil = 'x"\n- source: evil\r\n[[models]]\x85\u2028source = "evil"\n{"source": "evil"}'
    block = Block(
        entry=Entry(name="a", source="/m.pb"),
        notes=[evil],
        suggestions={
            "inputs": [Suggestion(value=evil, note=evil)],
            "tag_set": [Suggestion(value=evil)],
        },
    )
    hidden = Block(entry=Entry(name="b", source=f"/{evil}"), notes=[evil], off=True)
    sections = [Section(title=evil, blocks=[block, hidden])]
    path = tmp_path / f"m.{format}"
    path.write_text(manifest_text(sections, format, head=[evil], tail=[evil]), newline="")
    assert read(path) == [Entry(name="a", source="/m.pb")]


@pytest.mark.parametrize("format", FORMATS)
def test_a_manifest_of_comments_alone_is_one(format: str, tmp_path: Path) -> None:
    block = Block(entry=Entry(name="b", source="/m.pb"), off=True)
    path = tmp_path / f"m.{format}"
    path.write_text(manifest_text([Section(title="none", blocks=[block])], format))
    assert read(path) == []


def test_progress_is_told_and_addresses_are_left_for_their_turn() -> None:
    told: list[tuple[int, int, str]] = []
    entries = [Entry(name="a", source="s3://b/a.pb"), Entry(name="b", source="/gone.pb")]
    found = list(survey_all(entries, jobs=1, progress=lambda *args: told.append(args)))
    assert [item.kind for item in found] == [READY, STUCK]
    assert told == [(1, 2, "a"), (2, 2, "b")]


def test_models_that_take_too_long_cost_no_other(zoo: Path) -> None:
    entries = read_entries([zoo])
    found = list(survey_all(entries, jobs=2, timeout=1e-6))
    assert [item.entry for item in found] == list(entries)
    late = [item for item in found if any("took more than" in note for note in item.notes)]
    assert late and all(item.kind == STUCK for item in late)


def test_a_keras_model_is_ready_as_far_as_can_be_told() -> None:
    item = sample("tf2.21.0/keras_h5")
    assert survey(Entry(name="k", source=str(item.path))).kind == READY


def test_a_format_that_is_none_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match="there is no format 'xml'"):
        make_manifest([], format="xml")


def test_relative_paths_are_written_for_where_the_manifest_lies(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entries = read_entries(["zoo/ready.pb"])
    assert '"source": "zoo/ready.pb"' in write_entries(entries, "jsonl")
    assert '"source": "ready.pb"' in write_entries(entries, "jsonl", folder="zoo")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "m.jsonl").write_text(write_entries(entries, "jsonl", folder="other"))
    (found,) = read_entries(["other/m.jsonl"])
    assert os.path.samefile(found.source, zoo / "ready.pb")
