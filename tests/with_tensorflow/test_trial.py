"""Migrations that do not go straight: what stands in, what is tried again, what is stopped."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from migrator.actions.faces import Face
from migrator.actions.migrate import migrate
from migrator.actions.proving import BY_LOADER, Proving
from migrator.actions.verify import verify
from migrator.errors import BlockedError, WorkerError
from migrator.formats.encode import write_graph
from migrator.formats.load import load
from migrator.formats.tensors import constant_tensor
from migrator.migration.options import Choice, with_spec
from migrator.migration.passes.functional import functional_control_flow
from migrator.migration.plan import Step
from migrator.migration.spec import parse_spec
from migrator.migration.subgraph import with_nodes
from migrator.model.dtypes import BOOL, FLOAT32
from migrator.model.graph import Graph, Node, Versions
from migrator.model.tensors import Shape, TensorSpec
from tests import wire
from tests.corpus import sample
from tests.handmade import dense, op, placeholder

from .conftest import load_fixture

pytestmark = pytest.mark.usefixtures("warm")


# --- the original does not load


def _signature(key: str, inputs: dict[str, str], outputs: dict[str, str]) -> bytes:
    """A SignatureDef of float tensors, as a field of a MetaGraphDef."""

    def entries(field: int, tensors: dict[str, str]) -> bytes:
        return b"".join(
            wire.block(
                field,
                wire.block(1, name)
                + wire.block(2, wire.block(1, tensor) + wire.number(2, wire.FLOAT)),
            )
            for name, tensor in tensors.items()
        )

    found = entries(1, inputs) + entries(2, outputs)
    found += wire.block(3, "tensorflow/serving/predict")
    return wire.block(5, wire.block(1, key) + wire.block(2, found))


def test_of_an_original_that_does_not_load_whole_a_part_is_run_and_that_is_said(
    tmp_path: Path,
) -> None:
    """An op that is gone, in a part of the graph that no signature needs."""
    source = tmp_path / "old"
    source.mkdir()
    nodes = [placeholder("x"), *dense("y", "x"), op("gone", "MyVendorsOwnOp", "y", T=wire.F)]
    signature = _signature("serving_default", {"x": "x:0"}, {"y": "y:0"})
    data = wire.saved_model(wire.meta_graph(wire.graph(nodes), more=signature))
    (source / "saved_model.pb").write_bytes(data)
    record = migrate(source, tmp_path / "new")
    assert record.verification.verdict == "bitwise", record.verification.reason
    assert "of the original, " in record.verification.reason
    assert "MyVendorsOwnOp" in record.verification.reason


def test_where_the_original_does_not_run_at_all_our_own_reading_of_it_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = Proving.faces

    def lost(self: Proving) -> dict[str, Face]:
        return {
            key: replace(face, side=replace(face.side, path=str(tmp_path / "lost")))  # type: ignore[type-var]
            for key, face in faces(self).items()
        }

    monkeypatch.setattr(Proving, "faces", lost)
    record = migrate(sample("tf1.15.5/sm_variables").path, tmp_path / "new")
    assert (record.outcome, record.verification.verdict) == ("failed", "not_run")
    assert "TensorFlow does not run the original" in record.verification.reason
    assert "--no-verify" in record.verification.reason
    assert list(tmp_path.iterdir()) == []


def test_of_a_frozen_graph_that_does_not_import_whole_its_part_is_run(tmp_path: Path) -> None:
    fixture = load_fixture("tf1.15.5/is_training_residue")
    record = migrate(fixture.model, tmp_path / "new", **fixture.options())
    assert record.verification.verdict == "bitwise"
    assert "of the original, " in record.verification.reason


# --- functional control flow that fails


def _loop_after(pass_: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrator.migration.rewriting.functional_control_flow", pass_)
    monkeypatch.setattr("migrator.migration.rewriting.tensor_lists", lambda g, given, keep: (g, ()))


def _scaled(graph: Graph, by: float) -> Graph:
    """``graph`` with all float constants of two dimensions scaled."""
    nodes = []
    for node in graph.nodes:
        value = node.attrs.get("value") if node.op == "Const" else None
        if value is not None and value.dtype == FLOAT32 and value.shape.rank == 2:
            scaled = constant_tensor(value.numpy() * np.float32(by), FLOAT32)
            node = replace(node, attrs={**node.attrs, "value": scaled})
        nodes.append(node)
    return with_nodes(graph, nodes)


Passed = tuple[Graph, tuple[Step, ...]]


def wrong_numbers(graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]) -> Passed:
    found, steps = functional_control_flow(graph, given, keep)
    return _scaled(found, 1.5), steps


def almost_right(graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]) -> Passed:
    found, steps = functional_control_flow(graph, given, keep)
    return _scaled(found, 1 + 2e-7), steps


def no_import(graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]) -> Passed:
    """Nothing that a plan could see; TensorFlow's importer does."""
    found, steps = functional_control_flow(graph, given, keep)
    nodes = [
        replace(node, attrs={**node.attrs, "T": [FLOAT32]})
        if node.op in ("While", "StatelessWhile")
        else node
        for node in found.nodes
    ]
    return with_nodes(found, nodes), steps


