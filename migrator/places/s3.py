"""Ranges of one and the same S3 object: another one under its key is refused by the store."""

from __future__ import annotations

from typing import Any

from migrator.places.faults import EXISTS, fault_of
from migrator.places.web import changed

_PART = 1 << 16


def fetch_of(fs: Any, path: str, start: int, end: int, tag: str) -> bytes:
    """The bytes from ``start`` up to ``end`` of what is at ``path`` while its ETag is ``tag``.

    Raises StorageError where it is another one by now, and what s3fs raises.
    """
    from fsspec.asyn import sync

    try:
        found: bytes = sync(fs.loop, _range, fs, path, start, end, tag)
    except OSError as error:
        if fault_of(error).kind == EXISTS:  # 412: the condition does not hold
            raise changed(f"s3://{path}") from None
        raise
    return found


async def _range(fs: Any, path: str, start: int, end: int, tag: str) -> bytes:
    bucket, key, version = fs.split_path(path)
    versioned = {"VersionId": version} if version else {}
    answer = await fs._call_s3(
        "get_object",
        Bucket=bucket,
        Key=key,
        Range=f"bytes={start}-{end - 1}",
        IfMatch=tag,
        **versioned,
    )
    found = bytearray()
    async with answer["Body"] as body:
        while len(found) <= end - start and (part := await body.read(_PART)):
            found += part
    return bytes(found)
