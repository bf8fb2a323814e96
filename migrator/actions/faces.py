"""How a model is called: its inputs and outputs by name, and the side of a verification it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrator.errors import NeedsDecision, UnsupportedFormat, UsageError, did_you_mean, paste_option
from migrator.formats.encode import write_graph
from migrator.formats.names import SAVED_MODEL_FILES
from migrator.formats.tensors import constant_tensor
from migrator.graph.wiring import Wiring
from migrator.inspection.inputs import control_values
from migrator.migration.choosing import choose_meta_graph
from migrator.migration.plan import Endpoint, Plan, SignaturePlan, Subgraph
from migrator.migration.randomness import random_outputs
from migrator.migration.resolve import tensor_shape
from migrator.migration.storage.keys import sample_keys
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import TensorRef
from migrator.verification.cases import InputSpec
from migrator.verification.sides import (
    GRAPH_DEF,
    META_GRAPH,
    SAVED_MODEL,
    GraphSide,
    SavedModelSide,
    Side,
)

_KINDS = {
    "graph_def": GRAPH_DEF,
    "saved_model": SAVED_MODEL,
    "hub_module": SAVED_MODEL,
    "meta_graph": META_GRAPH,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """One model as a caller sees it, and the side that runs it. ``graph`` serves to make inputs.

    ``random`` are the outputs on which two runs need not agree.
    """

    graph: Graph | None
    inputs: tuple[InputSpec, ...]
    outputs: tuple[str, ...]
    side: Side
    random: frozenset[str] = frozenset()
    by_row: frozenset[str] = frozenset()
    """Inputs of which the original takes one row at a time, and the result any number."""
    relaxed: bool = False
    """Whether the result takes other shapes in another way, which cannot be compared."""


def graph_face(model: Model, plan: Plan, fallback: Path | None) -> Face:
    """A model with the endpoints and feeds of its plan's first signature."""
    return signature_face(model, plan, plan.signatures[0], fallback=fallback)


def signature_face(
    model: Model,
    plan: Plan,
    signature: SignaturePlan,
    *,
    fallback: Path | None = None,
    path: Path | None = None,
    stand_ins: Sequence[Mapping[str, Any]] = (),
) -> Face:
    """The source of a plan as one of its signatures calls it, in a TensorFlow 1 session.

    ``fallback`` is the planned graph, for when TensorFlow does not import the whole one. ``path``
    takes the place of a GraphDef's own file, with ``stand_ins`` for the constants it lacks.
    """
    kind = _KINDS[model.source.kind]
    file = Path(model.source.path) if path is None else path
    if kind == SAVED_MODEL:
        _check_loaded(model)
    side = GraphSide(
        path=str(file.parent if kind == SAVED_MODEL else file),
        kind=kind,
        # A file of our own in its place is binary.
        text=path is None and model.source.format.endswith("_text"),
        tags=plan.tags,
        checkpoint=plan.checkpoint,
        files={item.file_tensor: item.file for item in plan.tables if item.file_tensor},
        feeds={item.name: item.tensor for item in signature.inputs},
        dtypes={item.name: (item.dtype or FLOAT32).name for item in signature.inputs},
        fetches={item.name: item.tensor for item in signature.outputs},
        fixed={
            feed.tensor: constant_tensor(feed.value, feed.dtype).numpy() for feed in signature.feeds
        },
        fallback=None if fallback is None else str(fallback),
        stand_ins=stand_ins,
    )
    tensors = [item.tensor for item in signature.inputs]
    controls = control_values(plan.graph, Wiring(plan.graph), tensors)
    inputs = tuple(
        InputSpec(
            name=item.name,
            tensor=item.tensor,
            dtype=item.dtype or FLOAT32,
            shape=item.shape,
            fixed=fixed,
            keys=sample_keys(plan.tables, item.dtype or FLOAT32),
        )
        for item, fixed in zip(signature.inputs, controls, strict=True)
    )
    outputs = tuple(item.name for item in signature.outputs)
    by_row, others = _relaxed(plan.graph, signature)
    return Face(
        graph=plan.graph,
        inputs=inputs,
        outputs=outputs,
        side=side,
        random=signature.random,
        by_row=by_row,
        relaxed=others,
    )


