"""How a model is called: its inputs and outputs by name, and the side of a verification it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.errors import NeedsDecision, UsageError, paste_option
from migrator.formats.encode import write_graph
from migrator.formats.tensors import constant_tensor
from migrator.graph.wiring import Wiring
from migrator.inspection.inputs import control_values
from migrator.migration.plan import Plan, Subgraph
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph
from migrator.model.model import MetaGraph, Model
from migrator.verification.cases import InputSpec
from migrator.verification.sides import GraphSide, SavedModelSide, Side


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """One model as a caller sees it, and the side that runs it. ``graph`` serves to make inputs."""

    graph: Graph
    inputs: tuple[InputSpec, ...]
    outputs: tuple[str, ...]
    side: Side


def graph_face(model: Model, plan: Plan, fallback: Path) -> Face:
    """A GraphDef with the endpoints and feeds of its plan.

    ``fallback`` is the planned graph, for when TensorFlow does not import the whole one.
    """
    wiring = Wiring(model.graph)
    side = GraphSide(
        path=plan.source.path,
        feeds={item.name: item.tensor for item in plan.inputs},
        dtypes={item.name: (item.dtype or FLOAT32).name for item in plan.inputs},
        fetches={item.name: item.tensor for item in plan.outputs},
        fixed={feed.tensor: constant_tensor(feed.value, feed.dtype).numpy() for feed in plan.feeds},
        fallback=str(fallback),
    )
    controls = control_values(model.graph, wiring, [item.tensor for item in plan.inputs])
    inputs = tuple(
        InputSpec(
            name=item.name,
            tensor=item.tensor,
            dtype=item.dtype or FLOAT32,
            shape=item.shape,
            fixed=fixed,
        )
        for item, fixed in zip(plan.inputs, controls, strict=True)
    )
    outputs = tuple(item.name for item in plan.outputs)
    return Face(graph=model.graph, inputs=inputs, outputs=outputs, side=side)


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
    key = choose_signature(model, meta, signature)
    found = meta.signatures[key]
    for name, spec in (*found.inputs.items(), *found.outputs.items()):
        if spec.encoding != "dense":
            raise UsageError(
                f"{name!r} of signature {key!r} is {spec.encoding}, not a dense tensor",
                where=model.source.path,
            )
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
    return Face(graph=meta.graph, inputs=inputs, outputs=tuple(found.outputs), side=side)


def choose_meta_graph(model: Model, tag_set: Sequence[str] | None) -> MetaGraph:
    """The meta graph with just these tags; without any asked for, the only one, or ``serve``.

    Raises UsageError for tags that no meta graph has, NeedsDecision where several may be meant.
    """
    tags = [sorted(meta.tags) for meta in model.meta_graphs]
    wanted = None if tag_set is None else sorted(tag_set)
    if wanted is None and len(tags) == 1:
        return model.meta_graphs[0]
    if wanted is None and ["serve"] in tags:
        wanted = ["serve"]
    if wanted is None:
        raise NeedsDecision(
            f"holds {len(tags)} meta graphs",
            where=model.source.path,
            options=[paste_option("--tag-set", ",".join(item)) for item in tags],
            hint="choose one of:",
        )
    if wanted not in tags:
        shown = "; ".join(",".join(item) or "(none)" for item in tags)
        raise UsageError(
            f"has no meta graph with tags {','.join(wanted)}; it has: {shown}",
            where=model.source.path,
        )
    return model.meta_graphs[tags.index(wanted)]


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
