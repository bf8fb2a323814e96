"""``migrator diff``: exit codes, formats, options, where the result goes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import handmade as h
from tests import wire
from tests.commands import run
from tests.corpus import sample
from tests.schemas import parsed

MLP = sample("tf1.15.5/mlp")
CONV = sample("tf1.15.5/conv_bn")
Capture = pytest.CaptureFixture[str]


def written(folder: Path, name: str, *nodes: bytes) -> Path:
    path = folder / name
    path.write_bytes(wire.graph([h.placeholder("x"), *nodes]))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    left = written(tmp_path, "left.pb", h.const("w", np.ones((4, 4))), h.unary("y", "Relu", "x"))
    right = written(tmp_path, "right.pb", h.const("w", np.zeros((4, 4))), h.unary("y", "Elu", "x"))
    return left, right


def test_exit_code_tells_whether_they_differ(capsys: Capture) -> None:
    done = run(capsys, "diff", MLP.path, MLP.path)
    assert (done.code, done.err) == (0, "")
    assert "Identical" in done.out
    done = run(capsys, "diff", MLP.path, CONV.path)
    assert (done.code, done.err) == (1, "")


def test_what_cannot_be_read_is_code_two(capsys: Capture, tmp_path: Path) -> None:
    done = run(capsys, "diff", MLP.path, tmp_path / "missing.pb")
    assert (done.code, done.out) == (2, "")
    assert "missing.pb" in done.err


@pytest.mark.parametrize("words", ([], ["a"], ["a", "b", "c"], ["a", "b", "--textconv"]))
def test_wrong_number_of_models_is_bad_usage(words: list[str], capsys: Capture) -> None:
    done = run(capsys, "diff", *words)
    assert done.code == 2
    assert done.out == ""


def test_json_has_the_keys_of_the_contract(capsys: Capture, pair: tuple[Path, Path]) -> None:
    done = run(capsys, "diff", *pair, "--format", "json", "--matches")
    assert done.code == 1
    result = parsed(done.out)
    assert result["summary"] == {
        "added": 0,
        "changed": 2,
        "removed": 0,
        "renamed": 0,
        "rewired": 0,
    }
    assert result["matches"] == {"x": "x", "w": "w", "y": "y"}
    assert result["weights"][0]["max_abs"] == 1.0


def test_ignored_words_may_be_listed_or_repeated(capsys: Capture, pair: tuple[Path, Path]) -> None:
    done = run(capsys, "diff", *pair, "--ignore", "weights,names", "--ignore", "devices")
    assert "w (Const)" not in done.out
    result = parsed(run(capsys, "diff", *pair, "--ignore", "weights", "--format", "json").out)
    assert result["ignored"] == ["weights"]
    assert result["weights"] == []


def test_shapes_of_constant_weights_can_be_ignored(capsys: Capture, tmp_path: Path) -> None:
    left = written(tmp_path, "left.pb", h.const("w", np.ones((4, 4))))
    right = written(tmp_path, "right.pb", h.const("w", np.ones((4, 5))))
    assert run(capsys, "diff", left, right).code == 1
    assert run(capsys, "diff", left, right, "--ignore", "shapes").code == 0


def test_unknown_word_to_ignore_is_bad_usage(capsys: Capture, pair: tuple[Path, Path]) -> None:
    done = run(capsys, "diff", *pair, "--ignore", "weigths")
    assert done.code == 2
    assert "did you mean weights?" in done.err


def test_only_a_scope_that_did_not_change_is_code_zero(
    capsys: Capture, pair: tuple[Path, Path]
) -> None:
    assert run(capsys, "diff", *pair, "--only", "x").code == 0
    assert run(capsys, "diff", *pair, "--only", "y").code == 1


def test_only_a_scope_leaves_out_the_weights_and_scopes_of_others(
    capsys: Capture, tmp_path: Path
) -> None:
    left = written(
        tmp_path,
        "left.pb",
        *(h.const(name, np.ones((3, 3))) for name in ("a/w", "a/v", "b/w")),
        *(h.unary(f"old/{name}", "Relu", "x") for name in "pqr"),
    )
    right = written(
        tmp_path,
        "right.pb",
        *(h.const(name, np.zeros((3, 3))) for name in ("a/w", "a/v")),
        h.const("b/w", np.full((3, 3), 9)),
        *(h.unary(f"new/{name}", "Relu", "x") for name in "pqr"),
    )
    result = parsed(run(capsys, "diff", left, right, "--only", "a", "--format", "json").out)
    assert result["only"] == ["a"]
    assert result["counts"]["weights_different"] == 2
    assert "all 2 weights have other values, by 1 at most" in result["headline"][0]
    assert result["scopes"] == []
    assert "told of a alone" in result["headline"]
    both = parsed(run(capsys, "diff", left, right, "--only", "old", "--format", "json").out)
    assert [item["left"] for item in both["scopes"]] == ["old"]


def test_unchanged_scope_is_not_called_identical(capsys: Capture, pair: tuple[Path, Path]) -> None:
    assert "No difference found in x\n" in run(capsys, "diff", *pair, "--only", "x").out


@pytest.mark.parametrize("scope", ["nothing", "", "w/w"])
def test_scope_that_holds_nothing_is_bad_usage(
    scope: str, capsys: Capture, pair: tuple[Path, Path]
) -> None:
    done = run(capsys, "diff", *pair, "--only", scope)
    assert (done.code, done.out) == (2, "")
    assert "in scope" in done.err


def test_scope_that_is_misspelt_gets_a_hint(capsys: Capture) -> None:
    done = run(capsys, "diff", CONV.path, CONV.path, "--only", "convv1")
    assert "did you mean" in done.err


def test_markdown_is_for_a_comment(capsys: Capture, pair: tuple[Path, Path]) -> None:
    done = run(capsys, "diff", *pair, "--format", "markdown")
    assert done.out.startswith("### ")
    assert "<details>" in done.out


def test_result_goes_to_a_file_that_is_not_replaced_unasked(
    capsys: Capture, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    target = tmp_path / "diff.json"
    done = run(capsys, "diff", *pair, "--format", "json", "-o", target)
    assert (done.code, done.out) == (1, "")
    assert json.loads(target.read_text())["schema"] == "migrator.diff/1"
    assert run(capsys, "diff", *pair, "-o", target).code == 2
    assert run(capsys, "diff", *pair, "-o", target, "--overwrite").code == 1


def test_page_has_a_picture_of_both(capsys: Capture, pair: tuple[Path, Path]) -> None:
    pytest.importorskip("igraph")
    done = run(capsys, "diff", *pair, "--format", "html")
    assert (done.code, done.err) == (1, "")
    assert '"layouts":' in done.out


def test_without_igraph_the_page_has_no_picture_and_a_note_names_the_extra(
    capsys: Capture, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    done = run(capsys, "diff", *pair, "--format", "html")
    assert done.code == 1
    assert '"scenes":[]' in done.out
    assert "pip install 'migrator[picture]'" in done.err
    assert run(capsys, "diff", *pair, "--format", "json").err == ""


def test_checkpoints_are_compared_in_every_format(capsys: Capture) -> None:
    left, right = (
        sample(f"tf{release}/sm_variables").path / "variables" / "variables"
        for release in ("1.4.1", "1.15.5")
    )
    for form in ("text", "json", "markdown", "html"):
        done = run(capsys, "diff", left, right, "--format", form)
        assert (done.code, done.err) == (0, ""), form


def test_what_was_typed_once_is_told_in_the_singular(capsys: Capture) -> None:
    assert "takes two models, 1 was given" in run(capsys, "diff", MLP.path).err


def test_signature_that_no_side_has_is_bad_usage(capsys: Capture) -> None:
    path = sample("tf1.15.5/sm_variables").path
    done = run(capsys, "diff", path, path, "--signature", "nothing")
    assert done.code == 2
    assert "classify" in done.err


def test_one_signature_leaves_out_what_others_need(capsys: Capture) -> None:
    paths = [sample(f"tf{release}/sm_variables").path for release in ("1.4.1", "1.15.5")]
    whole = parsed(run(capsys, "diff", *paths, "--format", "json").out)
    part = parsed(run(capsys, "diff", *paths, "--signature", "embed", "--format", "json").out)
    assert len(part["nodes"]) < len(whole["nodes"])


def test_checkpoint_against_a_graph_is_a_comparison_of_weights(capsys: Capture) -> None:
    folder = sample("tf1.15.5/sm_variables").path
    done = run(capsys, "diff", folder, folder / "variables" / "variables")
    assert done.code == 1
    assert "no graph on the right: compared by weights alone" in done.out
    asked = "--signature", "serving_default"
    done = run(capsys, "diff", folder, folder / "variables" / "variables", *asked)
    assert done.code == 2
    assert "signature" in done.err


def test_git_calls_with_seven_arguments_and_gets_zero(
    capsys: Capture, pair: tuple[Path, Path]
) -> None:
    left, right = pair
    done = run(capsys, "diff", "model.pb", left, "1" * 40, "100644", right, "2" * 40, "100644")
    assert (done.code, done.err) == (0, "")
    assert "a/model.pb" in done.out
    assert str(left) not in done.out


def test_stages_are_told_and_a_pipe_shows_none_of_them(
    capsys: Capture, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("migrator.cli.progress.Progress.tell", lambda _, stage: told.append(stage))
    assert run(capsys, "diff", *pair).err == ""
    assert told[:2] == ["reading", "matching nodes"]