LOOP = "tf1.15.5/rnn_while"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (wrong_numbers, "it failed"),
        (no_import, "it failed"),
        (almost_right, "it agrees within"),
    ],
)
def test_control_flow_that_fails_when_made_functional_is_kept_as_it_was(
    broken: object, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _loop_after(broken, monkeypatch)
    fixture = load_fixture(LOOP)
    record = migrate(fixture.model, tmp_path / "new", **fixture.options())
    assert record.verification.verdict == "bitwise"
    assert any("TensorFlow 1 control flow is kept" in n and why in n for n in record.notes)
    assert not any(step.code.startswith("functional_") for step in record.steps)
    ops = {node.op for node in load(tmp_path / "new").graph.all_nodes()}
    assert "NextIteration" in ops
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_control_flow_that_was_asked_for_is_not_silently_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _loop_after(wrong_numbers, monkeypatch)
    fixture = load_fixture(LOOP)
    choice = Choice(control_flow="functional")
    record = migrate(fixture.model, tmp_path / "new", choice=choice, **fixture.options())
    assert (record.outcome, record.verification.verdict) == ("failed", "mismatch")
    assert list(tmp_path.iterdir()) == []


# --- what never ends


def _endless(folder: Path) -> Path:
    """A graph whose while loop never leaves."""
    loop = {"T": FLOAT32}
    frame = {**loop, "frame_name": b"f", "is_constant": False, "parallel_iterations": 1}
    always = {"dtype": BOOL, "value": constant_tensor(True, BOOL)}
    nodes = [
        Node("x", "Placeholder", (), "", {"dtype": FLOAT32, "shape": Shape((2,))}),
        Node("enter", "Enter", ("x",), "", frame),
        Node("merge", "Merge", ("enter", "next"), "", {**loop, "N": 2}),
        Node("true", "Const", ("^merge",), "", always),
        Node("cond", "LoopCond", ("true",), "", {}),
        Node("switch", "Switch", ("merge", "cond"), "", loop),
        Node("body", "Identity", ("switch:1",), "", loop),
        Node("next", "NextIteration", ("body",), "", loop),
        Node("exit", "Exit", ("switch",), "", loop),
    ]
    path = folder / "endless.pb"
    with path.open("wb") as file:
        write_graph(file, nodes, (), Versions(producer=27))
    return path


@pytest.mark.parametrize("control_flow", ["v1", "auto"])
def test_a_graph_that_never_ends_is_stopped_and_leaves_nothing(
    control_flow: str, tmp_path: Path
) -> None:
    source = _endless(tmp_path)
    start = time.monotonic()
    with pytest.raises(WorkerError, match="within 10 s and was stopped"):
        migrate(
            source,
            tmp_path / "new",
            inputs=["x"],
            outputs=["exit"],
            choice=Choice(control_flow=control_flow),
            timeout=10,
        )
    assert time.monotonic() - start < 60
    assert [entry.name for entry in tmp_path.iterdir()] == ["endless.pb"]


# --- signatures of several kinds in one result


def test_a_spec_makes_two_verified_signatures_of_one_frozen_graph(tmp_path: Path) -> None:
    item = sample("tf1.15.5/two_towers")
    graph = item.model().graph
    inputs = [node.name for node in graph.nodes if node.op == "Placeholder"]
    consumed = {ref.node for node in graph.nodes for ref in node.refs}
    outputs = [node.name for node in graph.nodes if node.name not in consumed]
    assert (len(inputs), len(outputs)) == (2, 2)
    first, second = (
        {"name": f"tower{index}", "inputs": {"x": given}, "outputs": {"y": output}}
        for index, (given, output) in enumerate(zip(inputs, outputs, strict=True))
    )
    choice = with_spec(Choice(), parse_spec({"signature": [first, second]}))
    record = migrate(item.path, tmp_path / "new", choice=choice)
    assert record.verification.verdict == "bitwise", record.verification.reason
    assert set(record.signatures) == {"tower0", "tower1"}
    assert {(case.stage, case.signature) for case in record.verification.cases} == {
        (stage, key) for stage in BY_LOADER.values() for key in record.signatures
    }


def test_pictures_go_in_beside_their_pixels(tmp_path: Path) -> None:
    choice = Choice(signatures=["default"], decode_images=["images"])
    record = migrate(sample("tf1.15.5/hub_image").path, tmp_path / "new", choice=choice)
    assert record.verification.passed, record.verification.reason
    found = load(tmp_path / "new").meta_graphs[0].signatures
    (extra,) = {key for key in found if not key.startswith("__")} - {"default"}
    (given,) = found[extra].inputs.values()
    assert str(given.dtype) == "string" and given.shape.rank == 1


def test_a_result_is_verified_again_by_its_record_with_all_signatures(tmp_path: Path) -> None:
    source = sample("tf1.15.5/sm_variables").path
    migrate(source, tmp_path / "new", verify=False)
    found = verify(source, tmp_path / "new")
    assert found.verdict == "bitwise", found.reason
    assert {case.signature for case in found.cases} == {"classify", "embed", "serving_default"}
    assert {stage.name for stage in found.stages} == set(BY_LOADER.values())


# --- custom ops

CUSTOM = r"""
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

static void* create(TF_OpKernelConstruction*) { return nullptr; }
static void destroy(void*) {}

static void compute(void*, TF_OpKernelContext* context) {
  TF_Status* status = TF_NewStatus();
  TF_Tensor* input = nullptr;
  TF_GetInput(context, 0, &input, status);
  int64_t dims[8];
  int rank = TF_NumDims(input);
  for (int i = 0; i < rank && i < 8; i++) dims[i] = TF_Dim(input, i);
  TF_Tensor* output =
      TF_AllocateOutput(context, 0, TF_FLOAT, dims, rank, TF_TensorByteSize(input), status);
  float* from = (float*)TF_TensorData(input);
  float* to = (float*)TF_TensorData(output);
  for (int64_t i = 0; i < TF_TensorElementCount(input); i++) to[i] = 2 * from[i];
  TF_DeleteTensor(output);
  TF_DeleteTensor(input);
  TF_DeleteStatus(status);
}

static void same_shape(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeHandle* shape = TF_NewShapeHandle();
  TF_ShapeInferenceContextGetInput(context, 0, shape, status);
  TF_ShapeInferenceContextSetOutput(context, 0, shape, status);
  TF_DeleteShapeHandle(shape);
}

__attribute__((constructor)) static void set_up() {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder("MigratorTestDouble");
  TF_OpDefinitionBuilderAddInput(op, "x: float");
  TF_OpDefinitionBuilderAddOutput(op, "y: float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, &same_shape);
  TF_RegisterOpDefinition(op, status);
  TF_KernelBuilder* kernel =
      TF_NewKernelBuilder("MigratorTestDouble", "CPU", &create, &compute, &destroy);
  TF_RegisterKernelBuilder("MigratorTestDouble", kernel, status);
  TF_DeleteStatus(status);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of one custom op, MigratorTestDouble."""
    compiler = shutil.which("g++") or shutil.which("c++")
    include = Path(sysconfig.get_path("purelib")) / "tensorflow/include"
    if compiler is None or not (include / "tensorflow/c/kernels.h").is_file():
        pytest.skip("needs a C++ compiler and TensorFlow's headers")
    folder = tmp_path_factory.mktemp("library")
    (folder / "double.cc").write_text(CUSTOM)
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "double.cc", "-o", "double.so", f"-I{include}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder / "double.so"


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A frozen graph that uses the op."""
    source = tmp_path / "custom.pb"
    nodes = [placeholder("x"), op("twice", "MigratorTestDouble", "x"), *dense("y", "twice")]
    source.write_bytes(wire.graph(nodes))
    return source


def test_an_unknown_op_is_refused_with_the_cut_that_would_work(
    doubling: Path, tmp_path: Path
) -> None:
    with pytest.raises(BlockedError) as raised:
        migrate(doubling, tmp_path / "new", inputs=["x"], outputs=["y"])
    (line,) = raised.value.blockers
    assert "MigratorTestDouble" in line and "--input" in line


def test_a_library_brings_custom_ops(doubling: Path, library: Path, tmp_path: Path) -> None:
    choice = Choice(op_libraries=[str(library)])
    record = migrate(doubling, tmp_path / "new", inputs=["x"], outputs=["y"], choice=choice)
    assert record.verification.verdict == "bitwise", record.verification.reason
    assert "MigratorTestDouble" in {node.op for node in load(tmp_path / "new").graph.all_nodes()}
    again = verify(doubling, tmp_path / "new", op_libraries=[str(library)])
    assert again.verdict == "bitwise"


def test_a_library_that_does_not_load_is_one_error(doubling: Path, tmp_path: Path) -> None:
    library = tmp_path / "text.so"
    library.write_text("no library")
    with pytest.raises(WorkerError, match=r"the op library .*text\.so does not load"):
        migrate(
            doubling,
            tmp_path / "new",
            inputs=["x"],
            outputs=["y"],
            choice=Choice(op_libraries=[str(library)]),
        )
    assert not (tmp_path / "new").exists()
