"""A web server on the loopback: with ranges or without, honest or not. It counts."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """To a GET, before it is sent. ``start`` is where the range begins that was asked for."""

    start: int
    status: int
    headers: dict[str, str]
    body: bytes
    then_silent: bool = False
    """The connection stays open, and nothing more comes."""


@dataclass
class Web:
    """``kind``: ``ranges``, ``whole`` (says nothing of ranges and ignores them), ``none`` (says
    that it has none), ``unsized`` (no length, no ranges), ``denied``, ``broken`` (half of each
    answer), ``silent`` (never answers), ``drip`` (a byte now and then)."""

    port: int
    kind: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path, range."""
    pages: set[str] = field(default_factory=set)
    """Those of ``files`` that are told to be HTML."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Where else a path is said to be."""
    sent: int = 0
    before: Callable[[Web, str, str], None] | None = None
    """Called with method and path before each answer."""
    alter: Callable[[Answer], None] | None = None
    """Called with each answer that has a body, before it is sent."""

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    @property
    def gets(self) -> int:
        return sum(method == "GET" for method, _, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web
    stop: threading.Event

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _any(self) -> None:
        web = self.web
        path = self.path.partition("?")[0].lstrip("/")
        span = self.headers.get("Range") or ""
        web.asked.append((self.command, path, span))
        if web.before is not None:
            web.before(web, self.command, path)
        if web.kind == "silent":
            self.stop.wait(20)
            self.close_connection = True
            return
        if path in web.redirects:
            self.send_response(302)
            self.send_header("Location", web.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = web.files.get(path)
        if web.kind == "denied" or data is None:
            self.send_response(403 if web.kind == "denied" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", span)
        size = len(data)
        answer = Answer(start=0, status=200, headers={}, body=data)
        if found and web.kind in ("ranges", "broken"):
            start, end = int(found[1]), min(int(found[2]) + 1, size)
            head = {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
            answer = Answer(start=start, status=206, headers=head, body=data[start:end])
        if web.kind == "none":
            answer.headers["Accept-Ranges"] = "none"
        if path in web.pages:
            answer.headers["Content-Type"] = "text/html; charset=utf-8"
        answer.headers["ETag"] = f'"{hash(web.files[path])}"'
        if web.kind == "unsized":
            self.close_connection = True
        else:
            answer.headers["Content-Length"] = str(len(answer.body))
        if web.alter is not None and self.command == "GET":
            web.alter(answer)
        data = answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if web.kind == "broken":
            data = data[: len(data) // 2]
            self.close_connection = True
        try:
            if web.kind == "drip":
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    if self.stop.wait(0.1):
                        break
                self.close_connection = True
                return
            self.wfile.write(data)
            web.sent += len(data)
            if answer.then_silent:
                self.wfile.flush()
                self.stop.wait(20)
                self.close_connection = True
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = _any


@contextmanager
def web_server(kind: str = "ranges") -> Iterator[Web]:
    stop = threading.Event()
    handler = type("Handler", (_Handler,), {"stop": stop})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    web = Web(port=server.server_address[1], kind=kind)
    handler.web = web  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