def _check_loaded(model: Model) -> None:
    """Raise UnsupportedFormat for a SavedModel's text whose folder TensorFlow loads from another
    file."""
    file = Path(model.source.path)
    first = file.with_name(SAVED_MODEL_FILES[0])
    if file.name in SAVED_MODEL_FILES[1:] and first.exists():
        raise UnsupportedFormat(
            f"cannot be run as it is: {first.name} lies beside it, and that is what TensorFlow "
            "loads",
            where=str(file),
            hint="name the folder, or copy the model without that file",
        )


def _relaxed(graph: Graph, signature: SignaturePlan) -> tuple[frozenset[str], bool]:
    """Inputs whose batch of one was made free, and whether any other size was."""
    rows, others = set(), False
    for item in signature.inputs:
        own = tensor_shape(graph, TensorRef.parse(item.tensor)).dims
        asked = item.shape.dims
        if own is None or asked is None or len(own) != len(asked):
            continue
        free = [at for at, size in enumerate(asked) if size is None and own[at] is not None]
        if free == [0] and own[0] == 1:
            rows.add(item.name)
        elif free:
            others = True
    return frozenset(rows), others


def write_subgraph(subgraph: Subgraph, target: Path) -> Path:
    """Write what a plan keeps of a graph, for a child to read."""
    with target.open("wb") as file:
        write_graph(file, subgraph.nodes, subgraph.functions, subgraph.versions)
    return target


def saved_model_face(
    model: Model, signature: str | None = None, tag_set: Sequence[str] | None = None
) -> Face:
    """One signature of a SavedModel.

    Raises UsageError for a signature or tags that do not exist and for tensors that are not
    dense, NeedsDecision where several may be meant.
    """
    meta = choose_meta_graph(model, tag_set)
    if model.source.kind == "meta_graph":
        raise UnsupportedFormat("is a MetaGraph, not a SavedModel", where=model.source.path)
    key = choose_signature(model, meta, signature)
    found = meta.signatures[key]
    for name, spec in (*found.inputs.items(), *found.outputs.items()):
        if spec.encoding != "dense":
            raise UsageError(
                f"{name!r} of signature {key!r} is {spec.encoding}, not a dense tensor",
                where=model.source.path,
            )
    _check_loaded(model)
    side = SavedModelSide(
        path=str(Path(model.source.path).parent),
        signature=key,
        inputs={name: name for name in found.inputs},
        outputs={name: name for name in found.outputs},
        tags=meta.tags,
        # TensorFlow 2 cannot load every SavedModel of its own past.
        loaders=("tf1",) if meta.object_graph is None else ("tf2", "tf1"),
    )
    inputs = tuple(
        InputSpec(name=name, tensor=spec.tensor, dtype=spec.dtype, shape=spec.shape)
        for name, spec in found.inputs.items()
    )
    ends = [
        Endpoint(name=name, tensor=spec.tensor, dtype=spec.dtype, shape=spec.shape)
        for name, spec in found.outputs.items()
    ]
    return Face(
        graph=meta.graph,
        inputs=inputs,
        outputs=tuple(found.outputs),
        side=side,
        random=random_outputs(meta.graph, ends),
    )


def choose_signature(model: Model, meta: MetaGraph, key: str | None) -> str:
    """The signature called ``key``; without one, ``serving_default`` or the only one.

    Raises UsageError for a key that does not exist, NeedsDecision where several may be meant.
    """
    keys = [name for name in meta.signatures if not name.startswith("__")]
    if key is not None:
        if key not in meta.signatures:
            raise UsageError(
                f"has no signature {key!r}; it has: {', '.join(keys) or 'none'}",
                where=model.source.path,
                hint=did_you_mean(key, keys),
            )
        return key
    if "serving_default" in keys:
        return "serving_default"
    if len(keys) == 1:
        return keys[0]
    if not keys:
        raise UsageError(
            "has no signature, so nothing says how to call it", where=model.source.path
        )
    raise NeedsDecision(
        f"has {len(keys)} signatures and none is the default",
        where=model.source.path,
        options=[paste_option("--signature", name) for name in keys],
        hint="choose one of:",
    )
