"""Protobuf's text format, construct by construct."""

from __future__ import annotations

import math

import pytest

from migrator.errors import FormatError, LimitError
from migrator.formats.messages import message_class
from migrator.limits import Limits
from tests.formats.texts import parsed

SAME = {
    "plain": 'node { name: "a" op: "X" input: "b" input: "c" }',
    "colon before a message": 'node: { name: "a" op: "X" input: "b" input: "c" }',
    "angles": 'node < name: "a" op: "X" input: "b" input: "c" >',
    "angles with a colon": 'node: < name: "a" op: "X" input: "b" input: "c" >',
    "list of strings": 'node { name: "a" op: "X" input: ["b", "c"] }',
    "list of messages": 'node [{ name: "a", op: "X", input: ["b"], input: [], input: ["c"] }]',
    "list with a colon": "node: [< name: 'a'; op: 'X'; input: ['b', 'c'] >]",
    "commas": "node { name: 'a', op: 'X', input: 'b', input: 'c', },",
    "semicolons": "node { name: 'a'; op: 'X'; input: 'b'; input: 'c'; };",
    "no spaces": "node{name:'a'op:'X'input:'b'input:'c'}",
    "space everywhere": "\t node \r\n : { name : 'a' \v op\f:\n'X' input : 'b' input : [ 'c' ] } ",
    "comments": "# one\nnode { # two\nname: # three\n'a' #four\nop: 'X' "
    "input: [ # five\n'b'#\n,'c'] }#",
    "adjacent": """node { name: "" 'a' '' op: 'X' input: "b" # and
        "" input: "" 'c' }""",
    "separator far away": f"node {{ name: 'a' {' ' * 3000} , op: 'X' input: 'b' input: 'c' }}",
    "adjacent far away": f"node {{ name: 'a' {' ' * 3000} '' op: 'X' input: 'b' input: 'c' }}",
    "byte order mark": "\ufeffnode { name: 'a' op: 'X' input: 'b' input: 'c' }",
    "unknown fields": """odd: 1 node { name: "a" 17: 3
        new { a: -inf b <> [x.y/z.T] { } [x.y]: [1, 'q'] }
        later: DT_X op: "X" list: [{}, {a: {}}] input: "b" input: "c" }""",
    "texts in a list of an unknown field": """node { name: "a" op: "X" odd: ["p", 'q']
        input: "b" input: "c" odd: 'r' }""",
}


@pytest.mark.parametrize(
    "form", ["[{0}, {1}, {2}]", "[ {0} , {1} # c\n, {2} ] ,", "[{0},{1},{2}];"]
)
@pytest.mark.parametrize("field", ["node", "odd"])
def test_lists_of_messages(field: str, form: str) -> None:
    nodes = ('{ name: "a" }', '< name: "b", op: "c" # c\n >', "{}")
    found = parsed(f"{field}: {form.format(*nodes)} version: 3")
    assert found.version == 3
    if field == "node":
        assert [(node.name, node.op) for node in found.node] == [("a", ""), ("b", "c"), ("", "")]
    with pytest.raises(FormatError, match="expected ',' or ']'"):
        parsed(f"{field}: [{nodes[0]} {nodes[1]}]")
    with pytest.raises(FormatError, match="found ';', expected"):
        parsed(f"{field}: [{nodes[0]}; {nodes[1]}]")


@pytest.mark.parametrize("name", SAME)
def test_ways_to_write_one_node(name: str) -> None:
    found = parsed(SAME[name])
    assert [(node.name, node.op, list(node.input)) for node in found.node] == [
        ("a", "X", ["b", "c"])
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\a\b\f\n\r\t\v\?\\\'\"", b"\a\b\f\n\r\t\v?\\'\""),
        (r"\0\1\12\123\1234\377", b"\0\1\n\123\1234\xff"),
        (r"\x1\x1g\x41\X42\xAbc", b"\x01\x01g\x41B\xabc"),
        (r"\u00fc\u20AC\U0001F600", "\u00fc\u20ac\U0001f600".encode()),
        (r"\ud83d\ude00", "\U0001f600".encode()),
        (r"\\\\n\\", b"\\\\n\\"),
        (r"\\1\\\1", b"\\1\\\1"),
        ("\u00fc raw \x7f", "\u00fc raw \x7f".encode()),
    ],
)
@pytest.mark.parametrize("padding", [0, 900, 60_000, 130_000])
def test_escapes(text: str, expected: bytes, padding: int) -> None:
    value = "x" * padding
    found = parsed(f'tensor_content: "{value}{text}{value}"', "TensorProto")
    assert found.tensor_content == value.encode() + expected + value.encode()


