"""What one entry needs before it can run: planned without TensorFlow, never with an error."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from migrator.auditing.facts.blocker_codes import rule_code
from migrator.batching.manifest.blocks import Suggestion
from migrator.batching.manifest.entry import Entry, choice_of
from migrator.errors import MigratorError, NeedsDecision
from migrator.formats.keras.facts import keras_model_facts
from migrator.formats.load import load_on_disk, model_file
from migrator.formats.sniff import sniff
from migrator.formats.staging import archive_of, staged
from migrator.inspection.candidates import Candidate, Control
from migrator.inspection.endpoints import find_endpoints
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.choosing import choose_meta_graph
from migrator.migration.plan import Plan
from migrator.migration.planning import plan as make_plan
from migrator.migration.readiness import (
    BLOCKED,
    LOADED_FIRST,
    NEEDS_YOU,
    UNKNOWN,
    Readiness,
    assess,
)
from migrator.migration.resolve import tensor_dtype, tensor_shape
from migrator.model.dtypes import DType
from migrator.model.graph import Graph
from migrator.model.model import Model
from migrator.model.tensors import Shape, TensorRef
from migrator.places.addresses import is_remote
from migrator.places.source import ByteSource
from migrator.report.escape import shown

DECIDE, READY, STUCK = "decide", "ready", "stuck"
_KERAS = ("keras_h5", "keras_zip")
_MOST = 20
"""Candidates of one kind, and reasons, that are shown."""
_MOST_PLANNED = 50_000_000
"""Signatures times nodes; a file can name any number of signatures of one graph."""
_KEYS = {
    "--input": "inputs",
    "--output": "outputs",
    "--feed": "feeds",
    "--signature": "signatures",
    "--tag-set": "tag_set",
}
_OPTION = re.compile(r"(--(?:input|feed))([ =])('(?:[^']|'\"'\"')*'|[^\s,;)]+)")
"""An option to paste, in the middle of a sentence."""
_VALUE = "VALUE"
_GUESSES = {"b": "false", "i": "0", "u": "0", "f": "1.0", "s": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """An entry, and what is known of it. ``kind`` is ``decide``, ``ready`` or ``stuck``."""

    entry: Entry
    kind: str
    verdict: str = UNKNOWN
    """Readiness, as ``plan`` tells it."""
    notes: tuple[str, ...] = ()
    suggestions: Mapping[str, tuple[Suggestion, ...]] = field(default_factory=dict)


def survey(entry: Entry, limits: Limits = DEFAULT_LIMITS) -> Surveyed:
    """Plan one entry. Raises nothing but what stops the program."""
    if is_remote(entry.source):
        note = "not looked at: it lies at an address"
        return Surveyed(entry=entry, kind=READY, notes=(note,))
    try:
        if not archive_of(entry.source):
            return _survey(entry, limits)
        with staged(entry.source, limits) as copy:
            found = _survey(replace(entry, source=os.fspath(copy.path)), limits)
        return replace(found, entry=entry, notes=tuple(map(copy.told, found.notes)))
    except MigratorError as error:  # it is packed, and not to be unpacked
        return stuck(entry, str(error))
    except MemoryError:
        return stuck(entry, "needs more memory than there is for it")
    except OSError as error:
        return stuck(entry, f"cannot be read: {error.strerror or error}")
    except Exception as error:  # a fault of our own hides no model
        return stuck(entry, f"planning it failed: {type(error).__name__}: {error}")


def stuck(entry: Entry, reason: str) -> Surveyed:
    """An entry of which nothing is known but why."""
    return Surveyed(entry=entry, kind=STUCK, notes=(reason,))


def _survey(entry: Entry, limits: Limits) -> Surveyed:
    model: Model | None = None
    found: dict[str, Any] = {}
    try:
        file = model_file(entry.source)
        if sniff(ByteSource.open(file), limits).format in _KERAS:
            found["keras"] = keras_model_facts(file, limits=limits, is_apart=True)
        else:
            model = load_on_disk(entry.source, limits=limits)
            _bounded(model)
            found["plan"] = make_plan(model, choice=choice_of(entry), limits=limits)
    except NeedsDecision as decision:
        found["decision"] = decision
    except MigratorError as error:
        found["error"] = error
    judged = assess(**found)
    codes = [reason.code for reason in judged.reasons]
    if judged.verdict == NEEDS_YOU:
        suggestions = _suggestions(entry, judged, model)
        full = [key for key, found in suggestions.items() if len(found) >= _MOST]
        more = [f"{', '.join(full)}: not all candidates are shown"] if full else []
        return _surveyed(entry, DECIDE, judged, [*_reasons(judged), *more], suggestions)
    if judged.verdict == BLOCKED or (judged.verdict == UNKNOWN and LOADED_FIRST not in codes):
        return _surveyed(entry, STUCK, judged, _reasons(judged))
    plan = found.get("plan")
    notes = [f"{judged.verdict}: {', '.join(codes)}"] if codes else []
    return _surveyed(entry, READY, judged, [*notes, *_chosen(plan)])


def _surveyed(
    entry: Entry,
    kind: str,
    judged: Readiness,
    notes: Sequence[str],
    suggestions: Mapping[str, tuple[Suggestion, ...]] | None = None,
) -> Surveyed:
    return Surveyed(
        entry=entry,
        kind=kind,
        verdict=judged.verdict,
        notes=tuple(notes),
        suggestions=suggestions or {},
    )


def _bounded(model: Model) -> None:
    """Raise MigratorError for more signatures of a large graph than anyone would plan."""
    for meta in model.meta_graphs:
        if len(meta.signatures) * len(meta.graph.nodes) > _MOST_PLANNED:
            raise MigratorError("has too many signatures of a large graph to plan")


def _reasons(judged: Readiness) -> list[str]:
    """Each with its rule and the way out."""
    lines = []
    for reason in judged.reasons[:_MOST]:
        rule = rule_code(reason.code)
        head = f"{rule}: " if rule else ""
        fix = f"; {reason.fix}" if reason.fix and not judged.options else ""
        lines.append(f"{head}{shown(reason.text, 300)}{shown(fix, 300)}")
    more = len(judged.reasons) - _MOST
    return [*lines, f"and {more} more"] if more > 0 else lines


def _chosen(plan: Plan | None) -> list[str]:
    """The endpoints that the rules chose, where no signature says them."""
    if plan is None or plan.signatures[0].source_key:
        return []
    sides = []
    for name, items in (("inputs", plan.inputs), ("outputs", plan.outputs)):
        listed = [f"{item.tensor} {_typed(item.dtype, item.shape)}" for item in items[:_MOST]]
        sides.append(f"{name} {', '.join(listed)}")
    return [shown("; ".join(sides), 400)]


def _suggestions(
    entry: Entry, judged: Readiness, model: Model | None
) -> dict[str, tuple[Suggestion, ...]]:
    """Key -> candidates, from the options to paste or from what the blockers advise."""
    texts = judged.options or [reason.fix for reason in judged.reasons]
    known = _Known(entry, model)
    found: dict[str, dict[str, Suggestion]] = {}
    for text in texts:
        for option, value in _options(text):
            key = _KEYS.get(option)
            if key is None or len(found.get(key, ())) >= _MOST:
                continue
            item = known.suggestion(key, value)
            if item is not None:
                found.setdefault(key, {}).setdefault(item.value, item)
    if judged.options:
        for item in known.alternatives():
            if "outputs" in found and len(found["outputs"]) < _MOST:
                found["outputs"].setdefault(item.value, item)
    return {key: tuple(items.values()) for key, items in found.items()}


def _options(text: str) -> Iterator[tuple[str, str]]:
    """(option, value) of one option to paste, or of those in a sentence."""
    if not text.startswith("--"):
        for match in _OPTION.finditer(text):
            yield from _options(f"{match[1]}{match[2]}{match[3]}")
        return
    try:
        words = shlex.split(text)
    except ValueError:
        return
    if len(words) == 1:
        name, equals, value = words[0].partition("=")
        words = [name, value] if equals else []
    if len(words) == 2:
        yield words[0], words[1]


class _Known:
    """What the graph says of the tensors that are suggested."""

    def __init__(self, entry: Entry, model: Model | None) -> None:
        self._entry = entry
        self._graph: Graph | None = None
        self._candidates: dict[str, Candidate | Control] = {}
        self._more: tuple[Candidate, ...] = ()
        if model is None:
            return
        tags = choice_of(entry).tag_set
        try:
            meta = choose_meta_graph(model, tags)
        except MigratorError:  # which one is open
            return
        self._graph = meta.graph
        if meta.signatures:
            return
        ends = find_endpoints(meta)
        self._more = ends.alternatives
        items: list[Candidate | Control] = [*ends.alternatives, *ends.options, *ends.controls]
        items += [*ends.outputs, *ends.inputs]
        self._candidates = {item.tensor: item for item in items}

    def suggestion(self, key: str, value: str) -> Suggestion | None:
        """A candidate for a key; None where the entry has it, or no manifest can hold it."""
        if not value and key != "tag_set":
            return None
        if key in ("signatures", "tag_set"):
            return Suggestion(value=value)
        if not self._is_there(value.rpartition("=")[0] if key == "feeds" else value):
            return None
        if key == "feeds":
            return self._feed(value)
        given = {text.partition("=")[2] or text for text in getattr(self._entry, key)}
        if value in given or f"{value}:0" in given or value.removesuffix(":0") in given:
            return None
        return Suggestion(value=value, note=self._note(value))

    def _feed(self, text: str) -> Suggestion | None:
        if text in self._entry.feeds:
            return None
        tensor, _, value = text.rpartition("=")
        note = self._note(tensor)
        if value == _VALUE:
            return Suggestion(value=f"{tensor}={self._guess(tensor)}", note=f"a guess; {note}")
        return Suggestion(value=text, note=note)

    def alternatives(self) -> list[Suggestion]:
        """Further outputs that one might want."""
        return [
            Suggestion(value=item.tensor, note=f"or this; {self._note(item.tensor)}")
            for item in self._more[:_MOST]
        ]

    def _note(self, tensor: str) -> str:
        dtype, shape = self._type(tensor)
        item = self._candidates.get(tensor)
        told = ["" if dtype is None else _typed(dtype, shape), *(item.reasons if item else ())]
        return shown("; ".join(filter(None, told)), 150)

    def _guess(self, tensor: str) -> str:
        """A value of the tensor's type and, where it is known and small, of its shape."""
        dtype, shape = self._type(tensor)
        value = _GUESSES.get("" if dtype is None else dtype.kind, "0")
        for size in reversed(shape.dims or ()):
            if size is None or size > _MOST or len(value) > 1000:
                return value
            value = f"[{', '.join([value] * size)}]"
        return value

    def _is_there(self, tensor: str) -> bool:
        """False for the name of an example in a piece of advice."""
        return self._graph is None or TensorRef.parse(tensor).node in self._graph.by_name

    def _type(self, tensor: str) -> tuple[DType | None, Shape]:
        if self._graph is None:
            return None, Shape(None)
        ref = TensorRef.parse(tensor)
        if ref.node not in self._graph.by_name:
            return None, Shape(None)
        dtype = tensor_dtype(self._graph, ref)
        return None if dtype is None else dtype.base, tensor_shape(self._graph, ref)


def _typed(dtype: DType | None, shape: Shape) -> str:
    return str(dtype) if shape.dims is None else f"{dtype} {shape}"


def surveyed_failed(entry: Entry, reason: str) -> Surveyed:
    """What a crew says of an entry that passed a bound or ended its process."""
    return replace(stuck(entry, f"planning it {reason}"), verdict=UNKNOWN)
