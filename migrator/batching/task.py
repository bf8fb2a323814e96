"""A model to bring through, and what became of it: plain data, JSON in both directions."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from migrator._version import __version__
from migrator.errors import UsageError, did_you_mean
from migrator.limits import Limits

Json = dict[str, Any]

INSPECT, AUDIT, PLAN, MIGRATE, VERIFY, TFLITE = STEPS = (
    "inspect",
    "audit",
    "plan",
    "migrate",
    "verify",
    "tflite",
)
DEFAULT_STEPS = STEPS[:5]
WITH_TENSORFLOW = frozenset((MIGRATE, VERIFY, TFLITE))

DONE, NEEDS_DECISION, BLOCKED, FAILED = OUTCOMES = ("done", "needs_decision", "blocked", "failed")
BAD_INPUT, TIMEOUT, MEMORY, SIGNAL, MISMATCH, ERROR, STORAGE, MISSING_SOURCE = CAUSES = (
    "bad_input",
    "timeout",
    "memory",
    "signal",
    "mismatch",
    "error",
    "storage",
    "missing_source",
)
"""Why one failed: the file, a bound, a process that died, the proof, us, a store, no file."""

WORKING = ".work"
LEDGER = "ledger.jsonl"
LOCK = ".lock"

CHOICES = (
    "shapes",
    "decode_images",
    "weights",
    "control_flow",
    "optimize",
    "op_libraries",
    "checkpoint",
    "wanted",
)
"""Fields of ``Choice`` that ``Task.choice`` may hold; ``wanted`` as objects, by ``SignatureSpec``.
"""
DECIDABLE = (
    *("inputs", "outputs", "feeds", "signature", "tag_set", "choice", "tflite"),
    *("data", "rtol", "atol", "seed", "trust", "steps"),
)
"""Fields of a task that a manifest may decide for one model."""
_NO_OPTIONS = (
    *("name", "source", "dest", "steps", "timeout", "memory_limit", "limits"),
    *("fingerprint", "attempt", "decided"),
)
"""Fields that say what is done, where and at what cost at most, but not how."""


_LIMITS = tuple(item.name for item in fields(Limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One model. ``name`` is its folder under DEST, ``dest`` that folder's whole address.

    ``inputs``, ``outputs``, ``feeds``, ``signature`` as on migrate's command line. ``timeout`` is
    in seconds and ``memory_limit`` in bytes, for all of the model's steps; None for no bound and
    for this machine's share; ``limits`` are those of ``Limits`` that are not as by default.
    ``fingerprint`` is worked out where it is empty.

    Raises UsageError for a name that is no folder below DEST, steps and options that are none, and
    bounds that make no sense.
    """

    name: str
    source: str
    dest: str
    steps: tuple[str, ...] = DEFAULT_STEPS
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    signature: tuple[str, ...] = ()
    tag_set: tuple[str, ...] | None = None
    choice: Mapping[str, Any] = field(default_factory=dict)
    tflite: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of ``tflite``: quantize, integer_io and the like."""
    data: str = ""
    rtol: float = 1e-5
    atol: float = 1e-6
    seed: int = 0
    trust: bool = False
    """Also run what the audit warns of."""
    timeout: float | None = 600.0
    memory_limit: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    decided: Mapping[str, Any] = field(default_factory=dict)
    """Those of the fields above (``DECIDABLE``) that were decided for this model alone."""
    fingerprint: str = ""
    attempt: str = ""
    """Sets one try apart from others that may be on their way elsewhere at the same time."""

    def __post_init__(self) -> None:
        from migrator.batching.names import name_fault

        if fault := name_fault(self.name):
            raise UsageError(f"the name {self.name!r} {fault}")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise UsageError(f"a timeout of {self.timeout} s", hint="give seconds above zero")
        if self.memory_limit is not None and self.memory_limit <= 0:
            raise UsageError(
                f"a memory limit of {self.memory_limit} bytes", hint="give more than zero"
            )
        for key in self.limits:
            if key not in _LIMITS:
                raise UsageError(f"no limit is called {key!r}", hint=did_you_mean(key, _LIMITS))
        for key in self.choice:
            if key not in CHOICES:
                raise UsageError(f"no option is called {key!r}", hint=did_you_mean(key, CHOICES))
        object.__setattr__(self, "steps", ordered_steps(self.steps))
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", self._fingerprint())

    def _fingerprint(self) -> str:
        """Of all options that change what comes of a step."""
        told = self.to_json()
        for key in _NO_OPTIONS:
            del told[key]
        text = json.dumps({**told, "migrator": __version__}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def bounds(self) -> Limits:
        """What reading the model may take."""
        return Limits(**self.limits)  # type: ignore[arg-type]

    @property
    def needs_tensorflow(self) -> bool:
        return not WITH_TENSORFLOW.isdisjoint(self.steps)

    def to_json(self) -> Json:
        """All fields as JSON has them."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


