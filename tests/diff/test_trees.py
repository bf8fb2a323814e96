"""``scripts/diff_report.py``: two trees of models, a folder of reports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import handmade as h
from tests import wire
from tests.commands import environment
from tests.corpus import ROOT, sample
from tests.schemas import validate

NODES = [h.unary(f"n{number}", "Tanh", "x") for number in range(30)]


def graph(*nodes: bytes) -> bytes:
    return wire.graph([h.placeholder("x"), *nodes])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side, kind in (("old", "Relu"), ("new", "Elu")):
        (tmp_path / side / "sub").mkdir(parents=True)
        (tmp_path / side / "a.pb").write_bytes(graph(h.unary("y", kind, "x")))
        (tmp_path / side / "same.pb").write_bytes(graph(h.unary("z", "Selu", "x")))
        (tmp_path / side / "bad.pb").write_bytes(graph(h.unary("y", kind, "x"))[:-3])
        np.savez(tmp_path / side / "data.npz", x=np.ones(3))
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/diff_report.py"), *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
    )


def rows(folder: Path) -> list[tuple[str, str]]:
    """Kind and names of each row of the index."""
    text = (folder / "index.html").read_text("utf-8")
    found = re.findall(r'<article class="(\w+)"><h2>(.*?)</h2>', text)
    return [(kind, re.sub("<.*?>", "", names).replace("&rarr;", "->")) for kind, names in found]


def test_each_pair_has_its_reports_and_the_worst_come_first(folder: Path) -> None:
    done = run(folder, "old", "new", "out/reports")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    found = rows(folder / "out/reports")
    assert found == [("failed", "bad.pb"), ("differs", "a.pb"), ("same", "same.pb")]
    page = (folder / "out/reports/index.html").read_text("utf-8")
    links = set(re.findall(r'href="([^"]*)"', page))
    assert len(links) == 6
    for link in links:
        text = (folder / "out/reports" / link).read_text("utf-8")
        if link.endswith(".json"):
            validate(json.loads(text))
    assert "default-src 'none'" in page
    assert [item.name for item in (folder / "out").iterdir()] == ["reports"]


def test_equal_trees_are_code_zero(folder: Path) -> None:
    for side in ("old", "new"):
        (folder / side / "bad.pb").unlink()
    assert run(folder, "old", "old", "out").returncode == 0


def test_moved_models_are_found_by_what_they_hold(folder: Path) -> None:
    (folder / "old/first.pb").write_bytes(graph(*NODES, h.unary("y", "Relu", "n3")))
    renamed = graph(*NODES, h.unary("y", "Relu", "n3")).replace(b"n3", b"m3")
    (folder / "new/sub/moved.pb").write_bytes(renamed)
    (folder / "old/second.pb").write_bytes(graph(*NODES[:20]))
    (folder / "new/sub/edited.pb").write_bytes(graph(*NODES[:19]))
    (folder / "old/gone.pb").write_bytes(graph(h.const("c", [1.0]), h.unary("d", "Neg", "c")))
    run(folder, "old", "new", "out")
    names = dict(reversed(item) for item in rows(folder / "out"))
    assert "first.pb -> sub/moved.pb" in names
    assert names["second.pb -> sub/edited.pb"] == "differs"
    assert names["gone.pb"] == "alone"


def test_saved_models_are_named_by_their_folders(tmp_path: Path) -> None:
    paths = [sample(f"tf{release}/sm_variables").path for release in ("1.4.1", "1.15.5")]
    assert run(tmp_path, *map(str, paths), "out").returncode == 1
    assert len(rows(tmp_path / "out")) == 1


def test_what_is_there_is_not_replaced(folder: Path) -> None:
    (folder / "out").mkdir()
    done = run(folder, "old", "new", "out")
    assert done.returncode == 2
    assert "not replaced" in done.stderr
    assert list((folder / "out").iterdir()) == []


def test_nothing_to_compare_is_code_two_and_leaves_no_trace(folder: Path) -> None:
    done = run(folder, "old", "missing", "out")
    assert done.returncode == 2
    assert "missing" in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "out").exists()


def test_names_stay_text(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.pb"
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / name).write_bytes(graph(h.unary("y", "Relu", "x")))
    assert run(tmp_path, "old", "new", "out").returncode == 0
    assert "<img" not in (tmp_path / "out/index.html").read_text("utf-8")
