"""``plan``: what migrating a source takes, worked out without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.errors import BlockedError, MigratorError, UnsupportedFormat, UsageError
from migrator.formats.checkpoint import Checkpoint, checkpoint_prefix, open_checkpoint
from migrator.formats.keras.facts import keras_model_facts
from migrator.formats.load import load_on_disk, model_file
from migrator.formats.sniff import sniff
from migrator.inspection.notable import notable_ops
from migrator.inspection.restores import find_restored
from migrator.inspection.tracing import Tracer
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.choosing import choose_meta_graph
from migrator.migration.obstacles import find_blockers
from migrator.migration.options import Choice
from migrator.migration.plan import (
    CONSTANTS,
    VARIABLES,
    Blocker,
    Plan,
    SignaturePlan,
    Step,
)
from migrator.migration.randomness import random_outputs
from migrator.migration.resolve import OpenEndpoints
from migrator.migration.rewriting import Rewritten, optimize_graph, rewrite_graph
from migrator.migration.signatures import Asked, image_inputs, settle_signatures
from migrator.migration.storage.creators import inline_creators
from migrator.migration.storage.store import Storage
from migrator.migration.storage.tables import TableStore
from migrator.migration.storage.variables import VariableStore
from migrator.migration.storage.weights import choose_weights, constants_too_large
from migrator.migration.subgraph import as_subgraph, constant_bytes, cut_subgraph
from migrator.migration.undecided import blocked_anyway
from migrator.model.model import OTHER_GRAPHS, MetaGraph, Model
from migrator.model.tensors import TensorRef
from migrator.places.source import ByteSource

GRAPHS = ("graph_def", "saved_model", "meta_graph", "hub_module")
"""Kinds of sources that hold a graph to plan on."""


def plan(
    source: str | os.PathLike[str] | Model,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    feeds: Sequence[str] = (),
    choice: Choice | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Plan:
    """Plan the migration of a model. Runs nothing, needs no TensorFlow.

    ``inputs`` and ``outputs`` are ``TENSOR`` or ``NAME=TENSOR``, ``feeds`` are ``TENSOR=VALUE``,
    as on the command line; ``choice`` holds these and all other options. What stands in the way
    is in ``Plan.blockers``.

    Raises NeedsDecision where endpoints or tags are open, UnsupportedFormat for a source that
    holds no graph, and what ``load`` raises. Where every plausible answer lacks its weights, there
    is no question: the plan is of all candidates then, and that blocks it.
    """
    asked = choice or Choice()
    asked = replace(
        asked,
        inputs=inputs or asked.inputs,
        outputs=outputs or asked.outputs,
        feeds=feeds or asked.feeds,
    )
    for library in asked.op_libraries:
        if not Path(library).is_file():
            raise UsageError("there is no such op library", where=library)
    if not isinstance(source, Model):
        _no_keras(source, limits)
    model = source if isinstance(source, Model) else load_on_disk(source, limits=limits)
    where = model.source.path
    if model.place is not None and model.place.path is None:
        raise UnsupportedFormat(
            "lies in an archive or at an address, and a migration needs its files on disk",
            where=where,
            hint="unpack or copy it",
        )
    if model.source.format in OTHER_GRAPHS:
        model.require_tensorflow_graph()
    if model.source.kind not in GRAPHS:
        raise UnsupportedFormat(
            f"is a {model.source.format}, which holds no graph to migrate",
            where=where,
            hint="name the .meta file or the SavedModel that the weights belong to",
        )
    try:
        return _plan(model, asked, limits)
    except MigratorError as error:
        raise error if error.where.startswith(where) else error.at(where) from None


class KerasRefused(BlockedError):
    """A Keras file brings more than layers of Keras itself."""


def keras_refused(reasons: Sequence[str], where: str) -> KerasRefused:
    """The error for such a file."""
    return KerasRefused(
        "is not loaded, as that would run what the file brings along",
        blockers=reasons,
        where=where,
        hint="if you trust it, load it in Keras yourself and model.export(...) it",
    )


def _no_keras(source: str | os.PathLike[str], limits: Limits) -> None:
    """Keras makes such a model's graph; what can be told without it is whether it may."""
    opened = ByteSource.open(model_file(source))
    if sniff(opened, limits).format not in ("keras_h5", "keras_zip"):
        return
    facts = keras_model_facts(opened.name, limits=limits, is_apart=True)
    if facts.dangers:
        raise keras_refused([f"{item.layer}: {item.text}" for item in facts.dangers], opened.name)
    if not facts.model_class and not facts.layers:
        return  # ``load`` says what it is
    raise UnsupportedFormat(
        "is a Keras model, and Keras makes its graph only when it is migrated",
        where=opened.name,
        hint="run migrate: nothing in it stands in the way of loading it",
    )


