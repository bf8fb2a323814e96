"""Made models: frozen graphs, written as a stream of bytes without TensorFlow, and a checkpoint.

Each is made once and stays in the cache. A changed recipe gets a new file name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import BinaryIO

from bench_parts.wire import (
    FLOAT,
    field_bytes,
    node,
    put_large_const,
    put_node,
    shape_attr,
    tensor_head,
    type_attr,
    versions,
)

WIDTH = 1024
LAYER_BYTES = WIDTH * WIDTH * 4
LARGE_LAYERS = 400
"""1.7 GB."""
RECIPE_LAYERS = 240
"""1.0 GB, the most that TensorFlow's own way gets through in 24 GiB."""
BEYOND_LAYERS = 720
"""3.0 GB, past what protobuf parses."""
CHECKPOINT_LAYERS = 580
"""2.4 GB."""
MANY_STEPS = 25_000
"""100,000 nodes."""
ZOO_MODELS = 1000
BATCH_MODELS = 200
MODELS, ENDPOINTS = "models", "endpoints.json"
"""What is in the folder of ``small_graphs``."""
INPUT, OUTPUT = "x:0", "result:0"
"""Endpoints of the towers, a checkpoint's too."""


def scaled(count: int, scale: float) -> int:
    """``count`` layers or steps at full size, fewer for trying the benchmark out."""
    return max(2, round(count * scale))


def tower(folder: Path, layers: int) -> Path:
    """Dense layers of 1024 x 1024 with tanh between them, 4 nodes and 4.2 MB each.

    Weights have a deviation of 1/32, so that what comes out after hundreds of layers is neither
    zero nor infinite, and two runs can be compared.
    """
    return _made_once(folder / f"made-tower-{layers}-v2.pb", lambda out: _write_tower(out, layers))


def many(folder: Path, steps: int = MANY_STEPS) -> Path:
    """100,000 small nodes in scopes: 25,000 steps of scale and rectify with small constants."""
    size = "100k" if steps == MANY_STEPS else str(steps * 4)
    return _made_once(folder / f"made-{size}-nodes-v1.pb", lambda out: _write_many(out, steps))


def beyond_protobuf(folder: Path) -> Path:
    """3.2 GB, past what protobuf parses; the weights are holes, so it takes little disk."""
    return _made_once(folder / "made-3.2gb-sparse-v1.pb", _write_beyond)


def sparse_towers(folder: Path, widths: Mapping[str, int]) -> Path:
    """A folder with ``WIDTH.pb`` for each width: twelve layers whose weights are holes."""
    towers = folder / "made-sparse-towers-v1"
    for width in widths.values():
        _made_once(towers / f"{width}.pb", lambda out, width=width: _write_holes(out, width))
    return towers


def many_twice(folder: Path, steps: int) -> Path:
    """A folder with ``many`` of ``steps`` and of ten times as many."""
    twice = folder / f"made-many-twice-{steps}-v1"
    for count in (steps, 10 * steps):
        many(twice, count)
    return twice


def by_size(folder: Path) -> list[Path]:
    """The models of a folder, the smallest first."""
    return sorted(folder.glob("*.pb"), key=lambda path: path.stat().st_size)


def zoo(folder: Path, models: int) -> Path:
    """A tree of ``models`` models: the frozen graphs and SavedModels of the fixtures, in turns."""
    tree = folder / f"made-zoo-{models}-v1"
    if tree.exists():
        return tree
    fixtures = Path(__file__).resolve().parents[2] / "fixtures"
    sources = [*fixtures.glob("tf*/*/model.pb"), *fixtures.glob("tf*/*/saved_model")]
    beside = tree.with_suffix(f".{os.getpid()}")
    for number, source in zip(range(models), cycle(sorted(sources))):
        target = beside / f"model-{number:04}"
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.mkdir(parents=True)
            shutil.copy(source, target)
    beside.rename(tree)
    return tree


