"""What a file is, told from its content and never from its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrator.errors import FormatError, MigratorError
from migrator.formats.fields import Field, fields_until_damage, varint
from migrator.formats.foreign import (
    MEDIAPIPE,
    NOT_OURS,
    SAFETENSORS,
    foreign,
    is_list,
    is_safetensors,
    json_kind,
    wide_encoding,
)
from migrator.formats.magic import HDF5, TABLE_END
from migrator.limits import Limits
from migrator.places.packing import BZIP2_MAGIC, GZIP_MAGIC, XZ_MAGIC, ZIP_MAGIC
from migrator.places.source import ByteSource

_HEAD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniffed:
    """``format`` is a contract name, None for a thing that has none there."""

    format: str | None
    what: str
    hint: str = ""
    sure: bool = True
    """False where other kinds of files may begin so."""


UNPACK = "unpack it, or name it by itself: most verbs take it as it is"
_PACK_ANEW = "unpack it; .zip and .tar.gz are read as they are"
_ODD_PACKING = (
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"\x04\x22\x4d\x18", "lz4-compressed"),
    (b"\x1f\x9d", "compressed by Unix compress (.Z)"),
    (b"LZIP", "lzip-compressed"),
    (b"MSCF", "a cabinet archive (.cab)"),
    (b"!<arch>\n", "an ar archive (a library or a Debian package)"),
)
"""What is packed in a way that is not read."""
_MAGIC: tuple[tuple[int, bytes, Sniffed], ...] = (
    (0, HDF5, Sniffed(format="keras_h5", what="a Keras model in HDF5")),
    (0, ZIP_MAGIC, Sniffed(format=None, what="a zip archive", hint=UNPACK)),
    (0, GZIP_MAGIC, Sniffed(format=None, what="gzip-compressed", hint=UNPACK)),
    (0, BZIP2_MAGIC, Sniffed(format=None, what="bzip2-compressed", hint=UNPACK)),
    (0, XZ_MAGIC, Sniffed(format=None, what="xz-compressed", hint=UNPACK)),
    (257, b"ustar\0", Sniffed(format=None, what="a tar archive", hint=UNPACK)),
    (257, b"ustar  ", Sniffed(format=None, what="a tar archive", hint=UNPACK)),
    *((0, magic, Sniffed(format=None, what=what, hint=_PACK_ANEW)) for magic, what in _ODD_PACKING),
    (0, b"\xff\xd8\xff", Sniffed(format=None, what="a JPEG picture, not a model")),
    (0, b"\x89PNG\r\n\x1a\n", Sniffed(format=None, what="a PNG picture, not a model")),
    (0, b"GIF8", Sniffed(format=None, what="a GIF picture, not a model")),
    (0, b"%PDF", Sniffed(format=None, what="a PDF document, not a model")),
    (0, b"\x7fELF", Sniffed(format=None, what="a program or shared library, not a model")),
    (0, b"\x93NUMPY", Sniffed(format=None, what="a numpy array, not a model")),
    *(
        (0, magic, Sniffed(format=None, what="a Python pickle (PyTorch?)"))
        for magic in (b"\x80\x02", b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95")
    ),
    (0, b"GGUF", Sniffed(format=None, what="a GGUF model, not one of TensorFlow")),
    *(
        (0, b"MATLAB %s MAT-file" % version, Sniffed(format=None, what="MATLAB data, not a model"))
        for version in (b"5.0", b"7.3")
    ),
)
_MODEL_BESIDE = "name the folder or its saved_model.pb"
_SPACES = dict.fromkeys(map(ord, "\t\r\n\f"), " ")


def sniff(source: ByteSource, limits: Limits) -> Sniffed:
    """Say what ``source`` is. Raises FormatError where it is nothing that we know."""
    if source.size == 0:
        raise FormatError("is empty (0 bytes)", where=source.name, hint="copy it again")
    head = source.read(0, min(source.size, _HEAD))
    for offset, magic, found in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return _zip(source, found) if magic == ZIP_MAGIC else found
    # Where a flatbuffer's root lies comes first; in a GraphDef a node may be called TFL3.
    if head[4:8] == b"TFL3" and int.from_bytes(head[:4], "little") < source.size:
        return Sniffed(format="tflite", what="a TFLite model")
    if b"brain.Event:" in head[:64] and head[4:8] == bytes(4):
        from migrator.formats.events import events_told

        told = events_told(source)
        what = "a TensorBoard event file, not a model" + (f"; it holds {told}" if told else "")
        hint = "TensorBoard shows it; name the .meta file or the SavedModel of the same run"
        return Sniffed(format=None, what=what, hint=hint)
    if head.startswith(b"version https://git-lfs"):
        raise FormatError(
            "is a Git-LFS pointer, not the model itself",
            where=source.name,
            hint="run `git lfs pull` in its repository",
        )
    text = _as_text(head)
    if text is not None:
        return _text(source, text)
    if encoding := wide_encoding(head):
        raise FormatError(
            f"is a text file in {encoding[:6]}",
            where=source.name,
            hint=f"as UTF-8 it may be read: iconv -f {encoding} -t UTF-8 FILE > NEW",
        )
    if is_safetensors(head, source.size):
        return Sniffed(format=None, what=SAFETENSORS, hint=NOT_OURS)
    # A graph's end is not asked for: it may lie in an archive, to be decompressed up to there.
    if source.size >= 48 and not _looks_like_node(source) and _ends_as_table(source):
        return Sniffed(format="checkpoint", what="a checkpoint (index of its variables)")
    if head == b"\x08\x03":
        what = "the marker of a TF1 hub module"
        return Sniffed(format="hub_module", what=what, hint="name the folder that it lies in")
    return _binary(source)


def _zip(source: ByteSource, archive: Sniffed) -> Sniffed:
    """A .keras model where its configuration lies at the archive's root."""
    from migrator.formats.keras.archive import holds_config

    if not holds_config(source):
        return archive
    return Sniffed(format="keras_zip", what="a Keras model in a zip archive (.keras)")


