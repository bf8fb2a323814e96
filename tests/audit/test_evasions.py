"""What tries to get past the audit: calls, strings and assets that are not what they seem.

Each was run in TensorFlow 1.15 or 2.21 and does there what it is found for.
"""

from __future__ import annotations

from time import perf_counter

import pytest

from migrator.auditing.contents.nested import find_nested
from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.registry import find_rule
from migrator.auditing.strings.own_checkpoint import CHECKPOINT_OPS, checkpoint_use
from migrator.auditing.subject import Subject
from migrator.model.model import Model
from tests import handmade, wire
from tests.audit.notation import read_model


def findings(model: Model | str, code: str) -> list[Finding]:
    model = read_model(model) if isinstance(model, str) else model
    found, skipped = run_rules(Subject("saved_model.pb", model=model), [find_rule(code)])
    assert not skipped
    return list(found)


def told(model: Model | str, code: str) -> tuple[str, str]:
    (finding,) = findings(model, code)
    return finding.severity.label, str(finding.detail.get("argument"))


_READ = """
    x = Placeholder | dtype=:float shape=:[2]
    p = Const "/etc/passwd"
    {call}
    def evil(path: string) -> (o: string = r:contents:0):
        r = ReadFile path
    def good(path: string) -> (o: string = i:output:0):
        i = Identity path | T=:string
    def wrap(path: string) -> (o: string = c:output:0):
        c = StatefulPartitionedCall path | Tin=[:string] Tout=[:string]
    signature serving_default: x=x:0 -> y=y:0~string
"""


@pytest.mark.parametrize("attr", ["T", "shape", "anything"])
def test_function_that_a_function_is_given(attr: str) -> None:
    """By whatever attribute: within the function that takes it, it may be called."""
    text = _READ.format(call=f"y = wrap p | {attr}=@evil")
    assert told(text, "S201") == ("high", "worked out from '/etc/passwd'")


def test_function_that_a_called_function_is_given() -> None:
    call = wire.Call("wrap", (("T", wire.Call("evil")),))
    node = handmade.op("y", "StatefulPartitionedCall", "p", f=call)
    body = wire.node("r", "ReadFile", ["path"])
    given, returns = {"path": wire.STRING}, {"o": "r:contents:0"}
    model = handmade.model(
        handmade.text_const("p", b"/etc/passwd"),
        node,
        functions=[
            wire.function("evil", given, {"o": wire.STRING}, [body], returns),
            wire.function("wrap", given, {"o": wire.STRING}, [], {"o": "path"}),
        ],
    )
    assert told(model, "S201")[0] == "high"


def _graph_with(more: bytes, **gradients: str) -> Model:
    """A call of ``good``, and ``evil`` in the library with ``more`` in its definition."""
    given, text = {"path": wire.STRING}, {"o": wire.STRING}
    functions = [
        wire.function("good", given, text, [], {"o": "path"}) + more,
        wire.function(
            "evil", given, text, [wire.node("r", "ReadFile", ["path"])], {"o": "r:contents:0"}
        )
        + more,
    ]
    op = "SymbolicGradient" if gradients else "StatefulPartitionedCall"
    nodes = [
        handmade.text_const("p", b"/etc/passwd"),
        handmade.op("y", op, "p", f=wire.Call("good"), Tout=[wire.S]),
    ]
    return handmade.read_graph(wire.graph(nodes, functions, gradients=gradients))


def test_function_that_the_optimizer_may_run_in_place_of_another() -> None:
    same = wire.block(5, wire.block(1, "api_implements") + wire.block(2, wire.block(2, b"lstm")))
    assert told(_graph_with(same), "S201") == ("high", "/etc/passwd")
    assert told(_graph_with(b""), "S201")[0] == "low"


def test_gradient_of_a_function_that_is_differentiated_in_the_graph() -> None:
    assert told(_graph_with(b"", good="evil"), "S201") == ("high", "/etc/passwd")


def test_gradient_of_what_a_differentiated_function_calls() -> None:
    text = """
        p = Const "/etc/passwd"
        y = SymbolicGradient p | f=@outer Tout=[:string]
        x = Placeholder | dtype=:float shape=:[]
        signature serving_default: x=x:0 -> y=y:0~string
        def outer(path: string) -> (o: string = c:o:0):
            c = inner path
        def inner(path: string) -> (o: string = path):
            n = NoOp
        def evil(path: string) -> (o: string = r:contents:0):
            r = ReadFile path
    """
    model = read_model(text)
    object.__setattr__(model.graph.functions["inner"], "gradient", "evil")
    assert told(model, "S201")[0] == "high"


