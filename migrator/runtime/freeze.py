"""Child task: one signature of a SavedModel as a GraphDef whose variables are constants.

What TensorFlow makes is left as it is but for attributes that older releases would refuse;
``migrator.migration.freezing.frozen`` gives the result its names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from migrator.ops.older import attributes_in, older_releases

_MOST_BYTES = (1 << 31) - 1
"""Protobuf reads no larger message."""

_Frozen = tuple[Any, dict[str, str], dict[str, str], int, dict[str, str]]
"""The GraphDef, its tensor for each input and output, variables frozen, and what they were."""


def freeze(
    *, path: str, tags: list[str] | None, signature: str, loader: str, dest: str
) -> dict[str, Any]:
    """Freeze ``signature`` of the SavedModel in folder ``path`` into the file ``dest``.

    ``loader`` is ``tf2`` (``tf.saved_model.load``) or ``tf1`` (into a session). Functions are
    inlined and control flow is lowered to TensorFlow 1's.

    Returns ``inputs`` and ``outputs``: the signature's name -> tensor of the result;
    ``variables``: how many became constants; ``weights``: constant -> name of the variable that
    it was; ``stripped``: how many attributes that stood at their default were left out.
    """
    import tensorflow as tf

    make = {"tf2": _from_object, "tf1": _from_session}[loader]
    graph_def, inputs, outputs, variables, weights = make(tf, path, tags, signature)
    stripped = _strip_defaults(graph_def)
    data = graph_def.SerializeToString(deterministic=True)
    _check_size(len(data))
    Path(dest).write_bytes(data)
    return {
        # Protobuf gives a map in another order each time.
        "inputs": dict(sorted(inputs.items())),
        "outputs": dict(sorted(outputs.items())),
        "variables": variables,
        "weights": weights,
        "stripped": stripped,
    }


def _from_object(tf: Any, path: str, tags: list[str] | None, signature: str) -> _Frozen:
    model = tf.saved_model.load(path, tags=tags)
    concrete = model.signatures[signature]
    variables = concrete.graph.variables
    _check_size(sum(_variable_bytes(variable) for variable in variables))
    graph_def = _inlined(concrete)
    given = concrete.structured_input_signature[1]
    # A signature's outputs are flattened in the order of their names.
    results = zip(sorted(concrete.structured_outputs), concrete.outputs, strict=True)
    outputs = {name: tensor.name for name, tensor in results}
    inputs = {name: _argument(name, concrete) for name in given}
    return graph_def, inputs, outputs, len(variables), _weights(concrete)


def _weights(concrete: Any) -> dict[str, str]:
    """Placeholder of a captured variable, which its constant is called after -> its name."""
    names = {id(variable.handle): variable.name for variable in concrete.graph.variables}
    return {
        inner.op.name: names[id(outer)].partition(":")[0]
        for outer, inner in concrete.graph.captures
        if id(outer) in names
    }


def _argument(name: str, concrete: Any) -> str:
    """The placeholder of argument ``name``; a captured tensor has no such name of its own."""
    for tensor in concrete.inputs:
        label = tensor.op.get_attr("_user_specified_name") if _is_labelled(tensor) else b""
        if name in (label.decode(), tensor.op.name):
            return str(tensor.name)
    raise ValueError(f"the loaded signature has no argument {name!r}")


def _is_labelled(tensor: Any) -> bool:
    return "_user_specified_name" in tensor.op.node_def.attr


def _inlined(concrete: Any) -> Any:
    """GraphDef of a ConcreteFunction, frozen, inlined, lowered.

    Not of the function that TensorFlow makes of it: pruning leaves that one with placeholders
    for the control inputs of loops.
    """
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph as convert,
    )

    return convert(concrete, lower_control_flow=True, aggressive_inlining=True)[1]


def _from_session(tf: Any, path: str, tags: list[str] | None, signature: str) -> _Frozen:
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        meta = tf.compat.v1.saved_model.load(session, tags or [], path)
        found = meta.signature_def[signature]
        inputs = {name: info.name for name, info in found.inputs.items()}
        outputs = {name: info.name for name, info in found.outputs.items()}
        ends = [_node(tensor) for tensor in (*outputs.values(), *inputs.values())]
        graph_def = graph.as_graph_def()
        for node in graph_def.node:
            node.device = ""
        with _quiet(tf):
            frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
                session, graph_def, list(dict.fromkeys(ends))
            )
        before = {node.name for node in graph_def.node if node.op == "Const"}
        variables = sum(node.op == "Const" and node.name not in before for node in frozen.node)
    if frozen.library.function:
        frozen, outputs = _with_functions_inlined(tf, frozen, inputs, outputs)
    return frozen, inputs, outputs, variables, {}


class _quiet:
    """The converter says of itself that it is deprecated; there is no other for a session."""

    def __init__(self, tf: Any) -> None:
        self._logger = tf.get_logger()
        self._level = self._logger.level

    def __enter__(self) -> None:
        self._logger.setLevel("ERROR")

    def __exit__(self, *_: object) -> None:
        self._logger.setLevel(self._level)


def _with_functions_inlined(
    tf: Any, graph_def: Any, inputs: dict[str, str], outputs: dict[str, str]
) -> tuple[Any, dict[str, str]]:
    """The graph with its function calls inlined, where TensorFlow can; else as it was."""
    from tensorflow.python.eager.wrap_function import function_from_graph_def

    try:
        concrete = function_from_graph_def(graph_def, list(inputs.values()), list(outputs.values()))
        found = _inlined(concrete)
        names = {node.name for node in found.node}
        made = {name: tensor.name for name, tensor in zip(outputs, concrete.outputs, strict=True)}
        kept = all(_node(tensor) in names for tensor in (*inputs.values(), *made.values()))
    except Exception:  # calls that stay are told of
        return graph_def, outputs
    return (found, made) if kept else (graph_def, outputs)


def _node(tensor: str) -> str:
    return tensor.rpartition(":")[0]


def _variable_bytes(variable: Any) -> int:
    elements = variable.shape.num_elements()
    return (elements or 0) * int(variable.dtype.size)


def _check_size(count: int) -> None:
    if count > _MOST_BYTES:
        raise ValueError(
            f"the frozen graph would have {count:,} bytes or more, and no GraphDef can hold "
            f"more than {_MOST_BYTES:,}"
        )


def _strip_defaults(graph_def: Any) -> int:
    """Leave out attributes that stand at their default and that an older release lacks.

    It was with such a default that they came in; so any release between then and now reads the
    same. What every release knows is left, for readers that have no defaults at all.
    """
    count = 0
    for nodes in (graph_def.node, *(item.node_def for item in graph_def.library.function)):
        for node in nodes:
            for name in _newer_defaults(node):
                del node.attr[name]
                count += 1
    return count


def _newer_defaults(node: Any) -> Sequence[str]:
    from tensorflow.python.framework import op_def_registry

    known = _oldest_attributes(node.op)
    definition = op_def_registry.get(node.op) if known is not None else None
    if known is None or definition is None:
        return ()
    return [
        attr.name
        for attr in _new_attributes(definition.attr, known)
        if attr.name in node.attr
        and attr.HasField("default_value")
        and attr.default_value == node.attr[attr.name]
    ]


def _new_attributes(attrs: Iterable[Any], known: frozenset[str]) -> list[Any]:
    return [attr for attr in attrs if attr.name not in known]


def _oldest_attributes(op: str) -> frozenset[str] | None:
    """The attributes of an op in the oldest release that has it."""
    for release in reversed(older_releases()):
        found = attributes_in(release, op)
        if found is not None:
            return found
    return None
