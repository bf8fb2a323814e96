"""HDF5's library in a process of its own: whatever becomes of it, the answer is one error."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.hdf5 import apart
from migrator.formats.hdf5.tree import Dataset, Group, find
from migrator.formats.hdf5.types import element_type
from migrator.formats.hdf5.walk import walk
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
    item["address"] = 800  # any place in the file
    return {**item, "stored": 8, **more}


@pytest.mark.parametrize(
    "bad",
    [
        {"offset": -1},
        {"offset": 1 << 60},
        {"offset": "8"},
        {"stored": -5},
        {"address": -1},
        {"address": "8"},
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


def renamed(path: Path, before: bytes, after: bytes) -> ByteSource:
    """The file with a link called otherwise than HDF5's library would let it be."""
    data = path.read_bytes()
    assert data.count(before) == 1
    path.write_bytes(data.replace(before, after))
    return ByteSource.open(path)


def chunked(**more: Any) -> Dataset:
    kind = element_type(bytes.fromhex("100800000100000000000800"))
    given = {"type": kind, "dims": (6,), "storage": "chunked", "address": 0, **more}
    return Dataset(**given)


def secret_beside(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "secret"


def test_a_name_with_a_slash_leads_to_no_other_object(tmp_path: Path) -> None:
    secret = secret_beside(tmp_path)
    with h5py.File(tmp_path / "m.h5", "w", libver=("earliest", "v108")) as file:
        file.create_dataset("zz/w", (6,), "u1", external=[(str(secret), 0, 6)])
        file["x"] = h5py.SoftLink("/zz")
        file.create_dataset("x@w", data=[0] * 6, dtype="u1", chunks=(2,))
    source = renamed(tmp_path / "m.h5", b"x@w", b"x/w")
    found = walk(source, DEFAULT_LIMITS)
    assert "x/w" not in found.root.links
    assert any("a link is called 'x/w'" in line for line in found.warnings)
    for ask in (apart.describe, apart.describe_here):
        with pytest.raises(FormatError, match="a link is called"):
            ask(source, DEFAULT_LIMITS)
    with pytest.raises(FormatError, match="leads to something else"):
        apart.fetch(source, "x/w", chunked(address=96), DEFAULT_LIMITS)


def test_data_in_other_files_is_refused_before_it_is_read(tmp_path: Path) -> None:
    secret = secret_beside(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["y"] = list(range(6))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("raw", (6,), "u1", external=[(str(secret), 0, 6)])
        layout = h5py.VirtualLayout((6,), "i8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "y", (6,))
        file.create_virtual_dataset("virtual", layout)
        file["away"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/y")
        address = {name: h5py.h5o.get_info(file[name].id).addr for name in ("raw", "virtual")}
    source = ByteSource.open(tmp_path / "m.h5")
    for name, where in address.items():
        with pytest.raises(FormatError, match="in another file, which is not read"):
            apart.fetch(source, name, chunked(address=where), DEFAULT_LIMITS)
    with pytest.raises(FormatError, match="a link that is not followed"):
        apart.fetch(source, "away", chunked(), DEFAULT_LIMITS)


def test_the_process_can_open_nothing_that_a_file_names(tmp_path: Path) -> None:
    secret = secret_beside(tmp_path)
    program = (
        "import os, runpy, sys; runpy.run_path(sys.argv[1])['_alone']()\n"
        "try: open(sys.argv[2])\n"
        "except OSError: os.write(1, b'refused')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, apart._CHILD, str(secret)], capture_output=True, check=True
    )
    assert ran.stdout == b"refused"


@pytest.mark.parametrize("before", [0, 1024])
def test_a_soft_link_in_the_file_leads_to_the_data_set_that_was_told(
    tmp_path: Path, before: int
) -> None:
    with h5py.File(tmp_path / "m.h5", "w", userblock_size=before) as file:
        file.create_dataset("a/b/w", data=range(6), dtype="u1", chunks=(2,))
        file["near"] = h5py.SoftLink("a/b")
        file["a/far"] = h5py.SoftLink("/near/w")
        file["one"] = h5py.SoftLink("/two")
        file["two"] = h5py.SoftLink("/one")
    source = ByteSource.open(tmp_path / "m.h5")
    item = find(walk(source, DEFAULT_LIMITS).root, "a/b/w")
    said = find(apart.describe(source, DEFAULT_LIMITS).root, "a/b/w")
    assert isinstance(item, Dataset) and isinstance(said, Dataset)
    assert said.address == item.address
    for path in ("/near/w", "a/./far"):
        assert apart.fetch(source, path, item, DEFAULT_LIMITS) == bytes(range(6))
    if before:
        return
    for path in ("one", "a", "a/b/w/x", "gone"):
        with pytest.raises(FormatError, match="cannot be read as HDF5"):
            apart.fetch(source, path, item, DEFAULT_LIMITS)
    with pytest.raises(FormatError, match="another shape"):
        apart.fetch(source, "a/b/w", replace(item, dims=(7,)), DEFAULT_LIMITS)