def task_from_json(value: Mapping[str, Any]) -> Task:
    """The task of ``Task.to_json``."""
    return Task(**_arguments(Task, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one model: a line of the ledger.

    ``seconds`` is by step, ``peak_rss_bytes`` of the largest process, ``started`` and ``finished``
    are UTC in ISO 8601. ``decision`` holds ``kind``, ``candidates`` and ``options``, ``tflite``
    holds ``outcome``, ``bytes`` and ``verdict``.
    """

    schema: str = "migrator.batch-model/1"
    name: str
    source: str
    dest: str
    steps: tuple[str, ...] = ()
    """What was asked for."""
    decided: Mapping[str, Any] = field(default_factory=dict)
    """``Task.decided``: the next run decides the same."""
    outcome: str = FAILED
    verdict: str = ""
    readiness: str = ""
    reason: str = ""
    cause: str = ""
    decision: Mapping[str, Any] | None = None
    rules: tuple[str, ...] = ()
    """Codes of the rules that explain what blocks, in its order."""
    findings: Mapping[str, int] = field(default_factory=dict)
    format: str = ""
    source_bytes: int = 0
    result_bytes: int = 0
    source_sha256: str = ""
    source_stamp: str = ""
    """Sizes and times of the source's files, as one digest; see ``storage.stamps``."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_rss_bytes: int = 0
    attempts: int = 1
    again: bool = False
    """Its process died, or grew past its share: worth trying once more, alone."""
    started: str = ""
    finished: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    signatures: tuple[str, ...] = ()
    tflite: Mapping[str, Any] | None = None

    def to_json(self) -> Json:
        """All fields as JSON has them."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


def outcome_from_json(value: Mapping[str, Any]) -> Outcome:
    """The outcome of ``Outcome.to_json``; keys of a later version are left out."""
    return Outcome(**_arguments(Outcome, value))


def _arguments(kind: type, value: Mapping[str, Any]) -> dict[str, Any]:
    known = {item.name for item in fields(kind)}
    found = {key: item for key, item in value.items() if key in known}
    return {key: tuple(item) if isinstance(item, list) else item for key, item in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def ordered_steps(steps: Iterable[str]) -> tuple[str, ...]:
    """``steps`` in their order, with what they need: no proof of what was not made.

    Raises UsageError for a step that is none.
    """
    asked = set(steps)
    for step in asked:
        if step not in STEPS:
            raise UsageError(f"no step is called {step!r}", hint=f"steps: {', '.join(STEPS)}")
    if VERIFY in asked and not asked & {MIGRATE, TFLITE}:
        raise UsageError("verify is asked for, and nothing is made", hint="add the step migrate")
    return tuple(step for step in STEPS if step in asked)


def name_clashes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names of which the first is the same as the second, or a folder that holds it.

    Names that some file system takes for the same are.
    """
    from migrator.batching.names import ancestors, folded

    found = []
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.get(folded(name))) is not None:
            found.append((other, name))
        seen.setdefault(folded(name), name)
    for name in seen.values():
        found += [(seen[key], name) for above in ancestors(name) if (key := folded(above)) in seen]
    return found
