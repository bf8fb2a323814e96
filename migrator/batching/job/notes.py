"""What a model's folder says of it: the outcome, the page, lines of the log."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from migrator.batching.job.failures import one_line
from migrator.batching.job.pages import write_page
from migrator.batching.job.places import LOG, OUTCOME
from migrator.batching.task import Outcome, Task
from migrator.model.model import Model
from migrator.places.addresses import shown
from migrator.report.json_v1 import dumps

_MOST_SAID = 10_000
"""Characters of a line of the log."""


def utc_now() -> str:
    """Now, in UTC, as outcomes have it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def empty_outcome(task: Task, started: str) -> Outcome:
    """The outcome of a task of which nothing is known yet: failed."""
    return Outcome(
        name=task.name,
        source=shown(task.source),
        dest=shown(task.dest),
        steps=task.steps,
        decided=task.decided,
        started=started,
        finished=started,
        fingerprint=task.fingerprint,
    )


def finish(folder: Path, outcome: Outcome, model: Model | None = None) -> None:
    """The outcome and the page into a model's folder; with a picture where ``model`` is there.

    Raises OSError.
    """
    try:
        write_page(folder, outcome, model)
    except OSError:
        raise
    except Exception as error:  # a page that cannot be drawn takes nothing from the result
        say(folder, f"its page cannot be drawn: {type(error).__name__}: {one_line(str(error))}")
    (folder / OUTCOME).write_text(dumps(outcome.to_json()), encoding="utf-8")


def say(folder: Path, text: str) -> None:
    """A line for a model's log."""
    from migrator.report.escape import shown as escaped

    with open(folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{utc_now()} {escaped(text, _MOST_SAID)}\n")
