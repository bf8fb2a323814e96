"""What stops a migration, found on the pruned graph before anything runs.

Each was reproduced with TensorFlow: the op facts come from its registry, the rest from trying.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from migrator.errors import paste_option
from migrator.inspection.vocabulary import FEEDERS, PLACEHOLDERS
from migrator.migration.passes.deprecated import why_not
from migrator.migration.plan import Blocker, Endpoint, Subgraph
from migrator.model.checks import dangling_inputs, find_cycle
from migrator.model.graph import Graph, Node, Versions, index_nodes
from migrator.model.tensors import TensorRef
from migrator.ops.registry import covered_releases, op_facts, output_dtypes
from migrator.ops.state import VARIABLE_OPS

PRODUCER = 2474
"""GraphDef version that TensorFlow 2.21 writes, and the highest ``min_consumer`` it takes."""
_PYTHON = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))
_TABLES = frozenset(
    (
        "HashTable",
        "HashTableV2",
        "MutableHashTable",
        "MutableHashTableV2",
        "MutableDenseHashTable",
        "MutableDenseHashTableV2",
    )
)
_PIPELINE = frozenset(("FIFOQueue", "FIFOQueueV2", "OneShotIterator", "Iterator", "IteratorV2"))


def find_blockers(
    subgraph: Subgraph,
    inputs: Iterable[Endpoint],
    outputs: Iterable[Endpoint],
    *,
    bound: Collection[str] = (),
    custom_ops: bool = False,
) -> tuple[Blocker, ...]:
    """All blockers, the structural ones first; one for each op, at its first node.

    ``bound`` are nodes (variables, tables) that something outside of the graph stands in for.
    ``custom_ops``: the user brings a library that may hold the unknown ones.
    """
    graph = _graph(subgraph)
    free = [node for node in subgraph.nodes if node.name not in bound]
    found = [
        *version_blockers(subgraph.versions),
        *_structure(graph, {item.tensor for item in inputs}),
        *_first_of_each_op(free, graph, has_variables=bool(bound), custom_ops=custom_ops),
        *_inputs(inputs),
        *_outputs(outputs),
        *_lost(graph, outputs, {item.tensor for item in inputs}),
    ]
    for function in subgraph.functions:
        found += _first_of_each_op(
            function.nodes,
            graph,
            inside=function.name,
            has_variables=bool(bound),
            custom_ops=custom_ops,
        )
    return tuple(found)


def _graph(subgraph: Subgraph) -> Graph:
    by_name, duplicates = index_nodes(subgraph.nodes)
    return Graph(
        nodes=subgraph.nodes,
        functions={function.name: function for function in subgraph.functions},
        versions=subgraph.versions,
        by_name=by_name,
        duplicates=duplicates,
    )


def version_blockers(versions: Versions) -> Iterator[Blocker]:
    """What a graph's versions say against being read by the TensorFlow that is covered."""
    if versions.min_consumer > PRODUCER or PRODUCER in versions.bad_consumers:
        yield Blocker(
            code="min_consumer",
            text=f"the graph asks for a reader of version {versions.min_consumer} or later; "
            f"TensorFlow {covered_releases()[0]} is {PRODUCER}",
            node="",
            fix="use a newer TensorFlow",
        )


def _structure(graph: Graph, given: set[str]) -> Iterator[Blocker]:
    for name in graph.duplicates[:3]:
        yield Blocker(
            code="duplicate_name",
            text=f"two nodes are called {name!r}",
            node=name,
            fix="the file was put together wrongly; export it again",
        )
    dangling = (
        (node, text)
        for node, text in dangling_inputs(graph)
        if str(TensorRef.parse(text)) not in given
    )
    for node, text in islice(dangling, 3):
        yield Blocker(
            code="dangling_input",
            text=f"node {node.name!r} takes {text!r}, which does not exist",
            node=node.name,
            fix="the file is cut off or was pruned too far; get it whole, or name what comes "
            f"behind the gap: {paste_option('--input', f'{node.name}:0')}",
        )
    cycle = find_cycle(graph)
    if cycle:
        yield Blocker(
            code="cycle",
            text=f"{len(cycle)} nodes wait for each other outside of a while loop",
            node=min(cycle),
            fix="no runtime can run this graph",
        )


