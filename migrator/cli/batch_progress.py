"""A batch that goes on: a bar on a terminal, a line now and then in a pipe; standard error."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

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
_GAP = "  "
_WORDS = {
    DONE: ("done", "ready"),
    NEEDS_DECISION: ("need a decision", "needs_you"),
    BLOCKED: ("blocked", "blocked"),
    FAILED: ("failed", "critical"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Some words of the line, and their colour."""

    text: str
    tone: str = ""


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
        models = f"{tally.total:,} model{'s' * (tally.total != 1)}"
        self._line(f"{models}{kept}; {tally.left:,} to do{jobs}")
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
        head = f"{over:,}/{tally.total:,}"
        counts = [
            _Piece(text=f"{count:,} {word}", tone=tone)
            for outcome, (word, tone) in _WORDS.items()
            if (count := tally.counts.get(outcome, 0))
        ]
        if tally.waiting:
            counts.append(_Piece(text=f"{tally.waiting:,} once more"))
        rate = [_Piece(text=_rate(tally.rate))] if tally.rate else []
        left = []
        if tally.remaining is not None and tally.left:
            left = [_Piece(text=f"{duration(tally.remaining)} left")]
        if not self._is_bar:
            return self._drawn_as([_Piece(text=head), *counts, *rate, *left])
        filled = _BAR * over // max(tally.total, 1)
        barred = _Piece(text=f"[{'#' * filled}{' ' * (_BAR - filled)}] {head}")
        first, room = _Piece(text=head), shutil.get_terminal_size().columns - 1
        choices = [
            [barred, *counts, *rate, *left],
            [first, *counts, *rate, *left],
            [first, *counts, *left],
            # What went wrong is told the longest.
            *([first, *counts[gone:], *left] for gone in range(1, len(counts) + 1)),
            [first],
        ]
        # A line that wraps cannot be taken back.
        fits = (found for found in choices if _width(found) <= room)
        return self._drawn_as(next(fits, []))

    def _drawn_as(self, pieces: Sequence[_Piece]) -> str:
        return _GAP.join(paint(item.text, item.tone, self._color) for item in pieces)

    def _line(self, text: str) -> None:
        if not self._quiet:
            sys.stderr.write(f"{_CLEAR if self._is_bar else ''}{text}\n")
            sys.stderr.flush()


def _width(pieces: Sequence[_Piece]) -> int:
    """Columns on the terminal; colours take none."""
    return sum(len(item.text) for item in pieces) + len(_GAP) * max(len(pieces) - 1, 0)


def _rate(models: float) -> str:
    return f"{models:.1f}/s" if models >= 0.1 else f"{models * 60:.1f}/min"
