"""Dangers in what Keras 2 wrote beside the graph of a SavedModel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from migrator.errors import FormatError, LimitError
from migrator.formats.keras.dangers import KerasDanger, find_dangers
from migrator.formats.messages import message_class

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject

FILE = "keras_metadata.pb"
_MOST_BYTES = 256 << 20
_KERAS = "_tf_keras_"
_REACHING = frozenset(
    (
        "io saved_model data train summary raw_ops autograph lookup __internal__ load_library "
        "load_op_library py_function numpy_function print"
    ).split()
)
"""Parts of TensorFlow's interface whose functions get out of computing."""
_PRIVATE = re.compile(r"^/(?:dev|var)/|(?:^|/)(?:etc|proc|sys)/|(?:^|[/\\])\.[^./\\]")
"""Files that no vocabulary is: the system's, or hidden."""
_KERAS_PARTS = frozenset(("models", "preprocessing", "saving", "utils"))


def saved_model_dangers(subject: Subject) -> Iterator[KerasDanger]:
    """Code in a SavedModel's Keras metadata, each layer once. Linear, bounded.

    Classes and modules by name are left out: TensorFlow's Keras rebuilds those it does not know
    from the traced graph. Raises FormatError for a file that cannot be read, LimitError for one
    past 256 MB.
    """
    seen = set()
    for metadata in _all_metadata(subject):
        for danger in _dangers(metadata):
            if _matters(danger) and danger not in seen:
                seen.add(danger)
                yield danger


def is_mild(danger: KerasDanger) -> bool:
    """True for code that only computes, and for a file such as training leaves in the metadata."""
    if danger.kind == "file":
        return _PRIVATE.search(danger.argument) is None
    return danger.kind == "lambda"


def _matters(danger: KerasDanger) -> bool:
    if danger.kind == "function" and danger.text.startswith("calls TensorFlow's"):
        first, _, rest = danger.argument.removeprefix("compat.v1.").partition(".")
        return first in _REACHING or (first == "keras" and rest.partition(".")[0] in _KERAS_PARTS)
    return danger.kind in ("code", "file", "function", "lambda", "op")


def _all_metadata(subject: Subject) -> Iterator[bytes]:
    for meta in subject.meta_graphs:
        if meta.object_graph is None:
            continue
        for item in meta.object_graph.message.nodes:
            user = item.user_object
            if user.identifier.startswith(_KERAS) and user.metadata:
                yield user.metadata
    folder = subject.folder
    if folder is None or not (folder / FILE).is_file():
        return
    path = folder / FILE
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if len(data) > _MOST_BYTES:
        raise LimitError(f"takes more than {_MOST_BYTES:,} bytes", where=str(path))
    yield from _of_file(data, str(path))


def _of_file(data: bytes, path: str) -> Iterator[bytes]:
    from google.protobuf.message import DecodeError

    try:
        message: Any = message_class("SavedMetadata").FromString(data)
    except DecodeError as error:
        raise FormatError(f"is no Keras metadata: {error}", where=path) from None
    for item in message.nodes:
        if item.metadata:
            yield item.metadata


def _dangers(metadata: bytes) -> tuple[KerasDanger, ...]:
    if not any(word in metadata for word in _TELLING):
        return ()  # most layers: no need to parse them
    try:
        found = json.loads(metadata)
    except (ValueError, RecursionError):
        return ()
    return find_dangers(found) if isinstance(found, dict) else ()


_TELLING = (
    b"ambda",
    b"JaxLayer",
    b"FlaxLayer",
    b"TorchModuleWrapper",
    b"TensorFlowOpLayer",
    b"TFSMLayer",
    b"vocabulary",
    b"idf_weights",
    b"\\u",
)
"""Without any of these no class is refused; the last one can spell them."""
