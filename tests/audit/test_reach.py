"""How places come to run."""

from __future__ import annotations

from time import perf_counter

import pytest

from migrator.auditing.subject import Subject
from migrator.model.model import Model
from tests import corpus, handmade, wire
from tests.audit.notation import read_model


def reached(model: Model | str) -> dict[str, tuple[str, ...]]:
    """Node (or BODY/NODE) -> how it is reached."""
    subject = Subject("model", model=read_model(model) if isinstance(model, str) else model)
    return {
        f"{place.body.label}/{place.node.name}".lstrip("/"): subject.reached(place)
        for places in subject.by_op.values()
        for place in places
    }


_SAVED = """
    x = Placeholder | dtype=:float shape=:[2]
    other = Placeholder | dtype=:float shape=:[2]
    y = Relu x ^watch | T=:float
    watch = NoOp
    z = Abs y | T=:float
    alone = NoOp
    a = NoOp
    b = NoOp ^a
    c = NoOp
    f = Const "model"
    up = Const "x"
    s = Identity f | T=:string
    r = NoOp ^back
    back = RestoreV2 f s s
    signature first: x=x:0 -> y=y:0
    signature second: y=y:0 -> z=z:0
    saver filename=f:0 save=s:0 restore=r
    main_op b
    legacy_init_op c
"""


def test_top_level_by_what_asks_for_it() -> None:
    found = reached(_SAVED)
    assert found["y"] == ("signature:first",)  # the second is fed it
    assert found["z"] == ("signature:second",)
    assert found["watch"] == ("signature:first",)
    assert found["alone"] == found["other"] == found["up"] == ("nothing",)
    assert found["a"] == found["b"] == found["c"] == ("load",)
    assert found["back"] == ("restore",)
    assert found["s"] == ("restore", "save")
    assert found["f"] == ("nothing",)  # fed by whoever saves or restores


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("signature __saved_model_init_op: -> o=w:0", "load"),
        ("signature __saved_model_train_op: -> o=w:0", "train"),
        ('collection train_op "w"', "train"),
        ('collection table_initializer "w"', "init"),
        ('collection legacy_init_op "w:0"', "load"),
        ("signature s: -> o=w:0", "signature:s"),
    ],
)
def test_ways_to_be_run(line: str, label: str) -> None:
    found = reached(f'p = Const "/x"\nw = WriteFile p p\nx = NoOp\ntags serve\n{line}')
    assert found["w"] == found["p"] == (label,)
    others = ("nothing",) if "signature" in line else ("output",)
    assert found["x"] in (("nothing",), others)


def test_gravest_comes_first() -> None:
    found = reached(f'{_SAVED}\n signature more: -> b=b:0\n collection train_op "b"')
    assert found["b"] == ("load", "signature:more", "train")


def test_bare_graph_by_its_likely_outputs() -> None:
    found = reached(
        """
        x = Placeholder | dtype=:float shape=:[-1,4]
        w = Const [[1], [2], [3], [4]]
        m = MatMul x w | T=:float
        prob = Softmax m | T=:float
        p = Const "/x"
        drop = WriteFile p p
        """
    )
    assert found["w"] == found["prob"] == ("output",)
    assert found["drop"] == ("nothing",)


_FUNCTIONS = """
    x = Placeholder | dtype=:float shape=:[]
    c = Const int32 0
    y = PartitionedCall x | f=@outer Tin=[:float] Tout=[:float]
    z = StatefulPartitionedCall x | f=@outer Tin=[:float] Tout=[:float]
    case = Case c x | branches=[@one,@two] Tin=[:float] Tout=[:float]
    t1 = direct x
    def outer(a: float) -> (r=i:z:0):
        dead = ReadFile a
        write = WriteFile a a
        i = If a a | then_branch=@yes else_branch=@no
        skipped = PartitionedCall a | f=@never
    def yes(a: float) -> (r=a):
        n = NoOp
    def no(a: float) -> (r=m:y:0):
        m = Relu a | T=:float
    def one(a: float) -> (r=m:y:0):
        m = Relu a | T=:float
    def two(a: float) -> (r=m:y:0):
        m = Relu a | T=:float
    def never(a: float) -> (r=m:y:0):
        m = Relu a | T=:float
    def direct(a: float) -> (r=m:y:0):
        m = Relu a | T=:float
    def uncalled(a: float) -> (r=m:y:0):
        m = Relu a | T=:float
    signature s: x=x:0 -> y=y:0
    signature c: x=x:0 -> c=case:0
    signature d: x=x:0 -> d=t1:0
    main_op z
"""


