"""What a file is, is told from its content and never from its name."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from migrator.errors import MigratorError, UnsupportedFormat
from migrator.formats.load import load
from migrator.formats.sniff import Sniffed, sniff
from migrator.limits import DEFAULT_LIMITS
from migrator.places.source import ByteSource
from tests import wire
from tests.corpus import FROZEN, PROTOBUF, Sample, sample

_NAMES = ("saved_model.pb", "frozen.pb", "model.h5", "picture.jpg", "notes.txt", "x.index", "model")


def told(data: bytes) -> Sniffed:
    return sniff(ByteSource.of_bytes(data), DEFAULT_LIMITS)


def packed(kind: str) -> bytes:
    """An archive with one small file."""
    file = io.BytesIO()
    if kind != "tar":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("config.json" if kind == "keras" else "x/config.json", "{}")
            archive.writestr("metadata.json", "{}")
    else:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("empty"))
    return file.getvalue()


def event_file(*more: bytes) -> bytes:
    """Records of TensorFlow's event log: length, its CRC, then an Event and its CRC."""
    found = b""
    for field in (wire.block(3, "brain.Event:2"), *more):
        event = wire.double(1, 1.5e9) + field
        length = len(event).to_bytes(8, "little")
        found += length + b"\x12\x34\x56\x78" + event + b"\x00\x11\x22\x33"
    return found


def keras_metadata() -> bytes:
    """The keras_metadata.pb of TensorFlow 2.5 to 2.15: SavedMetadata{1 nodes*}."""
    version = wire.number(1, 1) + wire.number(2, 1)
    node = (
        wire.number(2, 0)
        + wire.block(3, "root")
        + wire.block(4, "_tf_keras_sequential")
        + wire.block(5, '{"name": "sequential", "trainable": true}')
        + wire.block(6, version)
    )
    return wire.block(1, node) * 3


def onnx(more: bytes = b"", producer: str = "pytorch") -> bytes:
    """A ModelProto: version of the format, who wrote it, graph, operator sets."""
    node = wire.block(1, "x") + wire.block(2, "y") + wire.block(4, "Relu")
    named = wire.block(2, producer) + wire.block(3, "2.1") if producer else b""
    graph = wire.block(7, wire.block(1, node) + wire.block(2, "main"))
    return wire.number(1, 7) + named + graph + wire.block(8, wire.number(2, 13)) + more


def descriptor(name: str = "a/b.proto", package: str = "a.b", syntax: str = "proto3") -> bytes:
    """A FileDescriptorProto with one message."""
    message = wire.block(4, wire.block(1, "M"))
    found = wire.block(1, name) + wire.block(2, package) + message
    return found + (wire.block(12, syntax) if syntax else b"")


def safetensors() -> bytes:
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    return len(header).to_bytes(8, "little") + header + np.ones(2, np.float32).tobytes()


CORE_ML = (
    wire.number(1, 4)
    + wire.block(2, wire.block(1, wire.block(1, "image")))
    + wire.block(500, wire.block(1, wire.block(1, "conv")))
)
KERAS_JSON = b'{"class_name": "Sequential", "config": {"layers": []}, "backend": "tensorflow"}'
MAGIC = {
    "onnx": (onnx(), None, "ONNX"),
    "onnx_unnamed": (onnx(producer=""), None, "ONNX"),
    "onnx_cut": (onnx()[:-20], None, "ONNX"),
    "core_ml": (CORE_ML, None, "Core ML"),
    "descriptors": (wire.block(1, descriptor()) * 2, None, "descriptors"),
    "descriptors_plain": (wire.block(1, descriptor(syntax="")), None, "descriptors"),
    "descriptor": (descriptor(), None, "descriptor"),
    "safetensors": (safetensors(), None, "safetensors"),
    "gguf": (b"GGUF\x03\0\0\0" + bytes(30), None, "GGUF"),
    "matlab": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + b" " * 474, None, "MATLAB"),
    "pickle_4": (pickle.dumps({"w": [1, 2]}, protocol=4), None, "pickle"),
    "pickle_5": (pickle.dumps({"w": np.zeros(9)}, protocol=5), None, "pickle"),
    "keras_json": (KERAS_JSON, None, "Keras model's configuration"),
    "tfjs": (b'{"format": "layers-model", "modelTopology": {}}', None, "TensorFlow.js"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "keras_h5", "HDF5"),
    "zip": (packed("zip"), None, "zip"),
    "keras": (packed("keras"), "keras_zip", "Keras"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(100), "tflite", "TFLite"),
    "gzip": (gzip.compress(b"x" * 100), None, "gzip"),
    "tar": (packed("tar"), None, "tar"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(60), None, "JPEG"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(60), None, "PNG"),
    "pickle": (pickle.dumps({"w": [1, 2]}, protocol=2), None, "pickle"),
    "numpy": (b"\x93NUMPY\x01\x00" + bytes(80), None, "numpy"),
    "checkpoint": (bytes(80) + bytes.fromhex("57fb808b247547db"), "checkpoint", "checkpoint"),
    "hub": (b"\x08\x03", "hub_module", "hub"),
    "events": (event_file(), None, "event file"),
    "graph in events": (
        event_file(wire.block(4, b"g" * 40)),
        None,
        "event file, not a model; it holds a GraphDef of 40 bytes",
    ),
    "many events": (
        event_file(*[wire.block(5, b"")] * 3, wire.block(9, b"m")),
        None,
        "it holds a MetaGraph of 1 bytes, 3 summaries",
    ),
    "events cut off": (event_file(wire.block(4, b"g" * 40))[:-20], None, "event file, not a model"),
    "mediapipe": (
        wire.block(1, wire.block(2, "SwitchContainer") + wire.block(3, "IMAGE:image"))
        + wire.block(10, "IMAGE:image")
        + wire.block(15, "MASK:mask"),
        None,
        "a MediaPipe graph",
    ),
    "keras_metadata": (keras_metadata(), None, "keras_metadata"),
    "label_map": (b'item {\n  id: 1\n  name: "cat"\n}\n', None, "label map"),
    "caffe": (b'name: "net"\nlayer {\n  name: "data"\n}\n', None, "Caffe"),
}


