"""A batch that goes on: a bar on a terminal, a line now and then in a pipe; standard error."""

from __future__ import annotations

import os
import shutil
import sys
import time

from migrator.batching.run.events import Tally
from migrator.batching.task import BLOCKED, DONE, FAILED, NEEDS_DECISION, Outcome
from migrator.report.batch_parts import duration
from migrator.report.colors import paint
from migrator.report.escape import shown

_CLEAR = "\r\x1b[2K"
_REDRAWN = 0.2
_EVERY = 10.0
"""Seconds between two lines in a pipe, where no model has failed."""
_BAR = 24
_WORDS = {
    DONE: ("done", "ready"),
    NEEDS_DECISION: ("need a decision", "needs_you"),
    BLOCKED: ("blocked", "blocked"),
    FAILED: ("failed", "critical"),
}


class ShownProgress:
    """A watcher of a run. ``quiet`` says nothing; ``verbose`` names every model."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._is_bar = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not quiet
        self._color = self._is_bar and not os.environ.get("NO_COLOR")
        self._drawn = 0.0
        self._last = ""

    def began(self, tally: Tally) -> None:
        kept = f", {tally.kept:,} in the ledger already" if tally.kept else ""
        jobs = f" with {tally.jobs} job{'s' * (tally.jobs != 1)}" if tally.jobs else ""
        self._line(f"{tally.total:,} models{kept}; {tally.left:,} to do{jobs}")
        self.tick(tally)

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        if self._verbose or outcome.outcome == FAILED:
            self._line(self._about(outcome))
        self.tick(tally)

    def again(self, outcome: Outcome, tally: Tally) -> None:
        if self._verbose:
            self._line(f"{shown(outcome.name)}: {shown(outcome.reason)}; once more, later, alone")

    def tick(self, tally: Tally) -> None:
        now = time.monotonic()
        if self._quiet or now - self._drawn < (_REDRAWN if self._is_bar else _EVERY):
            return
        self._drawn = now
        text = self._state(tally)
        if self._is_bar:
            sys.stderr.write(_CLEAR + text)
            sys.stderr.flush()
        elif text != self._last:
            self._line(text)
        self._last = text

    def over(self, tally: Tally, how: str) -> None:
        if self._is_bar:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def _about(self, outcome: Outcome) -> str:
        word, tone = _WORDS[outcome.outcome]
        detail = outcome.verdict if outcome.outcome == DONE else outcome.reason
        head = paint(word, tone, self._color)
        return f"{shown(outcome.name)}: {head}{', ' if detail else ''}{shown(detail, 300)}"

    def _state(self, tally: Tally) -> str:
        """``[####    ] 120/1,000  100 done  3 failed  3.1/s  4 min 20 s left``."""
        over = tally.kept + tally.ended
        parts = [f"{over:,}/{tally.total:,}"]
        for outcome, (word, tone) in _WORDS.items():
            if count := tally.counts.get(outcome, 0):
                parts.append(paint(f"{count:,} {word}", tone, self._color))
        if tally.waiting:
            parts.append(f"{tally.waiting:,} once more")
        if rate := tally.rate:
            parts.append(f"{rate:.1f}/s" if rate >= 0.1 else f"{rate * 60:.1f}/min")
        if tally.remaining is not None and tally.left:
            parts.append(f"{duration(tally.remaining)} left")
        text = "  ".join(parts)
        if not self._is_bar:
            return text
        filled = _BAR * over // max(tally.total, 1)
        bar = f"[{'#' * filled}{' ' * (_BAR - filled)}] "
        # A line that wraps cannot be taken back.
        wide = shutil.get_terminal_size().columns > len(text) + len(bar)
        return bar + text if wide else "  ".join(parts[:1])

    def _line(self, text: str) -> None:
        if not self._quiet:
            sys.stderr.write(f"{_CLEAR if self._is_bar else ''}{text}\n")
            sys.stderr.flush()
