"""Fixing the batch, where TFLite's own kernels for lists of tensors ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator.migration.plan import Plan
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor, TensorRef

_LISTS = frozenset(("TensorListReserve", "TensorListFromTensor", "EmptyTensorList"))


def has_open_lists(plan: Plan) -> bool:
    """True where a list of tensors has elements of a size that is not known beforehand."""
    for signature in plan.signatures:
        subgraph = signature.subgraph
        bodies: list[Sequence[Node]] = [subgraph.nodes]
        bodies += [function.nodes for function in subgraph.functions]
        if any(_open_lists(nodes) for nodes in bodies):
            return True
    return False


def _open_lists(nodes: Sequence[Node]) -> bool:
    makers = [node for node in nodes if node.op in _LISTS]
    if not makers:
        return False
    constants = {node.name: node.attrs.get("value") for node in nodes if node.op == "Const"}
    return any(_is_open(node, constants) for node in makers)


def _is_open(node: Node, constants: Mapping[str, object]) -> bool:
    slot = 1 if node.op == "TensorListFromTensor" else 0
    value = constants.get(TensorRef.parse(node.inputs[slot]).node)
    return not isinstance(value, LazyTensor) or bool((value.numpy() < 0).any())


def batch_of_one(plan: Plan) -> list[str]:
    """``NAME=1,...`` for each input whose first dimension is free, as ``--shape`` takes it."""
    found: dict[str, str] = {}
    for signature in plan.signatures:
        for item in signature.inputs:
            dims = item.shape.dims
            if dims and dims[0] is None:
                sizes = ("?" if dim is None else str(dim) for dim in dims[1:])
                found[item.name] = ",".join(("1", *sizes))
    return [f"{name}={dims}" for name, dims in found.items()]
