"""The checkpoint of an audited model, opened once for all rules that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from migrator.auditing.subject import Subject
from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint, checkpoint_prefix, open_checkpoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """Where a model's checkpoint lies, and what came of opening it. All None: it has none."""

    prefix: Path | None = None
    checkpoint: Checkpoint | None = None
    problem: MigratorError | None = None


_OPENED: WeakKeyDictionary[Subject, Stored] = WeakKeyDictionary()


def stored(subject: Subject) -> Stored:
    """The checkpoint of ``subject``. Reads its index, no shard."""
    found = _OPENED.get(subject)
    if found is None:
        found = _OPENED[subject] = _open(subject)
    return found


def _open(subject: Subject) -> Stored:
    prefix = None if subject.model is None else checkpoint_prefix(subject.model)
    if prefix is None:
        return Stored()
    try:
        return Stored(prefix=prefix, checkpoint=open_checkpoint(prefix, subject.limits))
    except MigratorError as error:
        return Stored(prefix=prefix, problem=error)


_SLOTS = frozenset(
    ("Adam", "Adam_1", "Momentum", "RMSProp", "RMSProp_1", "Adagrad", "Adadelta", "Adadelta_1")
) | frozenset(("Ftrl", "Ftrl_1", "AdaMax", "AdaMax_1", "AdamAsync", "AdamAsync_1"))


def is_slot(key: str) -> bool:
    """True for the key of an optimizer's own variable: it starts at zero and often stays there."""
    return ".OPTIMIZER_SLOT/" in key or key.rpartition("/")[2] in _SLOTS
