"""Warnings about what a graph is made of: old control flow, old state, layouts, shapes."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.contents.bodies import Place
from migrator.auditing.facts.devices import is_accelerator, is_remote
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import in_words, op_words, plural, summed
from migrator.auditing.subject import Subject
from migrator.inspection.summary import V1_CONTROL_FLOW
from migrator.model.graph import Node
from migrator.ops.registry import Argument, op_facts
from migrator.ops.state import REFERENCE_VARIABLES

_BRANCHES = frozenset(("Switch", "RefSwitch"))
_ENTERS = frozenset(("Enter", "RefEnter"))
_ARRAYS = frozenset(("TensorArray", "TensorArrayV2", "TensorArrayV3"))


@rule(
    code="W101",
    name="tf1-control-flow",
    severity=Severity.LOW,
    family="warning",
    looks_at=sorted(V1_CONTROL_FLOW),
    since="0.1",
)
def tf1_control_flow(subject: Subject) -> Iterator[Issue]:
    """TensorFlow 1 control flow on the way to the results

    What it detects: loops and conditions of Switch, Merge, Enter, Exit and NextIteration that
    the signatures (or a frozen graph's outputs) need.

    Why it matters: TensorFlow 2 still runs them, but `jit_compile=True` fails (there is no such
    kernel), gradients through their loops fail, and TFLite takes them only without TensorArrays.

    How to fix: Let `migrate` make it functional, which it does by default wherever it can. Where
    it cannot, the message says what stands in its way; the graph then keeps running as it is
    (`--control-flow v1` asks for that).

    Limits: without a plan (a decision is open) nobody knows yet whether it can be made
    functional, nor whether fixing a training switch takes the branch out.
    """
    for graph in subject.served.graphs:
        places = graph.places(V1_CONTROL_FLOW)
        if not places or graph.is_other:
            continue
        plan = graph.plan
        what = _control_flow_words(places)
        severity, fix = Severity.LOW, ""
        if plan is None:
            text = f"the results need TensorFlow 1 control flow: {what}"
        elif plan.control_flow in ("none", "functional"):
            done = (
                "cuts what is never taken" if plan.control_flow == "none" else "makes it functional"
            )
            text = f"the results need TensorFlow 1 control flow ({what}); migrate {done}"
            severity, fix = Severity.INFO, f"Nothing to do: migrate {done}."
        else:
            why = next((note for note in plan.notes if "control flow is kept" in note), "")
            text = f"TensorFlow 1 control flow stays in the result: {what}"
            text += f" ({why})" if why else ""
        yield Issue(
            message=text, place=places[0], severity=severity, fix=fix, detail=summed(places)
        )


def _control_flow_words(places: list[Place]) -> str:
    frames = {
        (place.body.label, bytes(frame))
        for place in places
        if place.node.op in _ENTERS
        and isinstance(frame := place.node.attrs.get("frame_name"), bytes)
    }
    loops = {(place.body.label, place.node.name) for place in places if place.node.op == "LoopCond"}
    predicates = {
        (place.body.label, refs[1].node): place.body
        for place in places
        if place.node.op in _BRANCHES and len(refs := place.node.data_refs) > 1
    }
    # tf.cond switches its predicate by itself and all else by a copy of it: count the copies.
    copied = {
        (label, node.data_refs[0].node)
        for (label, name), body in predicates.items()
        if not label
        and (node := body.graph.by_name.get(name)) is not None
        and node.op == "Identity"
        and node.data_refs
    }
    conditions = len(predicates.keys() - loops - copied)
    words = []
    if frames:
        words.append(plural(len(frames), "loop"))
    if conditions:
        words.append(plural(conditions, "condition"))
    return " and ".join(words) or op_words(places)


@rule(
    code="W102",
    name="tensor-arrays",
    severity=Severity.LOW,
    family="warning",
    looks_at=sorted(_ARRAYS),
    since="0.1",
)
def tensor_arrays(subject: Subject) -> Iterator[Issue]:
    """TensorArrays of TensorFlow 1 on the way to the results

    What it detects: TensorArray ops that the results need, as `dynamic_rnn`, `map_fn` and
    `while_loop` leave them.

    Why it matters: they are what stops a loop from becoming TFLite, and no gradient passes them
    once the loop is functional.

    How to fix: Let `migrate` turn them into tensor lists, which it does together with the loop.
    Where they stay, only TFLite, XLA and training further are shut off: the model still runs.

    Limits: without a plan nobody knows yet whether they can be turned.
    """
    for graph in subject.served.graphs:
        places = graph.places(_ARRAYS)
        if not places or graph.is_other:
            continue
        plan = graph.plan
        text = f"the results need {plural(len(places), 'TensorArray')}"
        severity, fix = Severity.LOW, ""
        if plan is not None and not graph.planned_ops & _ARRAYS:
            text += "; migrate turns them into tensor lists"
            severity, fix = Severity.INFO, "Nothing to do: migrate turns them into tensor lists."
        elif plan is not None:
            why = next((note for note in plan.notes if "TensorArrays are kept" in note), "")
            text += f", which stay in the result ({why})" if why else ", which stay in the result"
        yield Issue(
            message=text, place=places[0], severity=severity, fix=fix, detail=summed(places)
        )


@rule(
    code="W103",
    name="reference-variables",
    severity=Severity.LOW,
    family="warning",
    looks_at=sorted(REFERENCE_VARIABLES),
    since="0.1",
)
def reference_variables(subject: Subject) -> Iterator[Issue]:
    """Reference variables, which TensorFlow 2 loses without a word

    What it detects: variables of the mutable reference kind (float32_ref and the like) that the
    results need, in a model that has its weights beside the graph.

    Why it matters: `tf.saved_model.load` followed by `tf.saved_model.save` drops every such
    weight and reports success; the copy fails with "Attempting to use uninitialized value".

    How to fix: Use `migrate`, which makes resource variables of them; do not load and save the
    model again by hand.

    Limits: a frozen graph that still holds variables is a blocker with a rule of its own.
    """
    if subject.kind == "graph_def":
        return
    for graph in subject.served.graphs:
        places = graph.places(REFERENCE_VARIABLES)
        if not places or graph.is_other:
            continue
        plan = graph.plan
        text = f"{plural(len(places), 'reference variable')} behind the results"
        severity, fix = Severity.LOW, ""
        if plan is not None and not graph.planned_ops & REFERENCE_VARIABLES:
            text += "; migrate makes resource variables of them"
            severity = Severity.INFO
            fix = "Nothing to do for migrate; do not load and save the model again by hand."
        yield Issue(
            message=text, place=places[0], severity=severity, fix=fix, detail=summed(places)
        )


@rule(
    code="W104",
    name="colocation",
    severity=Severity.INFO,
    family="warning",
    looks_at=("_class attributes",),
    since="0.1",
)
def colocation(subject: Subject) -> Iterator[Issue]:
    """Colocation constraints

    What it detects: nodes that a `_class` attribute (`loc:@other`) ties to another node's device.

    Why it matters: once a graph is cut, what a constraint names may be gone, and TensorFlow then
    refuses to import it.

    How to fix: Nothing to do: `migrate` strips the constraints. Strip them yourself before you
    cut a graph by other means.

    Limits: constraints inside of function bodies are not counted.
    """
    for graph in subject.served.graphs:
        nodes = [node for node in graph.meta.graph.nodes if "_class" in node.attrs]
        tied = [node for node in nodes if _names_another(node)]
        if tied and not graph.is_other:
            yield Issue(
                message=f"{plural(len(tied), 'node')} tied to another's device; migrate strips it",
                meta_graph=graph.tags,
                detail={"count": len(tied), "nodes": [node.name for node in tied[:10]]},
            )


def _names_another(node: Node) -> bool:
    """Optimisers of TensorFlow 1 also tie nodes to themselves, which ties nothing."""
    value = node.attrs.get("_class")
    own = f"loc:@{node.name}".encode()
    return isinstance(value, list) and any(
        isinstance(item, bytes) and item.startswith(b"loc:@") and item != own for item in value
    )


@rule(
    code="W105",
    name="accelerator-device",
    severity=Severity.INFO,
    family="warning",
    looks_at=("device strings",),
    since="0.1",
)
def accelerator_device(subject: Subject) -> Iterator[Issue]:
    """Nodes placed on a GPU or a TPU

    What it detects: device strings that name an accelerator (`/device:GPU:0`, `/tpu:0`).

    Why it matters: the placement was chosen for the machine that trained the model. TensorFlow 2
    runs such nodes elsewhere where that device is missing, so nothing breaks, but nothing says so.

    How to fix: Nothing to do: `migrate` strips device strings, and TensorFlow places the ops
    itself. If a model was split over several devices because it fits on none, plan for that.

    Limits: devices of another machine (`/job:ps/...`) are a blocker's matter and told there.
    """
    for meta in subject.meta_graphs:
        devices: dict[str, int] = {}
        for node in meta.graph.all_nodes():
            if node.device:
                devices[node.device] = devices.get(node.device, 0) + 1
        found = {
            name: count
            for name, count in devices.items()
            if is_accelerator(name) and not is_remote(name)
        }
        if found:
            count = sum(found.values())
            yield Issue(
                message=f"{plural(count, 'node')} placed on {in_words(sorted(found))}",
                meta_graph=",".join(meta.tags),
                detail={"count": count, "devices": sorted(found)[:10]},
            )


@rule(
    code="W106",
    name="missing-attribute",
    severity=Severity.MEDIUM,
    family="warning",
    looks_at=("attributes without a default",),
    since="0.1",
)
def missing_attribute(subject: Subject) -> Iterator[Issue]:
    """Attributes that TensorFlow cannot do without

    What it detects: nodes behind the results that lack an attribute which gives the type or the
    number of their inputs or outputs and has no default (`T` of MatMul, `N` of AddN).

    Why it matters: TensorFlow refuses to import the graph: "NodeDef missing attr". A tool that
    stripped attributes, or a hand-written graph, is where this comes from.

    How to fix: Export the model again without stripping attributes that have no default.

    Limits: only attributes that types and counts hang on are known here; other attributes without
    a default (such as `strides`) are not.
    """
    served = subject.served
    for op, places in subject.by_op.items():
        facts = op_facts(op)
        if facts is None:
            continue
        needed = {
            name
            for argument in (*facts.inputs, *facts.outputs)
            for name in _attributes(argument)
            if name not in facts.defaults
        }
        if not needed:
            continue
        lacking = [
            place
            for place in places
            if any(name not in place.node.attrs for name in needed) and served.has(place)
        ]
        if lacking:
            missing = sorted(needed - set(lacking[0].node.attrs))
            yield Issue(
                message=f"{op} without its attribute {', '.join(missing)} "
                f"({plural(len(lacking), 'node')})",
                place=lacking[0],
                attr=missing[0],
                detail=summed(lacking),
                key=op,
            )


def _attributes(argument: Argument) -> Iterator[str]:
    if argument.type_attr:
        yield argument.type_attr
    if argument.number_attr:
        yield argument.number_attr


@rule(
    code="W107",
    name="custom-gradient",
    severity=Severity.INFO,
    family="warning",
    looks_at=("_gradient_op_type attributes",),
    since="0.1",
)
def custom_gradient(subject: Subject) -> Iterator[Issue]:
    """Gradients that only the training code knows

    What it detects: Identity and IdentityN nodes behind the results whose `_gradient_op_type`
    names a gradient that was registered in Python, in a model of TensorFlow 1.

    Why it matters: results are the same, but training further through them fails with "No
    gradient defined".

    How to fix: Nothing to do for inference. To train on, register a gradient under that name
    (`tf.RegisterGradient`) before you load the model.

    Limits: overrides on other ops are not looked for.
    """
    for graph in subject.served.graphs:
        if graph.meta.object_graph is not None:  # TensorFlow 2 saves such gradients as functions
            continue
        if graph.is_guess:  # training code may lie behind a wrong guess
            continue
        named = [
            place
            for place in graph.places(("Identity", "IdentityN"))
            if "_gradient_op_type" in place.node.attrs
        ]
        if named:
            kinds = [place.node.attrs.get("_gradient_op_type") for place in named]
            texts = {kind.decode("utf-8", "replace") for kind in kinds if isinstance(kind, bytes)}
            names = sorted(texts)
            yield Issue(
                message=f"{plural(len(named), 'node')} with a gradient of its own: "
                f"{in_words(names)}",
                place=named[0],
                attr="_gradient_op_type",
                detail={**summed(named), "gradients": names[:10]},
            )
