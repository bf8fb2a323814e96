"""Hostile and damaged HDF5: circles, links to elsewhere, depths, cuts; always an end."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.hdf5 import heap
from migrator.formats.hdf5.tree import Dataset, External, Group, Soft, find, visit
from migrator.formats.hdf5.values import lazy_tensor
from migrator.formats.hdf5.walk import walk
from migrator.limits import DEFAULT_LIMITS, Deadline, Limits
from migrator.places.source import ByteSource
from tests.corpus import KERAS, Sample
from tests.formats import hdf5_pieces as pieces

h5py = pytest.importorskip("h5py")


def opened(path: Path, limits: Limits = DEFAULT_LIMITS) -> Group:
    return walk(ByteSource.open(path), limits).root


def test_a_group_that_lies_in_itself_is_walked_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        inner = file.create_group("a/b")
        inner["x"] = np.arange(3)
        inner["up"] = file["/"]
        inner["self"] = inner
    root = opened(tmp_path / "m.h5")
    assert [path for path, _ in visit(root)] == ["a/b/x"]
    inside = find(root, "a/b/up/a/b/self/x")
    assert isinstance(inside, Dataset) and inside.dims == (3,)


def test_soft_links_are_followed_in_the_file_and_loops_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a/x"] = np.arange(3)
        file["a/near"] = h5py.SoftLink("x")
        file["far"] = h5py.SoftLink("/a/near")
        file["one"] = h5py.SoftLink("/two")
        file["two"] = h5py.SoftLink("/one")
        file["gone"] = h5py.SoftLink("/nowhere/at/all")
    root = opened(tmp_path / "m.h5")
    assert isinstance(find(root, "far"), Dataset)
    assert find(root, "one") is None
    assert find(root, "gone") is None
    assert isinstance(root.links["one"], Soft)


def test_links_to_other_files_are_told_and_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.arange(3)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["away"] = h5py.ExternalLink("other.h5", "/x")
    root = opened(tmp_path / "m.h5")
    assert root.links["away"] == External(file="other.h5", target="/x")
    assert isinstance(find(root, "away"), External)


def test_lists_of_names_are_put_together_from_their_pieces(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names0"] = [b"a", b"b"]
        file.attrs["layer_names1"] = np.array(["c", "d" * 500], dtype=object)
        file.attrs["weight_names"] = np.array([], dtype="S1")
        file.attrs["model_config"] = "{}" + " " * 70_000
        file.attrs["nb_layers"] = 7
        file.attrs["unknown"] = "not read"
    root = opened(tmp_path / "m.h5")
    assert root.names("layer_names") == ("a", "b", "c", "d" * 500)
    assert root.names("weight_names") == ()
    assert len(str(root.attrs["model_config"])) == 70_002
    assert root.attrs["nb_layers"] == 7
    assert "unknown" not in root.attrs


def test_objects_and_depth_are_bounded(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for number in range(100):
            file.create_group(f"group_{number}")
        file.create_group("/".join("d" * 70))["x"] = 1
    with pytest.raises(LimitError, match="variables"):
        opened(tmp_path / "m.h5", Limits(variables=50))
    found = walk(ByteSource.open(tmp_path / "m.h5"), DEFAULT_LIMITS)
    assert any("deeper than 64 groups" in line for line in found.warnings)
    assert len(found.root.links) == 101


def test_time_is_bounded(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["x"] = 1
    source = ByteSource.open(tmp_path / "m.h5")
    source.deadline = Deadline(Limits(seconds=-1))
    with pytest.raises(LimitError, match="longer"):
        walk(source, DEFAULT_LIMITS)


def test_many_objects_take_linear_time(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        group = file.create_group("many")
        target = file.create_dataset("x", (2,), "f4")
        for number in range(20_000):  # hard links: one object under many names
            group[f"{number:06d}"] = target
    start = time.perf_counter()
    root = opened(tmp_path / "m.h5")
    assert time.perf_counter() - start < 5
    many = root.links["many"]
    assert isinstance(many, Group) and len(many.links) == 20_000
    assert len({id(link) for link in many.links.values()}) == 1


def test_a_file_behind_a_user_block_is_read_at_its_place(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w", userblock_size=1024) as file:
        file["x"] = np.arange(3.0)
        offset = file["x"].id.get_offset()
    found = walk(ByteSource.open(tmp_path / "m.h5"), DEFAULT_LIMITS)
    item = found.root.links["x"]
    assert isinstance(item, Dataset) and item.offset == offset
    assert found.warnings == ()


def test_a_cut_file_says_so_and_shows_what_is_left(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a"] = np.arange(3.0)
        file["b"] = np.arange(5000.0)
    data = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(data[:-4000])
    found = walk(ByteSource.open(tmp_path / "m.h5"), DEFAULT_LIMITS)
    assert f"{len(data) - 4000:,} bytes of {len(data):,}" in found.warnings[0]
    assert sorted(found.root.links) == ["a", "b"]


@pytest.mark.parametrize("item", [item for item in KERAS if item.kind == "keras_h5"], ids=str)
def test_flipped_bytes_and_cuts_end_in_a_tree_or_a_clear_error(item: Sample) -> None:
    data = item.path.read_bytes()
    dice = random.Random(7)
    start = time.perf_counter()
    outcomes = set()
    for number in range(600):
        mutant = bytearray(data)
        if number % 3 == 0:
            del mutant[dice.randrange(len(data)) :]
        else:
            for _ in range(dice.choice((1, 4))):
                mutant[dice.randrange(min(len(data), 4000))] = dice.choice((0, 255, 1, 128))
        try:
            walk(ByteSource.of_bytes(bytes(mutant), name="mutant"), Limits(seconds=5))
            outcomes.add("tree")
        except MigratorError as error:
            assert "mutant" in str(error)
            outcomes.add(type(error).__name__)
        except Exception as error:
            assert type(error).__name__ == "NotPlain", number
    assert time.perf_counter() - start < 30
    assert outcomes >= {"tree", "FormatError"}


def test_no_hdf5_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="is no HDF5 file"):
        walk(ByteSource.of_bytes(b"x" * 5000, name="f"), DEFAULT_LIMITS)


def walked(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Group:
    """The tree of a small file, for which there are few seconds."""
    source = ByteSource.of_bytes(data, name="m.h5")
    source.deadline = Deadline(Limits(seconds=10))
    return walk(source, limits).root


def test_texts_of_no_length_are_refused_however_many_there_are() -> None:
    file = pieces.Pieces()
    texts = pieces.attribute("layer_names", pieces.fixed_text(0), pieces.space(1 << 40), b"")
    with pytest.raises(FormatError, match="texts that have no length"):
        walked(file.done(file.add(pieces.header(pieces.message(2, pieces.LINK_INFO), texts))))


@pytest.mark.parametrize(
    ("size", "dims", "part"),
    [(0, (1 << 29,), "texts have no length"), (1, (1 << 35,), "takes more than the limit")],
)
def test_texts_that_take_no_room_in_the_file_are_not_made(
    size: int, dims: tuple[int, ...], part: str
) -> None:
    file = pieces.Pieces()
    item = file.add(pieces.header(pieces.never_written(pieces.fixed_text(size), *dims)))
    data = file.done(file.add(pieces.header(pieces.link(b"w", item))))
    link = walked(data).links["w"]
    assert isinstance(link, Dataset)
    source = ByteSource.of_bytes(data, name="m.h5")

    def fetch(path: str, item: Dataset) -> bytes:
        raise AssertionError(path)

    tensor = lazy_tensor(link, "w", source, None, fetch, DEFAULT_LIMITS)
    assert tensor is not None
    with pytest.raises(MigratorError, match=part):
        tensor.numpy()


@pytest.mark.parametrize(("letter", "fits"), [("a", True), ("\U0001f600", False)])
def test_names_count_as_what_they_take_in_memory(letter: str, fits: bool) -> None:
    """One letter of four bytes makes a whole name four times as large."""
    file = pieces.Pieces()
    item = file.add(pieces.header(pieces.never_written(pieces.byte_type(), 1)))
    names = bytes(8) + b"a" * 20_000 + letter.encode() + b"\0"
    root = pieces.header(pieces.table(file, names, list(range(8, 308)), item))
    data = file.done(file.add(root))
    limits = Limits(skeleton_bytes=15_000_000)
    if fits:
        assert len(walked(data, limits).links) == 300
    else:
        with pytest.raises(LimitError, match="skeleton bytes"):
            walked(data, limits)


def test_objects_that_share_one_long_header_are_not_each_read_in_full() -> None:
    file = pieces.Pieces()
    shared = pieces.message(0, b"") * 100_000 + pieces.never_written(pieces.byte_type(), 1)
    start = file.add(shared)
    goes_on = pieces.header(pieces.message(16, struct.pack("<QQ", start, len(shared))))
    items = [file.add(goes_on) for _ in range(1000)]
    links = b"".join(pieces.link(b"w%d" % number, at) for number, at in enumerate(items))
    data = file.done(file.add(pieces.header(links)))
    with pytest.raises(LimitError, match="lie in each other"):
        walked(data)


def test_groups_that_share_one_long_table_are_not_each_read_in_full() -> None:
    file = pieces.Pieces()
    empty = file.add(b"SNOD\1\0\0\0")
    heap = file.add(b"HEAP" + struct.pack("<4xQQQ", 8, pieces.NOWHERE, file.add(bytes(8))))
    tree = b"TREE\0\0" + struct.pack("<HQQQ", 50_000, pieces.NOWHERE, pieces.NOWHERE, 0)
    table = struct.pack("<QQ", file.add(tree + struct.pack("<QQ", empty, 0) * 50_000), heap)
    group = pieces.header(pieces.message(17, table))
    items = [file.add(group) for _ in range(1000)]
    links = b"".join(pieces.link(b"g%d" % number, at) for number, at in enumerate(items))
    data = file.done(file.add(pieces.header(links)))
    with pytest.raises(LimitError, match="lie in each other"):
        walked(data)


def heaps(count: int, texts: int, wanted: int) -> bytes:
    """A file whose list of names goes through ``count`` heaps, one after the other."""
    file = pieces.Pieces()
    body = b"".join(struct.pack("<HHIQ", number, 1, 0, 0) for number in range(1, texts))
    body += struct.pack("<HHIQ", texts, 1, 0, 8) + b"a weight"
    head = b"GCOL\1\0\0\0" + struct.pack("<Q", 16 + len(body))
    places = [file.add(head + body) for _ in range(count)]
    given = b"".join(
        struct.pack("<IQI", 8, places[number % count], texts) for number in range(wanted)
    )
    names = pieces.attribute("layer_names", pieces.any_text(), pieces.space(wanted), given)
    return file.done(file.add(pieces.header(pieces.message(2, pieces.LINK_INFO), names)))


def test_texts_in_many_heaps_are_found_with_each_heap_gone_through_once() -> None:
    start = time.perf_counter()
    assert walked(heaps(40, 2000, 4000)).names("layer_names") == ("a weight",) * 4000
    assert time.perf_counter() - start < 5


def test_heaps_that_are_gone_through_over_and_over_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heap, "_KEPT", 1000)
    with pytest.raises(LimitError, match="too many heaps"):
        walked(heaps(40, 2000, 4000))
