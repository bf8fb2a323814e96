"""The first node where two models part, found with a runner made of numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from migrator.graph.order import in_order, tensor_of
from migrator.model.graph import Graph
from migrator.verification.bisect import Bisection, Pair, bisect
from migrator.verification.match import match_tensors
from tests import wire
from tests.handmade import const, model, op, placeholder, unary

OPS: dict[str, Callable[..., Any]] = {
    "Relu": lambda a: np.maximum(a, 0),
    "Neg": lambda a: -a,
    "Abs": np.abs,
    "Identity": lambda a: a,
    "Add": lambda a, b: a + b,
    "Mul": lambda a, b: a * b,
    "Square": lambda a: a * a,
}


def values(graph: Graph, x: Any) -> dict[str, Any]:
    """All tensors of a graph of simple ops."""
    found: dict[str, Any] = {"x": x}
    for node in in_order(graph):
        if node.op == "Const":
            found[node.name] = node.attrs["value"].numpy()
        elif node.op in OPS:
            found[node.name] = OPS[node.op](*(found[ref.node] for ref in node.data_refs))
    return {f"{name}:0": value for name, value in found.items()}


class Runner:
    """Serves the values of two graphs, but for the ``hidden`` ones; remembers what was asked."""

    def __init__(self, reference: Graph, candidate: Graph, hidden: Sequence[str] = ()) -> None:
        x = np.linspace(-2, 3, 5).astype(np.float32)
        self.sides = (values(reference, x), values(candidate, x))
        self.hidden = hidden
        self.asked: list[int] = []

    def __call__(self, pairs: Sequence[Pair]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        self.asked.append(len(pairs))
        left, right = (
            {
                pair[side]: self.sides[side][pair[side]]
                for pair in pairs
                if pair[0] not in self.hidden
            }
            for side in (0, 1)
        )
        return left, right


def graph(*nodes: bytes) -> Graph:
    return model(placeholder("x"), *nodes).graph


def chain(length: int, wrong: int | None = None) -> Graph:
    """x + 1 + 1 ..., where step ``wrong`` adds another number."""
    nodes = [const("one", 1.0), const("two", 2.0)]
    for number in range(length):
        step = "two" if number == wrong else "one"
        source = f"s{number - 1}" if number else "x"
        nodes.append(op(f"s{number}", "Add", source, step, T=wire.F))
    return graph(*nodes)


def search(
    reference: Graph, candidate: Graph, output: str, hidden: Sequence[str] = (), **options: Any
) -> tuple[Bisection, Runner]:
    run = Runner(reference, candidate, hidden)
    return bisect(reference, candidate, {output: output}, run, given=["x:0"], **options), run


def test_equal_models_take_one_round() -> None:
    found, run = search(chain(50), chain(50), "s49:0")
    assert found.parting is None and found.settled
    assert run.asked == [1]


@pytest.mark.parametrize("wrong", [0, 1, 37, 998, 999])
def test_first_wrong_step_of_a_long_chain_in_few_rounds(wrong: int) -> None:
    found, run = search(chain(1000), chain(1000, wrong), "s999:0", batch=16)
    assert found.parting is not None and found.settled
    assert (found.parting.node, found.parting.op) == (f"s{wrong}", "Add")
    assert found.parting.comparison.max_abs == 1
    states = [item.comparison for item in found.parting.inputs]
    if wrong:
        assert states[0] is not None and states[0].verdict == "bitwise"
    assert found.parting.suspects == ()
    assert found.rounds <= 6
    assert max(run.asked) <= 16


def test_wrong_branch_is_found_beside_right_ones() -> None:
    def build(odd: str) -> Graph:
        return graph(
            unary("a", "Relu", "x"),
            unary("b", odd, "x"),
            unary("c", "Neg", "a"),
            unary("d", "Neg", "b"),
            op("y", "Add", "c", "d", T=wire.F),
        )

    found, _ = search(build("Abs"), build("Square"), "y:0", batch=2)
    assert found.parting is not None
    assert (found.parting.tensor, found.parting.op) == ("b:0", "Abs")


def test_wrong_weights_are_told_of() -> None:
    def build(weight: float) -> Graph:
        return graph(
            const("w", weight), op("m", "Mul", "x", "w", T=wire.F), unary("y", "Relu", "m")
        )

    found, _ = search(build(2.0), build(3.0), "y:0")
    assert found.parting is not None and found.parting.node == "m"
    states = {item.tensor: item.comparison for item in found.parting.inputs}
    weights = states["w:0"]
    assert weights is not None and weights.max_abs == 1
    assert states["x:0"] is None


def test_copy_that_one_side_lacks_stands_for_its_source() -> None:
    reference = graph(
        unary("a", "Square", "x"), unary("a/copy", "Identity", "a"), unary("y", "Neg", "a/copy")
    )
    candidate = graph(unary("a", "Square", "x"), unary("y", "Abs", "a"))
    found, _ = search(reference, candidate, "y:0")
    assert found.parting is not None and found.parting.node == "y"
    state = found.parting.inputs[0]
    assert state.tensor == "a/copy:0"
    assert state.comparison is not None and state.comparison.verdict == "bitwise"


def test_weights_that_a_scale_was_folded_into_are_no_fault() -> None:
    def build(first: float, second: float, last: str) -> Graph:
        return graph(
            const("w", first),
            const("s", second),
            unary("before", "Abs", "x"),
            op("layer", "Mul", "before", "w", T=wire.F),
            op("scaled", "Mul", "layer", "s", T=wire.F),
            unary("r", "Relu", "scaled"),
            unary("y", last, "r"),
        )

    reference, candidate = build(2.0, 3.0, "Neg"), build(6.0, 1.0, "Square")
    run = Runner(reference, candidate)
    run.sides[1]["r:0"] = run.sides[1]["r:0"] + 1
    found = bisect(reference, candidate, {"y:0": "y:0"}, run, given=["x:0"], batch=2)
    assert found.parting is not None and found.parting.node == "r"
    assert found.harmless == ("layer:0",)


def test_nodes_that_only_one_side_has_are_suspects() -> None:
    reference = graph(unary("a", "Relu", "x"), unary("own", "Neg", "a"), unary("y", "Abs", "own"))
    candidate = graph(
        unary("a", "Relu", "x"), unary("other", "Square", "a"), unary("y", "Abs", "other")
    )
    found, _ = search(reference, candidate, "y:0")
    assert found.parting is not None
    assert (found.parting.node, found.parting.suspects) == ("y", ("own",))


def test_tensors_that_cannot_be_fetched_are_passed_over() -> None:
    hidden = [f"s{number}:0" for number in range(100) if number % 3]
    found, _ = search(chain(100), chain(100, 50), "s99:0", hidden)
    assert found.parting is not None and found.settled
    assert (found.parting.node, found.parting.suspects) == ("s51", ("s50", "s49"))


def test_rounds_are_bounded_and_the_best_so_far_is_told() -> None:
    found, run = search(chain(1000), chain(1000, 3), "s999:0", batch=2, most_rounds=3)
    assert not found.settled and len(run.asked) <= 4
    assert found.parting is not None
    assert 3 < int(found.parting.node[1:]) < 999


def test_renamed_output_is_followed() -> None:
    reference = graph(unary("a", "Relu", "x"), unary("y", "Neg", "a"))
    candidate = graph(unary("a", "Relu", "x"), unary("renamed", "Square", "a"))
    run = Runner(reference, candidate)
    found = bisect(reference, candidate, {"y:0": "renamed:0"}, run, given=["x:0"])
    assert found.parting is not None
    assert (found.parting.tensor, found.parting.candidate) == ("y:0", "renamed:0")


def test_loops_branches_handles_and_constants_have_no_twins() -> None:
    before = graph(
        const("c", 1.0),
        placeholder("p", wire.B, ()),
        op("table", "HashTableV2", key_dtype=wire.S, value_dtype=wire.I64),
        op("switch", "Switch", "x", "p", T=wire.F),
        unary("left", "Relu", "switch"),
        unary("right", "Neg", "switch:1"),
        op("merged", "Merge", "left", "right", T=wire.F, N=2),
        op("enter", "Enter", "merged", T=wire.F, frame_name=b"f"),
        op("loop", "Merge", "enter", "next", T=wire.F, N=2),
        op("inside", "Const", "^loop", dtype=wire.F, value=np.zeros((), np.float32)),
        op("less", "Less", "loop", "inside", T=wire.F),
        op("cond", "LoopCond", "less"),
        op("again", "Switch", "loop", "cond", T=wire.F),
        unary("body", "Relu", "again:1"),
        op("next", "NextIteration", "body", T=wire.F),
        op("exit", "Exit", "again", T=wire.F),
        unary("y", "Relu", "exit"),
    )
    names = {tensor[0] for tensor in match_tensors(before, before, ["x:0"])}
    assert names == {"merged", "exit", "y"}
    assert all(tensor_of(f"{name}:0") in match_tensors(before, before) for name in names)
