"""``migrator view`` with the real Model Explorer, in a process of its own.

Tests that use it are skipped where the package is not installed, unless
MIGRATOR_REQUIRE_EXPLORER=1 makes that a failure.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.commands import environment

_PATIENCE = 40.0


def require_explorer() -> None:
    if importlib.util.find_spec("model_explorer") is not None:
        return
    reason = "ai-edge-model-explorer is not installed (pip install 'migrator[view]')"
    if os.environ.get("MIGRATOR_REQUIRE_EXPLORER") == "1":
        pytest.fail(f"MIGRATOR_REQUIRE_EXPLORER=1, but {reason}")
    pytest.skip(reason)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running ``migrator view``."""

    process: subprocess.Popen[str]
    address: str

    @property
    def data(self) -> dict[str, Any]:
        """What the page's address tells it."""
        found: dict[str, Any] = json.loads(parse_qs(urlsplit(self.address).query)["data"][0])
        return found

    def get(self, path: str, **headers: str) -> Any:
        """What the server answers, as JSON."""
        with self.open(path, **headers) as answer:
            return json.load(answer)

    def open(self, path: str, *, post: bytes | None = None, **headers: str) -> Any:
        """The answer. Raises HTTPError for a refusal."""
        parts = urlsplit(self.address)
        request = urllib.request.Request(
            f"{parts.scheme}://{parts.netloc}{path}", data=post, headers=headers
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(request, timeout=20)

    def refuses(self, path: str, *, post: bytes | None = None, **headers: str) -> bool:
        try:
            self.open(path, post=post, **headers).close()
        except urllib.error.HTTPError as error:
            return error.code == 403
        return False

    def stop(self, number: int = signal.SIGINT) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def view(
    *words: str | Path, cwd: Path, answering: bool = True, browser: bool = False, **env: str
) -> Iterator[Served]:
    """``migrator view`` on a free port, ready to answer unless ``answering`` is not asked for."""
    require_explorer()
    with socket.socket() as one:  # not the first from 8080 on: tests beside this one take those
        one.bind(("localhost", 0))
        port = one.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "migrator", "view", "--port", str(port)),
            *([] if browser else ["--no-browser"]),
            *map(str, words),
        ],
        cwd=cwd,
        env=environment({"PYTHONUNBUFFERED": "1", **env}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        address = wait_for(lambda: _address(lines, process))
        served = Served(process=process, address=address)
        if answering:
            wait_for(lambda: _answers(served))
        yield served
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def wait_for(found: Callable[[], Any]) -> Any:
    """The first answer that is true. Fails after a while."""
    end = time.monotonic() + _PATIENCE
    while True:
        if answer := found():
            return answer
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def _address(lines: list[str], process: subprocess.Popen[str]) -> str:
    match = re.search(r"http://\S+", "".join(lines))
    assert match or process.poll() is None, "".join(lines)
    return match[0] if match else ""


def _answers(served: Served) -> bool:
    try:
        with served.open("/check_health"):
            return True
    except OSError:
        return False
