"""The weights of a model by name, whatever holds them: what models of two kinds have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from migrator.diffing.counterparts import is_weight
from migrator.diffing.options import DiffOptions
from migrator.diffing.weights.reading import Files, Value
from migrator.errors import MigratorError
from migrator.formats.checkpoint import checkpoint_place, open_checkpoint
from migrator.inspection.joined import joined_variables
from migrator.inspection.optimizer import optimizer_variables, stored_by_optimizer
from migrator.inspection.weight_list import ListedWeight, list_weights
from migrator.inspection.weights import VARIABLE, is_carried_weight
from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import Shape

_OBJECT_MARK = "/.ATTRIBUTES/"
_READS = ("/Read/ReadVariableOp", "/ReadVariableOp", "/read", "/resource")
_PART = ":0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One weight. ``value`` is None where it is nowhere; ``called`` what it is known as apart
    from the marks that its format puts behind (``:0``, ``/read``)."""

    called: str
    dtype: DType
    shape: Shape
    value: Value | None

    __repr__ = brief

    @property
    def elements(self) -> int:
        return self.shape.elements or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The weights of one side. ``kept`` are those that an optimizer keeps, ``shards`` the files of
    a bare checkpoint."""

    weights: Mapping[str, Held]
    kept: Collection[str] = ()
    beside: Collection[str] = ()
    """Constants of a graph that has variables: what it computes with, where a checkpoint has none
    of them."""
    shards: int = 0


def named_weights(
    model: Model, meta: MetaGraph | None, files: Files, options: DiffOptions
) -> Named:
    """The weights of ``meta``, one of the model's meta graphs, or of a model that has none.

    Raises MigratorError for a checkpoint that cannot be read.
    """
    prefix = checkpoint_place(model) if meta is None and model.checkpoint_version else None
    if prefix is not None:
        checkpoint = open_checkpoint(prefix, options.limits)
        called: dict[str, str] = {}
        with suppress(MigratorError):  # where its object graph is damaged, keys are left
            called = {key: name for name, key in checkpoint.names.items()}
        return Named(
            weights={
                key: _held(
                    called.get(key, key),
                    Value(checkpoint.tensors[key], files, checkpoint=checkpoint, key=key),
                )
                for key in checkpoint.variables
            },
            kept=_quietly(lambda: stored_by_optimizer(model)),
            shards=checkpoint.shards,
        )
    number = 0 if meta is None else model.meta_graphs.index(meta)
    found: dict[str, Held] = {}
    listed = list_weights(model, meta_graph=number)
    for item in listed:
        if model.tflite is not None and not _is_weight(model, item):
            continue
        name, tensor = item.weight.name, item.tensor
        if tensor is not None:
            found[name] = _held(name, Value(tensor, files))
        else:
            found[name] = Held(
                called=plain(name), dtype=item.weight.dtype, shape=item.weight.shape, value=None
            )
    ops = {item.weight.name: item.weight.op for item in listed}
    has_variables = not set(ops.values()) <= {"Const", VARIABLE}
    is_carried = meta is None or bool(model.variables)
    if meta is not None and not is_carried:
        found = _put_together(found, model, meta, files, options)

    def kept() -> Collection[str]:
        if meta is None or is_carried:
            return stored_by_optimizer(model)
        return optimizer_variables(meta)

    return Named(
        weights=found,
        beside=frozenset(name for name, op in ops.items() if op == "Const" and has_variables),
        kept=_quietly(kept),
    )


def _put_together(
    found: dict[str, Held], model: Model, meta: MetaGraph, files: Files, options: DiffOptions
) -> dict[str, Held]:
    """Variables that a partitioner cut are one weight, as their checkpoint has them."""
    prefix = checkpoint_place(model)
    if prefix is None:
        return found
    try:
        checkpoint = open_checkpoint(prefix, options.limits)
        whole = {
            join.name: join.key
            for join in joined_variables(meta, checkpoint)
            if join.part and join.key in checkpoint.tensors and join.key not in found
        }
    except MigratorError:
        return found
    together: dict[str, Held] = {}
    for name, held in found.items():
        key = whole.get(name)
        if key is None:
            together[name] = held
        elif key not in together:
            value = Value(checkpoint.tensors[key], files, checkpoint=checkpoint, key=key)
            together[key] = _held(key, value)
    return together


def _is_weight(model: Model, item: ListedWeight) -> bool:
    """Whether a constant of a TFLite file is no mere shape or axis."""
    node = model.graph.by_name.get(item.weight.name)
    if node is not None:
        return is_weight(node)
    tensor = item.tensor
    return tensor is not None and is_carried_weight(tensor, "tflite", item.weight.name)


def _held(name: str, value: Value) -> Held:
    tensor = value.tensor
    return Held(called=plain(name), dtype=tensor.dtype.base, shape=tensor.shape, value=value)


def _quietly(find: Callable[[], Collection[str]]) -> Collection[str]:
    try:
        return find()
    except MigratorError:
        return ()


def plain(name: str) -> str:
    """A weight's name without what a format puts behind it."""
    name = name.partition(_OBJECT_MARK)[0].removesuffix(_PART)
    for mark in _READS:
        if name.endswith(mark):
            return name.removesuffix(mark)
    return name