def test_functions_by_all_who_call_them() -> None:
    found = reached(_FUNCTIONS)
    both = ("load", "signature:s")
    assert found["outer/i"] == found["outer/write"] == found["no/m"] == both
    assert found["yes/n"] == ("nothing",)  # stateless and needed for nothing
    assert found["outer/dead"] == found["outer/skipped"] == found["never/m"] == ("nothing",)
    assert found["one/m"] == found["two/m"] == ("signature:c",)
    assert found["direct/m"] == ("signature:d",)
    assert found["uncalled/m"] == ("nothing",)


def test_functions_that_call_each_other_end() -> None:
    found = reached(
        """
        x = Placeholder | dtype=:float shape=:[]
        y = PartitionedCall x | f=@a
        def a(p: float) -> (r=c:output:0):
            c = PartitionedCall p | f=@b
        def b(p: float) -> (r=c:output:0):
            c = PartitionedCall p | f=@a
            d = StatefulPartitionedCall p | f=@below
        def below(p: float) -> (r=m:y:0):
            m = Relu p | T=:float
        signature s: x=x:0 -> y=y:0
        """
    )
    assert found["a/c"] == found["b/c"] == found["below/m"] == ("signature:s",)


def test_functions_named_in_attributes_of_functions() -> None:
    inner = wire.function("inner", {"a": 1}, {"r": 1}, [handmade.op("w", "WriteFile", "a", "a")])
    outer = wire.function("outer", {"a": 1}, {"r": 1}, [handmade.op("n", "NoOp")])
    call = handmade.op(
        "y", "StatefulPartitionedCall", "x", f=wire.Call("outer", (("g", wire.Call("inner")),))
    )
    model = handmade.model(handmade.placeholder("x", dims=()), call, functions=(inner, outer))
    assert reached(model)["inner/w"] == ("output",)


def test_gradients_are_told_as_such() -> None:
    body = [handmade.op("w", "WriteFile", "a", "a")]
    functions = [wire.function(name, {"a": 1}, {"r": 1}, body) for name in ("f", "g", "h")]
    data = wire.graph([handmade.op("n", "NoOp")], functions, gradients={"f": "g"}) + wire.block(
        2, wire.block(3, wire.block(1, "h") + wire.block(2, "CustomGradient-7"))
    )
    found = reached(handmade.read_graph(data))
    assert found["g/w"] == ("gradient:f",)
    assert found["h/w"] == ("gradient:CustomGradient-7",)


def test_graph_in_a_constant_has_what_its_holder_has() -> None:
    inner = wire.graph(
        [
            handmade.text_const("p", b"/x"),
            handmade.op("w", "WriteFile", "p", "p"),
            handmade.op("c", "StatefulPartitionedCall", f=wire.Call("f")),
        ],
        [wire.function("f", {}, {}, [handmade.op("w", "WriteFile", "p", "p")])],
    )
    graph = wire.graph(
        [
            handmade.text_const("g", inner),
            handmade.op("d", "DatasetFromGraph", "g"),
            handmade.op("m", "NoOp", "^d"),
            handmade.text_const("unused", inner),
        ]
    )
    main = wire.block(
        4,
        wire.block(1, "saved_model_main_op") + wire.block(2, wire.block(1, wire.block(1, "m"))),
    )
    data = wire.saved_model(wire.meta_graph(graph, more=main))
    found = reached(handmade.read_saved_model(data))
    assert found["g!/w"] == found["g!f/w"] == found["g"]
    assert found["g"][0] == "load"
    assert found["unused!/w"] == found["unused"] != found["g"]


def _objects(*nodes: bytes) -> bytes:
    """The field of a MetaGraphDef that holds a SavedObjectGraph."""
    return wire.block(7, b"".join(wire.block(1, node) for node in nodes))


def _child(number: int, name: str) -> bytes:
    return wire.block(1, wire.number(1, number) + wire.block(2, name))


def _function(*names: str) -> bytes:
    return wire.block(6, b"".join(wire.block(1, name) for name in names))


