"""Hostile archives: bombs, loops, names that lead out. One clear error, or the rest."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from migrator.errors import FormatError, LimitError, MigratorError, NeedsDecision
from migrator.formats.load import load
from migrator.limits import Limits
from tests.corpus import sample
from tests.places.packs import Zip, deflated, link, put, tarred, tree, zeros_deflated, zipped

MLP = sample("tf1.15.5/mlp").path.read_bytes()
SMALL = Limits(decompressed_bytes=4 << 20)


def zeros_gzipped(count: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1 << 20)
    return b"".join([*(packer.compress(piece) for _ in range(count >> 20)), packer.flush()])


# --- bombs


@pytest.mark.parametrize("inner", [b"", MLP])
def test_a_gzip_bomb_is_refused_while_it_decompresses(inner: bytes, tmp_path: Path) -> None:
    path = put(
        tmp_path,
        gzip.compress(inner) + zeros_gzipped(64 << 20) if inner else zeros_gzipped(64 << 20),
    )
    with pytest.raises(LimitError, match="decompressed bytes") as caught:
        load(path, limits=SMALL)
    assert "--limit decompressed_bytes=" in caught.value.hint
    assert "Limits(decompressed_bytes=" in caught.value.hint


def test_a_bomb_is_told_by_its_ratio_long_before_the_disk_is_full(tmp_path: Path) -> None:
    path = put(tmp_path, zeros_gzipped(300 << 20))
    before = time.process_time()
    with pytest.raises(LimitError, match="200 times its size") as caught:
        load(path)
    assert time.process_time() - before < 20
    assert "--limit ratio=" in caught.value.hint


def test_a_zip_that_lies_about_sizes_is_no_way_around_the_limits(tmp_path: Path) -> None:
    packed = zeros_deflated(64 << 20)
    for size in (1000, 64 << 20, 0xFFFFFFF0):
        made = Zip()
        made.add("m.pb", b"", method=8, size=size, crc=0, packed=packed)
        path = put(tmp_path, made.bytes())
        with pytest.raises(MigratorError):
            load(f"{path}/m.pb", limits=SMALL)


NO_MODELS = {
    "junk": b"\xff" + bytes(100_000),
    "text": b"text " * 20_000,
    "no field": b"\x0a\xff\xff\xff\xff\x0f" + bytes(100_000),
    "one field": b"\x0a\xa0\x8d\x06" + bytes(100_000),
    "a table": bytes(100_000) + bytes.fromhex("57fb808b247547db"),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100_000),
    "tflite": b"\x10\0\0\0TFL3" + bytes(100_000),
    "gzip": gzip.compress(b"\xff" + bytes(100_000)),
    "bad gzip": b"\x1f\x8b" + bytes(100_000),
    "zip": zipped({"inner": b"\xff" + bytes(100_000)}),
    "bad zip": b"PK\x03\x04" + bytes(100_000),
    "bad tar": bytes(257) + b"ustar\0" + bytes(100_000),
    "model": MLP[:12_000] + bytes(100_000),
}


@pytest.mark.parametrize("kind", NO_MODELS)
def test_members_are_not_kept_once_they_were_looked_at(kind: str, tmp_path: Path) -> None:
    """Each would keep 100 kB, and an archive of a few megabytes may have 200,000 of them."""
    members = {f"{number}.pb": NO_MODELS[kind] for number in range(200)}
    path = put(tmp_path, zipped(members))
    tracemalloc.start()
    try:
        with pytest.raises((FormatError, NeedsDecision)):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_what_cannot_be_read_beside_a_model_is_warned_of(tmp_path: Path) -> None:
    made = Zip()
    made.add("good.pb", MLP)
    made.add("bad.pb", MLP, crc=7)
    (warning,) = load(put(tmp_path, made.bytes())).warnings
    assert "an entry cannot be read: 'bad.pb' (has the checksum" in warning


def test_links_in_circles_are_named_where_nothing_else_is_there(tmp_path: Path) -> None:
    path = put(tmp_path, tarred({}, more=[link("a.pb", "b.pb"), link("b.pb", "a.pb")]))
    with pytest.raises(FormatError, match=r"'a.pb' \(is reached by links that lead in a circle"):
        load(path)


def test_a_link_to_a_folder_is_not_warned_of(tmp_path: Path) -> None:
    path = put(tmp_path, tarred({"1/m.pb": MLP}, more=[link("latest", "1")]))
    assert load(path).warnings == load(sample("tf1.15.5/mlp").path).warnings


def test_a_header_that_holds_the_rest_of_the_archive_as_a_name_is_one_short_line(
    tmp_path: Path,
) -> None:
    data = bytearray(zipped({"m.pb": MLP}))
    data[26:28] = b"\xff\x0f"
    with pytest.raises(FormatError, match=r"differ|File name") as caught:
        load(put(tmp_path, bytes(data)))
    assert len(str(caught.value)) < 600


def test_an_xz_bomb_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, lzma.compress(bytes(32 << 20)))
    with pytest.raises(LimitError, match="decompressed bytes"):
        load(path, limits=SMALL)


def test_all_that_is_decompressed_counts_together(tmp_path: Path) -> None:
    heavy = {f"{number}.pb": bytes([8, 1, 18, 1]) + bytes(2 << 20) for number in range(3)}
    with pytest.raises((LimitError, FormatError)):
        load(put(tmp_path, zipped(heavy)), limits=SMALL)


def test_archives_in_archives_end(tmp_path: Path) -> None:
    data = MLP
    for _ in range(8):
        data = zipped({"again.zip": data})
    with pytest.raises(LimitError, match="in more than 3 others"):
        load(put(tmp_path, data))


def test_an_archive_that_holds_itself_by_overlapping_is_refused(tmp_path: Path) -> None:
    """After the overlapping bomb of D. Fifield, 2019: many names share one kernel of data."""
    made = Zip()
    kernel = deflated(MLP)
    start = made.add("kernel", MLP, method=8, packed=kernel)
    made.add("inside", b"", at=start + 10, method=8, packed=kernel)
    path = put(tmp_path, made.bytes())
    with pytest.raises(FormatError, match=r"overlaps|header"):
        load(f"{path}/kernel")
    with pytest.raises(FormatError, match=r"overlaps|header"):
        load(f"{path}/inside")


def test_more_members_than_allowed_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    many = {f"{number}": b"" for number in range(300)}
    few = Limits(members=200)
    for data in (zipped(many), tarred(many)):
        with pytest.raises(LimitError, match="the limit is 200") as caught:
            load(put(tmp_path, data), limits=few)
        assert "--limit members=" in caught.value.hint


def test_folders_on_the_way_count_as_members(tmp_path: Path) -> None:
    deep = {"/".join([f"{number}", *"abcdefghij" * 5, "m"]): b"" for number in range(20)}
    with pytest.raises(LimitError, match="members"):
        load(put(tmp_path, zipped(deep)), limits=Limits(members=500))


# --- names


OUTSIDE = ["../m.pb", "a/../../m.pb", "..", "a/b/../../../../etc/passwd", "/../m.pb"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_entry_that_leads_out_is_left_out_and_told(name: str, tmp_path: Path) -> None:
    for data in (zipped({name: MLP, "in/m.pb": MLP}), tarred({name: MLP, "in/m.pb": MLP})):
        path = put(tmp_path, data)
        model = load(path)
        assert model.source.path == f"{path}/in/m.pb"
        (warning,) = model.warnings
        assert "leads out of it and is left out" in warning
        assert repr(name) in warning
    assert not (tmp_path.parent / "m.pb").exists()


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_archive_of_nothing_but_such_entries_says_so(name: str, tmp_path: Path) -> None:
    for data in (zipped({name: MLP}), tarred({name: MLP})):
        with pytest.raises(FormatError, match="leads out of it and is left out"):
            load(put(tmp_path, data))


def test_absolute_names_are_below_the_top(tmp_path: Path) -> None:
    path = put(tmp_path, tarred({"/etc/m.pb": MLP}))
    model = load(path)
    assert model.source.path == f"{path}/etc/m.pb"
    assert "absolute name" in model.warnings[0]


def test_impossible_names_are_left_out(tmp_path: Path) -> None:
    long, deep = "n" * 5000, "/".join("d" * 200)
    made = Zip()
    for name in ("a\0.pb", long, deep, "m.pb"):
        made.add(name, MLP)
    model = load(put(tmp_path, made.bytes()))
    assert model.source.path.endswith("/m.pb")
    assert "impossible name" in model.warnings[0]
    path = put(tmp_path, tarred({long: MLP, deep: MLP, "m.pb": MLP}), "t")
    assert load(path).source.path == f"{path}/m.pb"


def test_terminal_codes_in_names_reach_nobody(tmp_path: Path) -> None:
    path = put(tmp_path, zipped({"\x1b[31ma": MLP, "\x1b[31mb": b"x" * 99, "../\x1b[2J": b"x"}))
    with pytest.raises(MigratorError) as caught:
        load(path / "\x1b[31mb")
    assert "\x1b" not in str(caught.value)
    assert "\x1b" not in "".join(load(path).warnings)


def test_two_of_one_name_in_a_zip_are_an_error_unless_equal(tmp_path: Path) -> None:
    made = Zip()
    made.add("m.pb", MLP)
    made.add("m.pb", MLP + MLP)
    path = put(tmp_path, made.bytes())
    with pytest.raises(FormatError, match="there twice, with different contents"):
        load(f"{path}/m.pb")
    same = Zip()
    same.add("m.pb", MLP)
    same.add("m.pb", MLP)
    assert load(put(tmp_path, same.bytes())).source.bytes == len(MLP)


def test_a_name_that_is_file_and_folder_is_told(tmp_path: Path) -> None:
    made = Zip()
    made.add("m.pb", MLP)
    made.add("m.pb/x", MLP)
    model = load(put(tmp_path, made.bytes()))
    assert "for its folder" in model.warnings[0]


# --- links and devices


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    loops = [link("a", "b"), link("b", "a"), link("self", "self"), link("d", "d/d/d/d")]
    path = put(tmp_path, tarred({"m.pb": MLP}, more=loops))
    assert load(path).source.bytes == len(MLP)
    for name in ("a", "self", "d", "a/x"):
        with pytest.raises(FormatError, match="circle"):
            load(f"{path}/{name}")


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "x/../../../etc/passwd"])
def test_links_never_lead_out(target: str, tmp_path: Path) -> None:
    entries = [link("in/l", target), link("in/h", target, tarfile.LNKTYPE)]
    path = put(tmp_path, tarred({"in/x/m.pb": MLP}, more=entries))
    for name in ("l", "h"):
        with pytest.raises(FormatError, match=r"leads out of the archive|not in the archive"):
            load(f"{path}/in/{name}")
    made = Zip()
    made.add("in/l", target.encode(), mode=0o120777)
    made.add("in/x/m.pb", MLP)
    path = put(tmp_path, made.bytes())
    with pytest.raises(FormatError, match=r"leads out of the archive|not in the archive"):
        load(f"{path}/in/l")


def test_links_of_a_zip_are_followed_inside(tmp_path: Path) -> None:
    made = Zip()
    for name, data in tree(sample("tf1.15.5/sm_counter").path, "export/1").items():
        made.add(name, data)
    made.add("latest", b"export/1", mode=0o120777)
    path = put(tmp_path, made.bytes())
    assert load(f"{path}/latest").source.path == f"{path}/latest/saved_model.pb"


def test_a_link_as_saved_model_folder_that_loops_is_told(tmp_path: Path) -> None:
    path = put(tmp_path, tarred({}, more=[link("saved_model.pb", "saved_model.pb")]))
    with pytest.raises(FormatError, match=r"circle|without a model"):
        load(path)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_not_read(kind: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo("dev")
    info.type, info.devmajor, info.devminor = kind, 1, 5
    path = put(tmp_path, tarred({"m.pb": MLP}, more=[info]))
    assert load(path).source.path == f"{path}/m.pb"
    with pytest.raises(FormatError, match="device, pipe or socket"):
        load(f"{path}/dev")
