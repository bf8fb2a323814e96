"""Fixtures of the storage tests: an S3 server with a troublesome proxy, and a bucket in it; and of
the ledger's, a task."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.batching.job.places import OUTCOME
from migrator.batching.storage import stores
from migrator.batching.task import Task
from tests.batch.s3 import Bucket, Proxy, s3_server, troubled
from tests.batch.stores import HASTY, environment
from tests.batch.stubs import tasks

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[int]:
    for package in ("s3fs", "moto", "flask", "flask_cors", "boto3"):
        pytest.importorskip(package)
    with s3_server() as port:
        yield port


@pytest.fixture(scope="session")
def shared_proxy(server: int) -> Iterator[Proxy]:
    with troubled(server) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What s3fs talks to in this test."""
    for key, value in environment(shared_proxy.port).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(stores, "PATIENCE", HASTY)
    shared_proxy.calm()
    yield shared_proxy
    shared_proxy.calm()


@pytest.fixture
def bucket(proxy: Proxy, server: int) -> Bucket:
    """An empty one."""
    return Bucket(f"bucket-{next(_numbers)}", server)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (made,) = tasks(tmp_path / "zoo", tmp_path / "out", "ok")
    folder = Path(made.dest)
    folder.mkdir(parents=True)
    (folder / OUTCOME).touch()
    return made
