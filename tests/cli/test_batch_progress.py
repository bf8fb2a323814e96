"""The line of a batch that goes on: what stays of it on a narrow terminal."""

from __future__ import annotations

import re
import sys

import pytest

from migrator.batching.run.events import Tally
from migrator.cli.batch_progress import ShownProgress

COUNTS = {"done": 1200, "needs_decision": 31, "blocked": 7, "failed": 16}
FULL = Tally(total=5000, counts=COUNTS, seconds=600.0, jobs=2)
FEW = Tally(total=19, counts={"done": 8, "failed": 1}, seconds=9.0, jobs=2)


def drawn(
    tally: Tally,
    columns: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, str]:
    """The line on a terminal with colours, as it is written and as it is read."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    ShownProgress().tick(tally)
    written = capsys.readouterr().err.removeprefix("\r\x1b[2K")
    return written, re.sub(r"\x1b\[[\d;]*m", "", written)


@pytest.mark.parametrize(
    ("tally", "columns", "line"),
    [
        (FEW, 80, "[###########             ] 9/19  8 done  1 failed  1.0/s  10 s left"),
        (FEW, 40, "9/19  8 done  1 failed  10 s left"),
        (FEW, 30, "9/19  1 failed  10 s left"),
        (
            FULL,
            120,
            "[######                  ] 1,254/5,000  1,200 done  31 need a decision  7 blocked"
            "  16 failed  2.1/s  29 min 52 s left",
        ),
        (
            FULL,
            80,
            "1,254/5,000  31 need a decision  7 blocked  16 failed  29 min 52 s left",
        ),
        (FULL, 40, "1,254/5,000  29 min 52 s left"),
        (FULL, 20, "1,254/5,000"),
        (FULL, 8, ""),
    ],
)
def test_bar_goes_first_then_the_rate_then_counts(
    tally: Tally,
    columns: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, read = drawn(tally, columns, capsys, monkeypatch)
    assert read == line
    assert len(read) < columns
    assert ("\x1b[" in written) == ("failed" in line)


@pytest.mark.parametrize("columns", range(1, 140))
def test_line_never_wraps(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for tally in (FEW, FULL):
        assert len(drawn(tally, columns, capsys, monkeypatch)[1]) < columns


def test_one_model_is_no_models(capsys: pytest.CaptureFixture[str]) -> None:
    ShownProgress().began(Tally(total=1, jobs=1))
    assert capsys.readouterr().err.startswith("1 model; 1 to do with 1 job\n")
