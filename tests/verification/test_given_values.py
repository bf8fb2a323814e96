"""Values as users give them: read from words and files, checked, brought to type and shape."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from migrator.errors import FormatError, UsageError
from migrator.model.dtypes import all_dtypes, dtype_named
from migrator.model.tensors import Shape
from migrator.report.array_values import values_of
from migrator.verification.cases import InputSpec
from migrator.verification.fitting import fitted
from migrator.verification.given import Given, read_given
from migrator.verification.literals import array_of, parse_json


def spec(name: str, dtype: str = "float32", dims: tuple[int | None, ...] | None = ()) -> InputSpec:
    return InputSpec(name=name, tensor=f"in/{name}:0", dtype=dtype_named(dtype), shape=Shape(dims))


def one(*words: str, item: InputSpec, **more: Any) -> Any:
    found, _ = read_given([item], words, **more)
    return found[item.name].array


X = spec("x", "float32", (None, 2))
N = spec("n", "int32", ())
S = spec("s", "string", (None,))


@pytest.mark.parametrize("dtype", [d for d in all_dtypes() if d.kind not in "h"], ids=str)
def test_what_is_printed_as_json_can_be_given_again(dtype: Any) -> None:
    if dtype.kind == "s":
        array = np.array([[b"a\0", b"\xff\xfe"], ["é".encode(), b""]], dtype=object)
    elif dtype.kind == "q":
        array = np.array([[1, 2], [3, 4]]).astype(dtype.numpy()[0]).astype(dtype.numpy())
    elif dtype.kind == "c":
        array = np.array([[1 + 2j, -0.5j], [3, complex("inf")]], dtype=dtype.numpy())
    else:
        array = np.array([[1, 0], [1, 1]]).astype(dtype.numpy())
    text = json.dumps(values_of(array), allow_nan=False)
    again = array_of(parse_json(text, where=""), dtype, where="")
    if dtype.kind == "q":
        again = again.astype(dtype.numpy())
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert (again == array).all()


@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=0), elements=st.floats(width=32)))
def test_floats_survive_json_bit_for_bit(array: Any) -> None:
    text = json.dumps(values_of(array), allow_nan=False)
    again = array_of(parse_json(text, where=""), dtype_named("float32"), where="")
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        ([[1, 2], [3]], "float32", "differ in length"),
        ([1, [2]], "float32", "differ in length"),
        (["a"], "float32", "'a' is no float32"),
        ([True], "float32", "True is no float32"),
        ([1.5], "int32", "1.5 is no int32"),
        ([True], "int32", "True is no int32"),
        ([None], "int32", "None is no int32"),
        ([300], "uint8", "does not fit into uint8 (0 to 255)"),
        ([-1], "uint16", "does not fit into uint16"),
        ([1 << 70], "int64", "does not fit into int64"),
        ([1], "bool", "write true or false"),
        ([1], "string", "strings stand in quotes"),
        ({"b64": "?"}, "string", "base64"),
        ({"x": 1}, "string", "base64"),
        (0, "resource", "resource"),
    ],
)
def test_what_is_no_such_array_is_said(value: Any, dtype: str, words: str) -> None:
    with pytest.raises(UsageError, match="w: ") as caught:
        array_of(value, dtype_named(dtype), where="w")
    assert words in str(caught.value)


def test_deep_nesting_is_refused_as_such() -> None:
    with pytest.raises(UsageError, match=r"nested too deeply|not JSON"):
        parse_json("[" * 200_000, where="")
    value: Any = 0
    for _ in range(500):
        value = [value]
    with pytest.raises(UsageError, match="more than 32 dimensions"):
        array_of(value, dtype_named("float32"), where="")
    with pytest.raises(UsageError, match="is no float32"):
        array_of({"x": value}, dtype_named("float32"), where="")


def test_a_missing_batch_dimension_is_added_and_noted() -> None:
    array, note = fitted(X, np.ones(2, np.float32), where="")
    assert array.shape == (1, 2)
    assert note == "x: a batch of one was made of [2]"
    assert fitted(X, np.ones((3, 2), np.float32), where="")[1] == ""


@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (1, 1, 2)])
def test_nothing_is_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"has shape .*, input 'x' takes \[\?, 2\]"):
        fitted(X, np.ones(shape, np.float32), where="f.npy")


def test_types_are_cast_within_their_kind() -> None:
    assert fitted(N, np.int64(7), where="")[0].dtype == np.int32
    assert fitted(spec("x"), np.float64(0.1), where="")[0] == np.float32(0.1)
    assert fitted(spec("x"), np.uint8(3), where="")[0].dtype == np.float32
    assert fitted(spec("x", "uint8"), np.int64(255), where="")[0].dtype == np.uint8
    assert fitted(spec("x", "bfloat16"), np.float32(1.5), where="")[0] == 1.5
    assert fitted(spec("s", "string"), np.array("é"), where="")[0].item() == "é".encode()


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [
        ("int32", np.float32(1), "float32"),
        ("int32", np.int64(1 << 40), "do not fit"),
        ("uint8", np.int32(-1), "do not fit"),
        ("float16", np.float32(1e30), "do not fit"),
        ("float32", np.array("a"), "<U1"),
        ("bool", np.int32(1), "int32"),
        ("string", np.int32(1), "takes strings"),
        ("float32", np.complex64(1), "complex64"),
    ],
)
def test_types_of_another_kind_are_refused(dtype: str, value: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        fitted(spec("x", dtype), value, where="")
    assert words in str(caught.value)


def test_words_are_values_as_json() -> None:
    found, notes = read_given([X, N, S], ["x=[[1, 2.5]]", "n=3", 's=["a", {"b64": "/w=="}]'])
    assert found["x"].array.tolist() == [[1, 2.5]]
    assert (found["n"].array.dtype, found["n"].array.shape) == (np.int32, ())
    assert found["s"].array.tolist() == [b"a", b"\xff"]
    assert notes == ()


def test_a_text_needs_no_quotes() -> None:
    assert one("s=good movie = yes", item=S).tolist() == [b"good movie = yes"]
    assert one("good movie", item=S).tolist() == [b"good movie"]
    assert one("s=3", item=S).tolist() == [b"3"]
    assert one('s="a.txt"', item=S).tolist() == [b"a.txt"]


def test_inputs_are_known_by_tensor_too() -> None:
    assert one("in/n=3", item=N) == 3
    assert one("in/n:0=3", item=N) == 3


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no input 'wrods'; did you mean words\?"):
        read_given([spec("words", "string"), N], ["wrods=1"])
    with pytest.raises(UsageError, match="inputs: n"):
        read_given([N], ["qqqqq=1"])


def test_an_input_must_be_named_where_there_are_several() -> None:
    with pytest.raises(UsageError, match=r"names no input, and the model has 2: x, n; write"):
        read_given([X, N], ["3"])


@pytest.mark.parametrize("words", [["n=3", "n=4"], ["n=3", '{"n": 4}']])
def test_an_input_given_twice_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="'n' is given twice"):
        read_given([N], words)


def test_arrays_come_from_npy_and_npz(tmp_path: Path) -> None:
    array = np.array([[1, 2]], np.float32)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", x=array, n=np.int64(3))
    np.savez(tmp_path / "c.npz", whatever=array)
    assert (one(str(tmp_path / "a.npy"), item=X) == array).all()
    assert (one(f"x={tmp_path / 'c.npz'}", item=X) == array).all()
    file = str(tmp_path / "b.npz")
    for found, _ in (read_given([X, N], [file]), read_given([X, N], data=file)):
        assert found["n"].array == 3
        assert (found["x"].array == array).all()
        assert found["x"].origin == str(tmp_path / "b.npz")


@pytest.mark.parametrize(
    "value",
    [
        {"x": [[1, 2], [3, 4]]},
        {"inputs": {"x": [[1, 2], [3, 4]]}},
        {"inputs": [[1, 2], [3, 4]]},
        {"instances": [{"x": [1, 2]}, {"x": [3, 4]}]},
        {"instances": [[1, 2], [3, 4]], "signature_name": "serving_default"},
        [[1, 2], [3, 4]],
    ],
)
def test_json_files_hold_names_or_what_serving_takes(value: Any, tmp_path: Path) -> None:
    file = tmp_path / "in.json"
    file.write_text(json.dumps(value))
    assert one(str(file), item=X).tolist() == [[1, 2], [3, 4]]
    assert one(item=X, data=str(file)).tolist() == [[1, 2], [3, 4]]


def test_bytes_of_serving_rows() -> None:
    text = base64.b64encode(b"\xff\0").decode()
    rows = json.dumps({"instances": [{"b64": text}, {"b64": text}]})
    assert one(rows, item=S).tolist() == [b"\xff\0"] * 2


def test_texts_are_lines_of_a_batch_or_one_whole(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes(b"good\r\nb\xc3\xa4d\n")
    assert one(str(file), item=S).tolist() == [b"good", b"b\xc3\xa4d"]
    assert one(str(file), item=spec("s", "string", ())).item() == b"good\r\nb\xc3\xa4d\n"


def test_any_file_gives_its_bytes_to_a_string_input(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.dat"):
        (tmp_path / name).write_bytes(b"\xff\xd8" + name.encode() + b"\0")
    assert one(str(tmp_path / "a.jpg"), item=S).tolist() == [b"\xff\xd8a.jpg\0"]
    assert one(f"@{tmp_path / 'b.dat'}", item=spec("s", "string")).item() == b"\xff\xd8b.dat\0"
    both = one(str(tmp_path / "a.jpg"), f"s=@{tmp_path / 'b.dat'}", item=S)
    assert both.tolist() == [b"\xff\xd8a.jpg\0", b"\xff\xd8b.dat\0"]


def test_pictures_for_numeric_inputs_wait_to_be_decoded(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    paths = (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    found, _ = read_given([spec("image", "float32", (None, 5, 7, 1))], paths)
    assert isinstance(found["image"], Given)
    assert found["image"].pictures == paths
    form = found["image"].form
    assert form is not None
    assert (form.height, form.width, form.channels) == (5, 7, 1)
    with pytest.raises(UsageError, match="are 2 pictures"):
        read_given([spec("image", "float32", (1, 5, 7, 1))], paths)


def test_values_of_python_are_arrays_or_lists() -> None:
    found, _ = read_given([X, S], values={"x": [(1, 2)], "s": [b"a\0", "b"]})
    assert found["x"].array.tolist() == [[1, 2]]
    assert found["s"].array.tolist() == [b"a\0", b"b"]


def bad_files(base: Path) -> dict[str, str]:
    np.save(base / "pickled.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.savez(base / "two.npz", a=np.ones(1), b=np.ones(1))
    (base / "cut.npy").write_bytes(b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': F")
    (base / "zip.npy").write_bytes((base / "two.npz").read_bytes())
    (base / "text.npz").write_text("no zip")
    (base / "bad.json").write_text("{'x': 1}")
    (base / "latin.json").write_bytes(b'"\xe9"')
    (base / "folder.json").mkdir()
    (base / "words.txt").write_text("1 2")
    (base / "data").write_text("1 2")
    return {
        f"x={base / 'gone.npy'}": "there is no such file",
        f"x={base / 'gone.jpg'}": "there is no such file",
        "x=@nothing": "there is no such file",
        f"x={base / 'pickled.npy'}": "cannot be read as an .npy",
        f"x={base / 'cut.npy'}": "cannot be read as an .npy",
        f"x={base / 'zip.npy'}": "several arrays",
        f"x={base / 'two.npz'}": "none is called 'x'",
        f"{base / 'two.npz'}": "there is no input 'a'",
        f"x={base / 'text.npz'}": "cannot be read as an .npz",
        f"x={base / 'bad.json'}": "is not JSON",
        f"x={base / 'latin.json'}": "is not JSON",
        f"x={base / 'folder.json'}": "is no file",
        f"x={base / 'words.txt'}": "cannot be read as float32",
        f"x={base / 'data'}": f"write @{base / 'data'}",
        f"x=@{base / 'data'}": "cannot be read as float32",
        "x=[1, 2": "neither a file nor a value",
        "x=cat": "neither a file nor a value",
    }


def test_bad_values_are_each_one_clear_error(tmp_path: Path) -> None:
    for word, words in bad_files(tmp_path).items():
        with pytest.raises((UsageError, FormatError)) as caught:
            read_given([X], [word])
        assert words in str(caught.value), word
        assert "\n" not in str(caught.value)


def test_data_is_npz_or_json(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(UsageError, match=r"neither \.npz nor \.json"):
        read_given([X], data=str(tmp_path / "a.csv"))
