"""Hostile archives: bombs, loops, names that lead out, damage. One clear error, or the rest."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pytest

from migrator.errors import FormatError, LimitError, MigratorError, NeedsDecision, UnsupportedFormat
from migrator.formats.load import load
from migrator.limits import Limits
from tests.corpus import sample
from tests.fuzz.survive import outcome_of_file
from tests.places.packs import Zip, deflated, link, tarred, tree, zeros_deflated, zipped

MLP = sample("tf1.15.5/mlp").path.read_bytes()
SMALL = Limits(decompressed_bytes=4 << 20)


def put(folder: Path, data: bytes, name: str = "model.pb") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


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


# --- damage


def test_a_wrong_checksum_names_the_member(tmp_path: Path) -> None:
    for method, packed in ((0, None), (8, deflated(MLP))):
        made = Zip()
        made.add("in/m.pb", MLP, method=method, packed=packed, crc=7)
        path = put(tmp_path, made.bytes())
        with pytest.raises(FormatError, match="CRC-32") as caught:
            load(f"{path}/in/m.pb")
        assert caught.value.where == f"{path}/in/m.pb"
    broken = bytearray(gzip.compress(MLP))
    broken[-5] ^= 1
    with pytest.raises(FormatError, match="CRC"):
        load(put(tmp_path, bytes(broken)))


def test_an_archive_of_nothing_holds_nothing(tmp_path: Path) -> None:
    for members in ({}, {"a/": b""}):
        with pytest.raises(FormatError, match="zip archive without a model; it holds nothing"):
            load(put(tmp_path, zipped(members)))


def test_a_compressed_file_that_ends_early_is_told_with_its_bytes(tmp_path: Path) -> None:
    for packed in (gzip.compress(MLP), bz2.compress(MLP), lzma.compress(MLP)):
        half = packed[: len(packed) // 2]
        with pytest.raises(FormatError, match=f"ends early: all of its {len(half):,} bytes"):
            load(put(tmp_path, half))


def test_a_member_of_another_size_than_stated_is_told(tmp_path: Path) -> None:
    for size in (len(MLP) - 1, len(MLP) + 1):
        made = Zip()
        made.add("m.pb", MLP, method=8, packed=deflated(MLP), size=size)
        with pytest.raises(FormatError, match=r"decompress|checksum"):
            load(put(tmp_path, made.bytes()) / "m.pb")
        made = Zip()
        made.add("m.pb", MLP, size=size)
        with pytest.raises(FormatError, match="said to be of"):
            load(put(tmp_path, made.bytes()) / "m.pb")


def test_an_encrypted_member_is_called_so(tmp_path: Path) -> None:
    made = Zip()
    made.add("m.pb", MLP, flags=1)
    with pytest.raises(UnsupportedFormat, match="is encrypted"):
        load(put(tmp_path, made.bytes()))


def test_an_unknown_method_is_named(tmp_path: Path) -> None:
    made = Zip()
    made.add("m.pb", MLP, method=9)
    with pytest.raises(UnsupportedFormat, match="method 9"):
        load(put(tmp_path, made.bytes()))


def test_zip64_is_read(tmp_path: Path) -> None:
    path = tmp_path / "z"
    with zipfile.ZipFile(path, "w") as file, file.open("in/m.pb", "w", force_zip64=True) as member:
        member.write(MLP)
    assert load(path).source.bytes == len(MLP)


def test_a_truncated_tar_gives_what_is_whole(tmp_path: Path) -> None:
    data = tarred({"a.pb": MLP, "b.pb": MLP * 3})
    path = put(tmp_path, data[: 512 + 2048 + 512 + 100])
    model = load(f"{path}/a.pb")
    assert model.source.bytes == len(MLP)
    assert "not listed to its end" in model.warnings[0]
    with pytest.raises(FormatError, match="bytes from byte"):
        load(f"{path}/b.pb")


def test_damage_between_tar_members_is_told(tmp_path: Path) -> None:
    data = bytearray(tarred({"a.pb": MLP, "b.pb": MLP}))
    data[512 + 2048 + 20] ^= 255
    model = load(put(tmp_path, bytes(data)))
    assert "starts no entry" in model.warnings[0]


def test_a_tar_header_of_gigabytes_is_refused(tmp_path: Path) -> None:
    """Long names and extended headers are read whole by tarfile."""
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("long")
        info.type, info.size = kind, 3 << 30
        path = tmp_path / "t.tar"
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT))
        with open(path, "ab") as file:
            file.truncate(4 << 30)
        with pytest.raises(MigratorError, match="header of"):
            load(path)


def test_entries_that_lead_back_end(tmp_path: Path) -> None:
    """CVE-2025-8194: a negative size made Python's tarfile go round forever."""
    info = tarfile.TarInfo("back")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (256**12 - 512).to_bytes(12, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(MigratorError):
        load(put(tmp_path, bytes(block) * 3 + bytes(1024)))


def test_a_chain_of_long_names_ends(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    entry = info.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")
    outcome_of_file(put(tmp_path, entry * 3000 + bytes(1024)))
    with pytest.raises(FormatError, match="more headers in a row than are followed"):
        load(put(tmp_path, entry * 3000 + bytes(1024)))


def test_global_headers_of_a_tar_are_bounded_together(tmp_path: Path) -> None:
    """Each member's header is given a copy of all their fields."""

    def fields(start: int) -> bytes:
        named = {f"{start + n:x}": "" for n in range(200)}
        return tarfile.TarInfo.create_pax_global_header(named)

    members = b"".join(tarfile.TarInfo(f"a{n}.pb").tobuf() for n in range(300))
    few = put(tmp_path, fields(0) + members + bytes(1024), "few.tar")
    many = put(tmp_path, b"".join(map(fields, range(0, 20_000, 200))) + members, "many.tar")
    with pytest.raises(MigratorError, match="global headers hold more than 256 fields"):
        load(many)
    with pytest.raises(MigratorError) as caught:
        load(few)
    assert "fields" not in str(caught.value)


def test_a_sparse_member_is_told(tmp_path: Path) -> None:
    info = tarfile.TarInfo("m.pb")
    info.type = tarfile.GNUTYPE_SPARSE
    data = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    path = put(tmp_path, bytes(data) + bytes(1024))
    with pytest.raises(MigratorError):
        load(f"{path}/m.pb")


CUT = {
    "zip": zipped({"a/m.pb": MLP, "x": b"text\n"}),
    "stored zip": zipped({"a/m.pb": MLP}, method=zipfile.ZIP_STORED),
    "lzma zip": zipped({"a/m.pb": MLP}, method=zipfile.ZIP_LZMA),
    "tar": tarred({"a/m.pb": MLP}),
    "gzip": gzip.compress(MLP),
    "xz": lzma.compress(MLP),
    "tar.gz": gzip.compress(tarred({"a/m.pb": MLP, "b/x": b"text\n"})),
}


@pytest.mark.parametrize("name", CUT)
def test_every_truncation_is_a_model_or_a_clear_error(name: str, tmp_path: Path) -> None:
    data = CUT[name]
    step = len(data) // 120 | 1
    outcomes: Counter[str] = Counter()
    for length in range(len(data) - 1, 0, -step):
        outcomes[outcome_of_file(put(tmp_path, data[:length]))] += 1
    whole = outcomes["model"]  # of a tar, what is missing at the end may be padding
    assert whole == 0 if name != "tar" else whole < outcomes.total()


@pytest.mark.parametrize("name", CUT)
def test_every_flipped_byte_is_a_model_or_a_clear_error(name: str, tmp_path: Path) -> None:
    data = CUT[name]
    places = {*range(0, len(data), len(data) // 80 | 1), *range(len(data) - 60, len(data))}
    for at in sorted(places):
        for mask in (0xFF, 0x01):
            changed = bytearray(data)
            changed[at] ^= mask
            outcome_of_file(put(tmp_path, bytes(changed)))


def test_a_huge_directory_is_refused(tmp_path: Path) -> None:
    """It states a directory of the size of the file, all of it entries without names."""
    entry = b"PK\x01\x02" + bytes(42)
    count = 250_000
    end = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, 4, 0)
    data = io.BytesIO()
    data.write(b"PK\x03\x04" + entry * count + b"PK\x05\x06" + end)
    before = time.process_time()
    with pytest.raises(LimitError, match="members"):
        load(put(tmp_path, data.getvalue()))
    assert time.process_time() - before < 5


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    path = put(tmp_path, gzip.compress(MLP + bytes(4 << 20)))
    with pytest.raises(MigratorError, match="cannot be decompressed or copied to") as caught:
        load(path)
    assert "TMPDIR" in caught.value.hint


ODD = {
    "7-zip": b"7z\xbc\xaf\x27\x1c",
    "RAR": b"Rar!\x1a\x07\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
    "lz4": b"\x04\x22\x4d\x18",
    "lzip": b"LZIP\x01",
}


@pytest.mark.parametrize("name", ODD)
def test_archives_that_are_not_read_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=name):
        load(put(tmp_path, ODD[name] + bytes(100)))
