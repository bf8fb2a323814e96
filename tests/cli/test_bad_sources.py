"""What a plan refuses, ``migrate`` refuses in the same words, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.errors import did_you_mean
from tests import tables, wire
from tests.cli.places import listing, temporary  # noqa: F401
from tests.commands import run
from tests.corpus import sample

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
VARIABLES = sample("tf1.15.5/sm_variables")
TRAIN = ["--input", "x", "--output", "predictions", "--feed", "is_training=false"]
TRAIN += ["--feed", "keep_prob=1.0"]


def copied(name: str, base: Path) -> Path:
    """A fixture's model in a folder of its own, to be damaged."""
    item = sample(name)
    top = item.folder / item.record["model"].split("/")[0]
    shutil.copytree(top, base / top.name)
    return base / str(item.record["model"])


Case = tuple[list[str], list[str]]
"""The words behind the verb, and texts that the message must hold."""


def output_name(base: Path) -> Case:
    return [str(MLP), "--output", "probabilites"], ["'probabilites'", "did you mean probabilities?"]


def input_name(base: Path) -> Case:
    return [str(MLP), "--input", "X"], ["--input", "there is no node 'X'", "did you mean x?"]


def output_port(base: Path) -> Case:
    return [str(MLP), "--output", "probabilities:4"], ["has 1 output, not probabilities:4"]


def feed_name(base: Path) -> Case:
    return [str(MLP), "--feed", "is_trainin=0"], ["--feed", "'is_trainin'", "migrator inspect"]


def signature_name(base: Path) -> Case:
    words = [str(VARIABLES.path), "--signature", "serving_defualt"]
    return words, ["it has: classify, embed, serving_default", "did you mean serving_default?"]


def signature_of_a_graph(base: Path) -> Case:
    return [str(MLP), "--signature", "a"], ["has no signatures", "name --input and --output"]


def tag_set(base: Path) -> Case:
    words = [str(VARIABLES.path), "--tag-set", "srve"]
    return words, ["no meta graph with tags srve; it has: serve", "did you mean serve?"]


def shape_name(base: Path) -> Case:
    words = [str(MLP), "--shape", "X=1,8"]
    return words, ["--shape", "there is no input 'X'; the inputs are x", "did you mean x?"]


def shape_rank(base: Path) -> Case:
    return [str(MLP), "--shape", "x=1,2,8"], ["[1, 2, 8] has 3 dimensions", "has 2: [?, 8]"]


def shape_text(base: Path) -> Case:
    return [str(MLP), "--shape", "x=1,b"], ["'x=1,b' is no shape", "e.g. x=?,224,224,3"]


def picture_name(base: Path) -> Case:
    return [str(MLP), "--decode-images", "image"], ["there is no input 'image'", "inputs are x"]


def no_checkpoint_folder(base: Path) -> Case:
    model = copied("tf1.15.5/sm_variables", base)
    shutil.rmtree(model / "variables")
    return [str(model)], ["'net/hidden/kernel' has no value: no checkpoint lies beside the graph"]


def shard_missing(base: Path) -> Case:
    meta = copied("tf1.15.5/mg_sharded", base)
    shard = next(meta.parent.glob("*.data-00001-of-00003"))
    shard.unlink()
    words = [str(meta), "--input", "ids", "--output", "y"]
    return words, [str(shard), "shard 2 of 3 is missing", "every .data file"]


def shard_short(base: Path) -> Case:
    model = copied("tf1.15.5/sm_variables", base)
    shard = next(model.glob("variables/*.data-*"))
    shard.write_bytes(shard.read_bytes()[:40])
    return [str(model)], [str(shard), "(nor can 2 more)", "takes 120 bytes from byte 48 to 168"]


def index_short(base: Path) -> Case:
    model = copied("tf1.15.5/sm_variables", base)
    index = next(model.glob("variables/*.index"))
    index.write_bytes(index.read_bytes()[:40])
    return [str(model)], [str(index), "is the file truncated?"]


def other_checkpoint(base: Path) -> Case:
    model = copied("tf1.15.5/sm_variables", base)
    shutil.rmtree(model / "variables")
    shutil.copytree(sample("tf1.15.5/sm_rnn").path / "variables", model / "variables")
    return [str(model)], ["the checkpoint does not hold 'net/hidden/kernel'", "belongs to this"]


