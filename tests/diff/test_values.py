"""Weights compared by value: exact sums, NaN, every type, constants against variables, memory."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import migrator
from migrator.diffing.result import Diff, WeightChange
from migrator.diffing.weights import values
from migrator.diffing.weights.reading import Files, Value
from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import dtype_named
from tests import handmade as h
from tests import wire
from tests.commands import environment
from tests.corpus import sample
from tests.diff.models import BIAS, KERNEL, network

FLOATS = hnp.arrays(np.float32, st.just(12), elements=st.floats(width=32))


def value(array: Any, dtype: str) -> Value:
    return Value(constant_tensor(array, dtype_named(dtype)), Files())


def weight(found: Diff, name: str) -> WeightChange:
    return next(item for item in found.weights if name in (item.left, item.right))


def test_differences_are_those_of_numpy() -> None:
    kernel = KERNEL.copy()
    kernel[0, 0, 0, :2] += np.float32(0.5)
    kernel[2, 2, 1, 3] -= np.float32(2)
    change = weight(migrator.diff(network(), network(kernel=kernel)), "conv/kernel")
    apart = np.abs(kernel.astype(np.float64) - KERNEL)
    assert change.kind == "values"
    assert change.elements == KERNEL.size
    assert change.max_abs == pytest.approx(apart.max(), abs=0, rel=1e-12)
    assert change.mean_abs == pytest.approx(apart.mean(), rel=1e-9)
    assert change.share == pytest.approx(3 / KERNEL.size)


def test_other_weights_alone_make_the_same_network() -> None:
    found = migrator.diff(network(), network(kernel=KERNEL * 2))
    assert not found.identical
    assert not found.same_computation
    assert found.headline[0].startswith("same network; 1 of 3 weights has other values, by ")
    assert [(item.kind, item.left) for item in found.nodes] == [("changed", "conv/kernel")]


def test_weights_can_be_ignored() -> None:
    assert migrator.diff(network(), network(kernel=KERNEL * 2), ignore=["weights"]).identical


@given(FLOATS, FLOATS)
def test_not_finite_numbers_are_counted_and_never_summed(left: Any, right: Any) -> None:
    found = values.difference(value(left, "float32"), value(right, "float32"))
    same = left.view(np.uint32) == right.view(np.uint32)
    assert found.different == np.count_nonzero(~same)
    odd = ~same & ~(np.isfinite(left) & np.isfinite(right))
    assert found.not_finite == np.count_nonzero(odd)
    assert math.isfinite(found.max_abs)
    plain = ~same & ~odd
    apart = np.abs(left[plain].astype(np.float64) - right[plain])
    assert found.max_abs == (apart.max() if len(apart) else 0.0)


@pytest.mark.parametrize(
    "dtype",
    ("float64", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool", "complex64"),
)
def test_every_type_is_compared(dtype: str) -> None:
    left, right = [0, 1, 0, 1], [0, 1, 1, 1]
    found = values.difference(value(left, dtype), value(right, dtype))
    assert (found.elements, found.different, found.max_abs) == (4, 1, 1.0)


def test_large_integers_that_differ_by_one_differ() -> None:
    left = value([2**62, 5], "int64")
    assert values.difference(left, value([2**62 + 1, 5], "int64")).different == 1


def test_strings_differ_or_not() -> None:
    found = values.difference(value([b"a", b"b"], "string"), value([b"a", b"c"], "string"))
    assert (found.different, found.max_abs) == (1, 0.0)


def test_parts_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    left, right = (value(rng.normal(size=1000), "float64") for _ in range(2))
    whole = values.difference(left, right)
    monkeypatch.setattr(values, "_PART", 7)
    monkeypatch.setattr(values, "_BLOCK", 3)
    parts = values.difference(left, right)
    assert (parts.different, parts.max_abs) == (whole.different, whole.max_abs)
    assert parts.mean_abs == pytest.approx(whole.mean_abs)


def test_narrower_type_is_compared_by_number() -> None:
    def typed(array: Any, kind: wire.Type, name: str) -> Any:
        return h.model(
            h.placeholder("x", kind),
            h.const("w", array, name),
            h.op("y", "BiasAdd", "x", "w", T=kind),
        )

    left = typed(BIAS, wire.F, "float32")
    right = typed(BIAS.astype(np.float16), wire.Type(wire.HALF), "float16")
    change = weight(migrator.diff(left, right), "w")
    assert change.kind == "dtype"
    assert change.max_abs == np.abs(BIAS - BIAS.astype(np.float16).astype(np.float64)).max()


def test_more_than_a_quick_look_takes_is_left_for_those_who_ask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(values, "QUICK", 100_000)
    paths = []
    for number in range(2):
        array = np.zeros((200, 200), np.float32)
        array[17, 3] = number
        path = tmp_path / f"{number}.pb"
        nodes = [h.placeholder("x"), h.const("w", array), h.op("y", "Mul", "x", "w", T=wire.F)]
        path.write_bytes(wire.graph(nodes))
        paths.append(path)
    quick = migrator.diff(*paths)
    assert quick.counts["weights_unknown"] == 1
    assert not quick.identical
    assert not quick.same_computation
    assert quick.headline == (
        "no difference found",
        "values of 1 weight not compared: --weights reads them all",
    )
    asked = migrator.diff(*paths, weights=True)
    assert weight(asked, "w").share == 1 / 40_000
    assert migrator.diff(paths[0], paths[0]).counts["weights_unknown"] == 0


def test_variables_have_their_values_from_the_checkpoint() -> None:
    model = sample("tf1.15.5/sm_variables").model()
    found = migrator.diff(model, model, weights=True)
    assert found.counts["weights_equal"] > 0
    assert found.counts["weights_unknown"] == found.counts["weights_different"] == 0


def test_variables_without_a_checkpoint_are_told_as_not_compared() -> None:
    variable = h.op("v", "VariableV2", dtype=wire.F, shape=wire.Dims((3,)))
    model = h.model(variable, h.unary("y", "Relu", "v"))
    found = migrator.diff(model, model)
    assert found.identical
    assert found.counts["weights_unknown"] == 1
    assert "checkpoint" in found.headline[-1]


def test_checkpoints_are_compared_by_key() -> None:
    folder = sample("tf1.15.5/sm_variables").path / "variables"
    left = folder / "variables.index"
    found = migrator.diff(left, left, weights=True)
    assert found.identical
    assert found.counts["weights_equal"] == len(found.matches) > 0


def test_partitioned_variables_are_compared_by_their_parts() -> None:
    found = migrator.diff(*[sample("tf1.15.5/sm_partitioned").path] * 2, weights=True)
    assert found.counts["weights_unknown"] == 0


def test_large_weights_are_compared_in_bounded_memory(tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        path = tmp_path / f"{number}.pb"
        with path.open("wb") as file:
            for layer in range(4):
                array = np.full(24 << 20, 2 * layer + number, np.uint8).view(np.float32)
                array = array.reshape(-1, 1024)
                file.write(wire.block(1, h.const(f"w{layer}", array)))
        paths.append(path)
    code = (
        "import re, sys, migrator\n"
        "found = migrator.diff(*sys.argv[1:], weights=True)\n"
        "assert found.counts['weights_different'] == 4, found.counts\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) < 150_000
