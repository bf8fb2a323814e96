"""What a TFLite model's metadata says of its inputs and outputs, whoever wrote it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from migrator.formats.load import load
from migrator.inspection.notable import notable
from migrator.inspection.summary import summarize
from migrator.model.model import Model
from tests import flat
from tests.commands import run
from tests.schemas import parsed


def text(content: str) -> tuple[str, flat.Part]:
    return "@", flat.raw(content.encode())


def normalised(mean: float, std: float) -> flat.Part:
    options = flat.table({0: ("@", flat.numbers("f", [mean])), 1: ("@", flat.numbers("f", [std]))})
    return flat.table({0: ("B", 1), 1: ("@", options)})


def metadata(std: float = 127.5) -> bytearray:
    image = flat.table(
        {
            0: text("image"),
            1: text("a picture\x1b[2J"),
            4: ("@", flat.tables([normalised(127.5, std)])),
        }
    )
    labels = flat.table({0: text("labels.txt")})
    scores = flat.table({0: text("scores"), 6: ("@", flat.tables([labels]))})
    subgraph = flat.table({2: ("@", flat.tables([image])), 3: ("@", flat.tables([scores]))})
    writer = flat.Writer()
    writer.data += bytes(8)
    root = writer.table({0: text("digits"), 3: ("@", flat.tables([subgraph]))})
    struct.pack_into("<I4s", writer.data, 0, root, b"M001")
    return writer.data


def file_of(content: bytes) -> bytes:
    entry = flat.table({0: text("TFLITE_METADATA"), 1: ("I", 1)})
    return flat.tflite(
        tensors=flat.tables([flat.tensor("x"), flat.tensor("y")]),
        operators=flat.tables([flat.operator([0, 0], [1])]),
        inputs=[0],
        outputs=[1],
        buffers=flat.tables([flat.table({}), flat.table({0: ("@", flat.aligned(content))})]),
        more={6: ("@", flat.tables([entry]))},
    )


def read(path: Path, content: bytes) -> Model:
    path.write_bytes(file_of(content))
    return load(path)


def test_inputs_and_outputs_have_names_normalisation_and_files(tmp_path: Path) -> None:
    model = read(tmp_path / "m.tflite", bytes(metadata()))
    assert model.warnings == ()
    assert model.tflite is not None
    image, scores = model.tflite.about_tensors
    assert (image.side, image.number, image.name) == ("input", 0, "image")
    assert (image.mean, image.std, image.files) == ((127.5,), (127.5,), ())
    assert (scores.side, scores.name, scores.files) == ("output", "scores", ("labels.txt",))


def test_they_are_told_with_nothing_in_them_that_acts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(file_of(bytes(metadata(std=float("nan")))))
    told = run(capsys, "inspect", path).out
    assert "input 0 image: a picture\\x1b[2J; normalised with mean 127.5, std nan" in told
    assert "output 0 scores: files: labels.txt" in told
    found = parsed(run(capsys, "inspect", "--format", "json", path).out)
    assert [item["std"] for item in found["tflite"]["about_tensors"]] == [[None], []]


@pytest.mark.parametrize("at", range(8, len(metadata()), 4))
def test_damage_in_them_is_a_warning_and_the_graph_stands(at: int, tmp_path: Path) -> None:
    content = metadata()
    content[at : at + 4] = b"\xff\xff\xff\x7f"
    model = read(tmp_path / "m.tflite", bytes(content))
    assert [node.op for node in model.graph.nodes] == ["Placeholder", "ADD"]
    assert all("metadata[0] (TFLITE_METADATA)" in line for line in model.warnings)


def test_custom_operators_stand_out_whatever_they_are_called(tmp_path: Path) -> None:
    custom = flat.table({0: ("b", 32), 1: text("Landmarks2Matrix"), 3: ("i", 32)})
    path = tmp_path / "m.tflite"
    path.write_bytes(
        flat.tflite(
            tensors=flat.tables([flat.tensor("x"), flat.tensor("y")]),
            operators=flat.tables([flat.operator([0], [1])]),
            inputs=[0],
            outputs=[1],
            codes=flat.tables([custom]),
        )
    )
    lines = notable(summarize(load(path)).meta_graphs[0], "tflite")
    assert lines == ["operators that plain TFLite does not have: Landmarks2Matrix"]