def other_shape(base: Path) -> Case:
    model = copied("tf1.15.5/sm_variables", base)
    writer = tables.Writer()
    sample_shapes = {"net/hidden/kernel": (9, 9), "net/hidden/bias": (9,)}
    import numpy as np

    for name, dims in sample_shapes.items():
        writer.add(name, np.zeros(dims, np.float32))
    writer.write(base / "other")
    words = [str(model), "--checkpoint", str(base / "other")]
    return words, ["the variable 'net/hidden/kernel' is", "shape [9, 9]", "another graph"]


def named_checkpoint_missing(base: Path) -> Case:
    words = [str(VARIABLES.path), "--checkpoint", str(base / "model.ckpt-9")]
    return words, [f"{base / 'model.ckpt-9'}.index", "no such checkpoint"]


def meta_graph_alone(base: Path) -> Case:
    meta = copied("tf1.15.5/mg_train", base)
    for file in [*meta.parent.glob("*.index"), *meta.parent.glob("*.data-*")]:
        file.unlink()
    return [str(meta), *TRAIN], ["has no value: no checkpoint lies beside the graph"]


def version_1_of_the_future(base: Path) -> Case:
    meta = copied("tf1.15.5/mg_train", base)
    for file in [*meta.parent.glob("*.index"), *meta.parent.glob("*.data-*")]:
        file.unlink()
    first = tables.table([(b"", wire.block(1, wire.block(2, b"\x08\x09\x10\x09")))])
    meta.with_suffix("").write_bytes(first)
    return [str(meta), *TRAIN], [str(meta.with_suffix("")), "for readers of version 9 and later"]


def checkpoint_for_a_model(base: Path) -> Case:
    words = [str(VARIABLES.path / "variables")]
    return words, ["is a checkpoint, which holds no graph", "name the .meta file"]


def vocabulary_missing(base: Path) -> Case:
    model = copied("tf1.15.5/sm_table", base)
    (model / "assets" / "words.txt").unlink()
    return [str(model)], [f"'words.txt' is not in {model / 'assets'}", "put the missing file"]


def vocabulary_of_a_hub_module_missing(base: Path) -> Case:
    model = copied("tf1.15.5/hub_text", base)
    shutil.rmtree(model / "assets")
    return [str(model)], [f"'vocabulary.txt' is not in {model / 'assets'}"]


def asset_missing(base: Path) -> Case:
    model = copied("tf1.15.5/sm_asset_tensor", base)
    shutil.rmtree(model / "assets")
    return [str(model)], ["reads a file that is not there: 'scales.csv' is not in"]


def table_frozen_without_contents(base: Path) -> Case:
    return [str(sample("tf1.15.5/refused_table").path)], ["nothing in the model fills it"]


def python_function(base: Path) -> Case:
    path = sample("tf1.15.5/refused_python").path
    return [str(path)], ["PyFunc calls a Python function", "name its results as --input"]


def removed_op(base: Path) -> Case:
    return [str(sample("tf1.15.5/refused_op").path)], [
        "ReduceSliceSum (of tf.contrib.reduce_slice_ops)"
    ]


def op_library_missing(base: Path) -> Case:
    library = base / "ops.so"
    return [str(MLP), "--op-library", str(library)], [f"{library}: there is no such op library"]


def spec_key(base: Path) -> Case:
    spec = base / "spec.toml"
    spec.write_text('wieghts = "auto"\n')
    words = [str(MLP), "--spec", str(spec)]
    return words, [f"{spec}: there is no key 'wieghts'", "did you mean 'weights'?"]


def spec_word(base: Path) -> Case:
    spec = base / "spec.toml"
    spec.write_text('weights = "constant"\n')
    return [str(MLP), "--spec", str(spec)], ["weights: 'constant'; expected one of auto,"]


def spec_syntax(base: Path) -> Case:
    spec = base / "spec.toml"
    spec.write_text("weights =\n")
    return [str(MLP), "--spec", str(spec)], [f"{spec}: is not TOML", "line 1"]


def spec_missing(base: Path) -> Case:
    return [str(MLP), "--spec", str(base / "no.toml")], ["no.toml: cannot be read"]


def spec_tensor(base: Path) -> Case:
    spec = base / "spec.toml"
    spec.write_text('[[signature]]\n[signature.outputs]\ny = "probabilites:0"\n')
    return [str(MLP), "--spec", str(spec)], ["there is no node 'probabilites'", "did you mean"]


