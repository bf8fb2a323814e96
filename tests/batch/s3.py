"""A real S3 server in a process of its own, and a proxy before it that makes trouble.

Needs s3fs, and moto with flask; both listen on the loopback alone.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{text}</Message>'
    "<RequestId>1</RequestId></Error>"
)


@dataclass
class Trouble:
    """What happens to requests of ``method`` whose path holds ``path``, ``times`` times.

    ``kind``: ``500``, ``503``, ``403``; ``drop`` (no answer, the connection is closed), ``cut``
    (half of the answer), ``late`` (the answer takes ``seconds``), ``trickle`` (a byte at a time),
    ``lost`` (it is carried out, and the answer is lost).
    """

    kind: str
    method: str = ""
    path: str = ""
    times: int = 1
    seconds: float = 0.0
    seen: int = 0


@dataclass
class Proxy:
    """Requests that came through, and the trouble that they meet."""

    port: int
    upstream: int
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path, and range."""
    troubles: list[Trouble] = field(default_factory=list)
    is_down: bool = False
    sent: int = 0
    """Bytes of answers to GET."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def trouble(self, kind: str, **values: Any) -> Trouble:
        found = Trouble(kind, **values)
        self.troubles.append(found)
        return found

    def calm(self) -> None:
        self.troubles.clear()
        self.requests.clear()
        self.is_down = False
        self.sent = 0

    def next_trouble(self, method: str, path: str, span: str) -> Trouble | None:
        with self.lock:
            self.requests.append((method, path, span))
            if self.is_down:
                return Trouble("drop")
            for item in self.troubles:
                if item.times > 0 and item.method in ("", method) and item.path in path:
                    item.times -= 1
                    item.seen += 1
                    return item
        return None

    def asked(self, method: str, path: str = "") -> list[str]:
        """The paths of requests of ``method`` that hold ``path``."""
        return [one for kind, one, _ in self.requests if kind == method and path in one]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        span = self.headers.get("Range") or ""
        trouble = self.proxy.next_trouble(self.command, self.path, span)
        kind = trouble.kind if trouble else ""
        if kind == "drop":
            self.close_connection = True
            self.connection.close()
            return
        if kind.isdigit():
            code = {"500": "InternalError", "503": "SlowDown", "403": "AccessDenied"}[kind]
            data = ERROR.format(code=code, text=f"made up {kind}").encode()
            self._answer(int(kind), {"Content-Type": "application/xml"}, data)
            return
        status, headers, data = self._forward(body)
        if kind == "lost":
            self.close_connection = True
            self.connection.close()
            return
        if trouble is not None and kind == "late":
            time.sleep(trouble.seconds)
        self._answer(status, headers, data, kind)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any

    def _forward(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream, timeout=30)
        try:
            headers = {
                key: value
                for key, value in self.headers.items()
                if key.lower() not in ("expect", "connection")
            }
            upstream.request(self.command, self.path, body=body, headers=headers)
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: Mapping[str, str], data: bytes, kind: str = "") -> None:
        self.send_response_only(status)
        is_head = self.command == "HEAD"
        for key, value in headers.items():
            if key.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(key, value)
        length = next((v for k, v in headers.items() if k.lower() == "content-length"), None)
        self.send_header("Content-Length", length if is_head and length else str(len(data)))
        self.end_headers()
        if is_head:
            return
        if kind == "cut":
            data = data[: len(data) // 2]
            self.close_connection = True
        try:
            if kind == "trickle":
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.2)
            else:
                self.wfile.write(data)
        except OSError:  # who asked has had enough of it
            self.close_connection = True
        if self.command == "GET":
            self.proxy.sent += len(data)


@contextmanager
def s3_server() -> Iterator[int]:
    """The port of a server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@contextmanager
def troubled(upstream: int) -> Iterator[Proxy]:
    """A proxy before the server at port ``upstream``."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    proxy = Proxy(port=server.server_address[1], upstream=upstream)
    handler.proxy = proxy
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class Bucket:
    """A bucket, looked at past the proxy."""

    def __init__(self, name: str, port: int) -> None:
        import boto3

        self.name = name
        self.address = f"s3://{name}"
        self._client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
        self._client.create_bucket(Bucket=name)

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def put_tree(self, folder: Path, key: str) -> None:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(f"{key}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def get(self, key: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def names(self, below: str = "") -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=below
        )
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def uploads(self) -> int:
        """Of files in parts, begun and not ended."""
        found = self._client.list_multipart_uploads(Bucket=self.name)
        return len(found.get("Uploads", ()))

    def drop(self, *keys: str) -> None:
        for key in keys:
            self._client.delete_object(Bucket=self.name, Key=key)
