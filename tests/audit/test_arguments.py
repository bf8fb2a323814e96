"""What the constant arguments of a node are, wherever they come from."""

from __future__ import annotations

from time import perf_counter

import pytest

from migrator.auditing.strings.arguments import Argument, constant_texts, graph_argument
from migrator.auditing.subject import Subject
from tests import corpus, handmade, wire
from tests.audit.notation import read_model


def argument(text: str, op: str = "ReadFile", slot: int | str = 0) -> Argument:
    subject = Subject("model", model=read_model(text))
    return constant_texts(subject, next(subject.places([op])), slot)


def test_constant() -> None:
    found = argument('p = Const "/etc/passwd"\nr = ReadFile p')
    assert (found.text, found.origin) == ("/etc/passwd", "constant")
    assert found.values == ("/etc/passwd",)


@pytest.mark.parametrize(
    "between",
    [
        "q = Identity p | T=:string",
        "a = Identity p | T=:string\n q = Identity a ^p | T=:string",
        "s = Const int32 [1]\n q = Reshape p s | T=:string",
        "q = ExpandDims p n | T=:string",
        "q = Fill n p | T=:string",
        "q = Pack p p | N=2 T=:string",
        "q = ConcatV2 p p n | N=2 T=:string",
        'q = Enter p | T=:string frame_name="f"',
        "s = Switch p b | T=:string\n q = Merge s s:1 | N=2 T=:string",
        "q = IdentityN n p | T=[:int32,:string]\n",
    ],
)
def test_ops_that_pass_a_string_on_are_followed(between: str) -> None:
    tensor = "q:1" if "IdentityN" in between else "q"
    found = argument(
        f'p = Const "/etc/passwd"\nn = Const int32 0\n{between}\nr = ReadFile {tensor}'
    )
    assert (found.text, found.origin) == ("/etc/passwd", "constant")


def test_joined_strings_are_put_together() -> None:
    text = 'a = Const "/tmp"\nb = Const "x"\nj = StringJoin a b | separator="/"\nr = ReadFile j'
    assert argument(text).text == "/tmp/x"


def test_what_is_not_known_stands_for_itself_in_a_join() -> None:
    text = (
        'a = Const "/tmp/"\nx = Placeholder | dtype=:string\nj = StringJoin a x z\n'
        "z = StringFormat x\nr = ReadFile j\nsignature s: name=x:0 -> y=r:0"
    )
    found = argument(text)
    assert (found.text, found.origin) == ("/tmp/<from input name><computed>", "computed")
    assert found.values == ()


def test_several_values_are_listed_and_bounded() -> None:
    names = " ".join(f'"{number}"' for number in range(200))
    found = argument(f"p = Const {names}\nr = ReadFile p")
    assert found.text is not None and found.text.startswith("0, 1, 2, 3 and ")
    assert len(found.values) == 50


def test_default_of_a_placeholder() -> None:
    found = argument(
        'd = Const "/etc/hosts"\np = PlaceholderWithDefault d | dtype=:string\nr = ReadFile p'
    )
    assert (found.text, found.origin) == ("/etc/hosts", "default")


def test_placeholder_and_signature_input() -> None:
    text = "p = Placeholder | dtype=:string\nr = ReadFile p"
    found = argument(text)
    assert (found.text, found.origin, found.values) == ("from placeholder p", "input", ())
    found = argument(f"{text}\nsignature s: path=p:0 -> y=r:0")
    assert (found.text, found.origin) == ("from input path", "input")


def test_asset_is_named_by_its_file_whatever_its_constant_says() -> None:
    found = argument(
        'p = Const "/home/me/vocab.txt"\nr = ReadFile p\nasset p:0 vocab.txt\nsignature s: -> y=r:0'
    )
    assert (found.text, found.origin, found.is_asset) == ("assets/vocab.txt", "asset", True)


