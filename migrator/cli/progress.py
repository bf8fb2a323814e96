"""Progress on a terminal: one line on standard error that goes away again."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from types import TracebackType

_TICK = 0.25
_CLEAR = "\r\x1b[2K"


class Progress:
    """Shows the stage and its seconds while work goes on; quiet in a pipe and with ``-q``."""

    def __init__(self, args: argparse.Namespace) -> None:
        is_dumb = os.environ.get("TERM") == "dumb"
        self._shows = sys.stderr.isatty() and not is_dumb and not args.quiet
        self._stage = ""
        self._start = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def tell(self, stage: str) -> None:
        """The work has come to ``stage``."""
        self._stage = stage

    def __enter__(self) -> Progress:
        if self._shows:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._shows:
            self._thread.join()
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def _draw(self) -> None:
        while not self._stop.wait(_TICK):
            seconds = time.monotonic() - self._start
            sys.stderr.write(f"{_CLEAR}{self._stage or 'starting'} ... {seconds:.0f} s")
            sys.stderr.flush()
