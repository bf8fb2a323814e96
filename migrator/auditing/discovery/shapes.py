"""What the first bytes of any file say: a model, perhaps one, or none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from migrator.auditing.contents.readings import readings
from migrator.errors import FormatError, MigratorError
from migrator.formats.foreign import MESSAGES
from migrator.formats.keras.facts import keras_formats
from migrator.formats.sniff import sniff
from migrator.limits import Limits
from migrator.places.source import ByteSource

_TEXT = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s+|#[^\n]*\n)*"
    rb"(?:(?:node|library|versions|meta_graphs|meta_info_def|graph_def|saver_def|collection_def"
    rb"|signature_def|asset_file_def|object_graph_def|debug_info)\s*:?\s*[{<\[]"
    rb"|(?:saved_model_schema_version|version)\s*:)"
)
"""How a model as protobuf text begins. A program may begin with ``library`` too."""
_HEAD = 4096
_MOST_FIELDS = 100_000


class Shape(Enum):
    """How sure the first bytes are."""

    MODEL = "model"
    CHECKPOINT = "checkpoint"
    """The index of one, or a database of another kind."""
    VAGUE = "vague"
    """A model, or anything: HDF5, a zip archive, a message that could be another's."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """``reason`` says why the file is no model, where it is none."""

    shape: Shape
    reason: str = ""
    is_message: bool = False
    """It looks like a message of another program, as many in a tree are."""


def look_at(path: str, limits: Limits) -> Look:
    """Read the head of a file. Raises MigratorError where it cannot be read or is no file."""
    source = ByteSource.open(path)
    look = look_in(source, path, limits)
    if look.shape in (Shape.NONE, Shape.CHECKPOINT) and readings(source, most=_MOST_FIELDS):
        return Look(shape=Shape.VAGUE if look.is_message else Shape.MODEL)
    if look.shape is Shape.NONE and keras_formats(path):
        return Look(shape=Shape.VAGUE)
    return look


def look_in(source: ByteSource, path: str, limits: Limits) -> Look:
    """The same by the first bytes alone: for what honest files look like. Raises MigratorError."""
    try:
        found = sniff(source, limits)
        is_other = found.format in (None, "hub_module") or (
            (found.format or "").endswith("_text")
            and _TEXT.match(source.read(0, min(source.size, _HEAD))) is None
        )
    except FormatError as error:
        return Look(shape=Shape.NONE, reason=str(error).removeprefix(f"{path}: "))
    except OSError as error:  # the disk fails
        raise MigratorError(f"cannot be read: {error.strerror or error}", where=path) from None
    if is_other:
        hint = f"; {found.hint}" if found.hint else ""
        is_message = found.what in MESSAGES
        return Look(shape=Shape.NONE, reason=f"is {found.what}{hint}", is_message=is_message)
    if found.format == "checkpoint":
        return Look(shape=Shape.CHECKPOINT)
    is_vague = not found.sure or found.format in ("keras_h5", "keras_zip")
    return Look(shape=Shape.VAGUE if is_vague else Shape.MODEL)