def small_graphs(folder: Path, models: int) -> Path:
    """``models`` frozen graphs of the fixtures with one input and one output that can be told, in
    turns, and beside them which those are."""
    made = folder / f"made-small-graphs-{models}-v1"
    if made.exists():
        return made
    fixtures = Path(__file__).resolve().parents[2] / "fixtures"
    plain = []
    for described in sorted(fixtures.glob("tf*/*/fixture.json")):
        told = json.loads(described.read_text(encoding="utf-8"))
        ends = (list(told["inputs"].values()), list(told["outputs"].values()))
        is_plain = told["kind"] == "graph_def" and told["runs"] and told["decidable"]
        # TensorFlow 2 refuses what is left of these, or the recipe does.
        is_odd = told["feeds"] or described.parent.name.startswith("refused")
        if is_plain and not is_odd and [*map(len, ends)] == [1, 1]:
            plain.append((described.parent / told["model"], ends[0][0], ends[1][0]))
    beside = made.with_suffix(f".{os.getpid()}")
    (beside / MODELS).mkdir(parents=True)
    endpoints = []
    for number, (source, start, end) in zip(range(models), cycle(plain)):
        name = f"model-{number:04}"
        shutil.copy(source, beside / MODELS / f"{name}.pb")
        path = str(made / MODELS / f"{name}.pb")
        endpoints.append({"name": name, "source": path, "input": start, "output": end})
    (beside / ENDPOINTS).write_text(json.dumps(endpoints), encoding="utf-8")
    beside.rename(made)
    return made


def checkpoint(folder: Path, layers: int) -> Path:
    """The tower again, as a ``.meta`` beside its checkpoint, by a Saver of real TensorFlow."""
    made = folder / f"made-checkpoint-{layers}-v1"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{made.name}.{os.getpid()}"
        part.mkdir()
        try:
            script = Path(__file__).with_name("make_checkpoint.py")
            command = [sys.executable, str(script), str(part / "model"), str(layers), str(WIDTH)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise OSError(f"the checkpoint could not be made: {done.stderr[-800:]}")
            part.rename(made)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return made / "model.meta"


def _made_once(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with part.open("wb") as out:
                write(out)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _write_tower(out: BinaryIO, layers: int) -> None:
    import numpy as np

    random = np.random.default_rng(0)

    def fill(size: int) -> None:
        weights = random.standard_normal(size // 4, dtype=np.float32) / np.float32(WIDTH**0.5)
        out.write(weights.tobytes())

    _dense_stack(out, layers=layers, width=WIDTH, fill=fill, activation="Tanh")


def _write_beyond(out: BinaryIO) -> None:
    _write_holes(out, 8192)


def _write_holes(out: BinaryIO, width: int) -> None:
    def leave_hole(size: int) -> None:
        out.seek(size, os.SEEK_CUR)

    _dense_stack(out, layers=12, width=width, fill=leave_hole)


def _dense_stack(
    out: BinaryIO, *, layers: int, width: int, fill: Callable[[int], None], activation: str = ""
) -> None:
    """Placeholder, ``layers`` times (weight, read, matmul, activation), and the result's name."""
    put_node(out, node("x", "Placeholder", dtype=type_attr(FLOAT), shape=shape_attr(-1, width)))
    before = "x"
    for layer in range(layers):
        scope = f"stack/layer_{layer}"
        kernel, read, matmul = (f"{scope}/{name}" for name in ("kernel", "kernel/read", "MatMul"))
        put_large_const(out, kernel, width, fill)
        put_node(out, node(read, "Identity", kernel, T=type_attr(FLOAT)))
        put_node(out, node(matmul, "MatMul", before, read, T=type_attr(FLOAT)))
        before = matmul
        if activation:
            before = f"{scope}/{activation}"
            put_node(out, node(before, activation, matmul, T=type_attr(FLOAT)))
    put_node(out, node("result", "Identity", before, T=type_attr(FLOAT)))
    out.write(versions())


def _write_many(out: BinaryIO, steps: int) -> None:
    put_node(out, node("x", "Placeholder", dtype=type_attr(FLOAT), shape=shape_attr(-1, 4)))
    for content in _steps("x", steps):
        put_node(out, content)
    out.write(versions())


def _steps(before: str, steps: int) -> Iterator[bytes]:
    content = b"\0\0\x80\x3f" * 4  # four times 1.0
    value = field_bytes(8, tensor_head(4, size=len(content)) + content)
    kind = type_attr(FLOAT)
    for step in range(steps):
        scope = many_scope(step)
        yield node(f"{scope}/scale", "Const", dtype=kind, value=value)
        yield node(f"{scope}/scale/read", "Identity", f"{scope}/scale", T=kind)
        yield node(f"{scope}/mul", "Mul", before, f"{scope}/scale/read", T=kind)
        if step < steps - 1:  # the placeholder stands in for the last one: 100,000 nodes in all
            before = f"{scope}/Relu"
            yield node(before, "Relu", f"{scope}/mul", T=kind)


def many_scope(step: int) -> str:
    """Where a step of ``many`` stands; the last step's ``mul`` is the output."""
    return f"tower_{step // 5000}/block_{step // 50 % 100}/unit_{step % 50}"
