"""``migrator inspect``: text and JSON, several paths, and where the result goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator._version import __version__
from tests import wire
from tests.commands import run
from tests.corpus import NAMED, PROTOBUF, REFUSED, Sample, sample
from tests.fuzz.survive import assert_harmless
from tests.handmade import op, placeholder, unary
from tests.schemas import parsed

MLP = sample("tf1.15.5/mlp")
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_json_of_every_fixture_validates_and_counts(item: Sample, capsys: Capture) -> None:
    done = run(capsys, "inspect", item.path, "--format", "json")
    assert (done.code, done.err) == (0, "")
    result = parsed(done.out)
    assert result["migrator"] == __version__
    found = [meta["graph"]["ops"] for meta in result["meta_graphs"]]
    assert found == [expected["ops"] for expected in item.described]


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_text_of_every_fixture_says_what_it_is_first(item: Sample, capsys: Capture) -> None:
    done = run(capsys, "inspect", item.path)
    assert (done.code, done.err) == (0, "")
    first = done.out.splitlines()[0]
    assert first.startswith(str(item.file))
    assert ("GraphDef" if item.kind == "graph_def" else "SavedModel") in first
    assert_harmless(done.out)
    if item not in REFUSED + NAMED:
        for tensor in (*item.inputs.values(), *item.outputs.values()):
            assert tensor in done.out


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_inputs_and_outputs_stand_above_ops_and_weights(item: Sample, capsys: Capture) -> None:
    lines = run(capsys, "inspect", item.path).out.splitlines()
    titles = [line for line in lines if line and not line.startswith(" ")]
    ends = [
        i for i, line in enumerate(titles) if line.startswith(("Inputs", "Outputs", "Signature"))
    ]
    ops = [i for i, line in enumerate(titles) if line.startswith("Ops")]
    assert ends
    assert ops
    assert ends[0] < ops[0]


def test_several_paths_are_shown_in_their_order(capsys: Capture) -> None:
    paths = [item.path for item in PROTOBUF[:3]]
    result = parsed(run(capsys, "inspect", *paths, "--format", "json").out)
    assert [item["source"]["path"] for item in result["results"]] == list(map(str, paths))
    text = run(capsys, "inspect", *paths).out
    assert [text.index(str(path)) for path in paths] == sorted(text.index(str(p)) for p in paths)


def test_what_cannot_be_read_does_not_hide_the_rest(capsys: Capture, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pb"
    bad.write_text("hello")
    missing = tmp_path / "missing.pb"
    done = run(capsys, "inspect", MLP.path, bad, missing, PROTOBUF[0].path)
    assert done.code == 2
    assert str(MLP.path) in done.out
    assert str(PROTOBUF[0].path) in done.out
    assert str(bad) not in done.out
    lines = done.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"migrator: error: {bad}: is a text file")
    assert lines[1].startswith(f"migrator: error: {missing}: cannot be read: No such file")


def test_json_of_one_readable_path_of_two_is_a_list_still(capsys: Capture, tmp_path: Path) -> None:
    """What was asked decides the form, not how much of it failed."""
    done = run(capsys, "inspect", MLP.path, tmp_path / "missing.pb", "--format", "json")
    assert done.code == 2
    result = json.loads(done.out)
    assert [item["source"]["path"] for item in result["results"]] == [str(MLP.path)]


def test_nothing_readable_prints_no_result(capsys: Capture, tmp_path: Path) -> None:
    done = run(capsys, "inspect", tmp_path / "a", tmp_path / "b", "--format", "json")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 2


def test_the_same_result_goes_to_a_file_whole(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    shown = run(capsys, "inspect", MLP.path, "--format", "json").out
    done = run(capsys, "inspect", MLP.path, "--format", "json", "-o", target)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert target.read_text() == shown
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_an_existing_file_is_refused_unless_told_otherwise(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("mine")
    done = run(capsys, "inspect", MLP.path, "--output", target)
    assert done.code == 2
    assert "--overwrite" in done.err
    assert target.read_text() == "mine"
    assert run(capsys, "inspect", MLP.path, "--output", target, "--overwrite").code == 0
    assert "GraphDef" in target.read_text()


def test_a_dash_is_standard_output(capsys: Capture) -> None:
    plain = run(capsys, "inspect", MLP.path)
    assert run(capsys, "inspect", MLP.path, "-o", "-") == plain


def test_a_file_in_no_folder_is_one_error(capsys: Capture, tmp_path: Path) -> None:
    done = run(capsys, "inspect", MLP.path, "-o", tmp_path / "no" / "result.txt")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


def test_a_folder_as_the_output_file_is_one_error(capsys: Capture, tmp_path: Path) -> None:
    done = run(capsys, "inspect", MLP.path, "-o", tmp_path, "--overwrite")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_names_made_to_attack_a_terminal_are_shown_harmless(
    capsys: Capture, tmp_path: Path
) -> None:
    name = "\x1b]0;owned\x07\x1b[2J\r\nroot:\u202e\u2066\x00<script>|*_`"
    path = tmp_path / "model.pb"
    path.write_bytes(
        wire.graph(
            [
                wire.node(name, "Placeholder", [], {"dtype": wire.F, "shape": wire.Dims((-1, 4))}),
                wire.node(f"{name}/y", "Relu", [name], {"T": wire.F}, device=name),
                wire.node("z", name, [name]),
            ]
        )
    )
    done = run(capsys, "inspect", path)
    assert done.code == 0
    assert_harmless(done.out)
    assert "\\x1b]0;owned" in done.out
    result = parsed(run(capsys, "inspect", path, "--format", "json").out)
    assert name in result["meta_graphs"][0]["graph"]["ops"]


def test_a_path_made_to_attack_a_terminal_is_shown_harmless(
    capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "a\x1b[31mb\nc"
    done = run(capsys, "inspect", path)
    assert done.code == 2
    assert_harmless(done.err)
    assert len(done.err.splitlines()) == 1
    path.write_bytes(MLP.path.read_bytes())
    done = run(capsys, "inspect", path)
    assert done.code == 0
    assert_harmless(done.out)


def test_odd_graphs_come_with_warnings(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "odd.pb"
    path.write_bytes(
        wire.graph(
            [
                wire.node("a", "NoOp"),
                wire.node("a", "NoOp"),
                wire.node("b", "Relu", ["gone"]),
                wire.node("c", "Relu", ["d"]),
                wire.node("d", "Relu", ["c"]),
            ]
        )
    )
    done = run(capsys, "inspect", path)
    assert done.code == 0
    for words in ("more than once", "names no node", "cycle"):
        assert words in done.out
    assert len(parsed(run(capsys, "inspect", path, "--format", "json").out)["warnings"]) == 3


def test_one_meta_graph_is_chosen_by_its_tags_in_any_order(capsys: Capture) -> None:
    path = sample("tf1.15.5/sm_tags").path
    for tags in ("serve,gpu", "gpu,serve"):
        done = run(capsys, "inspect", path, "--tag-set", tags, "--format", "json")
        assert [meta["tags"] for meta in parsed(done.out)["meta_graphs"]] == [["serve", "gpu"]]


def test_one_signature_is_chosen_by_its_key(capsys: Capture) -> None:
    path = sample("tf2.21.0/sm_functions").path
    done = run(capsys, "inspect", path, "--signature", "choose", "--format", "json")
    (meta,) = parsed(done.out)["meta_graphs"]
    assert list(meta["signatures"]) == ["choose"]


@pytest.mark.parametrize(
    ("option", "value", "there"),
    [("--tag-set", "eval", "serve,gpu"), ("--signature", "predict", "serving_default")],
)
def test_what_does_not_exist_is_answered_with_what_does(
    option: str, value: str, there: str, capsys: Capture
) -> None:
    done = run(capsys, "inspect", sample("tf1.15.5/sm_tags").path, option, value)
    assert (done.code, done.out) == (2, "")
    assert value in done.err
    assert there in done.err


def test_control_edges_are_counted_beside_the_others(capsys: Capture, tmp_path: Path) -> None:
    nodes = [
        placeholder("x"),
        unary("a", "Relu", "x"),
        op("b", "Neg", "a", "^x", T=wire.F),
        op("c", "Neg", "b", "^x", "^a", T=wire.F),
    ]
    path = tmp_path / "model.pb"
    path.write_bytes(wire.graph(nodes))
    out = run(capsys, "inspect", path).out
    assert "4 nodes, 3 edges and 3 control edges, " in out
    path.write_bytes(wire.graph(nodes[:3]))
    assert "3 nodes, 2 edges and 1 control edge, " in run(capsys, "inspect", path).out
    path.write_bytes(wire.graph(nodes[:2]))
    assert "2 nodes, 1 edge, " in run(capsys, "inspect", path).out


def test_help_names_each_kind_of_file(capsys: Capture) -> None:
    out = run(capsys, "inspect", "--help").out
    for ending in (".pb", ".pbtxt", ".meta", ".h5", ".keras", ".tflite", ".zip", "PREFIX"):
        assert ending in out


def test_no_words_at_all_list_the_verbs(capsys: Capture) -> None:
    done = run(capsys)
    assert (done.code, done.out) == (2, "")
    for verb in ("inspect", "export", "migrate", "batch"):
        assert f"\n    {verb} " in done.err
