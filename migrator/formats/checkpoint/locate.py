"""Where a checkpoint is: beside its model, in a folder, or behind the name of one of its files."""

from __future__ import annotations

import re
from pathlib import Path

from migrator.errors import FormatError, MigratorError, first_few
from migrator.formats.magic import TABLE_END
from migrator.model.model import Model
from migrator.places.place import LocalPlace, Place

STATE = "checkpoint"
"""The file in which a Saver notes its latest checkpoint."""
_STATE_BYTES = 1 << 20
_LATEST = re.compile(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)")
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
META = re.compile(r"(?P<prefix>.+)\.meta(?:\.pbtxt|\.txt)?", re.DOTALL)
"""A MetaGraph that a Saver wrote beside a checkpoint; to be matched whole."""
SHARD = re.compile(r"(?P<prefix>.+)\.data-\d{5,}-of-\d{5,}\Z", re.DOTALL)
OLD_SHARD = re.compile(
    r"(?P<prefix>.+(?<!\.data))-(?P<shard>\d{5}|\?{5})-of-(?P<count>\d{5})\Z", re.DOTALL
)
"""A file of a sharded version 1 checkpoint, or the pattern that stands for all of them."""
_LOOKED_AT = 64
"""So many files of a folder are looked into, to find a checkpoint that no name tells of."""


def checkpoint_place(model: Model) -> Place | None:
    """PREFIX of the checkpoint that holds the weights of ``model``; None where there is none.

    A SavedModel's and a hub module's lies in its folder, a MetaGraph's beside it under its name.
    """
    place = model.place or LocalPlace(model.source.path)
    form = model.source.kind
    if form in ("saved_model", "hub_module"):
        prefix = place.parent.child("variables", "variables")
    else:
        name = ""
        if form == "meta_graph":
            name = _before_meta(place.base)
        elif form == "checkpoint":
            name = place.base.removesuffix(".index")
        if not name:
            return None
        prefix = place.sibling(name)
    if index_of(prefix).is_file() or prefix.is_file():
        return prefix
    shard = first_shard(prefix) if form == "meta_graph" else None
    return None if shard is None else old_prefix(shard)


def checkpoint_prefix(model: Model) -> Path | None:
    """The same where it lies on disk, as what runs TensorFlow needs it."""
    place = checkpoint_place(model)
    return None if place is None else place.path


def _before_meta(name: str) -> str:
    """``model.ckpt-7`` of ``model.ckpt-7.meta``, empty for other names."""
    found = META.fullmatch(name)
    return found["prefix"] if found else ""


def index_of(prefix: Place) -> Place:
    return prefix.sibling(f"{prefix.base}.index")


def is_shard_of(name: str, prefix: str) -> bool:
    """Whether ``name`` is a shard, of either version, of the checkpoint called ``prefix``."""
    found = OLD_SHARD.match(name) or SHARD.match(name)
    return found is not None and found["prefix"] == prefix


def tell_lone_shard(place: Place) -> None:
    """Raise FormatError where a file that nothing reads has the name of a checkpoint's data, and
    what says where which variable lies in it is missing."""
    found = SHARD.match(place.base)
    if found is None or index_of(place.sibling(found["prefix"])).is_file():
        return
    index = ascii(f"{found['prefix']}.index")[1:-1]
    raise FormatError(
        f"is the data of a checkpoint, and its index ({index}) is missing",
        where=str(place),
        hint="copy it beside this file",
    ) from None


def first_file(prefix: Place) -> Place | None:
    """The file to read first of the checkpoint ``prefix``, of either version; None for none."""
    index = index_of(prefix)
    if index.is_file():
        return index
    # Version 1 has one file of that name, and one of version 2 may be renamed.
    return prefix if prefix.is_file() else first_shard(prefix)


