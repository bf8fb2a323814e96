"""Who feeds whom: quick ways to walk that find what the plain ones find."""

from hypothesis import given
from hypothesis import strategies as st

from migrator.graph.wiring import Wiring
from migrator.model.checks import dangling_inputs, find_cycle, graph_warnings
from migrator.model.graph import Graph, Node, Versions, index_nodes
from migrator.model.tensors import TensorRef

_NAMES = st.sampled_from(["a", "b", "c", "d/e", "f:1", "g"])
_INPUTS = st.builds(
    lambda before, name, after: before + name + after,
    st.sampled_from(["", "", "^"]),
    _NAMES,
    st.sampled_from(["", "", ":0", ":2", ":out:1", ":x"]),
)
_NODES = st.lists(
    st.builds(
        lambda name, op, inputs: Node(name, op, tuple(inputs), "", {}),
        _NAMES,
        st.sampled_from(["Mul", "NextIteration", "Shape"]),
        st.lists(_INPUTS, max_size=3),
    ),
    max_size=12,
)


def _graph(nodes: list[Node]) -> Graph:
    by_name, duplicates = index_nodes(nodes)
    return Graph(
        nodes=nodes, functions={}, versions=Versions(), by_name=by_name, duplicates=duplicates
    )


@given(_NODES, st.lists(st.lists(st.integers(0, 11), max_size=3), max_size=4))
def test_walking_from_several_groups_at_once_is_walking_from_each(
    nodes: list[Node], groups: list[list[int]]
) -> None:
    wiring = Wiring(_graph(nodes))
    groups = [[number for number in group if number < len(nodes)] for group in groups]

    def stop(number: int) -> bool:
        return nodes[number].op == "Shape"

    found = wiring.reached_from(groups, stop=stop)

    for bit, group in enumerate(groups):
        together = {number for number, own in enumerate(found) if own >> bit & 1}
        assert together == wiring.forward(group, stop=stop)


@given(st.text("ab/^:019\u0661", max_size=12) | _INPUTS)
def test_the_node_of_an_input_is_that_of_the_whole_reading(text: str) -> None:
    assert TensorRef.node_in(text) == TensorRef.parse(text).node


@given(_NODES)
def test_edges_are_those_that_each_input_says(nodes: list[Node]) -> None:
    wiring = Wiring(_graph(nodes))
    first = {node.name: number for number, node in reversed([*enumerate(nodes)])}

    assert wiring.index == first
    for number, node in enumerate(nodes):
        refs = [TensorRef(text) if text in first else TensorRef.parse(text) for text in node.inputs]
        known = [ref for ref in refs if ref.node in first]
        data = [(first[ref.node], ref.port) for ref in known if not ref.control]
        controls = [first[ref.node] for ref in known if ref.control]
        assert (list(wiring.inputs[number]), list(wiring.controls[number])) == (data, controls)
        fed = [
            reader for reader, edges in enumerate(wiring.inputs) for at, _ in edges if at == number
        ]
        held = [
            reader for reader, ends in enumerate(wiring.controls) for at in ends if at == number
        ]
        assert list(wiring.consumers[number]) == fed
        assert list(wiring.control_consumers[number]) == held


@given(_NODES)
def test_warnings_of_a_graph_in_order_are_those_of_the_whole_checks(nodes: list[Node]) -> None:
    graph = _graph(nodes)
    told = " ".join(graph_warnings(graph))

    assert ("names no node" in told) == any(True for _ in dangling_inputs(graph))
    assert ("lies on a cycle" in told) == bool(_on_cycles(graph))
    assert set(find_cycle(graph)) == _on_cycles(graph)


def _on_cycles(graph: Graph) -> set[str]:
    """Nodes that are left when those without waiting inputs are taken away, again and again."""
    known = graph.by_name
    waits = {
        name: {
            producer
            for text in node.inputs
            if (producer := text if text in known else TensorRef.parse(text).node) in known
            and known[producer].op != "NextIteration"
        }
        for name, node in known.items()
    }
    while free := [name for name, producers in waits.items() if not producers & waits.keys()]:
        for name in free:
            del waits[name]
    return set(waits)
