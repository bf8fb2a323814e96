"""Damaged and hostile checkpoints: a checkpoint or one clear error, in bounded time."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.errors import FormatError, LimitError, MigratorError, UnsupportedFormat
from migrator.formats.checkpoint import Checkpoint, open_checkpoint
from migrator.formats.load import load
from migrator.inspection.weights import weights
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.source import ByteSource
from migrator.report.weight_files.saving import save_weights
from tests import strategies, tables, wire
from tests.corpus import FIXTURES
from tests.fuzz.survive import assert_clear, outcome_of_bytes, outcome_of_file

INDEXES = sorted(FIXTURES.glob("*/*/saved_model/variables/variables.index"))


def ramp(count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.arange(count, dtype=np.float32)


def small(**how: object) -> bytes:
    """An index with slices, several blocks and snappy."""
    writer = tables.Writer()
    writer.add("a/kernel", ramp(6).reshape(2, 3))
    writer.add_slices("b", ramp(4), [[(0, 1)], [(1, 3)]])
    content = [(b"", tables.header()), *writer.entries.items()]
    return tables.table(content, in_block=2, compression=tables.snappy)


def opened(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Checkpoint:
    return Checkpoint(ByteSource.of_bytes(data, name="/nowhere/m.index"), limits)


def outcome(data: bytes) -> str:
    """Open it, and ask for everything; ``checkpoint`` or the class of the error."""
    try:
        checkpoint = opened(data)
    except MigratorError as error:
        assert_clear(error)
        return type(error).__name__
    for key, tensor in checkpoint.tensors.items():
        for ask in (tensor.place, tensor.numpy, lambda key=key: checkpoint.verify([key])):
            try:
                ask()
            except MigratorError as error:
                assert_clear(error)
    return "checkpoint"


@pytest.mark.parametrize("file", INDEXES, ids=lambda path: "/".join(path.parts[-5:-3]))
def test_every_truncation_of_an_index_is_an_error(file: Path) -> None:
    data = file.read_bytes()
    step = 1 if len(data) < 1500 else 7
    for length in range(0, len(data), step):
        with pytest.raises(FormatError, match="does not end as a checkpoint's table"):
            opened(data[:length])


@pytest.mark.parametrize("file", INDEXES[::4], ids=lambda path: "/".join(path.parts[-5:-3]))
def test_any_changed_byte_is_found_by_a_checksum_or_is_in_the_footer(file: Path) -> None:
    """The unused block of meta data has none that anyone looks at."""
    data = bytearray(file.read_bytes())
    outcomes: Counter[str] = Counter()
    for place in range(len(data)):
        data[place] ^= 0x55
        outcomes[outcome(bytes(data))] += 1
        data[place] ^= 0x55
    assert outcomes["FormatError"] > len(data) - 90
    assert outcomes["checkpoint"] < 90


@settings(max_examples=150)
@given(changes=strategies.raw_mutations(6))
def test_mutations_that_keep_their_checksums(
    changes: list[tuple[str, float, float, bytes]],
) -> None:
    """What an attacker sends: the checksum fits whatever was changed."""
    header = (b"", tables.header())
    slices = tables.Writer()
    slices.add("a/kernel", ramp(6).reshape(2, 3))
    slices.add_slices("b", ramp(4), [[(0, 1)], [(1, 3)]])
    block = tables.entries_block([header, *sorted(slices.entries.items())])
    for change in changes:
        block = strategies.mutated(block, *change) or b"\0"
    stored = tables.stored_block(block)
    handle = wire.varint(0) + wire.varint(len(block))
    handles = tables.entries_block([(b"z", handle)])
    footer = handle + wire.varint(len(stored)) + wire.varint(len(handles))
    data = stored + tables.stored_block(handles) + footer.ljust(40, b"\0") + tables.MAGIC
    outcome(data)
    outcome_of_bytes(data)


@settings(max_examples=150)
@given(st.binary(max_size=120))
def test_any_bytes_before_a_footer(data: bytes) -> None:
    outcome(data + tables.MAGIC)
    outcome(tables.table([(b"", tables.header()), (b"w", data)]))
    outcome(tables.table([(b"", data)]))


@settings(max_examples=60)
@given(changes=strategies.raw_mutations(4))
def test_mutations_of_a_whole_index(changes: list[tuple[str, float, float, bytes]]) -> None:
    data = small()
    for change in changes:
        data = strategies.mutated(data, *change) or b"\0"
    outcome(data)
    outcome_of_bytes(data)


def index(*entries: tuple[bytes, bytes], header: bytes | None = None) -> bytes:
    return tables.table([(b"", header if header is not None else tables.header()), *entries])


FLOAT = wire.FLOAT
REFUSED = {
    "no header": (tables.table([(b"w", b"")]), FormatError, "no header"),
    "nothing": (tables.table([]), FormatError, "no header"),
    "no shards": (index(header=tables.header(0)), FormatError, "claims 0 shards"),
    "too many shards": (index(header=tables.header(1 << 30)), FormatError, "shards"),
    "big-endian": (index(header=tables.header(endianness=1)), UnsupportedFormat, "big-endian"),
    "of the future": (
        index(header=tables.header(version=b"\x08\x09\x10\x09")),
        UnsupportedFormat,
        "version 9",
    ),
    "version 1 of the future": (
        tables.table([(b"", wire.block(1, wire.block(2, b"\x08\x09\x10\x09")))]),
        UnsupportedFormat,
        "version 9",
    ),
    "header of noise": (index(header=b"\x08"), FormatError, "header is not well-formed"),
    "entry of noise": (index((b"w", b"\xff\xff")), FormatError, "not a well-formed"),
    "shard out of range": (index((b"w", tables.entry(1, (2,), shard=1))), FormatError, "shard 1"),
    "negative offset": (index((b"w", tables.entry(1, (), offset=-4))), FormatError, "byte -4"),
    "unknown size": (index((b"w", tables.entry(1, (-1,)))), FormatError, "no full shape"),
    "slice missing": (
        index((b"w", tables.entry(1, (4,), slices=[[(0, 4)]]))),
        FormatError,
        "0,4 is not there",
    ),
    "slice of another type": (
        index(
            (b"w", tables.entry(1, (4,), slices=[[(0, 4)]])),
            (tables.slice_key(b"w", [(0, 4)]), tables.entry(3, (4,))),
        ),
        FormatError,
        "of another kind",
    ),
    "slice twice": (
        index(
            (b"w", tables.entry(1, (4,), slices=[[(0, 4)], [(0, 4)]])),
            (tables.slice_key(b"w", [(0, 4)]), tables.entry(1, (4,))),
        ),
        FormatError,
        "listed twice",
    ),
}


@pytest.mark.parametrize(("data", "kind", "words"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_opened_says_why(data: bytes, kind: type[MigratorError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        opened(data)
    assert caught.value.where.startswith("/nowhere/m.index")
    assert type(caught.value) is kind


def checkpoint_of(entries: list[tuple[bytes, bytes]], tmp_path: Path, data: bytes) -> Checkpoint:
    (tmp_path / "m.index").write_bytes(index(*entries))
    tables.shard_file(tmp_path / "m").write_bytes(data)
    return open_checkpoint(tmp_path / "m")


def sliced(
    slices: list[list[tables.Extent]], shapes: list[tuple[int, ...]]
) -> list[tuple[bytes, bytes]]:
    parts = [
        (tables.slice_key(b"w", extents), tables.entry(FLOAT, shape, size=4 * int(np.prod(shape))))
        for extents, shape in zip(slices, shapes, strict=True)
    ]
    return [(b"w", tables.entry(FLOAT, (4, 2), slices=slices)), *parts]


UNSOUND = {
    "size": ([(b"w", tables.entry(FLOAT, (4,), size=12))], "states 12 bytes.*takes 16"),
    "huge": ([(b"w", tables.entry(FLOAT, (1 << 62, 8), size=8))], "no tensor has the shape"),
    "gap": (sliced([[(0, 2), None], [(3, 1), None]], [(2, 2), (1, 2)]), "hold 6 elements"),
    "overlap": (sliced([[(0, 3), None], [(2, 2), None]], [(3, 2), (2, 2)]), "hold 10 elements"),
    "overlap and gap": (
        sliced(
            [[(0, 2), None], [(1, 2), (0, 1)], [(3, 1), (0, 1)], [(3, 1), (1, 1)]],
            [(2, 2), (2, 1), (1, 1), (1, 1)],
        ),
        "overlap",
    ),
    "too far": (sliced([[(0, 3), None], [(3, 3), None]], [(3, 2), (3, 2)]), r"slice .3, 6."),
    "other shape": (sliced([[(0, 2), None], [(2, 2), None]], [(2, 2), (2, 1)]), "stored with"),
    "other rank": (sliced([[(0, 4)]], [(4,)]), "1 dimensions of a tensor of 2"),
    "strings": ([(b"w", tables.entry(wire.STRING, (4,), size=5))], "hold no strings"),
    "string lengths": ([(b"w", tables.entry(wire.STRING, (2,), size=40))], "strings take"),
}


@pytest.mark.parametrize(("entries", "words"), UNSOUND.values(), ids=list(UNSOUND))
def test_tensors_that_do_not_fit_say_so_when_asked_for(
    entries: list[tuple[bytes, bytes]], words: str, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(entries, tmp_path, bytes(200))
    with pytest.raises(FormatError, match=words) as caught:
        checkpoint.tensors["w"].numpy()
    assert "'w'" in caught.value.where


def test_a_string_whose_length_never_ends(tmp_path: Path) -> None:
    entries = [(b"w", tables.entry(wire.STRING, (2,), size=60))]
    with pytest.raises(FormatError, match=r"length of string 0 is broken \(byte \d+\)"):
        checkpoint_of(entries, tmp_path, b"\xff" * 60).tensors["w"].numpy()


def test_strings_whose_lengths_were_changed(tmp_path: Path) -> None:
    body, checksum = tables.string_bytes([b"abc", b"defg"])
    entries = [
        (b"w", tables.entry(wire.STRING, (2,), size=len(body), checksum=checksum)),
    ]
    changed = b"\x04\x03" + body[2:]
    with pytest.raises(FormatError, match="lengths of its strings have checksum"):
        checkpoint_of(entries, tmp_path, changed).tensors["w"].numpy()
    swapped = body[:-1] + b"x"
    checkpoint = checkpoint_of(entries, tmp_path, swapped)
    for ask in (checkpoint.tensors["w"].numpy, checkpoint.verify):
        with pytest.raises(FormatError, match="the index says"):
            ask()


def written(path: Path) -> Path:
    writer = tables.Writer(shards=2)
    writer.add("first", ramp(100), 0)
    writer.add("second", ramp(50), 1)
    return writer.write(path / "model.ckpt-1")


def test_a_missing_shard_is_named_when_it_is_needed(tmp_path: Path) -> None:
    prefix = written(tmp_path)
    tables.shard_file(prefix, 1, 2).unlink()
    checkpoint = open_checkpoint(prefix)
    assert checkpoint.warnings() == ("1 of 2 shards missing: model.ckpt-1.data-00001-of-00002",)
    assert checkpoint.tensors["first"].numpy()[99] == 99
    for ask in (
        checkpoint.tensors["second"].numpy,
        checkpoint.tensors["second"].place,
        checkpoint.check,
        checkpoint.verify,
    ):
        with pytest.raises(MigratorError, match="shard 2 of 2 is missing") as caught:
            ask()
        assert caught.value.where == str(tables.shard_file(prefix, 1, 2))
    checkpoint.check(["first"])


def test_a_short_shard_names_file_key_and_bytes(tmp_path: Path) -> None:
    prefix = written(tmp_path)
    os.truncate(tables.shard_file(prefix, 1, 2), 150)
    checkpoint = open_checkpoint(prefix)
    with pytest.raises(FormatError) as caught:
        checkpoint.tensors["second"].place()
    assert str(caught.value) == (
        f"{prefix}.data-00001-of-00002: ends at byte 150; 'second' takes 200 bytes from byte 0 "
        "to 200; is the file truncated?"
    )
    with pytest.raises(FormatError, match="ends at byte 150"):
        checkpoint.check()


def test_a_changed_byte_in_a_shard_is_found_when_it_is_read(tmp_path: Path) -> None:
    prefix = written(tmp_path)
    shard = tables.shard_file(prefix, 0, 2)
    data = bytearray(shard.read_bytes())
    data[8] ^= 1
    shard.write_bytes(bytes(data))
    checkpoint = open_checkpoint(prefix)
    checkpoint.check()
    assert checkpoint.verify(["second"]) == 200
    broken = checkpoint.tensors["first"]
    for ask in (checkpoint.verify, broken.numpy, broken.verify):
        with pytest.raises(FormatError, match=r"have checksum [0-9a-f]{8}, the index") as caught:
            ask()
        assert caught.value.where == f"{shard}: 'first'"


def test_weights_of_a_wrong_checksum_are_not_saved(tmp_path: Path) -> None:
    writer = tables.Writer()
    writer.add("good", ramp(100))
    writer.add("bad", ramp(50))
    writer.add("worse", np.array([b"one", b"two"], dtype=object))
    prefix = writer.write(tmp_path / "model.ckpt-1")
    shard = tables.shard_file(prefix, 0, 1)
    data = bytearray(shard.read_bytes())
    data[420] ^= 1
    data[-2] ^= 1
    shard.write_bytes(bytes(data))
    result = save_weights(weights(load(prefix)).items(), tmp_path / "w.npz")
    assert result.names == ("good",)
    assert [name for name, _ in result.unreadable] == ["bad", "worse"]
    assert all("have checksum" in why for _, why in result.unreadable)


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(MigratorError, match=r"\.index file is missing") as caught:
        open_checkpoint(tmp_path / "model.ckpt-1")
    assert caught.value.where == str(tmp_path / "model.ckpt-1.index")


def test_a_shard_that_is_a_pipe_does_not_hang(tmp_path: Path) -> None:
    prefix = written(tmp_path)
    shard = tables.shard_file(prefix, 0, 2)
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(MigratorError):
        open_checkpoint(prefix).tensors["first"].numpy()


def test_limits_bound_entries_and_tensors(tmp_path: Path) -> None:
    many = [(b"%06d" % n, tables.entry(FLOAT, ())) for n in range(9000)]
    with pytest.raises(LimitError, match="variables"):
        opened(index(*many), Limits(variables=5000))
    prefix = written(tmp_path)
    checkpoint = open_checkpoint(prefix, Limits(tensor_bytes=300))
    assert checkpoint.tensors["second"].numpy().size == 50
    with pytest.raises(LimitError, match="400 bytes"):
        checkpoint.tensors["first"].numpy()


def test_a_tiny_file_cannot_claim_a_huge_tensor(tmp_path: Path) -> None:
    """What it takes must lie in the shard before any memory is asked for."""
    size = 1 << 34
    entries = [(b"w", tables.entry(FLOAT, (size // 4,), size=size))]
    with pytest.raises(FormatError, match="is the file truncated"):
        checkpoint_of(entries, tmp_path, bytes(100)).tensors["w"].numpy()


def test_odd_names_are_read_and_shown_harmlessly(tmp_path: Path) -> None:
    writer = tables.Writer()
    names = [b"\xff\xfe", b"a\nb", b"\x1b[31m", "\u202e".encode(), b"x" * 5000]
    for name in names:
        writer.add(name, ramp(3))
    prefix = writer.write(tmp_path / "m")
    assert outcome_of_file(f"{prefix}.index") == "model"
    checkpoint = open_checkpoint(prefix)
    for tensor in checkpoint.tensors.values():
        assert tensor.numpy().tolist() == [0, 1, 2]
    assert [key.encode("utf-8", "surrogateescape") for key in checkpoint.tensors] == sorted(names)


def test_a_damaged_index_fails_through_load_too(tmp_path: Path) -> None:
    path = tmp_path / "m.index"
    data = small()
    path.write_bytes(data)
    assert load(path).source.format == "checkpoint"
    for length in range(len(data) - 1, 0, -17):
        path.write_bytes(data[:length])
        with pytest.raises(MigratorError) as caught:
            load(path)
        assert_clear(caught.value)
