"""Fixtures: little patience, a bucket behind a real S3 server, an empty memory store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrator.places import remote
from tests.batch.conftest import bucket, proxy, server, shared_proxy
from tests.batch.stores import HASTY

__all__ = ["bucket", "hasty", "memory", "proxy", "server", "shared_proxy"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE", HASTY)


@pytest.fixture
def memory() -> Iterator[dict[str, bytes]]:
    """What to put there is given to ``pipe`` of the file system."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()