def test_operands_of_all_callers() -> None:
    text = """
        p = Const "/a"
        q = Const "/b"
        c = Const int32 0
        x = PartitionedCall p | f=@outer Tin=[:string] Tout=[:string]
        y = If c q | then_branch=@outer else_branch=@outer Tin=[:string] Tout=[:string]
        def outer(ignored: string) -> (r=call:output:0):
            call = PartitionedCall ignored | f=@inner Tin=[:string] Tout=[:string]
        def inner(path: string) -> (r=r:contents:0):
            r = ReadFile path
    """
    assert argument(text).values == ("/a", "/b")


def test_what_a_called_function_returns() -> None:
    text = """
        x = PartitionedCall | f=@name Tin=[] Tout=[:string]
        r = ReadFile x
        def name() -> (r=p:output:0):
            p = Const "/etc/shadow"
    """
    assert argument(text).text == "/etc/shadow"


def test_what_a_dataset_function_captures() -> None:
    text = """
        p = Const "/etc/group"
        n = Const int64 3
        d = RangeDataset n n n | output_types=[:int64] output_shapes=[:[]]
        m = MapDataset d p | f=@body Targuments=[:string] output_types=[:string]
        def body(element: int64, path: string) -> (r=r:contents:0):
            r = ReadFile path
    """
    assert argument(text).text == "/etc/group"


def test_elements_of_a_dataset() -> None:
    """As TensorFlow 2 writes TextLineDataset: a function that is mapped over the file names."""
    text = """
        p = Const "/a" "/b"
        n = Const int64 3
        d = TensorSliceDataset p | Toutput_types=[:string]
        o = ParallelMapDatasetV2 d n | f=@path Targuments=[] output_types=[:string]
        t = TakeDataset o n | output_types=[:string]
        m = FlatMapDataset t | f=@read Targuments=[] output_types=[:string]
        def path(name: string) -> (r=j:output:0):
            e = Const ".txt"
            j = StringJoin name e:output:0 | N=2
        def read(file: string) -> (r=d:handle:0):
            d = TextLineDataset file file file
    """
    assert argument(text, "TextLineDataset").values == ("/a.txt", "/b.txt")
    unknown = text.replace("TakeDataset o n", "SomebodysOp o")
    found = argument(unknown, "TextLineDataset")
    assert (found.origin, found.values) == ("computed", ())
    another = text.replace("TakeDataset o n", "ConcatenateDataset o d")
    assert argument(another, "TextLineDataset").origin == "computed"


def test_what_a_loop_does_not_change() -> None:
    text = """
        p = Const "/etc/group"
        n = Const int64 3
        w = While n p | cond=@cond body=@body T=[:int64,:string]
        def cond(i: int64, path: string) -> (r=i):
            x = NoOp
        def body(i: int64, path: string) -> (i_out: int64=i, p_out: string=RETURNED):
            r = ReadFile path
            longer = StringJoin path path | N=2
    """
    assert argument(text.replace("RETURNED", "path")).text == "/etc/group"
    found = argument(text.replace("RETURNED", "longer:output:0"))
    assert (found.text, found.origin) == ("worked out from '/etc/group'", "computed")


def test_attributes() -> None:
    urls = 'd = DebugIdentityV3 x | debug_urls=["file:///tmp/a","grpc://b:1"] tensor_name="t"'
    found = argument(urls, "DebugIdentityV3", "debug_urls")
    assert found.text == "file:///tmp/a, grpc://b:1"
    assert found.values == ("file:///tmp/a", "grpc://b:1")
    assert argument(urls, "DebugIdentityV3", "tensor_name").text == "t"
    assert argument(urls, "DebugIdentityV3", "nothing") == Argument()


def test_bytes_that_are_no_text_show_as_escapes_and_long_ones_are_cut() -> None:
    for value, text in ((b"/tmp/\xff\x00", "/tmp/\\xff\x00"), (b"a" * 9000, "a" * 500 + "...")):
        model = handmade.model(handmade.text_const("p", value), handmade.op("r", "ReadFile", "p"))
        subject = Subject("model", model=model)
        assert constant_texts(subject, next(subject.places(["ReadFile"])), 0).text == text


