"""What ``--scheduler`` may be given that is no scheduler: one clear error, at once or soon."""

from __future__ import annotations

import http.server
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from migrator.errors import MigratorError, UsageError
from tests.batch.clusters import Cluster, needs_distributed, wait_for
from tests.commands import run

pytestmark = needs_distributed
SOON = 0.7


@contextmanager
def web_server() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *told: None  # type: ignore[assignment]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silence() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield server.getsockname()[1]


@contextmanager
def nothing() -> Iterator[int]:
    """A port that takes no connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def dask_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "Dask" in thread.name}


@pytest.mark.parametrize("what", [web_server, silence, nothing])
def test_a_port_where_no_scheduler_is_fails_soon(
    what: Callable[[], AbstractContextManager[int]],
) -> None:
    from migrator.batching.executors.cluster.scheduler import connect

    before = dask_threads()
    started = time.monotonic()
    with what() as port:
        with pytest.raises(MigratorError, match=r"^tcp://127\S+ nothing that is a Dask scheduler"):
            connect(f"tcp://127.0.0.1:{port}", SOON)
        assert time.monotonic() - started < 15.0
    assert dask_threads() <= before


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "--scheduler: nothing that is"),
        ("/etc/passwd", "missing port number"),
        ("tcp://", "not the address of one"),
        ("tcp://host:port", "invalid literal"),
        ("tcp://host:99999", "not the address of one"),
        ("tcp://::1:8786", "ipv6 needs brackets"),
        ("tcp://one://two:1", "not the address of one"),
        ("http://host:8786", "not the address of one"),
        ("no-such-protocol://x", "not the address of one"),
        ("inproc://x", "not the address of one"),
        ("tls://127.0.0.1:9", "TLS is not set up here; Dask's configuration names"),
    ],
)
def test_what_is_no_address_is_one_line_and_exit_code_2_and_writes_nothing(
    address: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    words = ("batch", tmp_path, "--dest", tmp_path / "out", "--scheduler", address)
    found = run(capsys, *words)
    assert (found.code, found.out) == (2, "")
    assert told in found.err
    assert found.err.count("\n") == 1 and "Traceback" not in found.err
    assert not (tmp_path / "out").exists()
    assert time.monotonic() - started < 10.0


def test_the_address_of_a_worker_is_told_as_such(tmp_path: Path) -> None:
    from migrator.batching.executors.cluster.scheduler import connect

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker(1, "--worker-port", port)
        cluster.wait_for_workers()
        with pytest.raises(MigratorError, match="answers: a worker of Dask does"):
            connect(f"tcp://127.0.0.1:{port}", 5.0)


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from migrator.batching.executors.cluster.executor import cluster_executor

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"migrator\[cluster\]"):
        cluster_executor("tcp://127.0.0.1:9")


def test_a_cluster_with_tls_is_reached_as_dask_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that speaks TLS gives no answer to who does not."""
    from migrator.batching.executors.cluster.scheduler import Scheduler, connect

    made = certificate(tmp_path)
    config = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(made)}
    for who in ("SCHEDULER", "WORKER", "CLIENT"):
        config[f"DASK_DISTRIBUTED__COMM__TLS__{who}__CERT"] = str(made)
    with Cluster(tmp_path / "dask", protocol="tls", **config) as cluster:
        cluster.start_worker()
        with pytest.raises(MigratorError, match="nothing that is a Dask scheduler answers"):
            connect(cluster.address.replace("tls", "tcp"), SOON)
        import dask

        top = "distributed.comm.tls"
        with dask.config.set({f"{top}.ca-file": str(made), f"{top}.client.cert": str(made)}):
            found = Scheduler(cluster.address)
            wait_for(lambda: found.look() or found.threads)
            assert [*found.threads.values()] == [1]
            assert found.link.startswith("http://127.0.0.1:")
            found.close()


def certificate(folder: Path) -> Path:
    """A key, and a certificate that it signed itself, in one file."""
    pytest.importorskip("cryptography")
    from datetime import datetime, timedelta, timezone

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
