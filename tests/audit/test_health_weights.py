"""Rules that read weights: NaN, one value throughout, subnormal numbers, duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.auditing.contents.weight_scan import scan
from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from migrator.auditing.subject import Subject
from tests import handmade, wire
from tests.tables import Writer

RNG = np.random.default_rng(4)


def _numbers(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


def _frozen(folder: Path, **constants: np.ndarray[Any, Any]) -> Subject:
    nodes = [handmade.const(name, array, array.dtype.name) for name, array in constants.items()]
    path = folder / "frozen.pb"
    path.write_bytes(wire.graph(nodes))
    return open_subject(path)


def _checkpoint(folder: Path, **variables: np.ndarray[Any, Any]) -> Subject:
    writer = Writer()
    for name, array in variables.items():
        writer.add(name, array)
    writer.write(folder / "model.ckpt")
    return open_subject(folder / "model.ckpt.index")


def _found(code: str, subject: Subject) -> tuple[Finding, ...]:
    findings, skipped = run_rules(subject, [find_rule(code)])
    assert not skipped
    return findings


def test_nan_in_a_frozen_weight_is_told_with_its_node_and_number(tmp_path: Path) -> None:
    bad = _numbers(50, 60)
    bad[3, 4] = bad[49, 59] = np.nan
    bad[0, 0] = np.inf
    (finding,) = _found("H201", _frozen(tmp_path, good=_numbers(50, 60), bad=bad))
    assert finding.location.node == "bad"
    assert finding.severity.label == "medium"
    assert (finding.detail["nan"], finding.detail["infinite"]) == (2, 1)
    assert "3 of 3,000 numbers" in finding.message


def test_nan_in_a_checkpoint_is_told_with_its_key(tmp_path: Path) -> None:
    bad = _numbers(20)
    bad[7] = np.nan
    (finding,) = _found("H201", _checkpoint(tmp_path, good=_numbers(20), bad=bad))
    assert finding.detail["nodes"] == ["bad"]
    assert finding.detail["nan"] == 1


def test_infinity_in_a_constant_may_be_a_mask_and_counts_low(tmp_path: Path) -> None:
    mask = np.triu(np.full((8, 8), -np.inf, np.float32), 1)
    (finding,) = _found("H201", _frozen(tmp_path, mask=mask))
    assert (finding.severity.label, finding.confidence) == ("low", "low")
    (tmp_path / "more").mkdir()
    (finding,) = _found("H201", _checkpoint(tmp_path / "more", mask=mask))
    assert finding.severity.label == "medium"


def test_a_scalar_nan_is_no_weight(tmp_path: Path) -> None:
    assert not _found("H201", _frozen(tmp_path, missing=np.array(np.nan, np.float32)))


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_every_float_type_is_counted_as_numpy_counts_it(tmp_path: Path, name: str) -> None:
    array = RNG.standard_normal(5000).astype(name)
    kinds = RNG.integers(0, 8, 5000)
    tiny = np.finfo(name).tiny
    for kind, value in enumerate((np.nan, np.inf, -np.inf, tiny / 2, -tiny / 4, 0, -0.0)):
        array[kinds == kind] = value
    (item,) = scan(_frozen(tmp_path, w=array)).tensors
    assert item.nan == np.isnan(array).sum()
    assert item.infinite == np.isinf(array).sum()
    assert item.subnormal == ((array != 0) & (abs(array) < tiny)).sum()
    assert not item.same


def test_large_weights_are_read_in_parts_and_their_ends_are_seen(tmp_path: Path) -> None:
    array = np.zeros((3 << 20) + 5, np.float32)
    array[-1] = np.nan
    (item,) = scan(_frozen(tmp_path, w=array)).tensors
    assert (item.numbers, item.nan, item.same) == (array.size, 1, False)


def test_a_partitioned_variable_is_read_row_by_row(tmp_path: Path) -> None:
    array = _numbers(3000, 700)
    array[2999, 699] = np.nan
    writer = Writer(shards=2)
    writer.add_slices("w", array, [[(0, 1700), None], [(1700, 1300), None]], [0, 1])
    writer.write(tmp_path / "model.ckpt")
    scanned = scan(open_subject(tmp_path / "model.ckpt.index"))
    assert not scanned.unread
    (item,) = scanned.tensors
    assert (item.numbers, item.nan) == (array.size, 1)
    (tmp_path / "whole").mkdir()
    (whole,) = scan(_checkpoint(tmp_path / "whole", w=array)).tensors
    assert item.digest == whole.digest


def test_what_claims_to_be_large_and_is_stored_in_a_few_bytes_is_not_unfolded() -> None:
    value = wire.Raw(wire.block(8, wire.tensor(wire.FLOAT, (1 << 20, 4096), wire.single(5, 1.0))))
    model = handmade.model(handmade.op("w", "Const", dtype=wire.F, value=value))
    (item,) = scan(Subject("x.pb", model=model)).tensors
    assert item.numbers == 0
    assert item.nbytes == 16 << 30


def test_a_matrix_of_one_value_is_told_and_a_bias_is_not(tmp_path: Path) -> None:
    subject = _frozen(
        tmp_path,
        zeros=np.zeros((16, 16), np.float32),
        bias=np.zeros(64, np.float32),
        state=np.zeros((1, 256), np.float32),
        trained=_numbers(16, 16),
    )
    (finding,) = _found("H202", subject)
    assert finding.detail["nodes"] == ["zeros"]


def test_the_optimizers_zeros_are_not_told(tmp_path: Path) -> None:
    zeros = np.zeros((16, 16), np.float32)
    subject = _checkpoint(tmp_path, **{"w": _numbers(16, 16), "w/Adam": zeros, "v": zeros})
    (finding,) = _found("H202", subject)
    assert finding.detail["nodes"] == ["v"]


def test_many_subnormal_numbers_are_told_and_a_few_are_not(tmp_path: Path) -> None:
    many, few = _numbers(2000), _numbers(2000)
    many[:100] = few[:5] = 1e-40
    (finding,) = _found("H203", _frozen(tmp_path, many=many, few=few))
    assert finding.detail["nodes"] == ["many"]
    assert finding.message.startswith("100 subnormal")


def test_constants_with_the_same_bytes_are_told_once_each(tmp_path: Path) -> None:
    one = _numbers(200, 100)
    almost = one.copy()
    almost[-1, -1] += 1
    subject = _frozen(tmp_path, a=one, b=one, c=one, almost=almost, turned=one.reshape(100, 200))
    (finding,) = _found("H204", subject)
    assert finding.detail["nodes"] == ["b", "c"]
    assert finding.detail["bytes"] == 160_000
    assert finding.severity.label == "low"


def test_little_waste_is_silent(tmp_path: Path) -> None:
    one = _numbers(100, 100)
    assert not _found("H204", _frozen(tmp_path, a=one, b=one))


def test_equal_variables_are_told_from_the_index_alone(tmp_path: Path) -> None:
    one = _numbers(200, 100)
    subject = _checkpoint(tmp_path, **{"a": one, "b": one, "b/Adam": one, "c": _numbers(200, 100)})
    (tmp_path / "model.ckpt.data-00000-of-00001").unlink()
    (finding,) = _found("H205", subject)
    assert finding.detail["nodes"] == ["b"]