def _first_of_each_op(
    nodes: Iterable[Node],
    graph: Graph,
    *,
    inside: str = "",
    has_variables: bool = False,
    custom_ops: bool = False,
) -> Iterator[Blocker]:
    counts: dict[str, int] = {}
    first: dict[str, Node] = {}
    for node in nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
        first.setdefault(node.op, node)
    for op, node in first.items():
        if op in graph.functions:
            continue
        found = find_obstacle(node, has_variables=has_variables, custom_ops=custom_ops)
        if found is not None:
            code, text, fix = found
            many = f" ({counts[op]} nodes)" if counts[op] > 1 else ""
            place = f"{inside}/{node.name}" if inside else node.name
            yield Blocker(code=code, text=f"{text}{many}", node=place, fix=fix, op=op)


Found = tuple[str, str, str] | None


def find_obstacle(
    node: Node, *, has_variables: bool = False, custom_ops: bool = False
) -> tuple[str, str, str] | None:
    """(code, text, fix) of what is against a node by its op, None where nothing is.

    ``has_variables`` and ``custom_ops`` as for ``find_blockers``.
    """
    for rule in _OP_RULES:
        if (has_variables and rule in _FROZEN_RULES) or (custom_ops and rule in _CUSTOM):
            continue
        found = rule(node)
        if found is not None:
            return found
    return None


def _variable(node: Node) -> Found:
    if node.op not in VARIABLE_OPS:
        return None
    return (
        "not_frozen",
        f"the variable {node.name!r} has no value in this file: the graph is not frozen",
        "its weights are in a checkpoint beside it; freeze the two together",
    )


def _reference(node: Node) -> Found:
    facts = op_facts(node.op)
    if facts is None or not any(argument.is_ref for argument in facts.inputs):
        return None
    if node.op in ("RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefNextIteration"):
        return None
    return (
        "assignment",
        f"{node.op} writes to a variable that freezing turned into a constant",
        "it is left over from training: fix the training switch (--feed is_training=false), "
        "or name an --output before it",
    )


def _resource(node: Node) -> Found:
    if node.op in ("ReadVariableOp", "ResourceGather", "AssignVariableOp") or node.op.startswith(
        "ResourceApply"
    ):
        return (
            "assignment",
            f"{node.op} needs a variable's handle, and freezing removed the variables",
            "fix the training switch (--feed is_training=false), or name an --output before it",
        )
    return None


def _python(node: Node) -> Found:
    if node.op not in _PYTHON:
        return None
    return (
        "python",
        f"{node.op} calls a Python function that is not in the file",
        "name its results as --input, or an --output before it",
    )


def _table(node: Node) -> Found:
    if node.op not in _TABLES:
        return None
    return (
        "table",
        f"the lookup table {node.name!r} is empty: a frozen graph does not hold its initializer",
        "name the looked-up tensor as an --input, or migrate the SavedModel that it came from",
    )


def _pipeline(node: Node) -> Found:
    if node.op in FEEDERS or node.op in _PIPELINE:
        return (
            "pipeline",
            f"{node.op} waits for a training pipeline that is not in the file",
            f"name its results as --input, e.g. {paste_option('--input', f'{node.name}:0')}",
        )
    return None


def _placeholder(node: Node) -> Found:
    if node.op not in PLACEHOLDERS:
        return None
    return (
        "unfed",
        f"the placeholder {node.name!r} is neither an input nor fed",
        f"add {paste_option('--input', f'{node.name}:0')} or "
        f"{paste_option('--feed', f'{node.name}:0=VALUE')}",
    )