def test_a_checkpoint_that_a_hidden_call_writes_is_foreign() -> None:
    text = """
        p = Const "/etc/cron.d/x"
        y = wrap p | T=@save
        def wrap(path: string) -> (o: string = path):
            n = NoOp
        def save(path: string) -> (o: string = path):
            s = SaveV2 path path path path | dtypes=[:string]
    """
    subject = Subject("m", model=read_model(text))
    (place,) = subject.places(CHECKPOINT_OPS)
    assert checkpoint_use(subject, place) == "foreign"


@pytest.mark.parametrize(
    "ops",
    [
        'a = Const "/etc/" "passwd"\n n = Const int32 0\n p = ReduceJoin a n',
        'a = Const "xx/etc/passwd"\n n = Const int32 2\n p = Substr a n n',
        'a = Const "passwd"\n p = StringFormat a | template="/etc/{}"',
        'a = Const "/etc/QQ"\n p = StaticRegexReplace a | pattern="QQ" rewrite="passwd"',
    ],
)
def test_strings_that_a_path_is_worked_out_from_are_told(ops: str) -> None:
    severity, argument = told(f"{ops}\n r = ReadFile p", "S201")
    assert severity == "high"
    assert "worked out from" in argument
    assert "passwd" in argument or "QQ" in argument


def _tensor(content: bytes, *values: bytes) -> bytes:
    fields = b"".join(wire.block(8, value) for value in values)
    return wire.tensor(wire.STRING, (), wire.block(4, content) * bool(content) + fields)


def _const(*tensors: bytes) -> bytes:
    value = wire.Raw(b"".join(wire.block(8, item) for item in tensors))
    return handmade.op("p", "Const", dtype=wire.S, value=value)


def _cache(*nodes: bytes) -> list[Finding]:
    """A cache is in memory where its file name is empty."""
    return findings(handmade.model(*nodes, handmade.op("c", "CacheDataset", "d", "p")), "S202")


_LONG = wire.block(99, b"\0" * 6000)
"""An unknown field that makes a message too large to be copied."""
_NAME = b"/etc/cron.d/x"


def test_string_in_the_content_of_a_tensor() -> None:
    (finding,) = _cache(_const(_tensor(bytes([len(_NAME)]) + _NAME)))
    assert finding.detail["argument"] == _NAME.decode()
    (finding,) = _cache(_const(_tensor(b"\x7f" + _NAME)))  # lengths that do not add up
    assert finding.severity.label == "high"
    assert not _cache(_const(_tensor(b"", b"")))


@pytest.mark.parametrize("more", [b"", _LONG])
@pytest.mark.parametrize("values", [(_NAME, b""), (b"", _NAME)])
def test_tensor_that_comes_twice_is_merged(values: tuple[bytes, bytes], more: bytes) -> None:
    first, second = (_tensor(b"", value) for value in values)
    for tensors in ((first, second + more), (first + more, second), (first + more, second + more)):
        (finding,) = _cache(_const(*tensors))
        assert _NAME.decode() in finding.detail["argument"]


def test_value_that_comes_twice_in_an_attribute() -> None:
    value = b"".join(
        wire.block(2, wire.block(8, _tensor(b"", name) + _LONG)) for name in (_NAME, b"")
    )
    node = (
        wire.block(1, "p")
        + wire.block(2, "Const")
        + wire.block(5, wire.block(1, "value") + value)
        + wire.block(5, wire.block(1, "dtype") + wire.block(2, wire.number(6, 7)))
    )
    (finding,) = _cache(node)
    assert _NAME.decode() in finding.detail["argument"]


def test_an_element_behind_all_that_are_looked_at() -> None:
    (finding,) = _cache(handmade.text_const("p", *[b""] * 1500, _NAME))
    assert finding.severity.label == "high"


@pytest.mark.parametrize("padding", [b"", b"/" * 4090])
def test_printing_to_a_file_whatever_the_length_of_its_name(padding: bytes) -> None:
    stream = b"file://" + padding + b"/etc/x"
    model = handmade.model(handmade.op("p", "PrintV2", "x", output_stream=stream))
    (finding,) = findings(model, "S202")
    assert str(finding.detail["argument"]).startswith("file://")
    twice = wire.Raw(wire.block(2, b"stdout" + b"x" * 5000) + wire.block(2, stream))
    model = handmade.model(handmade.op("p", "PrintV2", "x", output_stream=twice))
    assert len(findings(model, "S202")) == 1


_ASSET = """
    x = Placeholder | dtype=:float shape=:[2]
    y = Tanh x | T=:float
    a = Const "/home/u/vocab.txt"
    evil = Const "/etc/passwd"
    up = Const "/../../../etc/passwd"
    c = Const int32 1
    {ops}
    init = NoOp ^r
    signature serving_default: x=x:0 -> y=y:0
    asset a:0 vocab.txt
    {start}
"""


