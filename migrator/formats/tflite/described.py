"""What a model's own metadata says of its inputs and outputs.

Source of the tables: metadata_schema.fbs of TFLite Support (also in MediaPipe's packages).
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.formats.tflite.flat import Flat, Kind
from migrator.model.tflite import TensorAbout

SUBGRAPH_METADATA = Kind(
    "SubGraphMetadata",
    "name:str description:str input_tensor_metadata:[TensorMetadata]"
    " output_tensor_metadata:[TensorMetadata]",
)
TENSOR_METADATA = Kind(
    "TensorMetadata",
    "name:str description:str dimension_names:[str] content:Content process_units:[ProcessUnit]"
    " stats:Stats associated_files:[AssociatedFile]",
)
PROCESS_UNIT = Kind("ProcessUnit", "options_type:u8 options:union")
NORMALIZATION = Kind("NormalizationOptions", "mean:[f32] std:[f32]")
ASSOCIATED_FILE = Kind("AssociatedFile", "name:str")
_NORMALIZATION = 1
_MOST = 64
_CHANNELS = 64
_TEXT = 1 << 12


def described(flat: Flat, subgraphs_at: int) -> Iterator[TensorAbout]:
    """Of the first subgraph's inputs and outputs, in their order. ``flat`` is the metadata's own
    FlatBuffer, ``subgraphs_at`` its vector of subgraphs. Raises Broken, LimitError."""
    for at in _targets(flat, subgraphs_at, "subgraph_metadata", 1):
        row = flat.table(SUBGRAPH_METADATA, at, "subgraph_metadata[0]")
        for side, place in (("input", row[2]), ("output", row[3])):
            part = f"subgraph_metadata[0].{side}_tensor_metadata"
            for number, tensor in enumerate(_targets(flat, place, part, _MOST)):
                yield _about(flat, tensor, side, number, f"{part}[{number}]")


def _about(flat: Flat, at: int, side: str, number: int, part: str) -> TensorAbout:
    name, description, _, _, units, _, files = flat.table(TENSOR_METADATA, at, part)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for unit in _targets(flat, units, f"{part}.process_units", _MOST):
        kind, options = flat.table(PROCESS_UNIT, unit, f"{part}.process_units")
        if kind == _NORMALIZATION and options:
            means, stds = flat.table(NORMALIZATION, options, f"{part}.process_units")
            mean = flat.numbers(means, "f", f"{part}.mean")[:_CHANNELS]
            std = flat.numbers(stds, "f", f"{part}.std")[:_CHANNELS]
    return TensorAbout(
        side=side,
        number=number,
        name=_text(flat, name, part),
        description=_text(flat, description, part),
        mean=mean,
        std=std,
        files=tuple(
            _text(flat, flat.table(ASSOCIATED_FILE, file, part)[0], part)
            for file in _targets(flat, files, f"{part}.associated_files", _MOST)
        ),
    )


def _targets(flat: Flat, at: int, part: str, most: int) -> Iterator[int]:
    start, count = flat.vector(at, 4, part) if at else (0, 0)
    for number in range(min(count, most)):
        yield flat.follow(start + 4 * number, f"{part}[{number}]")


def _text(flat: Flat, at: int, part: str) -> str:
    text = flat.text(at, part)
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}..."
