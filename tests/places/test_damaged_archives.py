"""Damaged and odd archives: cut, changed, of another size than stated, or of a kind not read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from migrator.errors import FormatError, LimitError, MigratorError, UnsupportedFormat
from migrator.formats.load import load
from tests.corpus import FIXTURES, sample
from tests.fuzz.survive import outcome_of_file
from tests.places.packs import Zip, deflated, put, tarred, tree, zipped

MLP = sample("tf1.15.5/mlp").path.read_bytes()


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


def test_a_damaged_graph_beside_an_old_checkpoint_is_told(tmp_path: Path) -> None:
    """The checkpoint alone is a model, too, and not the one that was packed."""
    folder = FIXTURES / "tf1.15.5/mg_version_1/trained"
    members = tree(folder, "m")
    members["m/model.ckpt-10.meta"] = members["m/model.ckpt-10.meta"][:20_000]
    path = tmp_path / "m.zip"
    path.write_bytes(zipped(members))
    model = load(path)
    assert model.source.format == "checkpoint"
    (warning,) = model.warnings
    assert "an entry cannot be read: 'm/model.ckpt-10.meta' (is neither" in warning


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