@pytest.mark.parametrize("cut", range(65_500, 65_560))
def test_escapes_at_the_edge_of_a_window(cut: int) -> None:
    text = "x" * cut + r"\\\ud83d\ude00\U0001F600\123" + "y" * 70_000
    expected = b"x" * cut + b"\\" + "\U0001f600\U0001f600S".encode() + b"y" * 70_000
    assert parsed(f'name: "{text}"', "NameAttrList").name.encode() == expected


@pytest.mark.parametrize(
    "text",
    [
        r"\q",
        r"\8",
        r"\x",
        r"\xg",
        r"\u12",
        r"\U00110000",
        r"\ud800",
        r"\ud800\u0041",
        r"\udc00",
        r"\U1234567",
    ],
)
def test_escapes_that_are_none(text: str) -> None:
    with pytest.raises(FormatError, match="line 1, column 9: a string with"):
        parsed(f'value: ["{text}"]', "BytesList")


NUMBERS = [
    ("int_val", "0", 0),
    ("int_val", "-0", 0),
    ("int_val", "12", 12),
    ("int_val", "0x1F", 31),
    ("int_val", "-0x1f", -31),
    ("int_val", "017", 15),
    ("int_val", "-017", -15),
    ("int_val", "- 5", -5),
    ("int_val", "-#c\n5", -5),
    ("int_val", "-2147483648", -(2**31)),
    ("uint64_val", "18446744073709551615", 2**64 - 1),
    ("int64_val", "-9223372036854775808", -(2**63)),
    ("double_val", "1", 1.0),
    ("double_val", "-1.5", -1.5),
    ("double_val", ".5", 0.5),
    ("double_val", "1.", 1.0),
    ("double_val", "1e5", 1e5),
    ("double_val", "1.5E-3", 1.5e-3),
    ("double_val", "1.0f", 1.0),
    ("double_val", "2F", 2.0),
    ("double_val", "inf", math.inf),
    ("double_val", "-inf", -math.inf),
    ("double_val", "Infinity", math.inf),
    ("double_val", "-inff", -math.inf),
    ("double_val", "1e999", math.inf),
    ("double_val", "- 2.5", -2.5),
    ("double_val", "-0.0", -0.0),
    ("float_val", "1e39", math.inf),
    ("float_val", "-1e39", -math.inf),
    ("float_val", "3.4028235e38", 3.4028234663852886e38),
    ("float_val", "3.4028235677973366e+38", math.inf),
    ("float_val", "1e-45", 1.401298464324817e-45),
    ("float_val", "0.1", 0.10000000149011612),
    ("bool_val", "true", True),
    ("bool_val", "True", True),
    ("bool_val", "t", True),
    ("bool_val", "1", True),
    ("bool_val", "0x1", True),
    ("bool_val", "false", False),
    ("bool_val", "f", False),
    ("bool_val", "0", False),
    ("dtype", "DT_FLOAT", 1),
    ("dtype", "DT_FLOAT_REF", 101),
    ("dtype", "DT_HALF", 19),
    ("dtype", "7", 7),
    ("dtype", "-1", -1),
    ("dtype", "DT_INVALID", 0),
    ("dtype", "0x10", 16),
]


