"""Every SavedModel, MetaGraph and hub module among the fixtures migrates with all that is in it.

The source is gone before the result is run on what TensorFlow itself gave.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from migrator.actions.migrate import migrate
from migrator.actions.proving import BY_LOADER, CONSTANTS_KEPT
from migrator.arrays import load_arrays, save_arrays
from migrator.auditing.engine import run_rules
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from migrator.errors import BlockedError, NeedsDecision
from migrator.formats.load import load
from migrator.migration.choosing import choose_meta_graph
from migrator.migration.options import Choice
from migrator.migration.plan import PREDICT
from migrator.migration.planning import plan
from migrator.migration.record import MigrationRecord
from migrator.model.model import MetaGraph
from migrator.report.json_record import migrate_result
from migrator.runtime.client import Child
from tests.corpus import HUB, META, REFUSED, SAVED, Sample, sample
from tests.schemas import validate

from .conftest import Fixture, load_fixture
from .replaying import Replay, dense, replay


@dataclass(frozen=True, kw_only=True)
class Made:
    """A fixture's migration; its source no longer exists."""

    sample: Sample
    fixture: Fixture
    source: MetaGraph
    record: MigrationRecord
    dest: Path
    tags: tuple[str, ...] | None


TAGGED = [
    ("tf1.15.5/sm_estimator_modes", ("eval",)),
    ("tf1.15.5/sm_tags", ("serve", "gpu")),
    ("tf1.15.5/hub_image", ("train",)),
]
"""Meta graphs that are not served when nobody asks for them."""
PARAMS = [(item.name, None) for item in SAVED + META + HUB] + TAGGED


def name_of(param: tuple[str, tuple[str, ...] | None]) -> str:
    name, tags = param
    return name if tags is None else f"{name}@{'+'.join(tags)}"


@pytest.fixture(scope="module", params=PARAMS, ids=name_of)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm: None
) -> Iterator[Made]:
    name, tags = request.param
    item = sample(name)
    folder = tmp_path_factory.mktemp("moved")
    source = folder / "source"
    shutil.copytree(item.path if item.path.is_dir() else item.path.parent, source)
    path = source if item.path.is_dir() else source / item.path.name
    named: dict[str, list[str]] = {}
    if item.kind == "meta_graph":
        named = {
            "inputs": [f"{name}={tensor}" for name, tensor in item.inputs.items()],
            "outputs": [f"{name}={tensor}" for name, tensor in item.outputs.items()],
            "feeds": [f"{tensor}={json.dumps(value)}" for tensor, value in item.feeds.items()],
        }
    dest = folder / "result" / "model"
    dest.parent.mkdir()
    record = migrate(path, dest, choice=Choice(tag_set=tags), timeout=300, **named)
    meta = choose_meta_graph(load(path), tags)
    shutil.rmtree(source)
    yield Made(
        sample=item,
        fixture=load_fixture(name),
        source=meta,
        record=record,
        dest=dest,
        tags=tags,
    )
    shutil.rmtree(folder)


def test_it_is_verified_by_both_loaders(made: Made) -> None:
    found = made.record.verification
    assert made.record.outcome == "migrated", found.reason
    assert found.verdict in ("bitwise", "within_tolerance")
    verdicts = {stage.name: stage.verdict for stage in found.stages}
    assert set(verdicts) - {CONSTANTS_KEPT} == set(BY_LOADER.values())
    assert set(verdicts.values()) <= {"bitwise", "within_tolerance"}
    judged = {(case.stage, case.signature) for case in found.cases}
    assert judged == {(stage, key) for stage in verdicts for key in made.record.signatures}


def test_all_signatures_are_kept_with_their_methods(made: Made) -> None:
    result = load(made.dest)
    assert result.warnings == ()
    (meta,) = result.meta_graphs
    found = {k: v for k, v in meta.signatures.items() if not k.startswith("__saved_model")}
    wanted = {k: v for k, v in made.source.signatures.items() if not k.startswith("__saved_model")}
    if made.sample.kind == "meta_graph":
        assert list(found) == ["serving_default"]
        return
    assert set(found) == set(wanted)
    for key, signature in wanted.items():
        assert found[key].method_name == (signature.method_name or PREDICT), key
        assert len(found[key].inputs) == len(dense(signature.inputs)), key
        assert set(found[key].outputs) == {
            name.replace("/", "_") if spec_is_part else name
            for name, spec_is_part in parts(signature.outputs)
        }, key


def parts(specs: object) -> list[tuple[str, bool]]:
    """The names of a signature's dense tensors, and whether each is a part of a sparse one."""
    found: list[tuple[str, bool]] = []
    for name, spec in specs.items():  # type: ignore[attr-defined]
        if spec.encoding == "sparse":
            found += [(f"{name}/{part}", True) for part in ("values", "indices", "dense_shape")]
        else:
            found.append((name, False))
    return found


def test_every_tensor_of_the_signatures_is_in_the_record(made: Made) -> None:
    for key, signature in made.record.signatures.items():
        if made.sample.kind == "meta_graph":
            assert {item.tensor for item in signature.inputs.values()} == set(
                made.sample.inputs.values()
            )
            continue
        assert signature.source_key == key
        source = made.source.signatures[key]
        for ours, theirs in (
            (signature.inputs, source.inputs),
            (signature.outputs, source.outputs),
        ):
            assert {item.tensor for item in ours.values()} == set(dense(theirs).values())


