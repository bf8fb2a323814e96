"""A large file to S3 in parts, each tried again by itself: a fault costs a part, not the file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from migrator.batching.storage.stores import Store, each
from migrator.errors import StorageError

_PART = 16 << 20
_MOST_PARTS = 9_000
"""S3 takes 10,000."""
_AT_A_TIME = 4


def send_in_parts(store: Store, path: str, file: Path) -> None:
    """Upload ``file`` as one object, which is there when its last part is. Raises StorageError."""
    bucket, key, _ = store.fs.split_path(path)
    place = {"Bucket": bucket, "Key": key}
    size = file.stat().st_size
    part = max(_PART, -(-size // _MOST_PARTS))
    upload: dict[str, Any] = store.ask("call_s3", "create_multipart_upload", path=path, **place)
    place["UploadId"] = upload["UploadId"]

    def send(number: int) -> dict[str, Any]:
        with open(file, "rb") as opened:
            opened.seek((number - 1) * part)
            data = opened.read(part)
        told = store.ask("call_s3", "upload_part", path=path, Body=data, PartNumber=number, **place)
        return {"PartNumber": number, "ETag": told["ETag"]}

    try:
        with contextlib.closing(each(send, _numbers(size, part), jobs=_AT_A_TIME)) as sent:
            parts = sorted((found for _, found in sent), key=lambda item: item["PartNumber"])
        whole = {"Parts": parts}
        store.ask("call_s3", "complete_multipart_upload", path=path, MultipartUpload=whole, **place)
    except BaseException:
        with contextlib.suppress(StorageError):  # parts without an end are stored, and paid for
            store.ask("call_s3", "abort_multipart_upload", path=path, **place)
        raise


def _numbers(size: int, part: int) -> Iterator[int]:
    return iter(range(1, -(-size // part) + 1))
