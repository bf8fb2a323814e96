"""Which outputs a random op can reach."""

from __future__ import annotations

import time

import pytest

from migrator.migration.options import Choice
from migrator.migration.plan import Endpoint
from migrator.migration.planning import plan
from migrator.migration.randomness import is_random, random_outputs
from migrator.model.model import Model
from migrator.model.tensors import UNKNOWN_SHAPE
from tests import wire
from tests.corpus import FROZEN, Sample, sample
from tests.handmade import const, model, op, placeholder, unary


def reached(found: Model, *tensors: str) -> set[str]:
    ends = [
        Endpoint(name=tensor, tensor=tensor, dtype=None, shape=UNKNOWN_SHAPE) for tensor in tensors
    ]
    return set(random_outputs(found.graph, ends))


def noise(name: str = "noise") -> bytes:
    return op(name, "RandomUniform", "shape", dtype=wire.F, T=wire.I32, seed=7, seed2=9)


SHAPE = const("shape", [4], "int32")


@pytest.mark.parametrize(
    "name",
    [
        "RandomUniform",
        "RandomStandardNormal",
        "RandomShuffle",
        "Multinomial",
        "TruncatedNormal",
        "ParameterizedTruncatedNormal",
        "LogUniformCandidateSampler",
    ],
)
def test_ops_that_draw(name: str) -> None:
    assert is_random(name)


@pytest.mark.parametrize(
    "name",
    # The state of StatefulUniform is a variable of the model: it is restored like the others.
    ["StatelessRandomUniform", "StatefulUniform", "Relu", "MyRandomOp", "Assign", ""],
)
def test_ops_that_do_not_draw_by_themselves(name: str) -> None:
    assert not is_random(name)


def test_only_outputs_behind_the_noise_are_random() -> None:
    found = model(
        placeholder("x"),
        SHAPE,
        noise(),
        op("noisy", "Add", "x", "noise", T=wire.F),
        unary("behind", "Relu", "noisy"),
        unary("beside", "Relu", "x"),
    )
    assert reached(found, "noisy:0", "behind:0", "beside:0", "x:0") == {"noisy:0", "behind:0"}


def test_a_seed_alone_makes_no_two_runs_agree() -> None:
    found = model(SHAPE, noise(), unary("y", "Relu", "noise"))
    assert reached(found, "y:0") == {"y:0"}


def test_nothing_is_random_without_such_an_op() -> None:
    assert reached(model(placeholder("x"), unary("y", "Relu", "x")), "y:0") == set()


def body(name: str, nodes: list[bytes], returned: str) -> bytes:
    return wire.function(name, {"a": 1}, {"r": 1}, nodes, {"r": returned})


def call(name: str, function: str, given: str) -> bytes:
    return op(name, "PartitionedCall", given, f=wire.Call(function), Tin=[wire.F], Tout=[wire.F])


def test_noise_deep_in_functions_is_found_by_whatever_way_they_are_called() -> None:
    found = model(
        placeholder("x"),
        call("by_attr", "outer", "x"),
        op("by_name", "inner", "x"),
        call("calm", "quiet", "x"),
        functions=[
            body("quiet", [unary("n", "Relu", "a")], "n:activations:0"),
            body("outer", [op("n", "inner", "a")], "n:r:0"),
            body("inner", [noise("n")], "n:output:0"),
        ],
    )
    assert reached(found, "by_attr:0", "by_name:0", "calm:0") == {"by_attr:0", "by_name:0"}


def test_functions_that_call_each_other_in_a_ring_end() -> None:
    found = model(
        placeholder("x"),
        call("y", "ping", "x"),
        call("z", "alone", "x"),
        functions=[
            body("ping", [op("n", "pong", "a")], "n:r:0"),
            body(
                "pong",
                [
                    op("n", "ping", "a"),
                    noise("m"),
                    op("s", "Add", "n:r:0", "m:output:0", T=wire.F),
                ],
                "s:z:0",
            ),
            body("alone", [op("n", "alone", "a")], "n:r:0"),
        ],
    )
    assert reached(found, "y:0", "z:0") == {"y:0"}


def test_a_ring_of_nodes_ends() -> None:
    found = model(SHAPE, noise(), op("a", "Add", "noise", "b", T=wire.F), unary("b", "Relu", "a"))
    assert reached(found, "b:0") == {"b:0"}


def test_long_chains_take_linear_time() -> None:
    def seconds(count: int) -> float:
        nodes = [SHAPE, noise("n0")]
        nodes += [unary(f"n{index + 1}", "Relu", f"n{index}") for index in range(count)]
        found = model(*nodes)
        start = time.process_time()
        assert reached(found, f"n{count}:0")
        return time.process_time() - start

    small, large = (min(seconds(size) for _ in range(3)) for size in (1_000, 8_000))
    assert large < max(small * 8 * 4, 0.5)


RANDOM = [item for item in FROZEN if item.random]


@pytest.mark.parametrize("item", RANDOM, ids=str)
def test_fixtures_with_noise_are_told(item: Sample) -> None:
    found = plan(
        item.path,
        inputs=[f"{name}={tensor}" for name, tensor in item.inputs.items()],
        outputs=[f"{name}={tensor}" for name, tensor in item.outputs.items()],
    )
    assert found.signatures[0].random == set(item.random)


def test_dropout_behind_a_switch_that_is_fed_is_no_noise() -> None:
    item = sample("tf1.15.5/is_training")
    fed = plan(item.path, feeds=["is_training=false"], choice=Choice(inputs=["x"]))
    assert fed.signatures[0].random == set()
    open_switch = plan(item.path, inputs=["x", "is_training"])
    assert open_switch.signatures[0].random == {
        entry.name for entry in open_switch.signatures[0].outputs
    }
