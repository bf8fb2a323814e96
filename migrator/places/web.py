"""Ranges of what a web server has. It may say anything: what it sends is held against that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from migrator.errors import FormatError, StorageError
from migrator.places.addresses import shown
from migrator.places.faults import REFUSED

TAGS = ("ETag", "Last-Modified")
"""What changes with the content, of the one and the same URL."""
_RANGE = re.compile(r"\s*bytes\s+(\d{1,19})-(\d{1,19})/(\d{1,19}|\*)\s*", re.IGNORECASE)
_PART = 1 << 16
_ANSWERS = 128
"""So many make a range at most."""
_PLAIN = ("", "identity")


def fetch_range(fs: Any, url: str, start: int, end: int, told: Mapping[str, Any]) -> bytes:
    """The bytes of ``url`` from ``start`` up to ``end``, fewer where it ends before.

    ``told`` is what the server said of it at first: ``size`` and what is in ``TAGS``. Never takes
    more than was asked for, whatever is sent.

    Raises StorageError, of kind ``refused`` where the server gives no ranges, FormatError for
    another file than the one that it told of, and what aiohttp raises.
    """
    from fsspec.asyn import sync

    found = bytearray()
    for _ in range(_ANSWERS):  # a server may send less than it was asked for (RFC 9110, 15.3.7)
        part: bytes = sync(fs.loop, _range, fs, url, start + len(found), end, told)
        found += part
        if not part or len(found) >= end - start:
            break
    return bytes(found)


async def _range(fs: Any, url: str, start: int, end: int, told: Mapping[str, Any]) -> bytes:
    session = await fs.set_session()
    options = dict(fs.kwargs)
    headers = {
        **options.pop("headers", {}),
        "Range": f"bytes={start}-{end - 1}",
        "Accept-Encoding": "identity",  # a range of something compressed is of no use
    }
    async with session.get(fs.encode_url(url), headers=headers, **options) as answer:
        if answer.status == 416:
            return b""
        answer.raise_for_status()
        _check_same(answer.headers, url, told)
        if answer.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
            raise _no_ranges(url, "sends what it has compressed")
        if answer.status == 206:
            _check_range(answer.headers.get("Content-Range", ""), url, start, end, told)
        elif start:
            raise _no_ranges(url, f"answers {answer.status} where a range is asked for")
        elif answer.content_length not in (None, told["size"]):
            raise changed(url)
        found = bytearray()
        async for part in answer.content.iter_chunked(_PART):
            found += part
            if len(found) + (answer.status != 206) > end - start:  # of a range one more tells all
                break
        if answer.status == 206 and len(found) > end - start:
            raise StorageError(
                f"gave more than the {end - start:,} bytes that were asked for", where=shown(url)
            )
        return bytes(found[: end - start])


def _check_same(headers: Mapping[str, str], url: str, told: Mapping[str, Any]) -> None:
    for tag in TAGS:
        before, now = told.get(tag), headers.get(tag)
        if before and now:
            if strong(before) != strong(now):
                raise changed(url)
            return


def _check_range(said: str, url: str, start: int, end: int, told: Mapping[str, Any]) -> None:
    match = _RANGE.fullmatch(said)
    if match is None:
        raise _no_ranges(url, "does not say which range it sends")
    first, last, size = int(match[1]), int(match[2]), match[3]
    if size != "*" and int(size) != told["size"]:
        if int(size) < told["size"]:
            raise FormatError(
                f"shrank while it was read, from {told['size']:,} to {int(size):,} bytes",
                where=shown(url),
                hint="read it again",
            )
        raise changed(url)
    if first != start or not start <= last < end:
        raise _no_ranges(url, f"sends bytes {first:,} to {last:,} for {start:,} to {end - 1:,}")


def strong(tag: str) -> str:
    """A tag without the mark of a weak one: a server or a cache may put it on one answer, and not
    on the next of the same bytes (RFC 9110, 8.8.3.2)."""
    return tag.removeprefix("W/")


def changed(address: str) -> StorageError:
    return StorageError("was changed while it was read", where=shown(address), hint="read it again")


def _no_ranges(url: str, why: str) -> StorageError:
    return StorageError(f"its server {why}", kind=REFUSED, where=shown(url))
