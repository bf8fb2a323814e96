"""``migrator plan``: exit codes, and options to paste that work when pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests import wire
from tests.commands import Outcome, run
from tests.corpus import FROZEN, HUB, META, SAVED, Sample, sample
from tests.fuzz.survive import assert_harmless
from tests.handmade import const, dense, op, placeholder, unary
from tests.schemas import parsed

Capture = pytest.CaptureFixture[str]
OPEN = [item for item in FROZEN if item.feeds or not item.record["decidable"]]
READY = [item for item in FROZEN if item not in OPEN]


def pasted(done: Outcome) -> list[str]:
    """The options that an error shows, as a shell would read them."""
    lines = [line.strip() for line in done.err.splitlines()[1:]]
    assert lines
    assert all(line.startswith("--") for line in lines)
    return [word for line in lines for word in shlex.split(line)]


def feeds_of(item: Sample) -> list[str]:
    return [word for name, value in item.feeds.items() for word in ("--feed", f"{name}={value}")]


@pytest.mark.parametrize("item", READY, ids=str)
def test_decided_fixtures_are_ready(item: Sample, capsys: Capture) -> None:
    done = run(capsys, "plan", item.path, "--format", "json")
    assert (done.code, done.err) == (0, "")
    result = parsed(done.out)
    assert result["outcome"] == "ready"
    signature = result["signatures"]["serving_default"]
    for side, expected in (("inputs", item.inputs), ("outputs", item.outputs)):
        found = {entry["source_tensor"] for entry in signature[side].values()}
        assert found == set(expected.values())


@pytest.mark.parametrize("item", READY, ids=str)
def test_text_names_the_endpoints_and_what_is_done(item: Sample, capsys: Capture) -> None:
    done = run(capsys, "plan", item.path)
    assert done.code == 0
    first = done.out.partition("\n")[0]
    changed = ", with changes that migrate makes itself"
    assert first.removesuffix(changed) == f"{item.path}: ready to migrate"
    assert_harmless(done.out)
    for tensor in (*item.inputs.values(), *item.outputs.values()):
        assert tensor in done.out


def test_outputs_have_the_shapes_that_inspect_tells(capsys: Capture, tmp_path: Path) -> None:
    nodes = [placeholder("x"), *dense("a", "x"), unary("b", "Relu", "a")]
    path = write(tmp_path / "model.pb", *nodes)
    for words in (["inspect"], ["plan"]):
        done = run(capsys, *words, path)
        assert "b:0" in done.out and "[?, 3]" in done.out and "unknown rank" not in done.out
    result = parsed(run(capsys, "plan", path, "--format", "json").out)
    (output,) = result["signatures"]["serving_default"]["outputs"].values()
    assert output["shape"] == [None, 3]


@pytest.mark.parametrize("item", OPEN, ids=str)
def test_open_endpoints_are_exit_code_three_with_options(item: Sample, capsys: Capture) -> None:
    done = run(capsys, "plan", item.path)
    assert (done.code, done.out) == (3, "")
    options = pasted(done)
    assert set(item.inputs.values()) <= set(options)
    assert set(item.outputs.values()) <= set(options)
    as_json = run(capsys, "plan", item.path, "--format", "json")
    assert as_json.code == 3
    result = parsed(as_json.out)
    assert result["outcome"] == "needs_decision"
    assert [word for line in result["options"] for word in shlex.split(line)] == options


@pytest.mark.parametrize("item", [item for item in OPEN if item.feeds], ids=str)
def test_pasted_options_work_and_feed_the_right_value(item: Sample, capsys: Capture) -> None:
    options = pasted(run(capsys, "plan", item.path))
    done = run(capsys, "plan", item.path, *options, "--format", "json")
    assert done.code == 0, done.err
    result = parsed(done.out)
    assert {feed["tensor"]: feed["value"] for feed in result["feeds"]} == item.feeds
    signature = result["signatures"]["serving_default"]
    assert {entry["source_tensor"] for entry in signature["inputs"].values()} == set(
        item.inputs.values()
    )
    assert {entry["source_tensor"] for entry in signature["outputs"].values()} == set(
        item.outputs.values()
    )


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_named_endpoints_are_taken(item: Sample, capsys: Capture) -> None:
    """With everything named, every fixture is ready."""
    words = feeds_of(item)
    for name, tensor in item.inputs.items():
        words += ["--input", f"{name}={tensor}"]
    for name, tensor in item.outputs.items():
        words += ["--output", f"{name}={tensor}"]
    done = run(capsys, "plan", item.path, *words, "--format", "json")
    assert done.code == 0, done.err
    signature = parsed(done.out)["signatures"]["serving_default"]
    for side, expected in (("inputs", item.inputs), ("outputs", item.outputs)):
        found = {name: entry["source_tensor"] for name, entry in signature[side].items()}
        assert found == expected


@pytest.mark.parametrize("item", SAVED + HUB, ids=str)
def test_saved_models_are_ready_with_all_their_signatures(item: Sample, capsys: Capture) -> None:
    done = run(capsys, "plan", item.path, "--format", "json")
    assert (done.code, done.err) == (0, "")
    result = parsed(done.out)
    assert result["outcome"] == "ready"
    found = {key: entry["source_key"] for key, entry in result["signatures"].items()}
    of_the_case = item.record["signature"]
    assert found[of_the_case] == of_the_case
    assert set(item.record.get("more_cases", {})) <= set(found)


@pytest.mark.parametrize("item", META, ids=str)
def test_meta_graphs_are_ready_with_their_endpoints(item: Sample, capsys: Capture) -> None:
    words = feeds_of(item)
    for side in ("input", "output"):
        for name, tensor in item.record[f"{side}s"].items():
            words += [f"--{side}", f"{name}={tensor}"]
    done = run(capsys, "plan", item.path, *words, "--format", "json")
    assert (done.code, done.err) == (0, "")
    result = parsed(done.out)
    assert (result["outcome"], result["weights"]) == ("ready", "variables")
    assert result["signatures"]["serving_default"]["source_key"] is None


def write(path: Path, *nodes: bytes) -> Path:
    path.write_bytes(wire.graph(nodes))
    return path


def test_a_blocked_plan_is_exit_code_two_and_still_a_result(
    capsys: Capture, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "m.pb",
        placeholder("x"),
        op("odd", "NoSuchOpAnywhere", "x"),
        unary("y", "Relu", "odd"),
    )
    done = run(capsys, "plan", path, "--input", "x", "--output", "y", "--format", "json")
    assert done.code == 2
    result = parsed(done.out)
    assert result["outcome"] == "blocked"
    assert [item["code"] for item in result["blockers"]] == ["unknown_op"]
    text = run(capsys, "plan", path, "--input", "x", "--output", "y")
    assert text.code == 2
    assert "Blocked by" in text.out
    assert "NoSuchOpAnywhere" in text.out


def test_names_that_a_shell_would_split_are_quoted(capsys: Capture, tmp_path: Path) -> None:
    """Options to paste survive a shell, whatever the nodes are called."""
    flag = "is_training; rm -rf $HOME 'x'"
    path = write(
        tmp_path / "m.pb",
        placeholder("in put"),
        op(flag, "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        *dense("h", "in put"),
        op("switch", "Switch", "h", flag, T=wire.F),
        unary("off", "Relu", "switch:0"),
        unary("on", "Tanh", "switch:1"),
        op("my output", "Merge", "off", "on", T=wire.F, N=2),
    )
    options = pasted(run(capsys, "plan", path))
    done = run(capsys, "plan", path, *options, "--format", "json")
    assert done.code == 0, done.err
    (feed,) = parsed(done.out)["feeds"]
    assert feed["tensor"] == f"{flag}:0"


@pytest.mark.parametrize("name", ["-x", "--input", "a=b", "=", "^a"])
def test_names_that_look_like_options_can_be_pasted(
    name: str, capsys: Capture, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "m.pb",
        placeholder(name),
        op("keep_prob", "Placeholder", dtype=wire.F, shape=wire.Dims(())),
        *dense("h", name if name != "^a" else "^a:0"),
        op("y", "RealDiv", "h", "keep_prob", T=wire.F),
    )
    first = run(capsys, "plan", path)
    assert first.code == 3
    done = run(capsys, "plan", path, *pasted(first), "--format", "json")
    assert done.code == 0, done.err


def test_a_mistyped_tensor_is_answered_with_near_names(capsys: Capture) -> None:
    item = sample("tf1.15.5/mlp")
    done = run(capsys, "plan", item.path, "--output", "probabilites")
    assert done.code == 2
    assert "did you mean probabilities" in done.err


def test_a_plan_goes_to_a_file(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    item = sample("tf1.15.5/mlp")
    words: list[str | Path] = ["plan", item.path, "--format", "json", "--output-file", target]
    done = run(capsys, *words)
    assert (done.code, done.out, done.err) == (0, "", "")
    parsed(target.read_text())
    again = run(capsys, *words)
    assert again.code == 2
    assert "--overwrite" in again.err


def test_a_graph_of_constants_alone_has_no_input_to_offer(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path / "m.pb", const("c", [1.0, 2.0]), unary("y", "Relu", "c"))
    done = run(capsys, "plan", path)
    assert done.code == 3
