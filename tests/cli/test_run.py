"""``migrator run`` before TensorFlow starts: bad inputs are one clear error each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from migrator.cli.main import build_parser
from tests.commands import run
from tests.corpus import sample

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
TABLE = sample("tf1.15.5/sm_table").path
FUNCTIONS = sample("tf2.21.0/sm_functions").path
KERAS = sample("tf2.21.0/keras_export").path
VARIABLES = sample("tf1.15.5/sm_variables").path

BAD: dict[str, tuple[list[object], int, str]] = {
    "no_model": (["nothing.pb"], 2, "nothing.pb: cannot be read: No such file"),
    "shape": ([MLP, "x=[[1, 2]]"], 2, "has shape [1, 2], input 'x' takes [?, 8]"),
    "dtype": ([MLP, 'x=[["a"]]'], 2, "'a' is no float32"),
    "no_value": ([MLP, "x=cat"], 2, "neither a file nor a value of float32"),
    "no_file": ([MLP, "cat.npy"], 2, "cat.npy: there is no such file"),
    "no_input": ([TABLE, "wrds=a"], 2, "no input 'wrds'; did you mean words?"),
    "unnamed": ([FUNCTIONS, "3"], 2, "names no input, and the model has 2"),
    "not_all": ([FUNCTIONS, "steps=3"], 2, "no value is given for x (float32 [?, 4])"),
    "no_signature": ([TABLE, "--signature", "serving"], 2, "no signature 'serving'; it has: "),
    "no_tags": ([TABLE, "--tag-set", "train"], 2, "no meta graph with tags train"),
    "no_output": ([TABLE, "--output", "y"], 2, "the signature has no output 'y'; it has: "),
    "endpoint": ([TABLE, "--input", "words:0"], 2, "--input names the endpoints of a graph"),
    "feed": ([TABLE, "--feed", "words=a"], 2, "--feed names the endpoints of a graph"),
    "graph": ([MLP, "--signature", "s"], 2, "is a graph, which has no signatures"),
    "picture": ([KERAS, "{jpg}"], 2, "is a picture, which does not fit input 'image'"),
    "scale": ([MLP, "--scale", "0..1"], 2, "--scale 0..1: is for pictures, and none is given"),
    "no_scale": ([MLP, "--scale", "big"], 2, "--scale big: is neither LOW..HIGH nor MEAN,STD"),
    "pickle": ([MLP, "x={pickle}"], 2, "cannot be read as an .npy of plain values"),
    "json": ([MLP, "x={json}"], 2, "is not JSON"),
    "repeat": ([MLP, "--repeat", "-1"], 2, "--repeat -1; it is 0 or more"),
    "batch": ([MLP, "--batch", "0"], 2, "--batch 0; it is 1 or more"),
    "data": ([MLP, "--data", "{json}.csv"], 2, "there is no such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_are_one_clear_error(name: str, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "bad.json").write_text("{")
    np.save(tmp_path / "p.npy", np.array([{}], dtype=object), allow_pickle=True)
    files = {"jpg": "cat.jpg", "json": "bad.json", "pickle": "p.npy"}
    words, code, text = BAD[name]
    typed = []
    for word in words:
        shown = str(word)
        for key, file in files.items():
            shown = shown.replace(f"{{{key}}}", str(tmp_path / file))
        typed.append(shown)
    done = run(capsys, "run", *typed)
    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert len(done.err.splitlines()) == 1


def test_open_signatures_are_exit_code_three(capsys: Capture) -> None:
    model = sample("tf1.15.5/is_training").path
    done = run(capsys, "run", model)
    assert (done.code, done.out) == (3, "")
    assert "--feed is_training:0=" in done.err


def test_existing_output_is_refused_before_anything_runs(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "out.npz"
    target.write_text("mine")
    done = run(capsys, "run", MLP, "-o", target)
    assert done.code == 2
    assert "--overwrite" in done.err
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ["m", "a", "b=1"],
        ["m", "--full", "a", "b=1"],
        ["m", "a", "--repeat", "3", "b=1"],
        ["--signature", "s", "m", "a", "--full", "b=1"],
    ],
)
def test_values_may_stand_before_and_after_options(words: list[str]) -> None:
    args = build_parser().parse_args(["run", *words])
    assert (args.model, args.given) == ("m", ["a", "b=1"])


def test_unknown_options_are_still_refused(capsys: Capture) -> None:
    done = run(capsys, "run", MLP, "--full", "a", "--no-such-option")
    assert done.code == 2
    assert "--no-such-option" in done.err
