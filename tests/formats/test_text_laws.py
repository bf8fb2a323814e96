"""Laws of the text format: what protobuf prints is read as the message it printed, however it is
printed, cut or damaged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.errors import FormatError, MigratorError
from migrator.formats.load import load
from migrator.formats.messages import SPAN_FIELD, fields, message_class
from migrator.formats.reading import read_message
from migrator.formats.textual import reader
from migrator.limits import DEFAULT_LIMITS
from migrator.places.source import ByteSource
from tests.formats.texts import PAIRS, TWINS, name_of, with_spans
from tests.fuzz.survive import assert_clear, use

_INTEGERS = {
    "int32": st.integers(-(2**31), 2**31 - 1),
    "DataType": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "fixed32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
}
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    **_INTEGERS,
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "string": st.text(max_size=12),
    "bytes": st.binary(max_size=40) | st.sampled_from([b"\\\\", b"\"'", b"x" * 300, b"\xff" * 200]),
}


@st.composite
def messages(draw: st.DrawFn, name: str, depth: int = 5) -> Any:
    """A message of ``name`` with any of its fields."""
    made = message_class(name)()
    known = [field for field in fields(name) if field.number != SPAN_FIELD]
    some = draw(st.lists(st.sampled_from(known), max_size=4, unique=True)) if known else []
    for field in some:
        if field.kind.startswith("map:"):
            value = field.kind[4:]
            entry = getattr(made, field.name)
            for key in draw(st.lists(st.text(max_size=5), max_size=3, unique=True)):
                if value in _SCALARS:
                    entry[key] = draw(_SCALARS[value])
                elif depth:
                    entry[key].CopyFrom(draw(messages(value, depth - 1)))
        elif field.scalar:
            if field.repeated:
                few = st.lists(_SCALARS[field.kind], max_size=3)
                many = st.lists(_SCALARS[field.kind], min_size=1, max_size=2).map(lambda x: x * 20)
                getattr(made, field.name).extend(draw(few | many))
            else:
                setattr(made, field.name, draw(_SCALARS[field.kind]))
        elif depth:
            inner = [draw(messages(field.kind, depth - 1)) for _ in range(draw(st.integers(0, 2)))]
            if field.repeated:
                getattr(made, field.name).extend(inner)
            elif inner:
                getattr(made, field.name).CopyFrom(inner[0])
    return made


PRINTED = st.fixed_dictionaries(
    {
        "as_one_line": st.booleans(),
        "as_utf8": st.booleans(),
        "use_short_repeated_primitives": st.booleans(),
        "pointy_brackets": st.booleans(),
        "use_index_order": st.booleans(),
    }
)
NAMES = st.sampled_from(
    [
        "GraphDef",
        "NodeDef",
        "AttrValue",
        "TensorProto",
        "FunctionDefLibrary",
        "MetaGraphDef",
        "SavedModel",
        "CollectionDef",
        "SignatureDef",
        "SavedObjectGraph",
    ]
)


def put_back(message: Any, spans: Any) -> Any:
    """``message`` with what its marks point to in their place."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            found: Any = (
                value.values() if field.message_type.fields_by_name["value"].message_type else ()
            )
        else:
            found = value if hasattr(value, "__len__") else [value]
        for item in found:
            put_back(item, spans)
    if message.DESCRIPTOR.name == "TensorProto" and message.span:
        message.MergeFromString(b"")
        payload = spans.find(message.span)
        message.ParseFromString(payload.read())
    elif message.DESCRIPTOR.name == "AttrValue" and message.span:
        payload = spans.find(message.span)
        message.s = payload.read()
        assert len(message.s) == payload.size
        message.ClearField("span")
    return message