CASES: list[Callable[[Path], Case]] = [
    output_name, input_name, output_port, feed_name, signature_name, signature_of_a_graph, tag_set,
    shape_name, shape_rank, shape_text, picture_name, no_checkpoint_folder, shard_missing,
    shard_short, index_short, other_checkpoint, other_shape, named_checkpoint_missing,
    meta_graph_alone, version_1_of_the_future, checkpoint_for_a_model, vocabulary_missing,
    vocabulary_of_a_hub_module_missing, asset_missing, table_frozen_without_contents,
    python_function, removed_op, op_library_missing, spec_key, spec_word, spec_syntax,
    spec_missing, spec_tensor,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_plan_and_migrate_refuse_in_the_same_words_and_leave_nothing(
    case: Callable[[Path], Case], capsys: Capture, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    words, texts = case(base)
    before = listing(tmp_path)
    planned = run(capsys, "plan", "--format", "json", *words)
    migrated = run(capsys, "migrate", words[0], base / "not" / "yet" / "there", *words[1:])
    assert planned.code == migrated.code == 2
    assert listing(tmp_path) == before
    first, *reasons = migrated.err.splitlines()
    assert first.startswith("migrator: error: ")
    assert migrated.out == ""
    for text in texts:
        assert text in migrated.err
    if planned.out:  # blocked: the plan shows the reasons, each one of them
        result = json.loads(planned.out)
        blockers = result["blockers"]
        words = {"blocked": "cannot be migrated as it stands", "needs_you": "needs you before it"}
        assert words[result["readiness"]["verdict"]] in first
        assert first.endswith(f"; `migrator explain {blockers[0]['rule']}` says more")
        assert len(reasons) == len(blockers) > 0
        for reason, blocker in zip(reasons, blockers, strict=True):
            assert reason.startswith(f"  - [{blocker['rule']}] {blocker['text']}")
            assert reason.endswith(f"; {blocker['fix']}")
    else:
        assert planned.err == migrated.err
        assert not reasons


def test_an_open_question_without_candidates_says_what_to_name(
    capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "idle.pb"
    path.write_bytes(wire.graph([wire.node("init", "NoOp"), wire.node("step", "NoOp")]))
    done = run(capsys, "plan", path)
    assert done.code == 3
    assert "name them with --input and --output" in done.err
    assert len(done.err.splitlines()) == 1


def test_blockers_past_ten_are_counted(capsys: Capture, tmp_path: Path) -> None:
    nodes = [wire.node("x", "Placeholder", [], {"dtype": wire.F, "shape": wire.Dims((4,))})]
    for number in range(12):
        source = f"n{number - 1}" if number else "x"
        nodes.append(wire.node(f"n{number}", f"Vendor{number}", [source], {"T": wire.F}))
    nodes.append(wire.node("y", "Relu", ["n11"], {"T": wire.F}))
    path = tmp_path / "odd.pb"
    path.write_bytes(wire.graph(nodes))
    words = ["migrate", path, tmp_path / "out", "--input", "x", "--output", "y"]
    done = run(capsys, *words)
    assert done.code == 2
    assert len(done.err.splitlines()) == 12
    assert done.err.endswith("  - and 2 more (-v shows all)\n")
    assert len(run(capsys, *words, "-v").err.splitlines()) == 13


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--timeout", "0"], "give seconds above zero"),
        (["--timeout", "nan"], "give seconds above zero"),
        (["--memory-limit", "0"], "give more than zero"),
        (["--rtol", "-1"], "a tolerance is zero or more"),
        (["--atol", "inf"], "a tolerance is zero or more"),
        (["--seed", "-1"], "a seed is zero or more"),
    ],
)
def test_a_number_out_of_range_gives_one_line(
    words: list[str], text: str, capsys: Capture, tmp_path: Path
) -> None:
    done = run(capsys, "migrate", MLP, tmp_path / "out", *words)
    assert done.code == 2
    assert text in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("serving_defualt", ["serving_default", "other"], "did you mean serving_default?"),
        ("X", ["x"], "did you mean x?"),
        ("abc", ["xyz"], ""),
        ("abc", [], ""),
    ],
)
def test_hints_name_what_is_near(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint
