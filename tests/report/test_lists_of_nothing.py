"""Arrays without elements whose shape would be millions of lists of nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from migrator.arrays import nested_list
from migrator.drawing.scene import picture_scene
from tests import handmade, wire
from tests.commands import run

HUGE = (3, 1 << 26, 0)


def huge(name: str = "c") -> bytes:
    return handmade.op(name, "Const", dtype=wire.F, value=np.zeros(HUGE, np.float32))


def test_few_lists_are_kept_and_many_are_none() -> None:
    assert nested_list(np.zeros((2, 0, 5))) == [[], []]
    assert nested_list(np.zeros((0, 1 << 40))) == []
    assert nested_list(np.zeros(HUGE)) == []
    assert nested_list(np.ones((2, 1))) == [[1.0], [1.0]]
    assert nested_list(np.float32(2)) == 2.0


def test_a_node_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(wire.graph([huge(), handmade.unary("y", "Identity", "c")]))
    done = run(capsys, "inspect", path, "--node", "c", "--format", "json")
    found = json.loads(done.out)
    assert done.code == 0
    assert "67108864" in done.out
    assert "[[" not in json.dumps(found)
    assert run(capsys, "inspect", path, "--node", "c").code == 0


def test_a_picture_and_a_difference_are_drawn_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate("ab"):
        other = handmade.op("c", "Const", dtype=wire.F, value=np.zeros((number, 0), np.float32))
        nodes = [huge() if number else other, handmade.unary("y", "Identity", "c")]
        (tmp_path / f"{name}.pb").write_bytes(wire.graph(nodes))
    done = run(capsys, "diff", tmp_path / "a.pb", tmp_path / "b.pb", "--format", "json")
    assert done.code == 1
    model = handmade.model(huge(), handmade.unary("y", "Identity", "c"))
    assert len(json.dumps(picture_scene(model.meta_graphs[0]))) < 20_000
