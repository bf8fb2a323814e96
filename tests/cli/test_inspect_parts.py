"""``inspect --tree``, ``--node`` and ``--weights`` on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import handmade, wire
from tests.commands import run
from tests.corpus import PROTOBUF, Sample, sample
from tests.fuzz.survive import assert_harmless
from tests.schemas import parsed

MLP = sample("tf1.15.5/mlp").path
SM = sample("tf1.15.5/sm_variables").path
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_parts_of_every_fixture_in_text_and_json(item: Sample, capsys: Capture) -> None:
    node = item.model().graph.nodes[-1].name
    asked = ("--tree", "--weights", "--node", node, "-q")
    done = run(capsys, "inspect", item.path, *asked)
    assert (done.code, done.err) == (0, "")
    assert_harmless(done.out)
    result = parsed(run(capsys, "inspect", item.path, *asked, "--format", "json").out)
    assert result["node"]["name"] == node
    graph = result["meta_graphs"][0]["graph"]
    assert result["tree"]["nodes"] == graph["nodes"] + graph["function_nodes"]
    assert result["tree"]["bytes"] == graph["weight_bytes"]
    assert len(result["weights"]) >= len(graph["largest_weights"])


def test_a_checkpoint_has_the_same_parts(capsys: Capture) -> None:
    prefix = SM / "variables" / "variables"
    asked = ("--tree", "--weights", "--node", "net/hidden/bias")
    assert run(capsys, "inspect", prefix, *asked).code == 0
    result = parsed(run(capsys, "inspect", prefix, *asked, "--format", "json").out)
    assert result["node"]["op"] == "variable"
    assert len(result["weights"]) == len(result["variables"])


def test_several_paths_have_their_parts_each(capsys: Capture) -> None:
    done = run(capsys, "inspect", MLP, SM, "--tree", "--format", "json")
    assert [bool(item["tree"]["children"]) for item in parsed(done.out)["results"]] == [True] * 2


def test_a_node_that_is_not_there_ends_with_code_2(capsys: Capture) -> None:
    done = run(capsys, "inspect", MLP, "--node", "hidden/kernl")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'hidden/kernel'" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--depth", "2"),
        ("--values",),
        ("--match", "a"),
        ("--tree", "--depth", "0"),
        ("--tree", "--depth", "99"),
        ("--tree", "--depth", "x"),
        ("--tree", "--format", "html"),
    ],
)
def test_options_that_say_nothing_together_are_refused(
    words: tuple[str, ...], capsys: Capture
) -> None:
    done = run(capsys, "inspect", MLP, *words)
    assert (done.code, done.out) == (2, "")


def test_weights_are_saved_and_read_back(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "weights.npz"
    done = run(capsys, "inspect", SM, "--weights", "-o", target)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{target}: 8 weights")
    result = parsed(run(capsys, "inspect", SM, "--weights", "--format", "json").out)
    with np.load(target, allow_pickle=False) as found:
        assert set(found) == {item["name"] for item in result["weights"]}
        for item in result["weights"]:
            assert found[item["name"]].nbytes == item["bytes"]
    again = run(capsys, "inspect", SM, "--weights", "-o", target)
    assert again.code == 2
    assert "--overwrite" in again.err
    words = ("--overwrite", "--match", "*bias", "--format", "json")
    result = parsed(run(capsys, "inspect", SM, "--weights", "-o", target, *words).out)
    assert result["saved"]["weights"] == 2
    with np.load(target) as found:
        assert all(name.endswith("bias") for name in found)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_what_is_left_out_is_told_on_standard_error(capsys: Capture, tmp_path: Path) -> None:
    model = tmp_path / "m.pb"
    variable = handmade.op("v", "VariableV2", dtype=wire.F, shape=wire.Dims((2,)))
    value = wire.Raw(wire.block(8, wire.tensor(18, (2,), wire.block(4, bytes(32)))))
    complex_ = handmade.op("c", "Const", dtype=wire.Type(18), value=value)
    nodes = [handmade.const("w", [1.0]), complex_, variable]
    model.write_bytes(wire.graph(nodes))
    done = run(capsys, "inspect", model, "--weights", "-o", tmp_path / "w.safetensors")
    assert done.code == 0
    assert "left out: c: the format has no complex128" in done.err
    assert "left out: v: no value is stored" in done.err
    quiet = run(capsys, "inspect", model, "--weights", "-q", "-o", tmp_path / "w2.safetensors")
    assert (quiet.code, quiet.err) == (0, "")


def test_one_file_takes_one_model(capsys: Capture, tmp_path: Path) -> None:
    done = run(capsys, "inspect", MLP, SM, "--weights", "-o", tmp_path / "w.npz")
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_weights_goes_to_a_file_of_another_name(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "list.json"
    done = run(capsys, "inspect", MLP, "--weights", "--format", "json", "-o", target)
    assert (done.code, done.out) == (0, "")
    assert len(parsed(target.read_text())["weights"]) == 4


def test_names_made_to_attack_a_terminal_are_harmless_in_parts(
    capsys: Capture, tmp_path: Path
) -> None:
    name = "\x1b]0;owned\x07\x1b[2J\r\n/\u202e\u2066<script>"
    path = tmp_path / "model.pb"
    attrs = {"dtype": wire.F, name: name.encode()}
    path.write_bytes(
        wire.graph(
            [
                handmade.const(f"{name}/w", [1.0, 2.0]),
                wire.node(name, name, [f"{name}/w", f"^{name}/w"], attrs, device=name),
                handmade.text_const("t", name.encode(), b"\x1b[31m"),
            ]
        )
    )
    for words in (["--tree"], ["--weights"], ["--node", name], ["--node", "t"], ["--node", "\x1b"]):
        done = run(capsys, "inspect", path, *words)
        assert_harmless(done.out + done.err)
        assert done.code == (2 if words[-1] == "\x1b" else 0)


def test_of_several_meta_graphs_one_is_chosen_and_told(capsys: Capture) -> None:
    path = sample("tf1.15.5/sm_tags").path
    done = run(capsys, "inspect", path, "--tree")
    assert done.code == 0
    assert "--tag-set chooses another" in done.err
    chosen = run(capsys, "inspect", path, "--tree", "--tag-set", "serve,gpu")
    assert (chosen.code, chosen.err) == (0, "")
