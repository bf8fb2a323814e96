"""Names of a signature's inputs and outputs, and values of ``--feed``."""

from __future__ import annotations

import keyword
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import UsageError
from migrator.migration.feeds import parse_value
from migrator.migration.naming import is_usable, name_endpoints, usable
from migrator.model.dtypes import BOOL, FLOAT32, INT32, INT64, RESOURCE, STRING, UINT8, DType
from tests import strategies

TENSORS = st.lists(
    st.builds(
        lambda name, port: f"{name}:{port}",
        st.one_of(
            strategies.IDENTIFIERS, st.sampled_from(("a/x", "b/x", "a/X", "self", "class", "x_1"))
        ),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(TENSORS, st.data())
def test_names_are_usable_and_differ_in_more_than_case(
    tensors: list[str], data: st.DataObject
) -> None:
    ops = [data.draw(st.sampled_from(("Placeholder", "Softmax", "x", "Identity"))) for _ in tensors]
    names = name_endpoints(tensors, [""] * len(tensors), ops)
    assert len(names) == len(tensors)
    assert all(map(is_usable, names))
    assert len({name.lower() for name in names}) == len(names)


@given(TENSORS, st.lists(st.sampled_from(("", "x", "X1", "y")), min_size=8, max_size=8))
def test_given_names_stand_and_the_others_avoid_them(tensors: list[str], given: list[str]) -> None:
    given = given[: len(tensors)]
    wanted = [name.lower() for name in given if name]
    if len(set(wanted)) < len(wanted):
        with pytest.raises(UsageError, match="given twice"):
            name_endpoints(tensors, given, ["Op"] * len(tensors))
        return
    names = name_endpoints(tensors, given, ["Op"] * len(tensors))
    assert [name for name, asked in zip(names, given, strict=True) if asked] == [
        n for n in given if n
    ]
    assert len({name.lower() for name in names}) == len(names)
    assert all(map(is_usable, names))


@given(st.text())
def test_any_text_bends_into_a_usable_name(text: str) -> None:
    assert is_usable(usable(text))


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]*", fullmatch=True))
def test_usable_names_stay_as_they_are(name: str) -> None:
    if is_usable(name):
        assert usable(name) in (name, name.strip("_"))
    else:
        assert keyword.iskeyword(name) or name in ("self", "args", "kwargs")


@pytest.mark.parametrize(
    "name", ["", "1x", "a-b", "_x", "class", "self", "args", "kwargs", "ä", "a b", "a:0"]
)
def test_a_given_name_that_tensorflow_would_change_is_refused(name: str) -> None:
    assert not is_usable(name)
    if name:
        with pytest.raises(UsageError) as caught:
            name_endpoints(["x:0"], [name], ["Placeholder"])
        assert usable(name) in caught.value.hint


@pytest.mark.parametrize(
    ("tensors", "ops", "expected"),
    [
        (["model/probabilities:0"], ["Softmax"], ["probabilities"]),
        (["dense_1/BiasAdd:0"], ["BiasAdd"], ["dense_1_BiasAdd"]),
        (["x:0", "scope/x:0"], ["Placeholder"] * 2, ["x", "scope_x"]),
        (["a/x:0", "b/X:0"], ["Placeholder"] * 2, ["a_x", "b_X"]),
        (["split:0", "split:1"], ["Split"] * 2, ["split", "split_1"]),
        (["1st:0"], ["Placeholder"], ["x1st"]),
        (["lambda:0"], ["Placeholder"], ["lambda_"]),
        (["a.b-c:0"], ["Placeholder"], ["a_b_c"]),
    ],
)
def test_names_are_what_a_person_would_choose(
    tensors: list[str], ops: list[str], expected: list[str]
) -> None:
    assert name_endpoints(tensors, [""] * len(tensors), ops) == expected


@pytest.mark.parametrize(
    ("text", "dtype", "expected"),
    [
        ("false", BOOL, False),
        ("True", BOOL, True),
        ("0", BOOL, False),
        ("ON", BOOL, True),
        ("1", FLOAT32, 1.0),
        ("1e-3", FLOAT32, 1e-3),
        (" 7 ", INT32, 7),
        ("-7", INT64, -7),
        ("255", UINT8, 255),
        ("False", STRING, "False"),
        ("", STRING, ""),
        ("[1, 2.5]", FLOAT32, [1.0, 2.5]),
        ("[[1], [2]]", INT32, [[1], [2]]),
        ("[true, false]", BOOL, [True, False]),
        ('["a", "b"]', STRING, ["a", "b"]),
        ("[]", FLOAT32, []),
    ],
)
def test_feeds_are_read_by_type(text: str, dtype: DType, expected: object) -> None:
    found = parse_value(text, dtype, tensor="x:0")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("maybe", BOOL),
        ("2", BOOL),
        ("", BOOL),
        ("one", FLOAT32),
        ("", FLOAT32),
        ("1.5", INT32),
        ("1e3", INT32),
        ("-1", UINT8),
        ("256", UINT8),
        ("2147483648", INT32),
        ("9" * 30, INT64),
        ("[1, 2", FLOAT32),
        ("[1, null]", FLOAT32),
        ('{"a": 1}', FLOAT32),
        ("1", RESOURCE),
        ("1", DType(8)),
        ("[" * 100_000, FLOAT32),
    ],
    ids=lambda value: str(value)[:12],
)
def test_feeds_that_do_not_fit_are_refused_in_one_error(text: str, dtype: DType) -> None:
    with pytest.raises(UsageError) as caught:
        parse_value(text, dtype, tensor="x:0")
    assert caught.value.where == "--feed x:0"


@given(st.text(max_size=12), st.sampled_from((BOOL, FLOAT32, INT32, STRING, DType(19), DType(18))))
def test_any_text_is_a_value_or_one_error(text: str, dtype: DType) -> None:
    try:
        value: Any = parse_value(text, dtype, tensor="x:0")
    except UsageError:
        return
    assert value is not None
