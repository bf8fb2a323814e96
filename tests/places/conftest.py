"""Fixtures: little patience, a bucket behind a real S3 server, an empty memory store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from migrator.places import remote
from tests.batch.conftest import bucket, proxy, server, shared_proxy
from tests.batch.stores import HASTY

__all__ = ["bucket", "hasty", "memory", "own_server", "proxy", "server", "shared_proxy"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE", HASTY)


@pytest.fixture(autouse=True)
def own_server(request: pytest.FixtureRequest) -> Iterator[None]:
    """The server here is not that of the batch tests, and s3fs keeps whom it spoke to."""
    if "bucket" not in request.fixturenames:
        yield
        return
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def memory() -> Iterator[Any]:
    """The file system of ``memory://``."""
    store = pytest.importorskip("fsspec").filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()
