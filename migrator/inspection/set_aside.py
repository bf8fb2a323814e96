"""Nodes that are no outputs whatever their names say: training, predicates, insides of loops."""

from __future__ import annotations

import re

from migrator.graph.wiring import Wiring
from migrator.inspection import vocabulary as words
from migrator.ops.registry import output_dtype

_SWITCHES = frozenset(("Switch", "RefSwitch"))
_MERGES = frozenset(("Merge", "RefMerge"))
_ENTERS = frozenset(("Enter", "RefEnter"))
_EXITS = frozenset(("Exit", "RefExit"))
_BRANCHING = frozenset(("If", "StatelessIf", "Case", "StatelessCase"))
_FUNCTIONAL = _BRANCHING | {"While", "StatelessWhile"}
_HANDLES = frozenset(("variant", "resource"))
_GRADIENT = re.compile(r"(?:^|/)gradients(?:_\d+)?/(.+?)_grad/")
_OF_GRADIENTS = re.compile(r"(?:^|/)gradients(?:_\d+)?/")
_MOST_SCOPES = 8
"""So many scopes around "gradients" are tried as being around the whole graph."""


def find_junk(wiring: Wiring) -> set[int]:
    """Nodes that only judge, train, save or report."""
    of_training = words.in_training_scope
    junk = {number for number, node in enumerate(wiring.nodes) if of_training(node.name)}
    losses = [number for number in wiring.of_ops(words.LOSS_OPS) if number not in junk]
    junk.update(wiring.of_ops(words.SINKS), wiring.of_ops(words.writes_state))
    return junk | wiring.forward(losses)


def find_predicates(wiring: Wiring) -> set[int]:
    """Nodes that say which branch is taken, or whether a loop goes on."""
    inputs = wiring.inputs
    found = {slots[1][0] for n in wiring.of_ops(_SWITCHES) if len(slots := inputs[n]) > 1}
    deciding = wiring.of_ops(_BRANCHING | {"LoopCond"})
    return found | {slots[0][0] for number in deciding if (slots := inputs[number])}


def find_inside(wiring: Wiring) -> tuple[set[int], set[int]]:
    """What lies inside of a loop, and in one branch of a condition: it cannot be fetched.

    Empty where nothing leaves the loops or joins the branches: then the graph was cut there.
    """
    nodes = wiring.nodes
    exits = wiring.of_ops(_EXITS)
    merges = set(wiring.of_ops(_MERGES))
    looped: set[int] = set()
    if exits:
        enters = wiring.of_ops(_ENTERS)
        looped = wiring.forward(enters, stop=lambda n: nodes[n].op in _EXITS).difference(exits)
    if not merges - looped:
        return looped, set()
    switches = [number for number in wiring.of_ops(_SWITCHES) if number not in looped]
    return looped, wiring.forward(switches, stop=merges.__contains__) - merges


def find_of_gradients(wiring: Wiring) -> set[int]:
    """Gradients and what is computed from them, in a graph that trains."""
    nodes = wiring.nodes
    if not any(map(words.is_training_step, wiring.by_op)):
        return set()
    return wiring.forward(
        number
        for number, node in enumerate(nodes)
        if "gradients" in node.name and _OF_GRADIENTS.search(node.name)
    )


def find_minimised(wiring: Wiring) -> set[int]:
    """What a training step differentiates, told by the names of the gradients' nodes."""
    nodes = wiring.nodes
    if not any(map(words.is_training_step, wiring.by_op)):
        return set()
    found = set()
    for node in nodes:
        match = _GRADIENT.search(node.name) if "_grad/" in node.name else None
        if match is None:
            continue
        around = node.name[: match.start()].split("/", _MOST_SCOPES)
        for count in range(min(len(around), _MOST_SCOPES) + 1):
            number = wiring.index.get("/".join((*around[:count], match[1])))
            if number is not None:
                found.add(number)
                break
    return found


def find_spare(wiring: Wiring) -> set[int]:
    """What functional loops and conditions hand out beside what is wanted of them.

    Such is an identity without a name of its own that nothing takes, where something goes on
    from another result.
    """
    found: set[int] = set()
    for number in wiring.of_ops(_FUNCTIONAL):
        takers = set(wiring.consumers[number])
        spare = {
            item
            for item in takers
            if wiring.nodes[item].op == "Identity"
            and not wiring.consumers[item]
            and not words.is_given_name(wiring.nodes[item].name, "Identity")
        }
        if spare != takers:
            found |= spare
    return found


def is_handle(wiring: Wiring, number: int) -> bool:
    """True for a list or a resource, which nobody can fetch the values of."""
    dtype = output_dtype(wiring.nodes[number], 0)
    return dtype is not None and dtype.base.name in _HANDLES


def is_written(wiring: Wiring, number: int) -> bool:
    """True for what hands on the value of an assignment and has no name of its own."""
    node = wiring.nodes[number]
    if node.op not in _MERGES and node.op != "Identity":
        return False
    if words.is_given_name(node.name, node.op):
        return False
    return any(words.writes_state(wiring.nodes[item].op) for item, _ in wiring.inputs[number])