@pytest.mark.parametrize(("field", "text", "value"), NUMBERS)
@pytest.mark.parametrize(
    "form", ["{f}: {v}", "{f}:{v}", "{f}: [{v}]", "{f}: [{v} , {v}]", "{many}"]
)
def test_numbers(field: str, text: str, value: object, form: str) -> None:
    many = f"{field}: {text}\n" * 9
    if field == "dtype" and ("[" in form or form == "{many}"):
        with pytest.raises(FormatError):
            parsed(form.format(f=field, v=text, many=many), "TensorProto")
        return
    found = parsed(form.format(f=field, v=text, many=many), "TensorProto")
    values = [found.dtype] if field == "dtype" else list(getattr(found, field))
    assert values and set(values) == {value}
    assert {str(item) for item in values} == {str(value)}


def test_not_a_number_is_one() -> None:
    for text in ("nan", "-nan", "NaN", "nanf"):
        (value,) = parsed(f"double_val: {text}", "TensorProto").double_val
        assert math.isnan(value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("int_val", "2147483648"),
        ("int_val", "-2147483649"),
        ("uint32_val", "-1"),
        ("int64_val", "9223372036854775808"),
        ("int_val", "08"),
        ("int_val", "0x"),
        ("int_val", "1.0"),
        ("int_val", "1_000"),
        ("int_val", "true"),
        ("int_val", "'1'"),
        ("int_val", "--1"),
        ("int_val", "9" * 4000),
        ("double_val", "010"),
        ("double_val", "0x1"),
        ("double_val", "1_0"),
        ("double_val", "1.0g"),
        ("double_val", "infinit"),
        ("double_val", "1e"),
        ("double_val", "."),
        ("bool_val", "2"),
        ("bool_val", "TRUE"),
        ("bool_val", "-1"),
        ("bool_val", "yes"),
        ("dtype", "DT_NONE"),
        ("dtype", "float"),
        ("dtype", "2147483648"),
        ("dtype", "'DT_FLOAT'"),
        ("dtype", "{ }"),
        ("tensor_shape", "3"),
        ("tensor_shape", "'x'"),
        ("string_val", "3"),
        ("string_val", "{ }"),
        ("tensor_content", "abc"),
    ],
)
@pytest.mark.parametrize("before", ["", "{field}: 0\n" * 7])
def test_values_that_do_not_fit_their_field(field: str, text: str, before: str) -> None:
    if field in ("dtype", "tensor_shape", "tensor_content", "string_val") or field == "bool_val":
        before = ""
    text = before.format(field=field) + f"{field}: {text}\n" * (5 if before else 1)
    with pytest.raises(
        FormatError, match=rf"{field}: line {before.count(chr(10)) + 1}, column [\d,]+: found"
    ) as caught:
        parsed(text, "TensorProto")
    assert "expected" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name: "a" name: "b"', "name: line 1, column 11: is given twice"),
        ('attr { key: "x" key: "y" }', r"attr\[0\].key: line 1, column 17: is given twice"),
        (
            "attr { value { i: 1 b: true } }",
            r"attr\[0\].value.b: line 1, column 21: is given twice \(or another",
        ),
        ("attr { value { list { } tensor { } } }", "is given twice"),
        (
            "attr { value { tensor { dtype: 1 dtype: 1 } } }",
            r"attr\[0\].value.tensor.dtype: line 1",
        ),
        ("attr { value { } value { } }", r"attr\[0\].value: line 1, column 18: is given twice"),
        ('name: ["a"]', "found '\\[', expected a string"),
        ('name "a"', "found '\"', expected ':'"),
        ('input ["a"]', "found '\\[', expected ':'"),
        ("name: { }", "name: line 1, column 7: found '{', expected a string"),
        ('name: "a" }', "line 1, column 11: found '}', expected a field's name"),
        ('attr { key: "x" >', r"attr\[0\]: line 1, column 17: found '>', expected '}'"),
        ('attr < key: "x" }', "found '}', expected '>'"),
        ('attr { key: "x"', r"attr\[0\]: line 1, column 16: found the end of the file.*truncated"),
        ('name: "abc', 'line 1, column 7: a string without its closing "; .*truncated'),
        ('name: "a\nb"', "line 1, column 7: a string without its closing"),
        ("name: 'a\"", "closing '"),
        ("name:", "found the end of the file, expected a value"),
        ("name", "found the end of the file, expected ':'"),
        ("!", "found '!', expected a field's name"),
        ('name: "a",, op: "b"', "found ',', expected"),
        ('input: ["a" "b", 3]', "found '3', expected a string"),
        ('input: ["a", ]', "expected a value"),
        ('input: ["a"', "found the end of the file, expected ',' or '\\]'"),
        ("[a.b", "found '\\[', expected a field's name"),
        ('name: "\\377"', "name: line 1, column 7: found bytes that are no UTF-8"),
        ('\n\n  name: "\xfc" odd: 1 op: @', "line 3, column 24: found '@', expected a value"),
    ],
)
def test_faults_are_told_by_path_line_and_column(text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        parsed(text, "NodeDef")
    assert str(caught.value).startswith("x.pbtxt: ")


def test_faults_far_into_a_file_are_told_by_line() -> None:
    text = 'node {\n  name: "a"\n  op: "X"\n}\n' * 50_000 + "node {\n\t name: 5\n}\n"
    with pytest.raises(FormatError, match=r"node\[50000\].name: line 200,002, column 9: found '5'"):
        parsed(text)


def test_a_type_in_brackets_stands_for_its_fields() -> None:
    text = """collection_def { key: "a" value { any_list {
      value { [type.googleapis.com/tensorflow.AssetFileDef] {
        filename: "f" tensor_info { name: "t" } } }
      value { [type.googleapis.com / tensorflow.Unknown]: < x: 1 > }
      value { type_url: "u" value: "\\001" }
    } } }"""
    values = parsed(text, "MetaGraphDef").collection_def["a"].any_list.value
    urls = [
        "type.googleapis.com/tensorflow.AssetFileDef",
        "type.googleapis.com/tensorflow.Unknown",
        "u",
    ]
    assert [item.type_url for item in values] == urls
    assert message_class("AssetFileDef").FromString(values[0].value).filename == "f"
    assert [item.value for item in values[1:]] == [b"", b"\x01"]


def test_a_type_in_brackets_keeps_large_tensors() -> None:
    numbers = "float_val: 1.5\n" * 2000
    text = f"value {{ [x/tensorflow.TensorProto] {{ dtype: DT_FLOAT {numbers} }} }}"
    (value,) = parsed(text, "AnyList").value
    assert list(message_class("TensorProto").FromString(value.value).float_val) == [1.5] * 2000


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    found = parsed(
        'attr { key: "a" value { i: 1 } } attr { key: "a" value { b: true } }', "NodeDef"
    )
    assert found.attr["a"].WhichOneof("value") == "b"


def test_depth_is_bounded() -> None:
    deep = "attr { value { func { " * 40
    with pytest.raises(LimitError, match="nested deeper than 64"):
        parsed(f"node {{ {deep}")
    with pytest.raises(LimitError, match="nested deeper than 64"):
        parsed("a { " * 100_000)
    with pytest.raises(LimitError, match="nested deeper than 64"):
        parsed("a: [{ " * 100_000)


@pytest.mark.parametrize(
    "text",
    [
        'input: "abcdefgh"\n' * 2000,
        f"input: [{', '.join(['1' * 1])}]".replace("1", '"abcdefgh"' + ', "abcdefgh"' * 2000),
        f'name: "{"x" * 20_000}"',
        f"name: '{chr(92)}001{'x' * 20_000}'",
        "attr { value { list { " + "i: 123456789\n" * 4000 + "} } }",
        "attr { value { list { i: [" + "123456789, " * 4000 + "1] } } }",
        'attr { key: "k" }\n' * 3000,
        "attr { value { list { " + "shape { dim { size: 123456 } }" * 3000 + "} } }",
    ],
)
def test_what_is_kept_in_memory_is_bounded(text: str) -> None:
    with pytest.raises(LimitError, match="skeleton bytes"):
        parsed(text, "NodeDef", Limits(skeleton_bytes=10_000))
    parsed(text, "NodeDef", Limits(skeleton_bytes=100_000))
