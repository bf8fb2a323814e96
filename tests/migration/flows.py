"""Dataflow control flow made by hand, as TensorFlow 1 writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator.migration.passes.functional import functional_control_flow
from migrator.migration.plan import Step
from migrator.model.dtypes import BOOL, FLOAT32
from migrator.model.graph import Graph, Node
from migrator.model.tensors import Shape, TensorSpec
from tests import wire
from tests.handmade import const, model, op, unary

P, X = "p:0", "x:0"
GIVEN = {
    P: TensorSpec(tensor=P, dtype=BOOL, shape=Shape(())),
    X: TensorSpec(tensor=X, dtype=FLOAT32, shape=Shape((3,))),
}
DATAFLOW = {"Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"}


def convert(
    nodes: Sequence[bytes], keep: Sequence[str], given: Mapping[str, TensorSpec] | None = None
) -> tuple[Graph, tuple[Step, ...]]:
    return functional_control_flow(model(*nodes).graph, GIVEN if given is None else given, keep)


def switch(name: str, data: str = "x", predicate: str = "p", kind: wire.Type = wire.F) -> bytes:
    return op(name, "Switch", data, predicate, T=kind)


def merge(name: str, *inputs: str, kind: wire.Type = wire.F) -> bytes:
    return op(name, "Merge", *inputs, T=kind, N=len(inputs))


def cond(name: str = "cond", data: str = "x", predicate: str = "p") -> list[bytes]:
    """``name/Merge`` is exp(data) where the predicate holds, else -data; pivots and all."""
    return [
        op(f"{name}/pred_id", "Identity", predicate, T=wire.B),
        op(f"{name}/Switch", "Switch", predicate, predicate, T=wire.B),
        op(f"{name}/switch_t", "Identity", f"{name}/Switch:1", T=wire.B),
        switch(f"{name}/data", data, f"{name}/pred_id"),
        unary(f"{name}/Exp", "Exp", f"{name}/data:1"),
        unary(f"{name}/Neg", "Neg", f"{name}/data"),
        merge(f"{name}/Merge", f"{name}/Neg", f"{name}/Exp"),
    ]


def loop(name: str = "while", data: str = "x", rounds: int = 4, frame: str = "") -> list[bytes]:
    """``name/Exit_1`` is data, doubled ``rounds`` times by a captured factor."""
    frame_name = (frame or f"{name}/while_context").encode()

    def enter(which: str, source: str, kind: wire.Type, constant: bool = False) -> bytes:
        return op(
            f"{name}/{which}",
            "Enter",
            source,
            T=kind,
            frame_name=frame_name,
            is_constant=constant,
            parallel_iterations=7,
        )

    return [
        const(f"{name}/zero", 0, "int32"),
        const(f"{name}/factor", [2.0] * 300),
        enter("Enter", f"{name}/zero", wire.I32),
        enter("Enter_1", data, wire.F),
        enter("Enter_2", f"{name}/factor", wire.F, True),
        merge(f"{name}/Merge", f"{name}/Enter", f"{name}/Next", kind=wire.I32),
        merge(f"{name}/Merge_1", f"{name}/Enter_1", f"{name}/Next_1"),
        op(
            f"{name}/limit",
            "Const",
            f"^{name}/Merge",
            dtype=wire.I32,
            value=_scalar(rounds),
        ),
        op(f"{name}/Less", "Less", f"{name}/Merge", f"{name}/limit", T=wire.I32),
        op(f"{name}/LoopCond", "LoopCond", f"{name}/Less"),
        switch(f"{name}/Switch", f"{name}/Merge", f"{name}/LoopCond", wire.I32),
        switch(f"{name}/Switch_1", f"{name}/Merge_1", f"{name}/LoopCond"),
        op(f"{name}/Identity", "Identity", f"{name}/Switch:1", T=wire.I32),
        op(
            f"{name}/one",
            "Const",
            f"^{name}/Identity",
            dtype=wire.I32,
            value=_scalar(1),
        ),
        op(f"{name}/add", "Add", f"{name}/Identity", f"{name}/one", T=wire.I32),
        op(f"{name}/mul", "Mul", f"{name}/Switch_1:1", f"{name}/Enter_2", T=wire.F),
        op(f"{name}/Next", "NextIteration", f"{name}/add", T=wire.I32),
        op(f"{name}/Next_1", "NextIteration", f"{name}/mul", T=wire.F),
        op(f"{name}/Exit_1", "Exit", f"{name}/Switch_1", T=wire.F),
    ]


def _scalar(value: int) -> object:
    import numpy as np

    return np.array(value, dtype=np.int32)


def of(graph: Graph, *ops: str) -> list[Node]:
    return [node for node in graph.nodes if node.op in ops]


def body(graph: Graph, node: Node, key: str) -> dict[str, Node]:
    """Nodes of the function that an attribute names, by name."""
    return {one.name: one for one in graph.functions[node.attrs[key].name].nodes}
