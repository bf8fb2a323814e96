"""The parts of a table: checksums, snappy blocks, prefix-compressed entries."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.errors import FormatError, LimitError
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.formats.checkpoint.regions import slice_key
from migrator.formats.checkpoint.snappy import decompress
from migrator.formats.checkpoint.table import read_table
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.source import ByteSource
from tests import tables, wire

COMPRESSIONS = [None, tables.snappy, tables.snappy_literal]


def test_checksums_have_the_published_values() -> None:
    """Of RFC 3720, appendix B.4, and the usual check value."""
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert masked(0) == 0xA282EAD8


@pytest.mark.parametrize("size", [32768, 32769, 40001, 100_003, (1 << 20) + 1, (4 << 20) + 7])
def test_long_strings_have_the_checksum_that_a_plain_loop_gives(size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    assert crc32c(data[:size]) == tables.crc(data[:size])


@given(st.lists(st.integers(0, 90_000), min_size=1, max_size=3), st.randoms())
@settings(max_examples=20)
def test_a_checksum_goes_on_from_the_one_before(sizes: list[int], random: object) -> None:
    data = bytes(index * 7 % 256 for index in range(sum(sizes)))
    value = start = 0
    for size in sizes:
        value = crc32c(memoryview(data)[start : start + size], value)
        start += size
    assert value == crc32c(data)


@given(
    st.one_of(
        st.binary(max_size=400),
        st.lists(st.sampled_from([b"abcd", b"kernel/", b"x" * 70, b"\0"]), max_size=60).map(
            b"".join
        ),
    ),
    st.sampled_from([tables.snappy, tables.snappy_literal]),
)
def test_snappy_gives_back_what_was_compressed(data: bytes, compress: object) -> None:
    assert callable(compress)
    assert decompress(compress(data)) == data


def test_snappy_repeats_what_it_is_just_making() -> None:
    data = wire.varint(3 + 60) + tables.literal(b"abc") + tables.copy(3, 60, 2)
    assert decompress(data) == b"abc" * 21
    far = bytes(range(256)) * 300
    data = wire.varint(len(far) + 9) + tables.literal(far) + tables.copy(70_000, 9, 3)
    assert decompress(data) == far + far[-70_000:][:9]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 5,
        b"\x05",
        b"\x05" + tables.literal(b"abcd"),
        b"\x03" + tables.literal(b"abcd"),
        b"\x04\x0cabc",
        b"\x04\xf0",
        b"\x08" + tables.literal(b"abcd") + tables.copy(5, 4, 1),
        b"\x08" + tables.literal(b"abcd") + tables.copy(0, 4, 2),
        b"\x08" + tables.literal(b"abcd") + b"\x0e\x01",
        wire.varint(1 << 31) + tables.literal(b"abcd"),
    ],
)
def test_snappy_that_is_broken_is_an_error(data: bytes) -> None:
    with pytest.raises(FormatError, match="snappy"):
        decompress(data)


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_any_bytes_as_snappy_are_a_string_or_an_error(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        assert len(decompress(data)) <= 22 * len(data)


KEYS = st.dictionaries(
    st.one_of(
        st.binary(max_size=12),
        st.lists(st.sampled_from([b"layer/", b"kernel", b"\0", b"\xff"]), max_size=30).map(
            b"".join
        ),
    ),
    st.binary(max_size=200),
    max_size=30,
)


@given(KEYS, st.integers(1, 9), st.integers(1, 5), st.sampled_from(COMPRESSIONS))
def test_a_table_gives_back_what_was_written(
    content: dict[bytes, bytes], in_block: int, restart: int, compression: tables.Compression
) -> None:
    data = tables.table(
        content.items(), in_block=in_block, restart=restart, compression=compression
    )
    found = list(read_table(ByteSource.of_bytes(data), DEFAULT_LIMITS))
    assert found == sorted(content.items())


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[tuple[bytes, bytes]]:
    return list(read_table(ByteSource.of_bytes(data, name="t.index"), limits))


def test_a_flipped_bit_in_a_block_is_a_checksum_that_does_not_fit() -> None:
    data = bytearray(tables.table([(b"a", b"value"), (b"b", b"other")]))
    data[6] ^= 1
    with pytest.raises(FormatError, match=r"checksum is [0-9a-f]{8}, the file says") as caught:
        read(bytes(data))
    assert "t.index" in caught.value.where and "byte 0" in caught.value.where


def test_one_block_read_again_and_again_is_refused() -> None:
    """A small file could otherwise claim any number of entries."""
    block = tables.stored_block(tables.entries_block([(b"a", b"1")]))
    handle = wire.varint(0) + wire.varint(len(block) - 5)
    handles = [(bytes([97 + n]), handle) for n in range(9)]
    index = tables.stored_block(tables.entries_block(handles, 1))
    footer = handle + wire.varint(len(block)) + wire.varint(len(index) - 5)
    with pytest.raises(FormatError, match="starts before byte"):
        read(block + index + footer.ljust(40, b"\0") + tables.MAGIC)


def test_keys_out_of_order_are_refused() -> None:
    block = tables.stored_block(tables.entries_block([(b"b", b""), (b"a", b"")]))
    index = tables.stored_block(
        tables.entries_block([(b"c", wire.varint(0) + wire.varint(len(block) - 5))])
    )
    footer = b"\0\0" + wire.varint(len(block)) + wire.varint(len(index) - 5)
    with pytest.raises(FormatError, match="out of order at b'a'"):
        read(block + index + footer.ljust(40, b"\0") + tables.MAGIC)


def test_keys_that_grow_by_their_prefix_stay_under_the_limit() -> None:
    """Three bytes of file can stand for a key as long as the one before."""
    content = [(b"k" * 5000 + b"%05d" % n, b"") for n in range(2000)]
    data = tables.table(content, restart=10_000)
    assert len(data) < 50_000
    with pytest.raises(LimitError, match="keys take more"):
        read(data, Limits(skeleton_bytes=1 << 20))
    assert len(read(data)) == 2000


def test_keys_take_no_more_memory_than_some_times_the_file() -> None:
    """Text outside of the basic plane takes four bytes a character."""

    def data(begin: str) -> bytes:
        content = [(begin.encode() + b"%05d" % n, b"") for n in range(800)]
        return tables.table(content, restart=10_000)

    assert len(list(read(data("k" * 8_000)))) == 800
    with pytest.raises(LimitError, match="far more than the file"):
        read(data("k" * 8_000 + "\N{GRINNING FACE}"))


def test_a_compression_that_nobody_knows_is_named() -> None:
    body = tables.entries_block([(b"a", b"1")]) + b"\2"
    block = body + tables.masked(body).to_bytes(4, "little")
    index = tables.stored_block(
        tables.entries_block([(b"b", wire.varint(0) + wire.varint(len(block) - 5))])
    )
    footer = b"\0\0" + wire.varint(len(block)) + wire.varint(len(index) - 5)
    with pytest.raises(FormatError, match=r"unknown way \(2\)"):
        read(block + index + footer.ljust(40, b"\0") + tables.MAGIC)


EXTENT = st.one_of(
    st.none(),
    st.tuples(
        st.integers(0, 1 << 40) | st.integers(0, 200), st.integers(0, 1 << 62) | st.integers(0, 130)
    ),
)


@given(st.binary(max_size=12), st.lists(EXTENT, max_size=6))
@settings(max_examples=300)
def test_slice_keys_are_written_as_the_other_writer_writes_them(
    name: bytes, extents: list[tables.Extent]
) -> None:
    ours = tuple((0, None) if extent is None else extent for extent in extents)
    assert slice_key(name, ours) == tables.slice_key(name, extents)