def first_shard(prefix: Place) -> Place | None:
    """The first file that is there of a sharded version 1 checkpoint, None where none is.

    ``prefix`` may be the pattern that TensorFlow names it by. Raises FormatError where the files
    are of several such checkpoints.
    """
    pattern = OLD_SHARD.match(prefix.base)
    if pattern is not None and "?" not in pattern["shard"]:
        return None
    name = pattern["prefix"] if pattern else prefix.base
    folder = prefix.parent
    if not name or not folder.is_folder():
        return None
    found: dict[str, str] = {}
    for item in folder.names():
        shard = OLD_SHARD.match(item)
        if shard is not None and shard["prefix"] == name and "?" not in shard["shard"]:
            found.setdefault(shard["count"], item)
    if pattern:
        item = found.get(pattern["count"], "")
        return folder.child(item) if item else None
    if len(found) > 1:
        raise FormatError(
            f"is the name of {len(found):,} checkpoints: {', '.join(sorted(found.values())[:5])}",
            where=str(prefix),
            hint="name one of their files",
        )
    return folder.child(next(iter(found.values()))) if found else None


def old_prefix(place: Place) -> Place:
    """What TensorFlow calls the version 1 checkpoint with the file ``place``: the name of its one
    file, or a pattern."""
    found = OLD_SHARD.match(place.base)
    if found is None:
        return place
    return place.sibling(f"{found['prefix']}-?????-of-{found['count']}")


def index_for(place: Place) -> Place | None:
    """The file that ``place`` means as a PREFIX or as the name of a shard: an index, or the first
    shard of version 1. None for others."""
    shard = SHARD.match(place.base)
    if shard is not None:
        index = place.sibling(f"{shard['prefix']}.index")
        return index if index.is_file() else None
    if not place.base or place.base in (".", "..") or place.is_file() or place.is_folder():
        return None
    return first_file(place)


def latest_in(folder: Place) -> Place | None:
    """The file to read of a folder of checkpoints: a ``.meta``, else an ``.index``.

    It is the latest by the folder's ``checkpoint`` file, or the only one. None for a folder
    without any. Raises FormatError where several are there and nothing says which, MigratorError
    where the folder cannot be read.
    """
    state = folder.child(STATE)
    if state.is_file():
        source = state.open()
        found = _LATEST.search(source.read(0, min(source.size, _STATE_BYTES)))
        if found is not None:
            return _noted(folder, _unescaped(found[1]))
    names = folder.names()
    for suffix in (".meta", ".index"):
        files = [name for name in names if name.endswith(suffix)]
        if files:
            return _only(folder, files)
    firsts: dict[tuple[str, str], str] = {}
    for name in names:
        if (shard := OLD_SHARD.match(name)) is not None:
            firsts.setdefault((shard["prefix"], shard["count"]), name)
    rest = [name for name in names if OLD_SHARD.match(name) is None]
    files = [name for name in [*firsts.values(), *rest][:_LOOKED_AT] if _is_table(folder, name)]
    return _only(folder, files) if files else None


def _only(folder: Place, files: list[str]) -> Place:
    """The one file, or FormatError where there are several."""
    if len(files) == 1:
        return folder.child(files[0])
    raise FormatError(
        f"is a folder of several checkpoints: {first_few(files)}",
        where=str(folder),
        hint="name one of them",
    )


def _is_table(folder: Place, name: str) -> bool:
    try:
        place = folder.child(name)
        if not place.is_file() or place.size() < len(TABLE_END):
            return False
        source = place.open()
        return source.read(source.size - len(TABLE_END), len(TABLE_END)) == TABLE_END
    except MigratorError:
        return False


def _noted(folder: Place, noted: str) -> Place:
    """The file of the checkpoint that a ``checkpoint`` file calls the latest.

    Its path is often one of the machine that wrote it, so only its last part counts.
    """
    name = re.split(r"[/\\]", noted)[-1]
    if name and name not in (".", "..") and "\0" not in name:
        shard = OLD_SHARD.match(name)
        for base in (f"{shard['prefix'] if shard else name}.meta", f"{name}.index", name):
            place = folder.child(base)
            if place.is_file():
                return place
        first = first_shard(folder.child(name))
        if first is not None:
            return first
    raise FormatError(
        f"its file {STATE!r} says that {ascii(name)[:200]} is the latest, and neither its .meta "
        "nor its .index is there",
        where=str(folder),
        hint="name the .meta or the .index file itself",
    )


def _unescaped(raw: bytes) -> str:
    """A string of the protobuf text format."""

    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1].isdigit():
            return bytes([int(code, 8) & 255])
        if code[:1] == b"x" and len(code) > 1:
            return bytes([int(code[1:], 16)])
        return _PLAIN.get(code, code)

    return _ESCAPE.sub(plain, raw).decode("utf-8", "replace")
