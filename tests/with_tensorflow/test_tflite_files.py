"""Values of TFLite constants against TFLite's interpreter, our schema against TensorFlow's."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from migrator.formats.load import load
from migrator.formats.tflite.schema import CONTAINER, dtype_of
from migrator.model.tensors import LazyTensor, TensorRef
from tests.sparse_flat import LAYOUTS, encode, file_of, holed

from .conftest import FIXTURES, ROOT

FILES = sorted((FIXTURES / "tflite_files").glob("*.tflite"))
NOT_UNPACKED = {"int2"}
"""Types that this TensorFlow's interpreter gives as packed bytes, and bytes behind them."""


@pytest.mark.filterwarnings("ignore:.*Interpreter is deprecated")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_constants_equal_those_of_the_interpreter(path: Path) -> None:
    import tensorflow as tf

    model = load(path)
    assert model.tflite is not None
    interpreter = tf.lite.Interpreter(str(path))
    for number, tensor in enumerate(model.tflite.subgraphs[0].tensors):
        held = tensor.role == "constant" and tensor.buffer
        if not held or tensor.sparse or tensor.dtype.name in NOT_UNPACKED:
            continue
        value = model.graph.by_name[TensorRef.parse(tensor.name).node].attrs["value"]
        assert isinstance(value, LazyTensor)
        ours, theirs = value.numpy(), interpreter.get_tensor(number)
        assert ours.shape == theirs.shape
        if ours.dtype == theirs.dtype and ours.dtype != object:
            assert ours.tobytes() == theirs.tobytes()
        else:  # strings, and types that numpy has no name for: theirs are wider
            assert (ours.astype(theirs.dtype) == theirs).all()


@pytest.mark.filterwarnings("ignore:.*Interpreter is deprecated")
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_sparse_constants_equal_what_the_interpreter_makes_of_them(
    name: str, dtype: str, tmp_path: Path
) -> None:
    import tensorflow as tf

    shape, layout = LAYOUTS[name]
    kind = {"float32": 0, "float16": 1, "int8": 9}[dtype]
    path = tmp_path / "m.tflite"
    path.write_bytes(file_of(encode(holed(shape, dtype, seed=3), **layout), shape, kind))
    ops = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(str(path), experimental_op_resolver_type=ops)
    interpreter.allocate_tensors()
    interpreter.invoke()
    ours, theirs = load(path).variables["held"].numpy(), interpreter.get_tensor(1)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert ours.any()
    assert ours.tobytes() == theirs.tobytes()


@pytest.fixture(scope="module")
def made() -> ModuleType:
    """The script that takes the facts out of TensorFlow's schema."""
    spec = importlib.util.spec_from_file_location(
        "make_tflite_schema", ROOT / "scripts" / "make_tflite_schema.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables(made: ModuleType) -> dict[str, ast.ClassDef]:
    found: dict[str, ast.ClassDef] = made.classes()
    return found


def test_the_tables_of_the_container_have_the_schemas_slots(
    made: ModuleType, tables: dict[str, ast.ClassDef]
) -> None:
    for kind in CONTAINER:
        theirs = made.fields(tables[kind.name]).split()
        for slot, field in enumerate(kind.fields):
            if field is None:
                continue
            name, _, text = theirs[slot].partition(":")
            assert (field.name, field.vector) == (name, text.startswith("[")), kind.name
            scalar = text.partition("=")[0].partition("/")[0].strip("[]")
            assert bool(field.code) == (scalar in made.TYPES.values()), (kind.name, name)


def test_element_types_have_the_schemas_numbers(
    made: ModuleType, tables: dict[str, ast.ClassDef]
) -> None:
    for number, name in made.constants(tables["TensorType"]).items():
        assert dtype_of(number).name == name.lower()


def test_names_of_operators_and_options_are_those_of_this_release(
    made: ModuleType, tables: dict[str, ast.ClassDef]
) -> None:
    import tensorflow as tf

    held = json.loads(made.TARGET.read_bytes())
    if tf.__version__ != held["tensorflow"]:
        pytest.skip("another release")
    assert held["operators"] == made.in_order(tables["BuiltinOperator"])
    assert held["fields"]["Conv2DOptions"] == made.fields(tables["Conv2DOptions"])