@pytest.mark.parametrize(
    ("ops", "code", "argument"),
    [
        ("p = StringJoin a up | N=2\n r = ReadFile p", "S201", "/etc/passwd"),
        ("p = StringJoin evil a | N=2\n r = ReadFile p", "S201", "/etc/passwd"),
        ("p = Select c a evil | T=:string\n r = ReadFile p", "S201", "/etc/passwd"),
        ("p = Pack a evil | N=2\n r = TextLineDataset p c c", "S203", "/etc/passwd"),
        ("r = GenerateVocabRemapping a evil", "S201", "/etc/passwd"),
        ('r = SnapshotDataset c a | writer_path_prefix="/etc/x"', "S203", "/etc/x"),
    ],
)
def test_asset_that_is_only_a_part_of_what_is_read(ops: str, code: str, argument: str) -> None:
    severity, found = told(_ASSET.format(ops=ops, start="main_op init"), code)
    assert severity == "critical"
    assert argument in found


def test_file_below_an_asset_is_the_models_own() -> None:
    ops = 'n = Const "/words.txt"\n p = StringJoin a n | N=2\n r = ReadFile p'
    assert not findings(_ASSET.format(ops=ops, start="main_op init"), "S201")


def test_asset_is_fed_only_where_loading_asks_for_it() -> None:
    """Whatever else runs the op, it reads the path that the constant holds."""
    read = _ASSET.format(ops="r = ReadFile a", start="{}")
    assert not findings(read.format("main_op init"), "S201")
    for start in ("", 'collection table_initializer "init"'):
        assert told(read.format(start), "S201") == ("high", "/home/u/vocab.txt")
    table = _ASSET.format(ops="r = InitializeTableFromTextFileV2 c a", start="")
    assert told(table, "S205") == ("medium", "/home/u/vocab.txt")


_VARIABLE = """
    init = AssignVariableOp h a | dtype=:string
    h = VarHandleOp | dtype=:string shape=:[] shared_name="v"
    p = ReadVariableOp h ^init | dtype=:string
    r = ReadFile p
    {more}
"""


@pytest.mark.parametrize(
    "more",
    [
        'g = VarHandleOp | dtype=:string shared_name="v"\n other = AssignVariableOp g evil',
        "other = StatefulPartitionedCall h evil | f=@elsewhere",
    ],
    ids=["shared", "lent"],
)
def test_variable_of_an_assets_path_that_something_else_can_set(more: str) -> None:
    text = _ASSET.replace("init = NoOp ^r", "all = NoOp ^r")
    quiet = text.format(ops=_VARIABLE.format(more=""), start="main_op all")
    assert not findings(quiet, "S201")
    assert told(quiet.replace("main_op", f"main_op all\n{more}\nmain_op", 1), "S201")[0] == (
        "critical"
    )


@pytest.mark.parametrize(
    "join",
    [
        'StringJoin f k1 k2 k3 | N=4 separator=""',
        'StringJoin f k4 k5 k6 | N=4 separator="."',
    ],
)
@pytest.mark.parametrize("op", ["SaveV2", "RestoreV2"])
def test_dots_that_come_from_two_strings(join: str, op: str) -> None:
    text = f"""
        f = Const "model"
        k1 = Const "/."
        k2 = Const "./."
        k3 = Const "./etc/x"
        k4 = Const "/"
        k5 = Const ""
        k6 = Const "/etc/x"
        j = {join}
        n = Const "v"
        s = SaveV2 PATH_SaveV2 n n n | dtypes=[:string]
        saved = Identity f ^s | T=:string
        b = RestoreV2 PATH_RestoreV2 n n | dtypes=[:float]
        h = VarHandleOp | dtype=:float shape=:[2]
        a = AssignVariableOp h b | dtype=:float
        all = NoOp ^a
        saver filename=f:0 save=saved:0 restore=all
    """
    paths = {f"PATH_{item}": "j" if item == op else "f" for item in ("SaveV2", "RestoreV2")}
    for name, path in paths.items():
        text = text.replace(name, path)
    subject = Subject("m", model=read_model(text))
    places = subject.places(CHECKPOINT_OPS)
    found = {place.node.op: checkpoint_use(subject, place) for place in places}
    assert found.pop(op) == "foreign"
    assert set(found.values()) == {"own"}


_HIDDEN = wire.graph([handmade.text_const("p", _NAME), handmade.op("w", "WriteFile", "p", "p")])
_TAME = wire.graph([handmade.op("a", "NoOp"), handmade.op("b", "NoOp")])
_GROUP = wire.tag(15, 3) + wire.tag(15, 4)


@pytest.mark.parametrize("before", [b"", b"\x78\x00", _GROUP])
def test_hidden_graph_that_begins_with_unknown_fields(before: bytes) -> None:
    held = handmade.text_const("g", before + _HIDDEN)
    model = handmade.model(held, handmade.op("d", "DatasetFromGraph", "g"))
    (item,) = find_nested(list(model.graph.nodes))
    assert item.graph is not None
    assert [node.op for node in item.graph.nodes] == ["Const", "WriteFile"]


