"""The one task function: a model through all its steps, into a folder of its own.

Whatever is wrong with the model is an outcome, never an exception: the next model comes anyway.
"""

from __future__ import annotations

from dataclasses import replace

from migrator.batching.job.failures import failure_of
from migrator.batching.job.notes import empty_outcome, finish, utc_now
from migrator.batching.job.places import begin, end, put, working_folder
from migrator.batching.job.steps import Job
from migrator.batching.task import STORAGE, Json, Outcome, Task, task_from_json
from migrator.errors import StorageError


def run_task(task: Json) -> Json:
    """Bring one model through its steps. Gives its Outcome, as JSON; raises nothing for it."""
    return run(task_from_json(task)).to_json()


def run(task: Task) -> Outcome:
    """The same on a Task."""
    folder = working_folder(task)
    started = utc_now()
    try:
        begin(folder)
        try:
            job = Job(task, folder, started)
            outcome = job.outcome()
            finish(folder, outcome, job.model)
            put(folder, task, seconds=job.seconds_left)
            return outcome
        finally:
            end(folder)
    except Exception as error:  # a store that fails, for the most part
        failure = failure_of(error, task.source)
        cause = STORAGE if isinstance(error, (OSError, StorageError)) else failure.cause
        return replace(
            empty_outcome(task, started), reason=failure.reason, cause=cause, finished=utc_now()
        )