@pytest.mark.parametrize("name", sorted(MAGIC))
def test_formats_that_are_not_read_are_recognised(name: str) -> None:
    data, expected, word = MAGIC[name]
    found = told(data)
    assert found.format == expected
    assert word in found.what


@pytest.mark.parametrize("name", sorted(MAGIC))
def test_formats_that_are_not_read_give_one_error_under_any_name(name: str, tmp_path: Path) -> None:
    data, _, word = MAGIC[name]
    messages = set()
    for index, other in enumerate(_NAMES):
        folder = tmp_path / str(index)
        folder.mkdir()
        path = folder / other
        path.write_bytes(data)
        with pytest.raises(MigratorError, match=word) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
        messages.add(str(caught.value).removeprefix(str(path)))
    assert len(messages) == 1


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_models_are_told_by_content_under_any_name(item: Sample, tmp_path: Path) -> None:
    for name in _NAMES:
        path = tmp_path / name
        path.write_bytes(item.file.read_bytes())
        model = load(path)
        assert model.source.format == item.kind
        path.unlink()


def test_a_frozen_graph_named_saved_model_in_a_folder_is_a_graph(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(FROZEN[0].file.read_bytes())
    assert load(tmp_path).source.format == "graph_def"


@pytest.mark.parametrize("name", ["tf2.21.0/keras_export", "tf2.21.0/sm_functions"])
def test_the_fingerprint_beside_a_saved_model_is_told_as_one(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="fingerprint") as caught:
        load(sample(name).path / "fingerprint.pb")
    assert "saved_model.pb" in caught.value.hint


def test_a_checkpoint_beside_a_saved_model_is_told_as_one() -> None:
    path = sample("tf1.15.5/sm_variables").path / "variables" / "variables.index"
    assert told(path.read_bytes()).format == load(path).source.format == "checkpoint"


def test_keras_files_are_told_by_content(tmp_path: Path) -> None:
    for kind in ("keras_h5", "keras_zip"):
        path = tmp_path / "frozen.pb"
        path.write_bytes(sample(f"tf2.21.0/{kind}").path.read_bytes())
        assert load(path).source.format == kind


def test_a_binary_meta_graph_is_told_as_one() -> None:
    data = wire.meta_graph(wire.graph([wire.node("n", "NoOp")]))
    assert told(data).format == "meta_graph"


@pytest.mark.parametrize(
    "data",
    [
        wire.graph([]),
        wire.block(4, wire.number(1, 21)) + wire.block(1, wire.node("late", "NoOp")),
        wire.block(2, wire.block(1, wire.function("f", {}, {}))) + wire.block(4, b""),
        wire.graph([wire.node("n" * 200, "NoOp")]),
        wire.graph([wire.node("n", "Vendor>Custom_Op.v2-x")]),
        wire.graph([wire.block(2, "NoOp") + wire.block(1, "n")]),
    ],
    ids=["versions", "versions-first", "library-first", "long-name", "odd-op", "op-first"],
)
def test_unusual_graphs_are_graphs(data: bytes) -> None:
    assert told(data).format == "graph_def"


@pytest.mark.parametrize(
    "data",
    [
        wire.saved_model(wire.meta_graph(wire.graph([wire.node("n", "NoOp")]))),
        wire.saved_model(wire.meta_graph(b"")),
        wire.block(2, wire.meta_graph(wire.graph([wire.node("n", "NoOp")]))),
    ],
    ids=["plain", "empty-graph", "without-version"],
)
def test_unusual_saved_models_are_saved_models(data: bytes) -> None:
    assert told(data).format == "saved_model"


@pytest.mark.parametrize("name", ["TFL3_input", "TFL3"])
def test_a_node_that_is_called_like_a_magic_number_stays_a_node(name: str) -> None:
    """Bytes 4 to 8 of a GraphDef are the first letters of its first node's name."""
    assert told(wire.graph([wire.node(name, "NoOp")])).format == "graph_def"


def test_a_name_with_ustar_at_byte_257_stays_a_node() -> None:
    data = wire.graph([wire.node("n" * 300, "NoOp")])
    data = data[:257] + b"ustar" + data[262:]
    assert told(data).format == "graph_def"


@pytest.mark.parametrize(
    "text",
    [
        "hello\n",
        "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>",
        '{"error": "not found"}',
        "\N{LATIN SMALL LETTER E WITH ACUTE}" * 3000,
        "\n\n  \n",
        "\ufeffnode",
    ],
)
def test_text_is_called_text(text: str) -> None:
    with pytest.raises(MigratorError, match="text file"):
        told(text.encode())


def test_text_that_is_cut_inside_a_character_is_still_text() -> None:
    text = ("x" + "\N{SNOWMAN}" * 4000).encode()
    with pytest.raises(MigratorError, match="text file"):
        told(text)


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_text_in_utf_16_is_called_that(order: str) -> None:
    text = "\ufeff" + 'node {\n  name: "\N{SNOWMAN}"\n}\n' * 1000
    with pytest.raises(MigratorError, match="UTF-16") as caught:
        told(text.encode(order))
    assert "UTF-8" in caught.value.hint


@pytest.mark.parametrize("order", ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
@pytest.mark.parametrize("count", [1, 1000])
def test_wide_text_without_a_mark_says_how_to_convert_it(order: str, count: int) -> None:
    text = 'node {\n  name: "\N{SNOWMAN}"\n}\n' * count
    with pytest.raises(MigratorError, match=f"is a text file in {order[:6]}") as caught:
        told(text.encode(order))
    assert f"iconv -f {order} -t UTF-8" in caught.value.hint


@pytest.mark.parametrize("op", ["NoOp", "my_function"])
def test_a_node_that_is_called_like_a_proto_file_stays_a_node(op: str) -> None:
    graph = wire.graph([wire.node("a/b.proto", op), wire.node("c.proto", "NoOp")])
    assert told(graph).format == "graph_def"


@pytest.mark.parametrize("data", [bytes(300), b"abc" * 99, b"\x80\x02ab", safetensors()])
def test_data_of_a_checkpoint_without_its_index_is_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt-7.data-00000-of-00001"
    path.write_bytes(data)
    with pytest.raises(MigratorError, match=r"its index \(model.ckpt-7.index\) is missing"):
        load(path)


def test_a_model_with_the_name_of_a_checkpoint_s_data_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt-7.data-00000-of-00001"
    path.write_bytes(wire.graph([wire.node("n", "NoOp")]))
    assert load(path).source.format == "graph_def"


def test_a_zip_archive_of_pytorch_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}, protocol=2))
        archive.writestr("archive/data/0", bytes(64))
        archive.writestr("archive/version", "3\n")
    with pytest.raises(UnsupportedFormat, match="PyTorch"):
        load(path)


def test_a_git_lfs_pointer_says_how_to_get_the_file() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    with pytest.raises(MigratorError, match="Git-LFS pointer") as caught:
        told(pointer)
    assert "git lfs pull" in caught.value.hint


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_an_error(protocol: int) -> None:
    try:
        found = told(pickle.dumps({"w": np.zeros(3)}, protocol=protocol))
    except MigratorError:
        return
    assert found.format is None


@pytest.mark.parametrize("data", [b"\0", b"\xff", b"\x0a", b"\x08", bytes(5000), b"\xff" * 5000])
def test_bytes_that_are_nothing_give_one_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "what.pb"
    path.write_bytes(data)
    with pytest.raises(MigratorError) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.touch()
    with pytest.raises(MigratorError, match=r"is empty \(0 bytes\)"):
        load(path)
