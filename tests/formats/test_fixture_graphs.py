"""Every fixture reads as TensorFlow's own classes say it is (fixture.json's ``inspect``)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from migrator.errors import UnsupportedFormat
from migrator.formats.load import load
from migrator.inspection.summary import summarize
from migrator.model.dtypes import DType
from migrator.model.graph import Graph
from migrator.model.tensors import LazyTensor, Shape
from migrator.ops.state import VARIABLE_OPS
from migrator.report import json_v1
from tests.corpus import PROTOBUF, SAVED, Sample

_COUNTS = (
    "nodes",
    "edges",
    "control_edges",
    "functions",
    "ops",
    "producer",
    "min_consumer",
    "control_flow",
)


def inspected(sample: Sample) -> dict[str, Any]:
    """The JSON result, through text as a user gets it."""
    result = json_v1.inspect_result([summarize(load(sample.path))])
    found: dict[str, Any] = json.loads(json_v1.dumps(result))
    return found


def declared_weights(graph: Graph) -> dict[str, Any]:
    """Constants and variables as the fixtures' makers count them."""
    found: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op == "Const":
            value = node.attrs["value"]
            assert isinstance(value, LazyTensor)
            found[node.name] = [value.dtype.name, value.shape.as_list()]
        elif node.op in VARIABLE_OPS:
            dtype, shape = node.attrs["dtype"], node.attrs["shape"]
            assert isinstance(dtype, DType)
            assert isinstance(shape, Shape)
            found[node.name] = [dtype.name, shape.as_list()]
    return found


@pytest.mark.parametrize("sample", PROTOBUF, ids=str)
def test_counts_equal_those_of_tensorflow(sample: Sample) -> None:
    found = inspected(sample)["meta_graphs"]
    assert len(found) == len(sample.described)
    for meta, expected in zip(found, sample.described, strict=True):
        assert {key: meta["graph"][key] for key in _COUNTS} == {
            key: expected[key] for key in _COUNTS
        }


@pytest.mark.parametrize("sample", PROTOBUF, ids=str)
def test_constants_and_variables_have_the_dtypes_and_shapes_of_tensorflow(sample: Sample) -> None:
    metas = sample.model().meta_graphs
    found = [declared_weights(meta.graph) for meta in metas]
    assert found == [expected["weights"] for expected in sample.described]


@pytest.mark.parametrize("sample", SAVED, ids=str)
def test_tags_signatures_and_version_equal_those_of_tensorflow(sample: Sample) -> None:
    for meta, expected in zip(inspected(sample)["meta_graphs"], sample.described, strict=True):
        assert meta["tags"] == expected["tags"]
        assert meta["tensorflow_version"] == expected["tensorflow_version"]
        assert meta["signatures"] == expected["signatures"]


@pytest.mark.parametrize("sample", PROTOBUF, ids=str)
def test_source_states_path_size_and_format(sample: Sample) -> None:
    source = inspected(sample)["source"]
    assert source["bytes"] == sample.file.stat().st_size
    assert source["format"] == sample.kind
    assert source["path"] == str(sample.file)


@pytest.mark.parametrize("sample", PROTOBUF, ids=str)
def test_fixtures_read_without_structural_warnings(sample: Sample) -> None:
    assert sample.model().warnings == ()


@pytest.mark.parametrize("sample", SAVED, ids=str)
def test_a_saved_model_may_be_named_by_its_file_or_its_folder(sample: Sample) -> None:
    by_file, by_folder = load(sample.file), load(sample.path)
    assert len(by_file.graph) == len(by_folder.graph)
    assert by_file.source == by_folder.source


@pytest.mark.parametrize("sample", SAVED, ids=str)
def test_trained_names_and_assets_are_found(sample: Sample) -> None:
    assets = {path.name for path in (sample.path / "assets").glob("*")}
    assert {item.filename for meta in sample.model().meta_graphs for item in meta.assets} == assets


def test_tf2_object_graphs_list_their_variables() -> None:
    (keras,) = [item for item in SAVED if item.name.endswith("keras_export")]
    objects = keras.model().meta_graphs[0].object_graph
    assert objects is not None
    assert objects.kinds["variable"] == len(objects.variables) > 0
    assert all(
        item.spec.dtype.known and item.spec.shape.rank is not None for item in objects.variables
    )
    assert objects.concrete_functions


@pytest.mark.parametrize("name", ["tf2.21.0/keras_h5", "tf2.21.0/keras_zip"])
def test_keras_files_are_refused_where_a_graph_of_tensorflow_is_needed(name: str) -> None:
    from tests.corpus import sample

    with pytest.raises(UnsupportedFormat, match=r"Keras model, whose graph is of layers"):
        load(sample(name).path).require_tensorflow_graph()
