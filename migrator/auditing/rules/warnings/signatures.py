"""Warnings about how a model is called: signatures, names, tag sets."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.callgraph.served import ServedGraph, signatures_of
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import in_words, plural
from migrator.auditing.subject import Subject
from migrator.migration.naming import is_usable, usable
from migrator.migration.plan import PREDICT, SERVING
from migrator.model.model import Signature
from migrator.model.tensors import TensorRef
from migrator.ops.registry import output_dtypes

_SAVED = ("saved_model", "saved_model_text")
_LEGACY = ("tensorflow/serving/classify", "tensorflow/serving/regress")


@rule(
    code="W201",
    name="no-signature",
    severity=Severity.LOW,
    family="warning",
    looks_at=("signatures",),
    since="0.1",
)
def no_signature(subject: Subject) -> Iterator[Issue]:
    """A SavedModel that does not say how it is called

    What it detects: a SavedModel or hub module without any signature.

    Why it matters: model servers and converters call a model by its signatures. Without one, the
    inputs and outputs have to be guessed from the graph, or known.

    How to fix: Name them when you migrate (`--input NAME=TENSOR --output NAME=TENSOR`). For a
    model that TensorFlow 2 saved, load it there and save it again with `signatures=`.

    Limits: bare graphs have no signatures by their nature and are not told of.
    """
    if subject.format not in (*_SAVED, "hub_module"):
        return
    for graph in subject.served.graphs:
        if signatures_of(graph.meta):
            continue
        objects = graph.meta.object_graph
        functions = len(objects.concrete_functions) if objects is not None else 0
        more = f"; its {plural(functions, 'function')} can be called from Python" * bool(functions)
        yield Issue(message=f"there is no signature{more}", meta_graph=graph.tags)


@rule(
    code="W202",
    name="empty-signature",
    severity=Severity.LOW,
    family="warning",
    looks_at=("signatures",),
    since="0.1",
)
def empty_signature(subject: Subject) -> Iterator[Issue]:
    """A signature that gives nothing, or takes nothing

    What it detects: signatures without outputs, with outputs that are only operations (a training
    step, an init group), or without inputs.

    Why it matters: TensorFlow 2 cannot call an operation as a result. A signature without inputs
    gives the same answer at every call, unless it reads state or a pipeline.

    How to fix: Nothing where others serve: `migrate` leaves out what gives no tensors. A
    signature without inputs is kept; look whether an input was forgotten.

    Limits: whether state explains a missing input is not looked at.
    """
    for graph in subject.served.graphs:
        for key, signature in signatures_of(graph.meta):
            severity, text = Severity.LOW, ""
            if not signature.outputs:
                text = "has no outputs"
            elif all(_is_operation(graph, spec.tensor) for spec in signature.outputs.values()):
                text = "gives no tensors, only operations"
            elif not signature.inputs:
                text, severity = "takes no inputs", Severity.INFO
            if text:
                yield Issue(
                    message=f"signature {key!r} {text}",
                    meta_graph=graph.tags,
                    severity=severity,
                    key=key,
                )


def _is_operation(graph: ServedGraph, tensor: str) -> bool:
    node = graph.meta.graph.by_name.get(TensorRef.parse(tensor).node) if tensor else None
    return node is not None and output_dtypes(node) == ()


@rule(
    code="W203",
    name="signature-method",
    severity=Severity.LOW,
    family="warning",
    looks_at=("signatures",),
    since="0.1",
)
def signature_method(subject: Subject) -> Iterator[Issue]:
    """A signature's method that is not predict

    What it detects: signatures of the classify and regress methods, and SavedModel signatures
    whose method is empty or none that a model server knows.

    Why it matters: classify and regress are called by APIs of their own that send serialized
    Examples; TensorFlow 2 itself writes predict signatures alone. A model server refuses a method
    that it does not know.

    How to fix: Nothing for classify and regress: `migrate` keeps the method, so that clients go
    on. An empty one becomes predict; set any other right where the model is exported.

    Limits: whether clients use these APIs cannot be seen.
    """
    if subject.format not in _SAVED:
        return
    for graph in subject.served.graphs:
        methods: dict[str, list[str]] = {}
        for key, signature in signatures_of(graph.meta):
            methods.setdefault(signature.method_name, []).append(key)
        for method, keys in sorted(methods.items()):
            if method == PREDICT:
                continue
            severity = Severity.INFO
            if method in _LEGACY:
                text = f"of the method {method.rsplit('/', 1)[-1]}, which migrate keeps"
            elif not method:
                text = "without a method; migrate makes it predict"
            else:
                text = f"of the method {method!r}, which no model server knows"
                severity = Severity.LOW
            yield Issue(
                message=f"{plural(len(keys), 'signature')} {text}: {in_words(keys)}",
                meta_graph=graph.tags,
                severity=severity,
                detail={"method": method, "signatures": keys[:10]},
                key=method,
            )


@rule(
    code="W204",
    name="renamed-inputs",
    severity=Severity.LOW,
    family="warning",
    looks_at=("signatures",),
    since="0.1",
)
def renamed_inputs(subject: Subject) -> Iterator[Issue]:
    """Input names that TensorFlow 2 does not keep

    What it detects: inputs of signatures whose names are no Python identifiers (`scope/x`,
    `in-put`, `1x`), are keywords, begin with an underscore, or differ in case alone.

    Why it matters: TensorFlow 2 renames some of them when it saves (`scope/x` becomes `scope_x`)
    and refuses others. Clients that send the old names then fail, or an input goes astray.

    How to fix: Change the clients to the new names, which `migrate` writes into its record.
    Always call by keyword: the order of inputs is not kept either.

    Limits: names of a bare graph's inputs are chosen anew anyway and not told of.
    """
    for graph in subject.served.graphs:
        for key, signature in signatures_of(graph.meta):
            renamed = _renamed(graph, key, signature)
            if renamed:
                words = in_words(f"{old!r} -> {new!r}" for old, new in renamed.items())
                yield Issue(
                    message=f"signature {key!r}: {words}",
                    meta_graph=graph.tags,
                    detail={"renamed": dict(list(renamed.items())[:10]), "count": len(renamed)},
                    key=key,
                )


def _renamed(graph: ServedGraph, key: str, signature: Signature) -> dict[str, str]:
    """Old name -> new one, as the plan has it, else by the rule for names."""
    names = [name for name, spec in signature.inputs.items() if spec.encoding == "dense"]
    plan = graph.plan
    if plan is not None and len(names) == len(signature.inputs):
        for item in plan.signatures:
            if item.source_key == key and len(item.inputs) == len(names):
                pairs = zip(names, (end.name for end in item.inputs), strict=True)
                return {old: new for old, new in pairs if old != new}
    return {name: usable(name) for name in names if not is_usable(name)}


@rule(
    code="W205",
    name="composite-inputs",
    severity=Severity.LOW,
    family="warning",
    looks_at=("signatures",),
    since="0.1",
)
def composite_inputs(subject: Subject) -> Iterator[Issue]:
    """Sparse tensors in a signature

    What it detects: inputs or outputs of a signature that are sparse or otherwise composite: one
    name for several tensors.

    Why it matters: a signature of TensorFlow 2 holds dense tensors alone. Each sparse one becomes
    three, so clients have to send and read other names.

    How to fix: Let clients use NAME_values, NAME_indices and NAME_dense_shape, which is what
    `migrate` makes of NAME.

    Limits: composites other than sparse ones are numbered (NAME_0, NAME_1, ...).
    """
    for graph in subject.served.graphs:
        for key, signature in signatures_of(graph.meta):
            sides = (*signature.inputs.items(), *signature.outputs.items())
            names = [name for name, spec in sides if spec.encoding != "dense"]
            if names:
                yield Issue(
                    message=f"signature {key!r} holds sparse tensors: {in_words(names)}",
                    meta_graph=graph.tags,
                    detail={"names": names[:10], "count": len(names)},
                    key=key,
                )


@rule(
    code="W206",
    name="several-tag-sets",
    severity=Severity.LOW,
    family="warning",
    looks_at=("tag sets",),
    since="0.1",
)
def several_tag_sets(subject: Subject) -> Iterator[Issue]:
    """More than one meta graph

    What it detects: a SavedModel or hub module that holds several graphs under different tags.

    Why it matters: `tf.saved_model.load` refuses it unless `tags=` says which, and only one of
    them is migrated.

    How to fix: Choose one with `--tag-set` if `migrate` takes another than you want.

    Limits: whether the graphs differ in more than their tags is not looked at.
    """
    metas = subject.meta_graphs
    if len(metas) < 2:
        return
    sets = ["+".join(sorted(meta.tags)) or "no tags" for meta in metas]
    plan = subject.planned.plan
    taken = f"; migrate takes {'+'.join(plan.tags) or 'the one without tags'}" if plan else ""
    yield Issue(
        message=f"{len(metas)} meta graphs: {in_words(sets, 6)}{taken}",
        detail={"tag_sets": sorted(sets)[:20], "count": len(metas)},
    )


@rule(
    code="W207",
    name="no-serve-tag",
    severity=Severity.INFO,
    family="warning",
    looks_at=("tag sets",),
    since="0.1",
)
def no_serve_tag(subject: Subject) -> Iterator[Issue]:
    """No meta graph is tagged for serving

    What it detects: a SavedModel none of whose meta graphs has the tag `serve`.

    Why it matters: model servers and most loading code ask for that tag and find nothing.

    How to fix: Nothing to do: `migrate` tags its result `serve`.

    Limits: hub modules use other tags and are not told of.
    """
    metas = subject.meta_graphs
    if subject.format not in _SAVED or not metas or any("serve" in meta.tags for meta in metas):
        return
    sets = ["+".join(sorted(meta.tags)) or "no tags" for meta in metas]
    yield Issue(message=f"no meta graph is tagged serve: {in_words(sets)}")


@rule(
    code="W208",
    name="no-default-signature",
    severity=Severity.INFO,
    family="warning",
    looks_at=("signatures",),
    since="0.1",
)
def no_default_signature(subject: Subject) -> Iterator[Issue]:
    """No signature is the default one

    What it detects: a SavedModel with signatures, none of which is called `serving_default`.

    Why it matters: a request that names no signature is answered by `serving_default`; here it
    fails.

    How to fix: Name the one that clients mean: `--signature serving_default=KEY`, once for each
    signature that you want to keep.

    Limits: clients that always name the signature are not affected.
    """
    if subject.format not in _SAVED:
        return
    for graph in subject.served.graphs:
        keys = [key for key, _ in signatures_of(graph.meta)]
        if keys and SERVING not in keys:
            yield Issue(
                message=f"none of its signatures is {SERVING}: {in_words(keys)}",
                meta_graph=graph.tags,
                detail={"signatures": keys[:20]},
            )
