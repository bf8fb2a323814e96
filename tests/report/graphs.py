"""Graphs for pictures, made by hand: any size and shape, and names that attack."""

from __future__ import annotations

import random

from migrator.model.model import MetaGraph
from tests.handmade import const, dense, model, placeholder, unary
from tests.wire import Call, F, function, node

HOSTILE = (
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 2'>",
    "a/../__proto__",
    "constructor/toString",
    "\u202egnirts",
    "line\nbreak\x1b[31m",
    "{{data}}",
    "'\"`&amp;",
    "//",
)


def network(layers: int = 3) -> MetaGraph:
    """``x`` through scopes of a layer and an activation each; weights are constants."""
    nodes = [placeholder("x")]
    source = "x"
    for number in range(layers):
        nodes += dense(f"layer_{number}/product", source, 4, 4)
        nodes.append(unary(f"layer_{number}/Relu", "Relu", f"layer_{number}/product"))
        source = f"layer_{number}/Relu"
    nodes.append(unary("out", "Softmax", source))
    return model(*nodes).meta_graphs[0]


def flat(count: int, *, seed: int = 0, reach: int = 40) -> MetaGraph:
    """``count`` nodes without scopes, each fed by one or two of those before it."""
    chance = random.Random(seed)
    nodes = [placeholder("n0")]
    for number in range(1, count):
        first = chance.randrange(max(0, number - reach), number)
        nodes.append(node(f"n{number}", "Add", (f"n{number - 1}", f"n{first}"), {"T": F}))
    return model(*nodes).meta_graphs[0]


def star(count: int) -> MetaGraph:
    """One node that feeds all others."""
    nodes = [placeholder("hub"), *(unary(f"s{i}", "Relu", "hub") for i in range(count))]
    return model(*nodes).meta_graphs[0]


def circle(count: int) -> MetaGraph:
    """No order at all: each is fed by the next, the last by the first."""
    nodes = [unary(f"c{i}", "Identity", f"c{(i + 1) % count}") for i in range(count)]
    return model(*nodes).meta_graphs[0]


def calling() -> MetaGraph:
    """A call of a function that calls another, which calls the first one again."""

    def call(name: str, source: str, called: str) -> bytes:
        return node(
            name, "PartitionedCall", (source,), {"f": Call(called), "Tin": [F], "Tout": [F]}
        )

    relu = node("relu", "Relu", ("b",), {"T": F})
    one = {"inner": ("a", "again", "outer"), "outer": ("b", "deep", "inner")}
    bodies = [
        function(
            name,
            {argument: 1},
            {"r": 1},
            [relu, call(inside, "relu:activations:0", called)]
            if name == "outer"
            else [call(inside, argument, called)],
            {"r": f"{inside}:output:0"},
        )
        for name, (argument, inside, called) in one.items()
    ]
    unused = function("unused", {"u": 1}, {"v": 1}, [], {"v": "u"})
    nodes = [
        placeholder("x"),
        call("call", "x", "outer"),
        unary("out", "Relu", "call"),
    ]
    return model(*nodes, functions=(*bodies, unused)).meta_graphs[0]


def hostile(names: tuple[str, ...] = HOSTILE) -> MetaGraph:
    """Names that are markup, scripts, escapes and paths that lead nowhere."""
    nodes = [placeholder("x")]
    source = "x"
    for number, name in enumerate(names):
        nodes += [
            const(f"{name}/w{number}", [[1.0]]),
            node(name, name, (source,), {name: name.encode()}),
        ]
        source = name
    return model(*nodes).meta_graphs[0]