def _known_reason(node: Node) -> Found:
    """What is known of an op that no TensorFlow 2 runs, and that nothing replaces."""
    reason = why_not(node.op)
    if reason is None:
        return None
    facts = op_facts(node.op)
    # TensorFlow 2 dropped tf.contrib whole: its ops were removed as those of the core were.
    code = "removed_op" if reason.library.startswith("tf.contrib") else "unknown_op"
    if facts is not None:
        code = "removed_op" if facts.last_release else "deprecated_op"
        if not (facts.last_release or facts.deprecated_at):
            code = "no_kernel"
    known = [f"of {reason.library}"] if reason.library else []
    if code == "deprecated_op" and facts is not None:
        known.append(f"refused since GraphDef version {facts.deprecated_at}")
    origin = f" ({', '.join(known)})" if known else ""
    results = paste_option("--input", f"{node.name}:0")
    around = f"name an --output before it, or its results as {results}"
    return code, f"{node.op}{origin}: {reason.why}", f"{reason.hint}; or {around}"


def _unknown(node: Node) -> Found:
    facts = op_facts(node.op)
    newest = covered_releases()[0]
    if facts is None:
        return (
            "unknown_op",
            f"no op {node.op!r} is registered in TensorFlow {newest}",
            "a custom or contrib op: name an --output before it or an --input behind it",
        )
    if facts.last_release:
        return (
            "removed_op",
            f"{node.op} was removed; TensorFlow {facts.last_release} was the last seen with it",
            "name an --output before it or an --input behind it",
        )
    return None


def _deprecated(node: Node) -> Found:
    facts = op_facts(node.op)
    if facts is None or not facts.deprecated_at or facts.deprecated_at > PRODUCER:
        return None
    # At the source's own version it may import; the saved result carries the newest one.
    return (
        "deprecated_op",
        f"{node.op} is refused since GraphDef version {facts.deprecated_at}: {facts.deprecation}",
        "it saves and then fails to load; name an --output before it",
    )


def _kernel(node: Node) -> Found:
    facts = op_facts(node.op)
    if facts is None or facts.cpu_kernel or not facts.outputs:
        return None
    return (
        "no_kernel",
        f"{node.op} has no kernel that runs on a CPU inside a function",
        "name an --output before it or an --input behind it",
    )


_OP_RULES: tuple[Callable[[Node], Found], ...] = (
    _variable,
    _python,
    _table,
    _pipeline,
    _placeholder,
    _known_reason,
    _unknown,
    _deprecated,
    _reference,
    _resource,
    _kernel,
)


_FROZEN_RULES = (_resource,)
"""What is wrong only where the variables are gone."""
_CUSTOM = (_known_reason, _unknown)
"""What a user's own op library may mend."""


def _inputs(inputs: Iterable[Endpoint]) -> Iterator[Blocker]:
    for item in inputs:
        if item.dtype is not None and item.dtype.kind in "h?":
            yield Blocker(
                code="handle_input",
                text=f"the input {item.tensor} is of type {item.dtype}, which no array holds",
                node=TensorRef.parse(item.tensor).node,
                fix="name a tensor behind it that holds values",
            )


def _outputs(outputs: Iterable[Endpoint]) -> Iterator[Blocker]:
    for item in outputs:
        if item.dtype is not None and item.dtype.kind == "h":
            yield Blocker(
                code="handle_output",
                text=f"the output {item.tensor} is a {item.dtype} handle, not data",
                node=TensorRef.parse(item.tensor).node,
                fix="name a tensor that holds values",
            )


def _lost(graph: Graph, outputs: Iterable[Endpoint], given: set[str]) -> Iterator[Blocker]:
    """Outputs in branches that a feed rules out."""
    for item in outputs:
        ref = TensorRef.parse(item.tensor)
        node = graph.by_name.get(ref.node)
        types = output_dtypes(node) if node is not None else None
        gone = node is None or (types is not None and ref.port >= len(types))
        if gone and item.tensor not in given:
            yield Blocker(
                code="output_lost",
                text=f"the output {item.tensor} lies in a branch that the feeds rule out",
                node=ref.node,
                fix="feed the switch the other way, or name an output outside of the branch",
            )
