"""Protobuf texts are told apart by their fields; what is no model is named as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.errors import FormatError, UnsupportedFormat
from migrator.formats.load import load
from migrator.formats.sniff import Sniffed, sniff
from migrator.limits import DEFAULT_LIMITS
from migrator.places.source import ByteSource

MODELS = {
    "graph_def_text": [
        'node { name: "a" op: "NoOp" }',
        'node { name: "a" input: "b" device: "" }',
        'node [{ name: "a", op: "NoOp" }]',
        "node: < name: 'a' # comment\n op: 'NoOp' >",
        'library { function { signature { name: "f" } } }',
        'library { gradient { } } node { name: "a" }',
        "versions { producer: 21 }",
        'version: 21 node { name: "a" op: "NoOp" }',
        'debug_info { files: "a.py" } node { name: "a" op: "NoOp" }',
        'new_field: 3 node { name: "a" op: "NoOp" }',
        "\ufeff# -*- text -*-\nnode { op: 'NoOp' }",
        "# " + "x" * 9000 + "\nversions { }",
        'node { name: "cut',
        "node {",
    ],
    "saved_model_text": [
        "saved_model_schema_version: 1",
        "meta_graphs { meta_info_def { } }",
        "new { } meta_graphs: [{ }]",
    ],
    "meta_graph_text": [
        'meta_info_def { tags: "serve" strip_default_attrs: true }',
        "meta_info_def { stripped_op_list { op { name: 'a' } } }",
        "graph_def { node { name: 'a' op: 'NoOp' } }",
        "saver_def { filename_tensor_name: 'save/Const:0' }",
        "collection_def { key: 'variables' }",
        "signature_def { key: 'x' }",
        "asset_file_def { filename: 'x' }",
        "object_graph_def { }",
    ],
}
OTHERS = {
    "checkpoint": [
        'model_checkpoint_path: "model.ckpt-7"\nall_model_checkpoint_paths: "model.ckpt-7"\n',
        'model_checkpoint_path: "/a/b"\n',
    ],
    "projector": ['model_checkpoint_path: "a"\nembeddings { tensor_name: "e" }'],
    "pipeline.config": [
        "model { ssd { num_classes: 90 } } train_config { batch_size: 24 }",
        "# SSD\nmodel {\n  faster_rcnn {\n    num_classes: 37\n } }",
        'train_input_reader: { tf_record_input_reader { input_path: "x" } }',
    ],
    "label map": [
        'item {\n  id: 1\n  name: "cat"\n}\n',
        'item { name: "/m/01" id: 2 display_name: "x" }',
    ],
    "op definitions": ['op { name: "Add" input_arg { name: "x" } }'],
    "API definition": ['op { graph_op_name: "Add" visibility: HIDDEN }'],
    "Caffe network": [
        'name: "net"\nlayer { name: "data" type: "Input" }',
        'name: "n" input: "data" input_dim: 1',
        "layers { name: 'conv1' type: CONVOLUTION }",
    ],
    "Caffe solver": ['net: "train.prototxt"\nbase_lr: 0.01', 'base_lr: 1e-3 net: "x"'],
    "Triton": [
        'name: "m"\nplatform: "tensorflow_savedmodel"\nmax_batch_size: 8\ninput [ { name: "x" } ]',
        'backend: "tensorflow"\n',
        'name: "m"\ninput [\n  {\n    name: "x"\n    data_type: TYPE_FP32\n    dims: [ 3 ]\n  }\n]',
    ],
    "Serving": ['model_config_list { config { name: "m" base_path: "/m" } }'],
    "ONNX": ["ir_version: 7\nproducer_name: 'pytorch'", 'graph { node { op_type: "Add" } }'],
    "MediaPipe": [
        'input_stream: "in"\nnode { calculator: "C" }',
        'node { calculator: "C" input_stream: "x" }',
    ],
    "tf.train.Example": ['features { feature { key: "a" } }'],
    "schema": ['feature { name: "a" type: INT }'],
    "function library": ['function { signature { name: "f" } }'],
    "metadata of a run": ["step_stats { dev_stats { } }"],
    "session": ["allow_soft_placement: true gpu_options { }"],
    "SaverDef": ['filename_tensor_name: "save/Const:0"'],
    "single tensor": ["dtype: DT_FLOAT tensor_shape { } float_val: 1"],
    "signature": ['inputs { key: "x" } method_name: "tensorflow/serving/predict"'],
    "object graph": ['nodes { children { node_id: 1 local_name: "a" } }'],
}
NONE = {
    "yaml": "backend: tensorflow\nclass_name: Model\nconfig:\n  layers: []\n",
    "layers in yaml": "layers: conv\nname: x\n",
    "compose": "version: 3\nservices:\n  a: b\n",
    "json": '{"node": {"op": "x"}}',
    "html": "<!doctype html>",
    "source": "syntax = 'proto3';\npackage tensorflow;",
    "prose": "node is a word. So is version.",
    "other fields": 'alpha: 1 beta { gamma: 2 } delta: "x"',
    "python": "library = 3\n",
}


def told(text: str) -> Sniffed:
    return sniff(ByteSource.of_bytes(text.encode(), name="x.pbtxt"), DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("kind", "text"), [(k, text) for k, some in MODELS.items() for text in some]
)
def test_models_as_text_are_told_by_any_of_their_fields(kind: str, text: str) -> None:
    assert told(text).format == kind


@pytest.mark.parametrize(
    ("word", "text"), [(k, text) for k, some in OTHERS.items() for text in some]
)
def test_other_texts_are_named_and_what_to_name_instead(
    word: str, text: str, tmp_path: Path
) -> None:
    assert word in told(text).what
    path = tmp_path / "frozen.pb"
    path.write_text(text)
    with pytest.raises(UnsupportedFormat, match=word) as caught:
        load(path)
    assert caught.value.hint or "data, not a model" in caught.value.what


@pytest.mark.parametrize("name", NONE)
def test_texts_of_another_kind_are_no_models(name: str) -> None:
    with pytest.raises(FormatError, match="is a text file, starting"):
        told(NONE[name])


@pytest.mark.parametrize("opening", ["a [", "a [ {", "a {", "a: [1, "])
def test_a_look_at_hostile_text_ends_soon(opening: str) -> None:
    with pytest.raises(FormatError, match="is a text file"):
        told(opening * 400_000)
    with pytest.raises(FormatError, match="is a text file"):
        told("a: 1\n" * 2_000_000)


def test_a_saved_model_in_chunks_is_named(tmp_path: Path) -> None:
    (tmp_path / "saved_model.cpb").write_bytes(b"x")
    with pytest.raises(UnsupportedFormat, match=r"in chunks \(saved_model.cpb\)") as caught:
        load(tmp_path)
    assert "experimental_image_format" in caught.value.hint