def test_functions_of_objects_by_what_runs_them() -> None:
    names = ("create", "first", "sign", "call", "deep", "save", "restore", "loose")
    body = [handmade.op("w", "WriteFile", "a", "a")]
    graph = wire.graph(
        [handmade.op("n", "NoOp")],
        [wire.function(name, {"a": 7}, {}, body) for name in names],
    )
    saveable = wire.block(1, "v") + wire.block(2, wire.number(2, 8) + wire.number(3, 9))
    objects = _objects(
        _child(1, "table") + _child(2, "signatures") + _child(6, "__call__") + _child(3, "layer"),
        _child(4, "_create_resource") + _child(5, "_initialize") + wire.block(10, b""),
        _child(7, "serving_default") + wire.block(4, wire.block(1, "signature_map")),
        _child(10, "run") + _child(0, "parent") + wire.block(11, saveable),
        _function("create"),
        _function("first"),
        _child(6, "trace_0") + _function("call"),
        wire.block(8, wire.block(1, "sign")),
        _function("save"),
        _function("restore"),
        _function("deep"),
        _child(99, "gone") + _function("not there"),
    )
    data = wire.saved_model(wire.meta_graph(graph, more=objects))
    found = reached(handmade.read_saved_model(data))
    assert {name: found[f"{name}/w"] for name in names} == {
        "create": ("load",),
        "first": ("load",),
        "sign": ("signature:serving_default",),
        "call": ("call:__call__",),
        "deep": ("call:layer.run",),
        "save": ("save",),
        "restore": ("restore",),
        "loose": ("nothing",),
    }


def test_many_signatures_cost_as_few_and_all_are_reached() -> None:
    count = 8_000
    nodes = [handmade.placeholder("n0", dims=())]
    nodes += [handmade.unary(f"n{n}", "Relu", f"n{n - 1}") for n in range(1, count)]
    fields = b""
    for number in range(800):
        info = wire.block(1, f"n{count - 1 - number}:0") + wire.number(2, 1)
        outputs = wire.block(2, wire.block(1, "y") + wire.block(2, info))
        fields += wire.block(5, wire.block(1, f"key{number:04}") + wire.block(2, outputs))
    data = wire.saved_model(wire.meta_graph(wire.graph(nodes), more=fields))
    subject = Subject("model", model=handmade.read_saved_model(data))
    start = perf_counter()
    found = [subject.reached(place) for place in subject.places(["Relu"])]
    assert perf_counter() - start < 10
    assert all(labels[0].startswith("signature:") for labels in found)
    assert len(found[0]) <= 40
    assert "signature:..." in found[0]


def test_long_chains_of_calls_are_walked_without_recursion() -> None:
    functions = [
        wire.function(
            f"f{n}",
            {"a": 1},
            {"r": 1},
            [handmade.op("c", "PartitionedCall", "a", f=wire.Call(f"f{n + 1}"))],
            {"r": "c:output:0"},
        )
        for n in range(5_000)
    ]
    model = handmade.model(
        handmade.placeholder("x", dims=()),
        handmade.op("y", "PartitionedCall", "x", f=wire.Call("f0")),
        functions=functions,
    )
    assert reached(model)["f4999/c"] == ("output",)


@pytest.mark.parametrize("sample", corpus.SAVED, ids=str)
def test_signatures_of_fixtures_reach_their_outputs(sample: corpus.Sample) -> None:
    subject = Subject("model", model=sample.model())
    for meta in subject.meta_graphs:
        top = next(body for body in subject.bodies if body.meta is meta)
        places = {
            place.node.name: place
            for places in subject.by_op.values()
            for place in places
            if place.body is top
        }
        for key, signature in meta.signatures.items():
            if key.startswith("__saved_model"):
                continue
            fed = {spec.tensor for spec in signature.inputs.values()}
            for spec in signature.outputs.values():
                if spec.tensor and spec.tensor not in fed:
                    name = spec.tensor.rpartition(":")[0] or spec.tensor
                    assert f"signature:{key}" in subject.reached(places[name])


def test_tables_of_a_tf2_fixture_are_initialized_at_load() -> None:
    subject = Subject("model", model=corpus.sample("tf2.21.0/sm2_tables").model())
    (place,) = subject.places(["InitializeTableFromTextFileV2"])
    assert subject.reached(place)[0] == "load"