@pytest.mark.parametrize("other", [b"\x78\x00" + _HIDDEN, _GROUP + _HIDDEN, b"what is this"])
def test_harmless_graph_beside_another_string(other: bytes) -> None:
    nodes = [
        handmade.text_const("g", _TAME, other),
        handmade.op("one", "GatherV2", "g", "n", "n"),
        handmade.op("d", "DatasetFromGraph", "one"),
    ]
    worst = max(findings(handmade.model(*nodes), "S401"), key=lambda item: item.severity)
    assert (worst.detail["op"], worst.severity.label) == ("DatasetFromGraph", "high")


def test_hidden_graph_that_another_op_changes() -> None:
    nodes = [
        handmade.text_const("g", _TAME, _TAME),
        handmade.op("s", "StringStrip", "g"),
        handmade.op("d", "DatasetFromGraph", "s"),
    ]
    found = {item.location.node: item for item in findings(handmade.model(*nodes), "S401")}
    assert found["d"].severity.label == "high"


def test_hidden_graph_in_the_content_of_a_tensor_and_of_a_type_that_a_caller_gives() -> None:
    content = wire.varint(len(_HIDDEN)) + _HIDDEN
    node = wire.node("g", "Const", [], {"value": wire.Raw(wire.block(8, _tensor(content)))})
    (item,) = find_nested(list(handmade.model(node).graph.nodes))
    assert item.graph is not None


_PROGRAM = rb'func @main() { stablehlo.custom_call @"xla_ffi_\70ython_cpu_callback"() }'


@pytest.mark.parametrize("program", [_PROGRAM, _PROGRAM.replace(rb"\70", b"p")])
def test_callback_whose_name_is_spelled_by_escapes(program: bytes) -> None:
    model = handmade.model(handmade.op("c", "XlaCallModule", module=program))
    severity, argument = told(model, "S104")
    assert (severity, argument) == ("high", "xla_ffi_python_cpu_callback")


def test_program_without_callbacks_stays_low() -> None:
    model = handmade.model(handmade.op("c", "XlaCallModule", module=b"ML\xefR\\70ython" * 1000))
    assert told(model, "S104")[0] == "low"


def test_searching_a_large_program_takes_linear_time() -> None:
    model = handmade.model(handmade.op("c", "XlaCallModule", module=b"py" * (4 << 20)))
    start = perf_counter()
    assert told(model, "S104")[0] == "low"
    assert perf_counter() - start < 5


def _seconds(model: Model, code: str) -> float:
    subject = Subject("m", model=model)
    start = perf_counter()
    found, skipped = run_rules(subject, [find_rule(code)])
    assert found
    assert not skipped
    return perf_counter() - start


def test_paths_that_many_functions_give_take_linear_time() -> None:
    given, text = {"a": wire.STRING}, {"o": wire.STRING}
    count = 4000
    functions = [wire.function(f"f{n}", given, text, [], {"o": "a"}) for n in range(count)]
    nodes = [handmade.text_const("p", b"/x")]
    for number in range(count):
        nodes.append(handmade.op(f"c{number}", f"f{number}", "p"))
        nodes.append(handmade.op(f"r{number}", "ReadFile", f"c{number}"))
    assert _seconds(handmade.model(*nodes, functions=functions), "S201") < 8


def test_arguments_of_a_wide_loop_take_linear_time() -> None:
    count = 1500
    names = {f"a{n}": wire.STRING for n in range(count)}
    body = [wire.node(f"n{n}", "NoOp") for n in range(20_000)]
    body += [wire.node(f"r{n}", "ReadFile", [f"a{n}"]) for n in range(count)]
    outputs = {f"o{n}": wire.STRING for n in range(count)}
    loop = wire.function("b", names, outputs, body, {f"o{n}": f"a{n}" for n in range(count)})
    call = handmade.op("w", "While", *["p"] * count, body=wire.Call("b"), cond=wire.Call("b"))
    model = handmade.model(handmade.text_const("p", b"/x"), call, functions=[loop])
    assert _seconds(model, "S201") < 8


def test_a_graph_with_very_many_signatures_is_not_planned() -> None:
    """Planning looks at the graph once for each; the rules that need no plan still run."""
    nodes = "\n".join(f"n{number} = NoOp" for number in range(20_000))
    keys = "\n".join(f"signature k{number}: x=x:0 -> y=x:0" for number in range(3000))
    text = f"x = Placeholder | dtype=:float shape=:[]\n{nodes}\n{keys}"
    subject = Subject("m", model=read_model(text))
    assert "too many signatures" in str(subject.planned.error)