def _ends_as_table(source: ByteSource) -> bool:
    return source.read(source.size - 8, 8) == TABLE_END


def _as_text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else: cut inside the last character
            return None
        text = head[: error.start].decode("utf-8")
    return text if text.translate(_SPACES).isprintable() else None


def _text(source: ByteSource, text: str) -> Sniffed:
    from migrator.formats.textual.kinds import text_kind

    kind, names = text_kind(source)
    if kind is not None:
        return Sniffed(format=kind.format or None, what=kind.what, hint=kind.hint)
    other = json_kind(text)
    if other is not None:
        return Sniffed(format=None, what=other[0], hint=other[1])
    hint = "was a web page or an error message saved in a model's place?"
    if is_list(text):
        hint = "a vocabulary, or labels, of a model? name the model itself"
    if len(names) > 1:
        shown = ", ".join(map(ascii, names[:5]))
        hint = f"as protobuf text it would begin with {shown}, as no model does"
    raise FormatError(f"is a text file, starting {text[:40]!a}", where=source.name, hint=hint)


def _binary(source: ByteSource) -> Sniffed:
    fields, error = fields_until_damage(source, 0, source.size)
    other = foreign(source, fields, whole=error is None)
    if other is not None:
        hint = NOT_OURS if "model, not" in other else "name the model itself"
        hint = "name the .tflite that it runs" if other == MEDIAPIPE else hint
        return Sniffed(format=None, what=other, hint=hint)
    for kind in _MESSAGES if error is None else _DAMAGED_MESSAGES:
        found = kind(source, fields)
        if found is not None:
            return found
    raise FormatError(
        "is neither a GraphDef nor a SavedModel, nor anything else that is known here",
        where=source.name,
        hint=f"its first bytes are {source.read(0, min(8, source.size)).hex(' ')}"
        if error is None
        else error.what,
    )


def _saved_model(source: ByteSource, fields: list[Field]) -> Sniffed | None:
    meta = next((field for field in fields if field[:2] == (2, 2)), None)
    if not _begins_as_saved_model(source, fields) or (meta is None and source.size > 2):
        return None
    sure = meta is not None and _is_meta_graph(source, *meta[2:])
    return Sniffed(format="saved_model", what="a SavedModel", sure=sure)


def _fingerprint(source: ByteSource, fields: list[Field]) -> Sniffed | None:
    wires = [wire for _, wire in _numbers(fields)[:3]]
    if len(wires) < 2 or any(wires) or not _begins_as_saved_model(source, fields):
        return None
    return Sniffed(format=None, what="a SavedModel's fingerprint.pb", hint=_MODEL_BESIDE)


def _graph_def(source: ByteSource, fields: list[Field]) -> Sniffed | None:
    _, _, start, stop = fields[0]
    if fields[0][:2] != (1, 2) or not _looks_like_node(source):
        return None
    sure = _is_registered_name(source.read(start, min(1 << 12, stop - start)))
    return Sniffed(format="graph_def", what="a GraphDef", sure=sure)


def _meta_graph(source: ByteSource, fields: list[Field]) -> Sniffed | None:
    graph = next((field for field in fields if field[:2] == (2, 2)), None)
    if fields[0][:2] != (1, 2) or graph is None or not _inner_is_node(source, *graph[2:]):
        return None
    return Sniffed(format="meta_graph", what="a MetaGraph (.meta)")


def _keras_metadata(_: ByteSource, fields: list[Field]) -> Sniffed | None:
    if fields[0][:2] != (1, 2) or any(number != 1 for number, _ in _numbers(fields)):
        return None
    what = "not a model (keras_metadata.pb looks like this)"
    return Sniffed(format=None, what=what, hint=_MODEL_BESIDE)


def _event_file(_: ByteSource, fields: list[Field]) -> Sniffed | None:
    if fields[0][:2] != (1, 1):
        return None
    return Sniffed(format=None, what="not a model (an event file starts like this)")


