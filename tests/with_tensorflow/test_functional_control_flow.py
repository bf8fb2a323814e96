"""Control flow of TensorFlow 1 in functional form computes the same, and does more."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.formats.encode import write_graph
from migrator.formats.load import load
from migrator.formats.tensors import constant_tensor
from migrator.graph.wiring import Wiring
from migrator.migration.passes.functional import functional_control_flow
from migrator.migration.passes.tensor_lists import tensor_lists
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph, Node, declared_shape, index_nodes
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorRef, TensorSpec
from migrator.ops.registry import output_dtype
from tests.handmade import read_graph

from .conftest import frozen_fixtures, load_fixture, real_models

DATAFLOW = {"Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"}
Case = dict[str, Any]


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    """Graph optimisers reorder sums, differently in sessions and functions: none of them here."""
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": before.get("disable_meta_optimizer", False)}
    )


def pruned(graph: Graph, keep: Sequence[str], given: Sequence[str]) -> Graph:
    cone = Wiring(graph).needed_for(keep, given)
    kept = [graph.nodes[number] for number in sorted(cone)]
    names = {node.name for node in kept}
    nodes = tuple(
        replace(
            node,
            device="",
            inputs=tuple(t for t in node.inputs if t[:1] != "^" or t[1:] in names),
            attrs={key: node.attrs[key] for key in node.attrs if key != "_class"},
        )
        for node in kept
    )
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates)


def specs(graph: Graph, names: Sequence[str]) -> dict[str, TensorSpec]:
    found = {}
    for name in names:
        ref = TensorRef.parse(name)
        node = graph.by_name[ref.node]
        dtype = output_dtype(node, ref.port)
        assert dtype is not None
        shape = declared_shape(node, ref.port) or UNKNOWN_SHAPE
        found[name] = TensorSpec(tensor=name, dtype=dtype, shape=shape)
    return found


def converted(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Sequence[str], *, lists: bool = False
) -> Graph:
    graph = pruned(graph, keep, list(given))
    made, _ = functional_control_flow(graph, given, keep)
    if lists:
        made, _ = tensor_lists(made, given, keep)
        assert not [node.op for node in made.all_nodes() if node.op.startswith("TensorArray")]
    assert not DATAFLOW & {node.op for node in made.all_nodes()}
    return made


def as_graph_def(graph: Graph) -> Any:
    import tensorflow as tf

    file = io.BytesIO()
    write_graph(file, graph.nodes, graph.functions.values(), graph.versions)
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(file.getvalue())
    return graph_def


def wrapped(graph: Graph, given: Mapping[str, TensorSpec], keep: Sequence[str]) -> Any:
    import tensorflow as tf

    graph_def = as_graph_def(graph)
    read = {text for node in graph_def.node for text in node.input}

    def imported(*tensors: Any) -> Any:
        mapping = {
            name: tensor
            for name, tensor in zip(given, tensors, strict=True)
            if {name, name.removesuffix(":0")} & read
        }
        return tf.graph_util.import_graph_def(
            graph_def, input_map=mapping, return_elements=list(keep), name=""
        )

    arguments = [
        tf.TensorSpec(spec.shape.as_list(), tf.as_dtype(spec.dtype.name)) for spec in given.values()
    ]
    return tf.compat.v1.wrap_function(imported, arguments)


def in_session(graph: Graph, cases: Sequence[Case], keep: Sequence[str]) -> list[list[Any]]:
    import tensorflow as tf

    loaded = tf.Graph()
    with loaded.as_default():
        tf.graph_util.import_graph_def(as_graph_def(graph), name="")
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.compat.v1.Session(graph=loaded, config=config) as session:
        return [session.run(list(keep), case) for case in cases]


def called(function: Any, given: Mapping[str, TensorSpec], case: Case) -> list[Any]:
    import tensorflow as tf

    arguments = [tf.constant(case[name], spec.dtype.name) for name, spec in given.items()]
    return [result.numpy() for result in function(*arguments)]


def assert_same(graph: Graph, keep: Sequence[str], cases: Sequence[Case]) -> None:
    """Bit for bit, as While and If, and again with TensorArrays as lists."""
    given = specs(graph, list(cases[0]))
    wanted = in_session(graph, cases, keep)
    for lists in (False, True):
        function = wrapped(converted(graph, given, keep, lists=lists), given, keep)
        for case, results in zip(cases, wanted, strict=True):
            for got, want in zip(called(function, given, case), results, strict=True):
                np.testing.assert_array_equal(got, want)


def _with_dataflow() -> list[str]:
    def suits(name: str) -> bool:
        about = load_fixture(name).about
        return about["inspect"]["control_flow"] == "v1" and about["imports"] and not about["feeds"]

    return [name for name in frozen_fixtures() if suits(name)]


@pytest.mark.parametrize("name", _with_dataflow())
def test_fixture_computes_the_same(name: str) -> None:
    fixture = load_fixture(name)
    inputs, outputs = fixture.about["inputs"], fixture.about["outputs"]
    cases = [
        {inputs[key]: value for key, value in case["in"].items()}
        for case in fixture.cases().values()
    ]
    assert_same(load(fixture.model).graph, list(outputs.values()), cases)


# Graphs made here, with the control flow that TensorFlow 1 wrote.


def built(make: Callable[[Any, Any], Any]) -> tuple[Graph, list[str]]:
    """What ``make(tf, v1)`` builds in a graph; it returns the wanted tensors."""
    import tensorflow as tf

    v1 = tf.compat.v1
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            results = make(tf, v1)
            keep = [tf.identity(one, name=f"result{k}").name for k, one in enumerate(results)]
            data = graph.as_graph_def().SerializeToString()
    finally:
        v1.enable_control_flow_v2()
    return read_graph(data).graph, keep


def values(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def three_deep(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    w = tf.constant(values(3, 3, seed=1))

    def outer(i: Any, a: Any) -> Any:
        def middle(j: Any, b: Any) -> Any:
            def inner(k: Any, c: Any) -> Any:
                return k + 1, tf.tanh(c @ w + x * tf.cast(i, tf.float32))

            _, c = tf.while_loop(lambda k, c: k < j, inner, [0, b])
            return j + 1, c + tf.cast(i, tf.float32)

        _, b = tf.while_loop(lambda j, b: j < i + 1, middle, [tf.constant(0), a])
        return i + 1, b

    return [tf.while_loop(lambda i, a: i < n, outer, [0, x])[1]]


def cond_in_while_in_cond(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    w = tf.constant(values(3, 3, seed=2))

    def body(i: Any, a: Any) -> Any:
        def positive() -> Any:
            return tf.cond(i > 2, lambda: a * w, lambda: a - 1.0)

        return i + 1, tf.cond(tf.reduce_sum(a) > 0, positive, lambda: a + w + x)

    def loop() -> Any:
        return tf.while_loop(lambda i, a: i < 6, body, [0, x * 2])[1]

    return [tf.cond(n > 1, loop, lambda: x * w)]


def many_outputs(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    weights = tf.constant(values(3, 300, seed=3))
    p = n > 1

    def true() -> Any:
        h = x @ weights
        return h, tf.reduce_sum(h), x, tf.constant(1)

    def false() -> Any:
        return tf.zeros([3, 300]), tf.constant(2.0), x, tf.constant(7)

    first = tf.cond(p, true, false)
    second = tf.cond(p, lambda: first[0] * 2, lambda: first[0] - 1)
    third = tf.cond(p, lambda: second + first[0], lambda: second)
    return [*first, second, third]


def case_of_four(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    pairs = [(n < 1, lambda: x + 1), (n < 3, lambda: x * 2), (n > 5, lambda: tf.exp(x))]
    return [v1.case(pairs, default=lambda: -x)]


def switches_on_one_predicate(tf: Any, v1: Any) -> Any:
    """As graphs are whose pred_id copies were folded: five conditions, each needs the last."""
    from tensorflow.python.ops import control_flow_ops as raw

    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    p, indexes = n > 1, []
    for _ in range(5):
        off, on = raw.switch(x, p)
        merged = raw.merge([off * 2, on + 1])
        x = merged.output
        indexes.append(merged.value_index)
    return [x, tf.stack(indexes)]


def growing(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    shapes = [tf.TensorShape([]), tf.TensorShape([None, 3])]

    def body(i: Any, a: Any) -> Any:
        return i + 1, tf.concat([a, a[-1:] * 2], 0)

    return [tf.while_loop(lambda i, a: i < n, body, [0, x], shape_invariants=shapes)[1]]


def bounded(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")

    def body(i: Any, a: Any) -> Any:
        return [i + 1, a * 1.5 + 1]

    return v1.while_loop(lambda i, a: tf.reduce_sum(a) < 100.0, body, [0, x], maximum_iterations=n)


def asserting(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    with tf.control_dependencies([v1.Assert(n < 100, [n])]):
        y = x * 2

    def true() -> Any:
        with tf.control_dependencies([v1.Assert(tf.reduce_all(x < 1e9), [x])]):
            return tf.identity(y), y + 1

    def body(i: Any, a: Any) -> Any:
        with tf.control_dependencies([v1.Assert(i < 100, [i])]):
            return tf.identity(i) + 1, a + 1

    first, second = tf.cond(n > 1, true, lambda: (y, y - 1))
    with tf.control_dependencies([first]):
        third = x * 3
    return [second, tf.while_loop(lambda i, a: i < 4, body, [0, third])[1]]


def mapped(tf: Any, v1: Any) -> Any:
    v1.placeholder(tf.int32, [], "n")
    x = v1.placeholder(tf.float32, [None, 3], "x")
    y = tf.map_fn(lambda v: tf.reduce_sum(v) * tf.nn.softmax(v), x)
    return [y, tf.scan(lambda a, v: a * 0.5 + v, x), tf.foldr(lambda a, v: a - v, x)]


def array_read_back(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    array = tf.TensorArray(tf.float32, size=n + 1, clear_after_read=False).write(0, x)

    def body(i: Any, a: Any) -> Any:
        return i + 1, a.write(i + 1, a.read(i) * 2.0)

    array = tf.while_loop(lambda i, a: i < n, body, [0, array])[1]
    return [array.stack(), array.gather([n, 0]), array.size()]


def array_that_grows(tf: Any, v1: Any) -> Any:
    n, _ = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, infer_shape=False).write(0, [1.0])

    def body(i: Any, a: Any) -> Any:
        return i + 1, a.write(i, tf.cast(tf.range(i + 1), tf.float32))

    array = tf.while_loop(lambda i, a: i < n, body, [1, array])[1]
    return [array.size(), array.concat()]


def array_scattered(tf: Any, v1: Any) -> Any:
    v1.placeholder(tf.int32, [], "n")
    x = v1.placeholder(tf.float32, [3, 3], "x")
    scattered = tf.TensorArray(tf.float32, size=5).scatter([3, 1], x[:2])
    split = tf.TensorArray(tf.float32, size=2, infer_shape=False).split(x, [1, 2])
    return [scattered.read(3), split.read(1)]


def arrays_in_branches(tf: Any, v1: Any) -> Any:
    v1.placeholder(tf.int32, [], "n")
    x = v1.placeholder(tf.float32, [None, 3], "x")
    source = tf.TensorArray(tf.float32, size=tf.shape(x)[0]).unstack(x)
    target = tf.TensorArray(tf.float32, size=tf.shape(x)[0])

    def body(i: Any, a: Any) -> Any:
        v = source.read(i)
        return i + 1, a.write(i, tf.cond(tf.reduce_sum(v) > 0, lambda: v * 2, lambda: -v))

    return [tf.while_loop(lambda i, a: i < tf.shape(x)[0], body, [0, target])[1].stack()]


def without_inputs(tf: Any, v1: Any) -> Any:
    n, x = v1.placeholder(tf.int32, [], "n"), v1.placeholder(tf.float32, [3, 3], "x")
    y = tf.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a * 2), [0, 1.0])[1]
    return [y, x + y, n]


MADE = (
    three_deep,
    cond_in_while_in_cond,
    many_outputs,
    case_of_four,
    switches_on_one_predicate,
    growing,
    bounded,
    asserting,
    mapped,
    array_read_back,
    array_that_grows,
    array_scattered,
    arrays_in_branches,
    without_inputs,
)


def made_cases(graph: Graph) -> list[Case]:
    cases = [{"n:0": k, "x:0": values(3, 3, seed=k)} for k in (0, 2, 6)]
    return [*cases, {"n:0": 3, "x:0": -abs(values(3, 3))}]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_made_graph_computes_the_same(make: Callable[[Any, Any], Any]) -> None:
    graph, keep = built(make)
    assert_same(graph, keep, made_cases(graph))


@pytest.mark.parametrize(
    "make", [three_deep, cond_in_while_in_cond, many_outputs, case_of_four, mapped, array_read_back]
)
def test_functional_form_compiles_with_xla(make: Callable[[Any, Any], Any]) -> None:
    import tensorflow as tf

    graph, keep = built(make)
    keep = [name for name in keep if make is not array_read_back or name == "result1:0"]
    given = specs(graph, ["n:0", "x:0"])
    inner = wrapped(converted(graph, given, keep, lists=True), given, keep)
    n = tf.constant(3)
    case = {"n:0": 3, "x:0": values(3, 3)}
    compiled = tf.function(lambda x: inner(n, x), jit_compile=True, autograph=False)
    got = compiled(tf.constant(case["x:0"]))
    for one, want in zip(got, in_session(graph, [case], keep)[0], strict=True):
        np.testing.assert_allclose(one.numpy(), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "lists"),
    [
        (three_deep, False),
        (three_deep, True),
        (cond_in_while_in_cond, False),
        (mapped, True),  # an array's gradient needs its list
    ],
)
def test_gradients_flow(make: Callable[[Any, Any], Any], lists: bool) -> None:
    """Against differences."""
    import tensorflow as tf

    graph, keep = built(make)
    keep = keep[:1]
    given = specs(graph, ["n:0", "x:0"])
    function = wrapped(converted(graph, given, keep, lists=lists), given, keep)
    n, x = tf.constant(3), tf.constant(values(3, 3) / 4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(function(n, x)[0])
    gradient = tape.gradient(total, x)
    assert gradient is not None
    step = 1e-2
    for place in ((0, 0), (2, 1)):
        away = np.zeros((3, 3), "float32")
        away[place] = step
        up, down = (float(tf.reduce_sum(function(n, x + side * away)[0])) for side in (1, -1))
        np.testing.assert_allclose(gradient[place], (up - down) / (2 * step), rtol=2e-2, atol=2e-2)


def test_functional_form_maps_over_a_batch() -> None:
    import tensorflow as tf

    graph, keep = built(three_deep)
    given = specs(graph, ["n:0", "x:0"])
    function = wrapped(converted(graph, given, keep), given, keep)
    batch = values(4, 3, 3)
    got = tf.map_fn(lambda x: function(tf.constant(2), x)[0], tf.constant(batch))
    for one, x in zip(got, batch, strict=True):
        (want,) = in_session(graph, [{"n:0": 2, "x:0": x}], keep)[0]
        np.testing.assert_array_equal(one.numpy(), want)


# Real models.

TAGGERS = ("ner", "seg", "pos")
LENGTHS = (1, 7, 30)


@pytest.fixture(scope="module")
def models() -> dict[str, Path]:
    found: dict[str, Path] = real_models().real_models()
    return found


def _tagger(path: Path, batch: int | None) -> tuple[Graph, Graph, dict[str, TensorSpec], list[str]]:
    """A tagger as it is, and as While with lists."""
    graph = load(path).graph
    keep = ["project/logits:0"]
    fixed = Node(
        "dropout", "Const", (), "", {"dtype": FLOAT32, "value": constant_tensor(1.0, FLOAT32)}
    )
    nodes = tuple(fixed if node.name == "dropout" else node for node in graph.nodes)
    by_name, _ = index_nodes(nodes)
    graph = replace(graph, nodes=nodes, by_name=by_name)
    given = specs(graph, ["char_inputs:0", "lengths:0"])
    shapes = {"char_inputs:0": Shape((batch, None)), "lengths:0": Shape((batch,))}
    given = {name: replace(spec, shape=shapes[name]) for name, spec in given.items()}
    return graph, converted(graph, given, keep, lists=True), given, keep


def _sentence(length: int) -> Case:
    words = np.random.default_rng(length).integers(0, 500, (1, length)).astype("int32")
    return {"char_inputs:0": words, "lengths:0": np.array([length], "int32")}


@pytest.mark.real_model
@pytest.mark.parametrize("name", TAGGERS)
def test_tagger_computes_the_same(models: dict[str, Path], name: str) -> None:
    graph, made, given, keep = _tagger(models[name], None)
    assert {"StatelessWhile"} == {node.op for node in made.nodes if node.op.endswith("While")}
    words = np.random.default_rng(5).integers(0, 500, (2, 9)).astype("int32")
    pair = {"char_inputs:0": words, "lengths:0": np.array([9, 4], "int32")}
    cases = [*map(_sentence, LENGTHS), pair]
    function = wrapped(made, given, keep)
    for case, want in zip(cases, in_session(graph, cases, keep), strict=True):
        np.testing.assert_array_equal(called(function, given, case)[0], want[0])


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.real_model
@pytest.mark.parametrize("name", TAGGERS)
def test_tagger_becomes_tflite_of_builtin_ops_at_any_length(
    models: dict[str, Path], name: str, tmp_path: Path
) -> None:
    import tensorflow as tf

    graph, made, given, keep = _tagger(models[name], 1)
    inner = wrapped(made, given, keep)
    module = tf.Module()
    module.inner = inner
    module.serve = tf.function(
        lambda char_inputs, lengths: {"logits": inner(char_inputs, lengths)[0]},
        input_signature=[tf.TensorSpec([1, None], tf.int32), tf.TensorSpec([1], tf.int32)],
    )
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.serve)
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "model")).convert()
    runner = tf.lite.Interpreter(model_content=content).get_signature_runner()
    for length in LENGTHS:
        case = _sentence(length)
        got = runner(char_inputs=case["char_inputs:0"], lengths=case["lengths:0"])["logits"]
        (want,) = in_session(graph, [case], keep)[0]
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