def _plan(model: Model, choice: Choice, limits: Limits) -> Plan:
    chosen = choose_meta_graph(model, choice.tag_set)
    meta = replace(chosen, graph=inline_creators(chosen.graph))
    try:
        wanted = settle_signatures(model, meta, choice)
    except OpenEndpoints as open_:
        made = blocked_anyway(
            meta.graph, open_, lambda asked: _plan_of(model, chosen, meta, asked, choice, limits)
        )
        if made is None:
            raise
        return made
    return _plan_of(model, chosen, meta, wanted, choice, limits)


def _plan_of(
    model: Model,
    chosen: MetaGraph,
    meta: MetaGraph,
    wanted: Sequence[Asked],
    choice: Choice,
    limits: Limits,
) -> Plan:
    storage = _storage(model, meta, choice, limits)
    drafts = [_draft(meta, item, choice) for item in wanted]
    has_variables = any(storage.has_variables(draft.kept.graph) for draft in drafts)
    if choice.optimize:
        drafts = [_optimized(draft, storage) for draft in drafts]
    # Each signature has a copy of its constants.
    held_bytes = sum(constant_bytes(draft.kept.graph) for draft in drafts)
    weights, reason = choose_weights(
        choice.weights,
        source_has_variables=has_variables,
        constant_bytes=held_bytes,
    )
    signatures = [_bound(draft, storage, weights) for draft in drafts]
    initial = storage.initial(meta.graph)
    storage.check_values()
    blockers = [blocker for draft in drafts for blocker in _blockers(draft, storage, choice)]
    largest = max(signature.subgraph.constant_bytes for signature in signatures)
    too_large = constants_too_large(largest)
    if too_large is not None:
        blockers.append(too_large)
    ops = {node.op for draft in drafts for node in draft.kept.graph.all_nodes()}
    return Plan(
        source=model.source,
        graph=chosen.graph,
        tags=meta.tags,
        checkpoint=storage.checkpoint,
        checkpoint_keys=storage.checkpoint_keys(),
        signatures=tuple(signatures),
        held=tuple(storage.weights.values()),
        tables=tuple(storage.tables.values()),
        files=storage.files,
        initial=initial,
        steps=_merged([*(step for draft in drafts for step in draft.steps), *storage.steps()]),
        blockers=_unique(blockers),
        notes=(*notable_ops(ops), *_rewrite_notes(drafts), *storage.notes()),
        weights=weights,
        weights_reason=reason,
        control_flow=_control_flow(drafts),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draft:
    """A signature on its way: cut out and rewritten, its weights still in the graph."""

    asked: Asked
    kept: Rewritten
    steps: tuple[Step, ...]


def _draft(meta: MetaGraph, asked: Asked, choice: Choice) -> _Draft:
    cut, steps = cut_subgraph(meta.graph, asked.resolved)
    kept = rewrite_graph(cut, asked.resolved, choice)
    renames = [
        Step(code="rename", text=f"{item.tensor} is called {item.name!r} in the signature")
        for item in (*asked.resolved.inputs, *asked.resolved.outputs)
        if item.name != TensorRef.parse(item.tensor).node
    ]
    return _Draft(asked=asked, kept=kept, steps=(*steps, *kept.steps, *renames))


def _optimized(draft: _Draft, storage: Storage) -> _Draft:
    """With its weights in the graph, so that they can be folded into each other."""
    resolved = draft.asked.resolved
    kept = optimize_graph(draft.kept, storage.with_values(draft.kept.graph), resolved)
    steps = [step for step in kept.steps if step not in draft.kept.steps]
    return replace(draft, kept=kept, steps=(*draft.steps, *steps))


def _bound(draft: _Draft, storage: Storage, weights: str) -> SignaturePlan:
    """The signature with its variables and tables bound."""
    resolved = draft.asked.resolved
    graph = draft.kept.graph
    keep = {item.tensor for item in resolved.outputs}
    plain = storage.bind(graph, keep, lift_constants=False, inline=weights == CONSTANTS)
    bound = plain
    if weights == VARIABLES:
        bound = storage.bind(graph, keep, lift_constants=True, inline=False)
    return SignaturePlan(
        key=draft.asked.key,
        source_key=draft.asked.source_key,
        method_name=draft.asked.method_name,
        inputs=resolved.inputs,
        outputs=resolved.outputs,
        feeds=resolved.feeds,
        subgraph=bound,
        unlifted=plain if bound.weights else None,
        random=random_outputs(graph, resolved.outputs),
        decode_images=image_inputs(draft.asked),
    )


def _storage(model: Model, meta: MetaGraph, choice: Choice, limits: Limits) -> Storage:
    tracer = Tracer(meta.graph)
    checkpoint = _checkpoint(model, choice, limits)
    restored = find_restored(
        meta.graph, tracer, meta.saver.restore_op if meta.saver is not None else ""
    )
    folder = Path(model.source.path).parent
    folders = (
        [folder / "assets"]
        if model.source.kind in ("saved_model", "hub_module")
        else [folder, folder / "assets"]
    )
    return Storage(
        variables=VariableStore(meta, tracer, restored, checkpoint),
        tables=TableStore(tracer, restored, checkpoint, meta.assets, folders),
        assets=meta.assets,
        checkpoint="" if checkpoint is None else str(checkpoint.prefix),
    )


def _checkpoint(model: Model, choice: Choice, limits: Limits) -> Checkpoint | None:
    """The checkpoint that goes with the model; None where there is none (no variables then)."""
    if choice.checkpoint:
        return open_checkpoint(choice.checkpoint, limits)
    prefix = checkpoint_prefix(model)
    return None if prefix is None else open_checkpoint(prefix, limits)


def _blockers(draft: _Draft, storage: Storage, choice: Choice) -> list[Blocker]:
    resolved = draft.asked.resolved
    found = find_blockers(
        as_subgraph(draft.kept.graph),
        resolved.inputs,
        resolved.outputs,
        bound=storage.bound,
        custom_ops=bool(choice.op_libraries),
    )
    return [*draft.kept.blockers, *storage.blockers, *found]


def _rewrite_notes(drafts: Sequence[_Draft]) -> list[str]:
    return list(dict.fromkeys(note for draft in drafts for note in draft.kept.notes))


def _control_flow(drafts: Sequence[_Draft]) -> str:
    """Of all signatures together: none, v1, functional or both."""
    kinds = {draft.kept.control_flow for draft in drafts} - {"none"}
    return "both" if len(kinds) > 1 else next(iter(kinds), "none")


def _merged(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Steps that several signatures have in common stand once, with the largest count."""
    found: dict[tuple[str, str], Step] = {}
    for step in steps:
        key = (step.code, step.text)
        if key not in found or found[key].count < step.count:
            found[key] = step
    return tuple(found.values())


def _unique(blockers: Sequence[Blocker]) -> tuple[Blocker, ...]:
    return tuple({(item.code, item.text, item.node): item for item in blockers}.values())
