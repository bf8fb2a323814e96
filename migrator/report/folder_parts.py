"""What lies in a model's folder, as sections of text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from migrator.arrays import nested_list
from migrator.errors import MigratorError, first_few
from migrator.model.model import Signature
from migrator.model.tensors import LazyTensor
from migrator.report.escape import many, shown, shown_variable, size

if TYPE_CHECKING:
    from migrator.inspection.folder import CheckpointFacts, Folder
    from migrator.inspection.folder_files import FingerprintFacts, FolderFile, KerasMetadata

Json = dict[str, Any]
IN_FOLDERS = (
    *("saved_model", "saved_model_text", "hub_module"),
    *("meta_graph", "meta_graph_text"),
)
"""Formats with something beside them."""
_NAMED = 5
_FILES = 20
_CLASSES = 8
_SMALL = 16
"""Elements of a default that is shown."""
_FEW_BYTES = 1 << 16


def folder_sections(folder: Folder) -> list[str]:
    """Short sections, the weights first; empty ones are left out."""
    parts = []
    if folder.checkpoint is not None:
        parts.append(_titled("Checkpoint", _checkpoint_lines(folder.checkpoint)))
    parts.append(_titled("Assets", _file_lines(folder.assets)))
    parts.append(_titled("assets.extra", _file_lines(folder.extra)))
    if folder.keras is not None:
        parts.append(_titled("Keras", _keras_lines(folder.keras)))
    if folder.fingerprint is not None:
        parts.append(_titled("Fingerprint", _fingerprint_lines(folder.fingerprint)))
    attached = [f"{shown(item.key)} ({size(item.bytes)})" for item in folder.attachments]
    parts.append(_titled("Attached to the module", attached))
    return [part for part in parts if part]


def default_lines(signature: Signature) -> list[str]:
    """The inputs that may be left out, and what they are then."""
    return [f"{shown(name)} = {_value(tensor)}" for name, tensor in signature.defaults.items()]


def _value(tensor: LazyTensor) -> str:
    found = default_value(tensor)
    if found is None:
        return f"{tensor.dtype.name} {tensor.shape}"
    return shown(ascii(found))


def default_value(tensor: LazyTensor) -> Any:
    """The value as JSON has it, None for a large one, or one that cannot be read."""
    if tensor.elements > _SMALL or tensor.stored_bytes > _FEW_BYTES or tensor.dtype.kind == "h":
        return None
    try:
        found = tensor.numpy()
    except MigratorError:
        return None
    if tensor.dtype.kind == "s":
        texts = [item.decode("utf-8", "backslashreplace") for item in found.ravel()]
        return texts[0] if found.shape == () else texts
    if tensor.dtype.kind in "biuf":
        plain = found.astype(float if tensor.dtype.kind == "f" else int)
        if tensor.dtype.kind == "b":
            plain = found
        return _finite(nested_list(plain))
    return None


def _finite(value: Any) -> Any:
    """JSON has no words for infinities and NaN."""
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not -1e308 <= value <= 1e308:
        return str(value)
    return value


def _titled(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  - {line}" for line in lines)]) if lines else ""


def _checkpoint_lines(facts: CheckpointFacts) -> list[str]:
    total = facts.joined + len(facts.without_value)
    held = f"{facts.joined:,} of {many(total, 'variable')} of the graph have their value in it"
    if not facts.without_value:
        held = f"it holds the values of all {many(total, 'variable')} of the graph"
    if total < 2:
        held = "it holds the value of the graph's variable" if facts.joined else ""
    entries, files = many(facts.entries, "tensor"), many(facts.shards, "shard")
    whole = f"version {facts.version}, {entries} in {files}, {size(facts.bytes)}"
    lines = [whole, *([held] if held else [])]
    if facts.copies:
        lines.append(f"{many(facts.copies, 'tensor')} for copies that the graph does not use")
    if facts.without_value:
        lines.append(f"no value in it: {first_few(facts.without_value, _NAMED, shown)}")
    if facts.without_variable:
        count = many(len(facts.without_variable), "key")
        named = first_few(facts.without_variable, _NAMED, shown_variable)
        lines.append(f"{count} that no variable takes: {named}")
    return lines


def _file_lines(files: Sequence[FolderFile]) -> list[str]:
    lines = [
        f"{shown(item.name)}, " + ("not there" if item.bytes is None else size(item.bytes))
        for item in files[:_FILES]
    ]
    if len(files) > _FILES:
        lines.append(f"and {len(files) - _FILES:,} more")
    return lines


def _keras_lines(facts: KerasMetadata) -> list[str]:
    lines = [shown(facts.root) + (f", Keras {shown(facts.version)}" if facts.version else "")]
    classes = [f"{shown(name)} {count:,}" for name, count in facts.classes.items()]
    more = f" and {len(classes) - _CLASSES} more" if len(classes) > _CLASSES else ""
    return [*filter(None, lines), ", ".join(classes[:_CLASSES]) + more]


def _fingerprint_lines(facts: FingerprintFacts) -> list[str]:
    said = facts.said
    uuid = f", {shown(said.uuid)}" if said.uuid else ""
    lines = [f"version {said.version}{uuid}"]
    for name, matches in (
        ("saved_model.pb", facts.saved_model_matches),
        ("variables.index", facts.checkpoint_matches),
    ):
        if matches is not None:
            lines.append(f"{name} {'is' if matches else 'is not'} the file that it was made of")
    return lines


def folder_json(folder: Folder) -> Json:
    """The same as a JSON object; null for what is not there."""
    return {
        "checkpoint": _checkpoint_json(folder.checkpoint),
        "assets": [_file(item) for item in folder.assets],
        "assets_extra": [_file(item) for item in folder.extra],
        "fingerprint": _fingerprint_json(folder.fingerprint),
        "keras": _keras_json(folder.keras),
        "attachments": [{"key": item.key, "bytes": item.bytes} for item in folder.attachments],
    }


def _checkpoint_json(facts: CheckpointFacts | None) -> Json | None:
    if facts is None:
        return None
    return {
        "prefix": facts.prefix,
        "version": facts.version,
        "shards": facts.shards,
        "entries": facts.entries,
        "bytes": facts.bytes,
        "joined": facts.joined,
        "keys": dict(facts.by_node),
        "without_value": list(facts.without_value),
        "without_variable": list(facts.without_variable),
    }


def _fingerprint_json(facts: FingerprintFacts | None) -> Json | None:
    if facts is None:
        return None
    said = facts.said
    return {
        "version": said.version,
        "uuid": said.uuid,
        "saved_model_checksum": f"{said.saved_model:016x}",
        "graph_def_program_hash": f"{said.graph:016x}",
        "signature_def_hash": f"{said.signatures:016x}",
        "saved_object_graph_hash": f"{said.objects:016x}",
        "checkpoint_hash": f"{said.checkpoint:016x}",
        "saved_model_matches": facts.saved_model_matches,
        "checkpoint_matches": facts.checkpoint_matches,
    }


def _keras_json(facts: KerasMetadata | None) -> Json | None:
    if facts is None:
        return None
    return {"version": facts.version, "root": facts.root, "classes": dict(facts.classes)}


def _file(item: FolderFile) -> Json:
    return {"name": item.name, "bytes": item.bytes, "tensors": list(item.tensors)}


def defaults_json(signature: Signature) -> Json:
    """Input -> its type and shape, and its value where it is small."""
    return {
        name: {
            "dtype": tensor.dtype.name,
            "shape": tensor.shape.as_list(),
            "value": default_value(tensor),
        }
        for name, tensor in signature.defaults.items()
    }