def test_a_slot_that_is_not_there_is_not_known() -> None:
    assert argument('p = Const "/etc/passwd"\nr = ReadFile p', slot=7) == Argument()
    assert argument("r = ReadFile gone") == Argument()


def test_functions_that_call_themselves_end() -> None:
    text = """
        x = PartitionedCall x | f=@a
        def a(p: string) -> (r=c:output:0):
            c = PartitionedCall c:output:0 | f=@a Tout=[:string]
            r = ReadFile c:output:0
            s = ReadFile p
    """
    subject = Subject("model", model=read_model(text))
    for place in subject.places(["ReadFile"]):
        assert constant_texts(subject, place, 0).origin == "computed"


def test_work_is_bounded_on_graphs_that_double() -> None:
    """Each of 200 joins takes the one before twice, behind a chain of 50,000 identities."""
    nodes = [handmade.text_const("j0", b"x"), handmade.text_const("k0", b"y")]
    for number in range(1, 201):
        last = f"j{number - 1}"
        nodes.append(handmade.op(f"j{number}", "StringJoin", last, last))
        nodes.append(handmade.op(f"k{number}", "Pack", f"k{number - 1}", f"j{number}", last))
    nodes.append(handmade.op("i0", "Identity", "k200"))
    nodes += [handmade.op(f"i{n}", "Identity", f"i{n - 1}") for n in range(1, 15_000)]
    nodes += [handmade.op(f"r{n}", "ReadFile", "i14999") for n in range(50)]
    subject = Subject("model", model=handmade.model(*nodes))
    places = list(subject.places(["ReadFile"]))
    start = perf_counter()
    for place in places:
        constant_texts(subject, place, 0)
    assert perf_counter() - start < 10  # exponential ways would take for ever


def test_vocabularies_of_the_fixtures_are_assets() -> None:
    found = {}
    for name in ("tf1.15.5/sm_table_vocabulary", "tf2.21.0/sm2_tables"):
        subject = Subject("model", model=corpus.sample(name).model())
        for place in subject.places(["InitializeTableFromTextFileV2"]):
            item = constant_texts(subject, place, 1)
            found[name] = (item.is_asset, (item.text or "").partition("/")[0])
    assert found and set(found.values()) == {(True, "assets")}


def _dataset(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> Subject:
    return Subject("model", model=handmade.model(*nodes, functions=functions))


_INNER = wire.graph([handmade.text_const("p", b"/etc/passwd"), handmade.op("r", "ReadFile", "p")])


def test_graph_of_a_dataset_is_found_through_a_call() -> None:
    body = wire.function(
        "f", {"g": 7}, {"d": 21}, [handmade.op("d", "DatasetFromGraph", "g")], {"d": "d:handle:0"}
    )
    subject = _dataset(
        handmade.text_const("g", _INNER),
        handmade.op("c", "PartitionedCall", "g", f=wire.Call("f")),
        functions=(body,),
    )
    (place,) = subject.places(["DatasetFromGraph"])
    found = graph_argument(subject, place)
    assert [node.name for node in found.bodies[0].nodes] == ["p", "r"]
    assert not found.reason


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([handmade.op("g", "DecodeCompressed", "z")], "worked out"),
        ([handmade.op("g", "Placeholder", dtype=wire.S)], "from placeholder g"),
        ([handmade.text_const("g", b"no graph at all")], "not read as a graph"),
        ([], "worked out"),
    ],
)
def test_graph_of_a_dataset_that_is_not_in_the_file_is_told(
    nodes: list[bytes], reason: str
) -> None:
    subject = _dataset(*nodes, handmade.op("d", "DatasetFromGraph", "g"))
    (place,) = subject.places(["DatasetFromGraph"])
    found = graph_argument(subject, place)
    assert not found.bodies
    assert reason in found.reason
