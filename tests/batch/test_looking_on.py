"""Who looks on costs the batch nothing; words that several modules know are the same."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from migrator.batching import task
from migrator.batching.run import events, prometheus
from migrator.batching.run.batch import BatchResult, run_tasks
from migrator.batching.run.events import EventLog, MetricsFile, Watcher
from migrator.errors import DestinationError, UsageError
from migrator.report import batch_parts
from migrator.verification import result
from tests.batch.stubs import tasks, work
from tests.batch.test_destination import Here


def go(tmp_path: Path, *watchers: Watcher) -> BatchResult:
    made = tasks(tmp_path / "zoo", tmp_path / "out", *(f"ok-{number}" for number in range(5)))
    return run_tasks(made, tmp_path / "out", work=work, executor=Here(), watchers=watchers)


def test_events_that_find_no_room_cost_the_run_nothing_and_are_told_of_once(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    assert go(tmp_path, EventLog("/dev/full", tell=told.append)).counts["done"] == 5
    assert len(told) == 1
    assert "/dev/full: cannot be written: No space left on device" in told[0]


def test_events_whose_reader_went_away_cost_the_run_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    told: list[str] = []
    log = EventLog(tmp_path / "pipe", tell=told.append)
    os.close(reader)
    assert go(tmp_path, log).counts["done"] == 5
    assert len(told) == 1


def test_metrics_whose_folder_went_away_cost_the_run_nothing_and_come_back_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_EVERY", 0.0)
    told: list[str] = []
    folder = tmp_path / "metrics"
    folder.mkdir()
    metrics = MetricsFile(folder / "m.prom", "out", tell=told.append)

    class Removing(EventLog):
        def ended(self, outcome: task.Outcome, tally: events.Tally) -> None:
            if outcome.name == "ok-1":
                shutil.rmtree(folder)
            elif outcome.name == "ok-3":
                folder.mkdir()

    assert go(tmp_path, Removing(tmp_path / "events"), metrics).counts["done"] == 5
    assert len(told) == 1 and "m.prom: cannot be written" in told[0]
    assert 'outcome="done"} 5' in (folder / "m.prom").read_text()


def test_without_anyone_to_tell_it_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go(tmp_path, EventLog("/dev/full"))
    assert capsys.readouterr().err.count("No space left on device") == 1


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_a_terminal_that_is_gone_costs_the_run_nothing(tmp_path: Path, number: int) -> None:
    class Gone:
        def _fail(self, *_: object) -> None:
            raise OSError(number, os.strerror(number))

        began = ended = again = tick = over = _fail

    assert go(tmp_path, Gone()).counts["done"] == 5


def test_metrics_that_cannot_be_written_at_all_are_an_error_before_anything_is_done(
    tmp_path: Path,
) -> None:
    with pytest.raises(DestinationError, match="cannot be written"):
        MetricsFile(tmp_path / "no" / "m.prom", "out")
    (tmp_path / "folder.prom").mkdir()
    with pytest.raises(DestinationError, match="is a folder"):
        MetricsFile(tmp_path / "folder.prom", "out")


def test_metrics_that_no_collector_would_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"\.prom"):
        MetricsFile(tmp_path / "mine.txt", "out")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    MetricsFile("/dev/null", "out")


def test_the_name_of_the_metrics_is_looked_at_before_there_are_any(tmp_path: Path) -> None:
    (tmp_path / "m.prom").write_text("of yesterday")
    MetricsFile(tmp_path / "m.prom", "out")
    assert (tmp_path / "m.prom").read_text() == "of yesterday"
    assert os.listdir(tmp_path) == ["m.prom"]


def test_a_pipe_for_metrics_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.prom")
    with pytest.raises(DestinationError, match="is a pipe"):
        MetricsFile(tmp_path / "m.prom", "out")


def test_words_of_outcomes_steps_and_verdicts_are_the_same_everywhere() -> None:
    assert batch_parts.OUTCOMES == task.OUTCOMES
    assert batch_parts.STEPS == task.STEPS
    assert batch_parts.VERDICTS == prometheus.VERDICTS
    verdicts = (result.BITWISE, result.WITHIN_TOLERANCE, result.MISMATCH, result.NOT_RUN)
    assert verdicts == prometheus.VERDICTS
    counts = prometheus.Counts()
    assert tuple(counts.outcomes) == task.OUTCOMES
    assert tuple(counts.causes) == task.CAUSES
    assert set(batch_parts._CAUSES) == set(task.CAUSES)
