"""Where the runs of a model begin: what its top-level graph is asked for, and by whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from migrator.formats.messages import message_class
from migrator.graph.wiring import Wiring
from migrator.inspection.endpoints import find_endpoints
from migrator.model.model import MetaGraph, Signature

INIT_SIGNATURE = "__saved_model_init_op"
TRAIN_SIGNATURE = "__saved_model_train_op"
_COLLECTIONS = {
    "saved_model_main_op": "load",
    "legacy_init_op": "load",
    "init_op": "init",
    "local_init_op": "init",
    "ready_op": "init",
    "ready_for_local_init_op": "init",
    "table_initializer": "init",
    "train_op": "train",
    "saved_model_train_op": "train",
    "summary_op": "train",
}
"""Collections whose ops TensorFlow runs (``load``), or a program by a call of its own."""
_VARIABLES = ("variables", "trainable_variables", "local_variables", "model_variables")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One way to run the top-level graph."""

    kind: str
    """As ``Reach.of`` names it, without the name behind the colon."""
    name: str = ""
    wanted: tuple[str, ...]
    """Tensors or ops."""
    given: tuple[str, ...] = ()
    """Tensors that are fed."""

    @property
    def label(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


def find_starts(meta: MetaGraph, wiring: Wiring) -> Iterator[Start]:
    """Every way that the model itself tells; for a bare graph, its likely outputs."""
    # Both loaders feed the assets' paths to the initializers, and the checkpoint's to the saver.
    assets = tuple(asset.tensor for asset in meta.assets)
    for name, kind in _COLLECTIONS.items():
        wanted = tuple(_texts(meta.collections.get(name, ())))
        if wanted:
            yield Start(kind=kind, wanted=wanted, given=assets if kind == "load" else ())
    initializers = tuple(_initializers(meta))
    if initializers:
        yield Start(kind="init", wanted=initializers)
    if meta.saver is not None:
        saver = meta.saver
        given = (saver.filename_tensor,) if saver.filename_tensor else ()
        if saver.restore_op:
            yield Start(kind="restore", wanted=(saver.restore_op,), given=given)
        if saver.save_tensor:
            yield Start(kind="save", wanted=(saver.save_tensor,), given=given)
    for key, signature in meta.signatures.items():
        yield _of_signature(key, signature, assets)
    if not meta.signatures and meta.object_graph is None:
        found = find_endpoints(meta, wiring)
        wanted = tuple(item.tensor for item in (*found.outputs, *found.alternatives))
        yield Start(kind="output", wanted=wanted)


def _of_signature(key: str, signature: Signature, assets: tuple[str, ...]) -> Start:
    wanted = tuple(_tensors(signature, "outputs"))
    if key == INIT_SIGNATURE:
        return Start(kind="load", wanted=wanted, given=assets)
    if key == TRAIN_SIGNATURE:
        return Start(kind="train", wanted=wanted)
    given = tuple(_tensors(signature, "inputs"))
    return Start(kind="signature", name=key, wanted=wanted, given=given)


def _tensors(signature: Signature, side: str) -> Iterator[str]:
    for spec in getattr(signature, side).values():
        if spec.tensor:
            yield spec.tensor
        yield from filter(None, spec.parts)


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, bytes):
            yield value.decode("utf-8", "replace")


def _initializers(meta: MetaGraph) -> Iterator[str]:
    """Ops that give the variables their first values, when a program asks for it."""
    for name in _VARIABLES:
        for value in meta.collections.get(name, ()):
            if isinstance(value, bytes):
                try:
                    initializer = message_class("VariableDef").FromString(value).initializer_name
                except DecodeError:
                    continue
                if initializer:
                    yield initializer
