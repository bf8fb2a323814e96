"""What the rules on dangerous ops share: what an op is told, when it runs, how grave that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migrator.auditing.callgraph.reach import (
    CALL,
    GRADIENT,
    INIT,
    LOAD,
    NOTHING,
    OUTPUT,
    RESTORE,
    SIGNATURE,
    TRAIN,
)
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue
from migrator.auditing.strings.arguments import (
    ASSET,
    COMPUTED,
    CONSTANT,
    DEFAULT,
    INPUT,
    WORKED_OUT,
    constant_texts,
    origin_of,
)
from migrator.auditing.strings.text import constant_strings, shown_bytes
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor, TensorRef
from migrator.ops.dangerous import DangerousOp
from migrator.ops.registry import op_facts

if TYPE_CHECKING:
    from migrator.auditing.contents.bodies import Place
    from migrator.auditing.subject import Subject

_MOST_SHOWN = 160
_MOST_KEPT = 2000
_MOST_ASSETS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an op is told by its telling arguments."""

    parts: Mapping[str, str] = field(default_factory=dict)
    """Argument -> its text, of those that are known."""
    origin: str = COMPUTED
    """Where the arguments come from, as ``Argument.origin``."""

    beside: tuple[str, ...] = ()
    """Those of ``parts`` that are not what the op goes for: what is written, say."""

    @property
    def text(self) -> str:
        """What the op goes for, the most telling first; empty where nothing is known."""
        return ", ".join(text for name, text in self.parts.items() if name not in self.beside)


def what_it_is_told(subject: Subject, place: Place, op: DangerousOp) -> Told:
    """The texts of the arguments that the table names for ``op``."""
    parts: dict[str, str] = {}
    origins: list[str] = []
    for name in (*op.inputs, *op.attrs):
        where = name if name in op.attrs else input_slot(op.name, name)
        if where is None:
            continue
        found = constant_texts(subject, place, where)
        if name not in op.beside and (name in op.inputs or found.text):
            origins.append(found.origin)
        if found.text:
            parts[name] = found.text[:_MOST_KEPT]
    return Told(parts=parts, origin=origin_of(origins or [COMPUTED]), beside=op.beside)


def input_slot(op: str, name: str) -> int | None:
    """The slot of a named input; None where the op is unknown or lists come before it."""
    facts = op_facts(op)
    for slot, argument in enumerate(facts.inputs if facts is not None else ()):
        if argument.name == name:
            return slot
        if argument.is_list or argument.number_attr:
            return None
    return None


def is_at_load(subject: Subject, place: Place) -> bool:
    """Loading the model runs it, or restoring its variables, which loading does."""
    return bool({LOAD, RESTORE} & set(subject.reached(place)))


def is_served(subject: Subject, place: Place) -> bool:
    """Something that is not training asks for it."""
    kinds = {label.partition(":")[0] for label in subject.reached(place)}
    return bool(kinds - {NOTHING, INIT, TRAIN, GRADIENT})


def gravity(subject: Subject, place: Place) -> Severity:
    """Critical where loading the model runs it, else high: wherever it lies, it is there."""
    return Severity.CRITICAL if is_at_load(subject, place) else Severity.HIGH


def attack(
    subject: Subject,
    place: Place,
    op: DangerousOp,
    told: Told,
    *,
    severity: Severity | None = None,
    more: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Issue:
    """The issue about one node that runs one of the dangerous ops."""
    return Issue(
        message=f"{op.name} {op.does}{_argument(op, told)}; {when(subject, place)}{more}",
        place=place,
        severity=gravity(subject, place) if severity is None else severity,
        detail={**_detail(told), "group": op.group, **(detail or {})},
        key=op.name,
    )


def _argument(op: DangerousOp, told: Told) -> str:
    if told.text:
        text = told.text
        shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
        if told.origin == INPUT or text.startswith(WORKED_OUT):
            return f", {shown}"
        note = {ASSET: " (an asset of the model)", DEFAULT: " (a placeholder's default)"}
        return f": {shown!r}{note.get(told.origin, '')}"
    if not (op.inputs or op.attrs):
        return ""
    return ", one that is worked out while the model runs"


def _detail(told: Told) -> dict[str, Any]:
    found: dict[str, Any] = {"origin": told.origin}
    if told.text:
        found["argument"] = told.text[:_MOST_KEPT]
    if len(told.parts) > 1:
        found["arguments"] = dict(told.parts)
    return found


def when(subject: Subject, place: Place) -> str:
    """A clause on what runs the node."""
    first = (subject.reached(place) or (NOTHING,))[0]
    kind, _, name = first.partition(":")
    texts = {
        "load": "it runs when the model is loaded, before any call",
        "restore": "it runs when the model's variables are restored",
        "signature": f"the signature {name!r} runs it",
        "call": f"the function {name!r} runs it",
        "save": "it runs when the model's variables are saved",
        "output": "the graph's outputs need it",
        "init": "initialising the model's variables and tables runs it",
        "train": "a training step runs it",
        "gradient": f"a gradient of {name!r} runs it" if name else "a gradient runs it",
    }
    return texts.get(kind, "nothing that the model offers runs it, yet it can be run by name")


def of_own_asset(subject: Subject, place: Place, told: Told) -> Told | None:
    """None where what is read is an asset of the model; what is read instead, where it is not.

    Loaders feed the assets' paths to what runs at load. Whatever else runs the op is not fed, a
    signature of TensorFlow 1 for one: there it reads the path that the constant holds, whatever
    the asset is called.
    """
    kinds = {label.partition(":")[0] for label in subject.reached(place)}
    if not kinds & {SIGNATURE, CALL, OUTPUT} and (
        LOAD in kinds or subject.format == "hub_module"  # the hub's loader replaces the constants
    ):
        return None
    assets = place.body.meta.assets
    if len(assets) > _MOST_ASSETS:
        return told
    for asset in assets:
        node = place.body.meta.graph.by_name.get(TensorRef.parse(asset.tensor).node)
        if f"assets/{asset.filename}" not in told.text or node is None or node.op != "Const":
            continue
        text = _constant(node)
        if text not in (asset.filename, f"assets/{asset.filename}"):
            return Told(parts={"file": text}, origin=CONSTANT)
    return None


def _constant(node: Node) -> str:
    value = node.attrs.get("value")
    texts = constant_strings(value, 1) if isinstance(value, LazyTensor) else None
    return shown_bytes(texts[0]) if texts else ""
