"""What other programs' files look like, so that they are called by their names."""

from __future__ import annotations

from migrator.formats.fields import Field, fields_until_damage
from migrator.places.source import ByteSource

NOT_OURS = "have it converted to a format of TensorFlow's first"
ONNX = "an ONNX model, not one of TensorFlow"
CORE_ML = "a Core ML model, not one of TensorFlow"
SAFETENSORS = "a safetensors file (weights without a graph), which is not read"
MEDIAPIPE = "a MediaPipe graph (.binarypb), not a TensorFlow model"
DESCRIPTORS = "a set of .proto descriptors (protoc's), not a model"
DESCRIPTOR = "a descriptor of a .proto file, not a model"
MESSAGES = frozenset((ONNX, CORE_ML, MEDIAPIPE, DESCRIPTORS, DESCRIPTOR))
"""Protobuf messages of others. TensorFlow may take one for its own all the same."""
KERAS_JSON = "a Keras model's configuration as JSON (to_json), without its weights"
TFJS = "a TensorFlow.js model (model.json)"
_ONNX_WIRES = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2}
_CORE_ML_KINDS = range(200, 3001)
"""Fields of which a Core ML model has one: what kind of model it is."""
_STREAMS = {10, 15}
_CALCULATOR_GRAPH = frozenset((1, *range(6, 12), *range(14, 22), 1001, 1002))
"""Fields of a MediaPipe CalculatorGraphConfig; the streams are what goes in and comes out."""
_SHORT = 256
_FEW_WORDS = 3
_FEW_LINES = 3
_SHORT_LINE = 60
_MOST_HEADER = 100 << 20
_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_UNMARKED = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
_FEW_LETTERS = 4


def foreign(source: ByteSource, fields: list[Field], *, whole: bool) -> str | None:
    """What the protobuf message with these fields is, None for what may be TensorFlow's.

    Not ``whole`` are fields up to damage.
    """
    if not fields:
        return None
    if fields[0][:2] == (1, 0):
        return _versioned(source, fields)
    if fields[0][:2] != (1, 2):
        return None
    if whole and all(field[:2] == (1, 2) for field in fields) and _describes(source, fields[0]):
        return DESCRIPTORS
    numbers = {number for number, *_ in fields}
    if numbers & _STREAMS and numbers <= _CALCULATOR_GRAPH and _calculates(source, fields[0]):
        return MEDIAPIPE
    if _text(source, fields[0]).endswith(".proto") and len(numbers) > 1 and max(numbers) < 15:
        return DESCRIPTOR
    return None


def is_safetensors(head: bytes, size: int) -> bool:
    """Whether ``head`` is a length of JSON and the begin of it. ``size`` is the file's."""
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= min(size - 8, _MOST_HEADER) and head[8:10] in (b'{"', b"{}", b"{ ")


def json_kind(text: str) -> tuple[str, str] | None:
    """What a text that begins so is, with a hint, None where it is not known."""
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return None
    if '"modelTopology"' in text or '"weightsManifest"' in text:
        return TFJS, "name the SavedModel or the Keras file that it was converted from"
    if '"class_name"' in text and '"config"' in text:
        return KERAS_JSON, "name the .h5 or .keras file, which holds both"
    return None


def is_list(text: str) -> bool:
    """Whether what a text begins with are short lines without a sentence: words, labels."""
    lines = text.lstrip("\ufeff").splitlines()[:-1]  # the last may be cut off
    if len(lines) < _FEW_LINES or text.lstrip().lower().startswith(("<!", "<html", "<?xml", "{")):
        return False
    short = [item for item in lines if len(item.split()) <= _FEW_WORDS and len(item) < _SHORT_LINE]
    return len(short) == len(lines)


def wide_encoding(head: bytes) -> str:
    """The encoding of a text that begins so, of those with two or four bytes a letter; empty for
    what is none. Without a mark at its begin most of it has to be ASCII."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding if _letters(head, encoding) else ""
    for encoding in _UNMARKED:
        text = _letters(head, encoding)
        if (
            len(text) >= _FEW_LETTERS
            and sum(letter < "\x7f" for letter in text) * 4 > len(text) * 3
        ):
            return encoding
    return ""


def _letters(head: bytes, encoding: str) -> str:
    """The text, empty where it is none. ``head`` may end inside of a letter."""
    width = 4 if "32" in encoding else 2
    whole = head[: len(head) // width * width]
    try:
        text = whole.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(whole) - 4:  # else: cut inside the last character
            return ""
        text = whole[: error.start].decode(encoding)
    return text if all(letter.isprintable() or letter.isspace() for letter in text) else ""


def _versioned(source: ByteSource, fields: list[Field]) -> str | None:
    """ONNX and Core ML begin with a version, as a SavedModel does, which has two fields."""
    wires = {number: wire for number, wire, _, _ in fields}
    if all(_ONNX_WIRES.get(number) == wire for number, wire, _, _ in fields):
        producer = next((field for field in fields if field[0] == 2), None)
        named = producer is None or bool(_text(source, producer)) or producer[2] == producer[3]
        if named and (wires.keys() & {7, 8} or {2, 3} <= wires.keys()):
            return ONNX
    if len(fields) > 1 and fields[1][:2] == (2, 2):
        kinds = [field for field in fields[2:] if field[0] in _CORE_ML_KINDS]
        if kinds and all(wire == 2 for _, wire, _, _ in kinds):
            return CORE_ML
    return None


def _calculates(source: ByteSource, field: Field) -> bool:
    """Whether it is a node of MediaPipe's: what it calculates, and mostly no name before."""
    inner, error = fields_until_damage(source, field[2], field[3])
    calculator = next((item for item in inner if item[0] == 2), None)
    return error is None and calculator is not None and _text(source, calculator).isidentifier()


def _describes(source: ByteSource, field: Field) -> bool:
    """Whether it is a FileDescriptorProto and no NodeDef, which begins with a name as well."""
    inner, _ = fields_until_damage(source, field[2], field[3])
    if not inner or inner[0][:2] != (1, 2) or not _text(source, inner[0]).endswith(".proto"):
        return False
    if any(number in (8, 9, 10, 11, 12, 14) for number, *_ in inner):
        return True
    package = next((item for item in inner if item[0] == 2), None)
    return package is None or not _text(source, package)[:1].isupper()


def _text(source: ByteSource, field: Field) -> str:
    """A short field of printable text, empty for any other."""
    _, wire, start, end = field
    if wire != 2 or end - start > _SHORT or end > source.size:
        return ""
    try:
        text = source.read(start, end - start).decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""