def _graph_def_without_a_head(source: ByteSource, fields: list[Field]) -> Sniffed | None:
    """One whose nodes come behind its other fields, or that has none."""
    if not all(
        1 <= number <= 5 and wire == (0 if number == 3 else 2) for number, wire in _numbers(fields)
    ):
        return None
    node = next((field for field in fields if field[0] == 1), None)
    if node is None:
        return Sniffed(format="graph_def", what="a GraphDef without nodes", sure=False)
    if not _inner_is_node(source, *node[2:], direct=True):
        return None
    return Sniffed(format="graph_def", what="a GraphDef")


def _damaged_graph_def(source: ByteSource, _: list[Field]) -> Sniffed | None:
    if not _looks_like_node(source):
        return None
    return Sniffed(format="graph_def", what="a GraphDef", sure=False)


def _damaged_saved_model(source: ByteSource, _: list[Field]) -> Sniffed | None:
    if source.read(0, min(2, source.size)) not in (b"\x08\x01", b"\x08"):
        return None
    return Sniffed(format="saved_model", what="a SavedModel", sure=False)


Kind = Callable[[ByteSource, list[Field]], Sniffed | None]
"""Whether a file whose first fields are these is of one kind."""
_MESSAGES: tuple[Kind, ...] = (
    _saved_model,
    _fingerprint,
    _graph_def,
    _meta_graph,
    _keras_metadata,
    _event_file,
    _graph_def_without_a_head,
)
"""In this order: what a later one takes, those before it have refused."""
_DAMAGED_MESSAGES: tuple[Kind, ...] = (_damaged_graph_def, _damaged_saved_model)
"""For files damaged in their first fields: a parser tells where, if they look like a model."""


def _numbers(fields: list[Field]) -> list[tuple[int, int]]:
    """Number and wire type of each field."""
    return [(number, wire) for number, wire, _, _ in fields]


def _begins_as_saved_model(source: ByteSource, fields: list[Field]) -> bool:
    """With its version, first or second, or with a meta graph."""
    if (1, 0) in _numbers(fields[:2]):
        return True
    return fields[0][:2] == (2, 2) and _is_meta_graph(source, *fields[0][2:])


def _top_fields(source: ByteSource, start: int, end: int) -> list[tuple[int, int, int, int]]:
    """The same. Raises FormatError where the bytes are no protobuf encoding."""
    fields, error = fields_until_damage(source, start, end)
    if error is not None:
        raise error
    return fields


def _looks_like_node(source: ByteSource) -> bool:
    """True where field 1 of the file starts as a NodeDef does: printable name, then op.

    Also where the node itself is cut off, so that a truncated graph is told as one.
    """
    try:
        head = source.read(0, min(source.size, 24))
        tag, after = varint(head, 0)
        if tag != 10:
            return False
        length, after = varint(head, after)
        return _inner_is_node(source, after, after + length, whole=False, direct=True)
    except MigratorError:
        return False


def _inner_is_node(
    source: ByteSource, start: int, stop: int, *, whole: bool = True, direct: bool = False
) -> bool:
    """True where [start, stop) is a NodeDef (``direct``) or a GraphDef that starts with one."""
    stop = min(stop, source.size)
    try:
        if not direct:
            data = source.read(start, min(24, stop - start))
            tag, after = varint(data, 0)
            if tag not in (10, 18, 34):
                return False
            if tag != 10:
                return True
            length, after = varint(data, after)
            start, stop = start + after, min(start + after + length, source.size)
        data = source.read(start, min(1 << 16, stop - start))
        names: dict[int, bytes] = {}
        index = 0
        while index < len(data) and not {1, 2} <= names.keys():
            tag, index = varint(data, index)
            if tag & 7 != 2:
                return False
            length, index = varint(data, index)
            names.setdefault(tag >> 3, data[index : index + length])
            index += length
        if not whole and names.keys() == {1} and index >= len(data):
            return _is_name(names[1])
        return {1, 2} <= names.keys() and _is_op(names[2])
    except MigratorError:
        return not whole and stop == source.size


def _is_registered_name(node: bytes) -> bool:
    """True where the op of a NodeDef, of which this is the start, could be a registered one.

    Others are functions of the graph's own; but a set of .proto descriptors looks so too.
    """
    index = 0
    try:
        while index < len(node):
            tag, index = varint(node, index)
            length, index = varint(node, index)
            if tag == 18:
                return node[index : index + 1].isupper() or node[index : index + 1] == b"_"
            index += length
    except FormatError:
        pass
    return True


def _is_name(raw: bytes) -> bool:
    try:
        return bool(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _is_op(raw: bytes) -> bool:
    """Op names are ASCII identifiers, with ``>`` between a package and its op."""
    return bool(raw) and all(
        48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte in b"_>.-" for byte in raw
    )


def _is_meta_graph(source: ByteSource, start: int, stop: int) -> bool:
    """True where [start, stop) holds a MetaInfoDef and a GraphDef, as a meta graph does."""
    try:
        fields = _top_fields(source, start, stop)
    except FormatError:
        return False
    numbers = {number for number, wire, _, _ in fields if wire == 2}
    return 2 in numbers and len(numbers & {1, 3, 4, 5, 7}) > 0
