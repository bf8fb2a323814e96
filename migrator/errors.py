"""The errors that leave this package: one small tree under ``MigratorError``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

EXIT_YES = 0
EXIT_NO = 1
EXIT_CANNOT = 2
EXIT_NEEDS_DECISION = 3
EXIT_INTERRUPTED = 130


class MigratorError(Exception):
    """Something that the user can act on; shown as one message, without a traceback.

    ``what`` says what is wrong. ``where`` is the place, from the outside in
    (file, message path, byte), ``hint`` is what to do about it.
    """

    exit_code = EXIT_CANNOT

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments get lost by Exception's own pickling.
        return _rebuild, (type(self), dict(self.__dict__))

    def at(self, where: str) -> MigratorError:
        """The same error with one more place in front of it."""
        self.where = f"{where}: {self.where}" if self.where else where
        return self


def _rebuild(kind: type[MigratorError], state: Mapping[str, Any]) -> MigratorError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (state["what"],)
    return error


class UsageError(MigratorError):
    """The call itself is wrong: options that contradict, a value that does not parse."""


class ManyFaults(UsageError):
    """Several things are wrong with what was given. ``faults`` has a line for each that is told;
    ``count`` says how many there are."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        faults: Sequence[str] = (),
        count: int = 0,
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.faults = tuple(faults)
        self.count = max(count, len(self.faults))


class FormatError(MigratorError):
    """The bytes are not what their format asks for."""


class UnsupportedFormat(MigratorError):
    """We know what this is, and it is not something that this verb reads."""


class LimitError(MigratorError):
    """Reading on would pass one of the bounds in ``limits.Limits``."""


class NoSuchTensor(MigratorError):
    """A tensor was named that the model does not have."""


class BlockedError(MigratorError):
    """A plan holds blockers, so nothing was run. ``blockers`` lists them."""

    def __init__(
        self, what: str, *, blockers: Sequence[str] = (), where: str = "", hint: str = ""
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.blockers = tuple(blockers)


class DestinationError(MigratorError):
    """The result cannot be put where it was asked for."""


class StorageError(MigratorError):
    """A store behind an address failed, after all tries.

    ``kind`` is ``missing``, ``exists``, ``denied``, ``refused`` or ``lost`` (it gave no answer).
    """

    def __init__(self, what: str, *, kind: str = "lost", where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.kind = kind


class TensorFlowMissing(MigratorError):
    """The verb needs TensorFlow and it is not installed (or not in a version that we run on)."""


class WorkerError(MigratorError):
    """The child process that runs TensorFlow failed; ``log`` holds the end of what it said.

    ``stopped`` is true where it passed a limit of ours (time, memory): trying again is vain.
    ``cause`` is ``timeout``, ``memory``, ``signal`` or ``storage`` where it was one of these.
    """

    def __init__(
        self,
        what: str,
        *,
        log: str = "",
        stopped: bool = False,
        cause: str = "",
        where: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.log = log
        self.stopped = stopped
        self.cause = cause


class ExecutorLost(MigratorError):
    """What runs a batch's tasks is gone, with all that was handed over: no model's fault."""


class NeedsDecision(MigratorError):
    """Several answers are plausible. ``options`` are the ones to paste, best first."""

    exit_code = EXIT_NEEDS_DECISION

    def __init__(
        self, what: str, *, options: Sequence[str] = (), where: str = "", hint: str = ""
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.options = tuple(options)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with up to three of the ``known`` names that ``name`` may have been meant for."""
    import difflib

    names = list(known)
    folded = {item.lower(): item for item in reversed(names)}
    near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(folded[item] for item in near)}?" if near else ""


def quoted(name: str) -> str:
    """A name of a file's as an error shows it."""
    return ascii(name)[:100]


def first_few(names: Collection[str], most: int = 5, show: Callable[[str], str] = quoted) -> str:
    """The first of ``names``, and how many more there are."""
    text = ", ".join(map(show, islice(names, most)))
    return f"{text} and {len(names) - most:,} more" if len(names) > most else text


def paste_option(name: str, value: str) -> str:
    """An option to paste, as a shell takes it; for values that look like options too."""
    joint = "=" if value.startswith("-") else " "
    return f"{name}{joint}{shlex.quote(value)}"