@pytest.fixture(params=[reader.INLINE, 10, 100], scope="module")
def inline(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many bytes of text stay in memory: all, hardly any, some."""
    own = reader.INLINE
    reader.INLINE = request.param
    yield request.param
    reader.INLINE = own


@settings(max_examples=250, deadline=None)
@given(data=st.data(), name=NAMES, form=PRINTED)
def test_what_protobuf_prints_is_read_as_it_was(
    inline: int, data: st.DataObject, name: str, form: dict[str, bool]
) -> None:
    message = data.draw(messages(name))
    text = text_format.MessageToString(message, **form)
    found, spans = with_spans(text.encode(), name)
    put_back(found, spans)
    assert found == message, text


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=NAMES, form=PRINTED)
def test_a_cut_text_is_a_message_or_a_clear_error(
    data: st.DataObject, name: str, form: dict[str, bool]
) -> None:
    text = text_format.MessageToString(data.draw(messages(name)), **form).encode()
    cut = data.draw(st.integers(0, len(text)))
    try:
        found, _ = with_spans(text[:cut], name)
    except FormatError as error:
        assert "line" in str(error)
        assert "column" in str(error)
        with pytest.raises(text_format.ParseError):
            text_format.Parse(text[:cut], message_class(name)())
        return
    assert found == text_format.Parse(text[:cut], message_class(name)())


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"node",
                b"attr",
                b"name",
                b"value",
                b"tensor",
                b"float_val",
                b"list",
                b"key",
                b":",
                b"{",
                b"}",
                b"<",
                b">",
                b"[",
                b"]",
                b",",
                b";",
                b'"a"',
                b"'\\001'",
                b'"',
                b"#",
                b"\n",
                b" ",
                b"1",
                b"-",
                b"1.5",
                b"inf",
                b"DT_FLOAT",
                b"true",
                b"\\",
                b"x.y/tensorflow.Any",
                b"\xff",
                b"\0",
            ]
        ),
        max_size=40,
    )
)
def test_any_tokens_are_a_message_or_a_clear_error(tokens: list[bytes]) -> None:
    try:
        with_spans(b"".join(tokens))
    except MigratorError as error:
        assert_clear(error)


@pytest.mark.parametrize("path", [pair[0] for pair in PAIRS], ids=name_of)
def test_every_truncation_is_a_model_or_a_clear_error(path: Path) -> None:
    data = path.read_bytes()
    message = {"graph": "GraphDef", "model": "MetaGraphDef", "saved": "SavedModel"}[path.name[:5]]
    step = len(data) // 700 | 1
    for length in sorted({*range(0, len(data), step), *range(300), len(data) - 1, len(data) - 2}):
        source = ByteSource.of_bytes(data[:length], name="cut.pbtxt")
        try:
            read_message(source, message, DEFAULT_LIMITS, text=True)
        except FormatError as error:
            assert_clear(error)
            assert "truncated" in error.hint, (length, error)


@pytest.mark.parametrize("name", ["graph.pbtxt", "model.ckpt.meta.pbtxt", "text/saved_model.pbtxt"])
def test_truncated_files_load_or_fail_clearly(name: str, tmp_path: Path) -> None:
    data = (TWINS / "tf1.15.5" / name).read_bytes()
    path = tmp_path / "model"
    for length in {*range(1, len(data), len(data) // 60), *range(1, 60)}:
        path.write_bytes(data[:length])
        try:
            use(load(path))
        except MigratorError as error:
            assert_clear(error)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_texts_load_or_fail_clearly(data: st.DataObject) -> None:
    text = bytearray((TWINS / "tf1.4.1" / "model.ckpt.meta.pbtxt").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(
            st.sampled_from([b"", b"{", b"}", b'"', b"'", b"\\", b"[", b"#", b"\n", b"9", b"\xff"])
        )
        text[place : place + 1] = new
    source = ByteSource.of_bytes(bytes(text), name="x.pbtxt")
    from migrator.formats import meta_graph

    try:
        use(meta_graph.read(source, DEFAULT_LIMITS, text=True))
    except MigratorError as error:
        assert_clear(error)


HOSTILE = {
    "spaces": b" " * 2_000_000,
    "spaces in a field": b"name" + b" " * 2_000_000 + b': "x"',
    "comments": b"#\n" * 700_000,
    "one comment": b"#" + b"x" * 3_000_000,
    "a name without end": b"n" * 3_000_000,
    "a number without end": b"version: " + b"9" * 3_000_000,
    "a string without end": b'device: "' + b"x" * 3_000_000,
    "backslashes": b'device: "' + b"\\" * 3_000_000,
    "escaped quotes": b'device: "' + b'\\"' * 1_500_000,
    "quotes": b"node { name: " + b'"" ' * 150_000,
    "brackets": b"[" * 3_000_000,
    "braces": b"}" * 3_000_000,
    "commas": b"," * 3_000_000,
    "list of odd numbers": b"node { attr { value { tensor { float_val: [" + b"1," * 700_000 + b"x]",
    "run of odd numbers": b"node { attr { value { tensor { "
    + b"int_val: 1\n" * 150_000
    + b"int_val: x",
    "run of unknown fields": b"node { attr { value { tensor { " + b"new_val: 1\n" * 150_000,
    "run of flags": b"node { attr { value { tensor { " + b"bool_val: t\n" * 150_000,
    "almost alike": b"".join(b'node { attr { key: "%d" value { i: 1 } x' % i for i in range(60))
    * 300,
    "strings behind a long shape": b"node { attr { value { tensor { tensor_shape {"
    + b"dim{}" * 150_000
    + b"} "
    + b'string_val: "a"\n' * 60_000,
    "lists behind a long shape": b"node { attr { value { tensor { tensor_shape {"
    + b"dim{}" * 150_000
    + b"} "
    + b'string_val: ["a", "b"]\n' * 20_000,
    "open blocks": b"node { attr { " + b'key: "a" value ' * 1 + b"{ shape { dim { size: 1 } " * 50,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_more_than_linear_time(name: str) -> None:
    start = time.process_time()
    try:
        with_spans(HOSTILE[name])
    except MigratorError as error:
        assert len(str(error)) < 400
    assert time.process_time() - start < 5


def test_a_long_run_with_one_odd_number_is_read_once(tmp_path: Path) -> None:
    run = "float_val: 1.5\n" * 60_000
    text = f"attr {{ value {{ tensor {{ dtype: DT_FLOAT {run} float_val: 2.0f {run} }} }} }}"
    found, spans = with_spans(text, "NodeDef")
    start = time.process_time()
    put_back(found, spans)
    assert time.process_time() - start < 5
    values = found.attr[""].tensor.float_val
    assert (len(values), sum(values)) == (120_001, 180_002.0)
