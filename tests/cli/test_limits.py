"""``--limit NAME=VALUE``: every bound by its name, in every verb that reads without TensorFlow."""

from __future__ import annotations

import gzip
from dataclasses import fields
from pathlib import Path

import pytest

from migrator.limits import Limits
from tests.commands import run
from tests.corpus import sample

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
NAMES = [field.name for field in fields(Limits)]
VERBS = {"inspect": [], "plan": [], "diff": [MLP], "audit": ["--no-config"]}


@pytest.mark.parametrize("verb", VERBS)
def test_a_bound_that_is_passed_is_told_with_its_option(verb: str, capsys: Capture) -> None:
    done = run(capsys, verb, MLP, *VERBS[verb], "--limit", "nodes=3")
    text = done.out + done.err
    assert "the limit is 3" in text
    assert "--limit nodes=" in text or verb == "audit"
    assert done.code != 0 or verb == "audit"
    assert "Traceback" not in text


@pytest.mark.parametrize("verb", VERBS)
def test_generous_bounds_change_nothing(verb: str, capsys: Capture) -> None:
    words = [word for name in NAMES for word in ("--limit", f"{name}=5000000000")]
    plain = run(capsys, verb, MLP, *VERBS[verb])
    assert run(capsys, verb, MLP, *VERBS[verb], *words) == plain


@pytest.mark.parametrize("verb", VERBS)
def test_a_wrong_name_lists_the_names(verb: str, capsys: Capture) -> None:
    done = run(capsys, verb, MLP, *VERBS[verb], "--limit", "node=3")
    assert (done.code, done.out) == (2, "")
    assert all(name in done.err for name in NAMES)
    assert "did you mean nodes" in done.err


@pytest.mark.parametrize(
    "text", ["nodes", "nodes=", "nodes=many", "nodes=-1", "nodes=0", "seconds=soon"]
)
def test_a_wrong_value_is_one_clear_error(text: str, capsys: Capture) -> None:
    done = run(capsys, "inspect", MLP, "--limit", text)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"migrator: error: --limit {text.partition('=')[0]}=")
    assert len(done.err.splitlines()) == 1


def test_the_checkpoint_beside_a_model_keeps_to_the_same_bounds(capsys: Capture) -> None:
    model = sample("tf1.15.5/sm_variables").path
    few = ("--limit", "variables=1")
    done = run(capsys, "inspect", model, "--format", "json", *few)
    assert done.code == 0
    assert "the limit is 1; if you trust it: --limit variables=" in done.out
    done = run(capsys, "inspect", model, "--weights", *few)
    assert (done.code, done.out, "the limit is 1" in done.err) == (2, "", True)


def test_sizes_have_units_and_names_may_have_dashes(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "m.gz"
    path.write_bytes(gzip.compress(MLP.read_bytes()))
    for text, code in (("decompressed-bytes=1K", 2), ("decompressed_bytes=2KiB", 0)):
        assert run(capsys, "inspect", path, "--limit", text).code == code
    assert run(capsys, "inspect", path, "--limit", "seconds=0.0000001").code == 2