def test_it_gives_what_tensorflow_gave_once_the_source_is_gone(
    made: Made, runner: Child, tmp_path: Path
) -> None:
    """By the TF2 loader, and by the one that model servers use: tables and assets too."""
    given = list(replays(made))
    if made.tags is None:
        assert given
    for fresh, item in enumerate(given):
        for loader in ("tf2", "tf1"):
            replay(
                *(runner, made.dest, made.record, made.fixture, item),
                loader=loader,
                fresh=fresh,
                folder=tmp_path,
            )


def replays(made: Made) -> Iterator[Replay]:
    about = made.fixture.about
    if made.sample.kind == "meta_graph":
        yield Replay(
            key="serving_default",
            file="cases.npz",
            inputs=made.sample.inputs,
            outputs=made.sample.outputs,
        )
        return
    files = {about["signature"]: "cases.npz", **about.get("more_cases", {})}
    if made.tags is not None:
        files = {
            other["signature"]: other["cases"]
            for other in about.get("other_tags", ())
            if set(other["tags"]) == set(made.tags)
        }
    for key, file in files.items():
        signature = made.source.signatures[key]
        yield Replay(
            key=key,
            file=file,
            inputs=dense(signature.inputs),
            outputs=dense(signature.outputs),
        )


def test_variables_are_those_of_the_source_and_trainable_where_it_says_so(made: Made) -> None:
    if "trainable" not in made.sample.record:
        pytest.skip("of TensorFlow 2: see test_weights.py")
    graph = load(made.dest).meta_graphs[0].object_graph
    assert graph is not None
    found = {item.name: item.trainable for item in graph.variables}
    assert found
    variables = {
        node.name
        for node in made.source.graph.nodes
        if node.op in ("Variable", "VariableV2", "VarHandleOp")
    }
    assert set(found) <= variables
    assert {name for name, is_trainable in found.items() if is_trainable} == (
        set(made.sample.record["trainable"]) & set(found)
    )


def test_the_record_lies_in_the_result(made: Made) -> None:
    kept = json.loads((made.dest / "assets.extra/migrator.json").read_text())
    validate(kept)
    assert kept == json.loads(json.dumps(migrate_result(made.record)))
    assert [entry.name for entry in made.dest.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("item", [item for item in REFUSED if item.refused != "pipeline"], ids=str)
def test_what_cannot_be_migrated_is_refused_before_any_process_starts(
    item: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object) -> None:
        raise AssertionError("a child was started")

    monkeypatch.setattr("migrator.actions.migrate.Child", started)
    monkeypatch.setattr("migrator.actions.trial.Child", started)
    whole = {
        "inputs": [n.name for n in item.model().graph.nodes if n.op.startswith("Placeholder")],
        "outputs": [f"{name}={tensor}" for name, tensor in item.outputs.items()],
    }
    found = {blocker.code for blocker in plan(item.path, **whole).blockers}
    # An op of contrib was removed with its library: it was never one of TensorFlow's own.
    assert found & {item.refused, "unknown_op" if item.refused == "removed_op" else item.refused}
    with pytest.raises(BlockedError) as raised:
        migrate(item.path, tmp_path / "out", **whole)
    assert all("; " in line for line in raised.value.blockers)  # what stands there; the way out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("item", [item for item in REFUSED if item.refused == "pipeline"], ids=str)
def test_a_training_pipeline_is_cut_off_by_itself(item: Sample) -> None:
    found = plan(item.path)
    assert found.blockers == ()
    assert found.inputs
    assert {entry.tensor for entry in found.inputs} <= set(item.inputs.values())


@pytest.mark.parametrize("loader", ["tf2", "tf1"])
@pytest.mark.parametrize("name", ["sm_counter", "sm_counter_resource"])
def test_signatures_share_the_state_of_their_model(
    name: str, loader: str, tmp_path: Path, runner: Child, warm: None
) -> None:
    """What one signature counts the other sees, as long as the model stays loaded."""
    dest = tmp_path / "model"
    migrate(sample(f"tf1.15.5/{name}").path, dest, verify=False)

    def called(key: str, arrays: dict[str, object]) -> object:
        save_arrays(tmp_path / "cases.npz", arrays)
        outcome = runner.run(
            "run_saved_model",
            path=str(dest),
            tags=["serve"],
            signature=key,
            inputs={name.partition("/")[2]: name.partition("/")[2] for name in arrays},
            outputs={"calls": "calls"},
            loaders=[loader],
            cases=str(tmp_path / "cases.npz"),
            results=str(tmp_path / "results.npz"),
        )
        assert outcome["errors"] == {}
        return [int(value) for value in load_arrays(tmp_path / "results.npz").values()]

    rows = np.ones((2, 3), np.float32)
    assert called("serving_default", {"a/x": rows, "b/x": rows}) == [1, 2]
    assert called("peek", {"c/unused": np.float32(0)}) == [2]


UNDECIDED = [item for item in META if item.feeds]


@pytest.mark.parametrize("item", UNDECIDED, ids=str)
def test_a_training_graph_asks_for_its_switches(item: Sample, tmp_path: Path) -> None:
    with pytest.raises(NeedsDecision) as raised:
        migrate(item.path, tmp_path / "out")
    options = " ".join(raised.value.options)
    for tensor, value in item.feeds.items():
        assert f"--feed {tensor}={json.dumps(value)}" in options
    assert list(tmp_path.iterdir()) == []


def test_no_result_is_told_by_its_fingerprint_to_have_been_changed(made: Made) -> None:
    """Classify and regress are put in after TensorFlow wrote the fingerprint."""
    subject = open_subject(made.dest)
    findings, skipped = run_rules(subject, [find_rule("H312"), find_rule("H313")])
    assert (findings, skipped) == ((), ())
