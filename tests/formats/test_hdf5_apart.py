"""HDF5's library in a process of its own: whatever becomes of it, the answer is one error."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.hdf5 import apart
from migrator.formats.hdf5.tree import Dataset, Group
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.source import ByteSource

h5py = pytest.importorskip("h5py")


@pytest.fixture
def source(tmp_path: Path) -> ByteSource:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["x"] = [1.0, 2.0]
        file["loop"] = file["/"]
    return ByteSource.open(tmp_path / "m.h5")


def with_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    path = tmp_path / "child.py"
    path.write_text(f"import os, sys, time\nsys.stdin.readline()\n{program}\n")
    monkeypatch.setattr(apart, "_CHILD", str(path))


def test_circles_come_back_as_circles(source: ByteSource) -> None:
    root = apart.describe(source, DEFAULT_LIMITS).root
    assert root.links["loop"] is root
    assert isinstance(root.links["x"], Dataset)


def test_a_library_that_never_ends_is_stopped(
    source: ByteSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_child(monkeypatch, tmp_path, "time.sleep(100)")
    start = time.perf_counter()
    with pytest.raises(LimitError, match=r"library longer than the limit of 0\.5 seconds"):
        apart.describe(source, Limits(seconds=0.5))
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    ("program", "error", "part"),
    [
        ("os.abort()", FormatError, "signal 6"),
        ("sys.exit(3)", FormatError, "exit code 3"),
        ("os.write(1, b'+')", FormatError, "answer is cut off"),
        ("os.write(1, b'+[1, 2]')", FormatError, "answer makes no sense"),
        ("os.write(1, b'+' + b'[' * 100000)", FormatError, "answer is cut off"),
        ("os.write(1, b'nothing')", FormatError, "died of it"),
        ("while True: os.write(1, b'+' * 65536)", LimitError, "gives more than the limit"),
    ],
)
def test_whatever_becomes_of_it_is_one_error(
    source: ByteSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    error: type[MigratorError],
    part: str,
) -> None:
    with_child(monkeypatch, tmp_path, program)
    with pytest.raises(error, match=part) as caught:
        apart.describe(source, Limits(skeleton_bytes=1 << 20, seconds=20))
    assert "m.h5" in str(caught.value)


def dataset(**more: Any) -> dict[str, Any]:
    kind = "AwARHwAABAAAAAAAIAAXCAAXfwAAAA=="
    item = {"attrs": {}, "type": kind, "dims": [2], "storage": "contiguous", "offset": 8}
    return {**item, "stored": 8, **more}


@pytest.mark.parametrize(
    "bad",
    [
        {"offset": -1},
        {"offset": 1 << 60},
        {"offset": "8"},
        {"stored": -5},
        {"dims": [-1]},
        {"dims": ["x"]},
        {"dims": 7},
        {"storage": "magic"},
        {"type": "!"},
        {"type": "AwA="},
        {"attrs": []},
    ],
)
def test_what_the_process_says_is_not_believed(source: ByteSource, bad: dict[str, Any]) -> None:
    group = {"attrs": {}, "links": {"x": 1}}
    assert isinstance(apart.tree_of({"objects": [group, dataset()]}, source), Group)
    with pytest.raises(FormatError):
        apart.tree_of(json.loads(json.dumps({"objects": [group, dataset(**bad)]})), source)


@pytest.mark.parametrize("link", [5, -1, "x", 1.5, {}])
def test_links_to_objects_that_are_not_there(source: ByteSource, link: Any) -> None:
    with pytest.raises(FormatError, match="makes no sense"):
        apart.tree_of({"objects": [{"attrs": {}, "links": {"x": link}}]}, source)


def test_damage_is_told_in_the_library_s_words(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for ask in (apart.describe, apart.describe_here):
        with pytest.raises(FormatError, match="cannot be read as HDF5: "):
            ask(ByteSource.open(tmp_path / "m.h5"), DEFAULT_LIMITS)


def test_an_attribute_past_its_bound_is_refused(
    source: ByteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(source.name, "a") as file:
        file.attrs["model_config"] = "x" * 3000
    monkeypatch.setitem(apart.WANTED, "text", 10)
    again = ByteSource.open(source.name)
    for ask in (apart.describe, apart.describe_here):
        with pytest.raises(LimitError, match="attribute model_config takes"):
            ask(again, DEFAULT_LIMITS)
        with pytest.raises(LimitError, match="holds more than 1 objects"):
            monkeypatch.setitem(apart.WANTED, "text", 1 << 20)
            ask(again, Limits(variables=1))
        monkeypatch.setitem(apart.WANTED, "text", 10)
