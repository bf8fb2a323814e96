"""The child process: what it does to us when TensorFlow misbehaves, which is nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.arrays import save_arrays
from migrator.errors import WorkerError
from migrator.formats.encode import write_graph
from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import BOOL, FLOAT32, DType
from migrator.model.graph import Node, Versions
from migrator.model.tensors import Shape
from migrator.runtime.client import Child, ChildLimits


def _constant(name: str, value: Any, dtype: DType) -> Node:
    return Node(name, "Const", (), "", {"dtype": dtype, "value": constant_tensor(value, dtype)})


def _endless() -> list[Node]:
    """A while loop whose condition is always true."""
    loop = {"T": FLOAT32}
    frame = {**loop, "frame_name": b"f", "is_constant": False, "parallel_iterations": 1}
    return [
        Node("x", "Placeholder", (), "", {"dtype": FLOAT32, "shape": Shape(())}),
        Node("enter", "Enter", ("x",), "", frame),
        Node("merge", "Merge", ("enter", "next"), "", {**loop, "N": 2}),
        Node("true", "Const", ("^merge",), "", _constant("c", True, BOOL).attrs),
        Node("cond", "LoopCond", ("true",), "", {}),
        Node("switch", "Switch", ("merge", "cond"), "", loop),
        Node("body", "Identity", ("switch:1",), "", loop),
        Node("next", "NextIteration", ("body",), "", loop),
        Node("exit", "Exit", ("switch",), "", loop),
    ]


def _arguments(folder: Path, nodes: list[Node], fetch: str) -> dict[str, Any]:
    with (folder / "graph.pb").open("wb") as file:
        write_graph(file, nodes, (), Versions(producer=27))
    save_arrays(folder / "cases.npz", {"case0/x": np.float32(1)})
    return {
        "source": {
            "kind": "graph_def",
            "path": str(folder / "graph.pb"),
            "tags": [],
            "checkpoint": "",
            "fallback": None,
            "stand_ins": [],
        },
        "feeds": {"x": "x:0"},
        "dtypes": {"x": "float32"},
        "fetches": {"y": fetch},
        "fixed": None,
        "cases": str(folder / "cases.npz"),
        "results": str(folder / "results.npz"),
    }


def test_endless_loop_is_stopped(tmp_path: Path) -> None:
    with Child(ChildLimits(timeout=8)) as child:
        start = time.monotonic()
        with pytest.raises(WorkerError, match="did not finish within 8 s"):
            child.run("run_graph", **_arguments(tmp_path, _endless(), "exit:0"))
        assert time.monotonic() - start < 30


def test_killed_child_is_told_by_its_signal() -> None:
    with Child() as child:
        os.kill(child.pid, signal.SIGSEGV)
        with pytest.raises(WorkerError, match="killed by SIGSEGV"):
            child.finish()


def test_failing_task_is_an_error_with_its_trace_and_costs_no_other(tmp_path: Path) -> None:
    nodes = [Node("x", "Placeholder", (), "", {"dtype": FLOAT32, "shape": Shape(())})]
    arguments = _arguments(tmp_path, nodes, "x:0")
    with Child() as child:
        with pytest.raises(WorkerError) as raised:
            missing = {**arguments["source"], "path": str(tmp_path / "missing.pb")}
            child.run("run_graph", **{**arguments, "source": missing})
        assert "FileNotFoundError" in str(raised.value)
        assert "Traceback" in raised.value.log
        assert child.run("run_graph", **arguments)["errors"] == {}


def test_case_that_fails_costs_no_other(tmp_path: Path) -> None:
    nodes = [
        Node("x", "Placeholder", (), "", {"dtype": FLOAT32, "shape": Shape(None)}),
        _constant("two", [1.0, 2.0], FLOAT32),
        Node("y", "Add", ("x", "two"), "", {"T": FLOAT32}),
    ]
    arguments = _arguments(tmp_path, nodes, "y:0")
    save_arrays(
        tmp_path / "cases.npz",
        {"bad/x": np.ones(3, np.float32), "good/x": np.ones(2, np.float32)},
    )
    with Child() as child:
        outcome = child.run("run_graph", **arguments)
    assert list(outcome["errors"]) == ["bad"]
    assert "ncompatible shapes" in outcome["errors"]["bad"]


def test_what_tensorflow_prints_stays_out_of_the_answers(tmp_path: Path) -> None:
    nodes = [
        Node("x", "Placeholder", (), "", {"dtype": FLOAT32, "shape": Shape(())}),
        Node(
            "y",
            "Print",
            ("x", "x"),
            "",
            {"T": FLOAT32, "U": [FLOAT32], "message": b'{"error": "forged"}\n', "first_n": -1},
        ),
    ]
    with Child() as child:
        assert child.run("run_graph", **_arguments(tmp_path, nodes, "y:0"))["errors"] == {}
