"""Where a checkpoint is: beside its model, in a folder, or behind the name of one of its files."""

from __future__ import annotations

import re
from pathlib import Path

from migrator.errors import FormatError
from migrator.model.model import Model

STATE = "checkpoint"
"""The file in which a Saver notes its latest checkpoint."""
_STATE_BYTES = 1 << 20
_LATEST = re.compile(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)")
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_SHARD = re.compile(r"(?P<prefix>.+)\.data-\d{5,}-of-\d{5,}\Z", re.DOTALL)


def checkpoint_prefix(model: Model) -> Path | None:
    """PREFIX of the checkpoint that holds the weights of ``model``; None where there is none.

    A SavedModel's and a hub module's lies in its folder, a MetaGraph's beside it under its name.
    It may be of version 1, which ``open_checkpoint`` refuses.
    """
    path = Path(model.source.path)
    form = model.source.format
    if form in ("saved_model", "hub_module"):
        prefix = path.parent / "variables" / "variables"
    elif form == "meta_graph" and path.name.endswith(".meta"):
        prefix = path.with_name(path.name.removesuffix(".meta"))
    elif form == "checkpoint":
        prefix = path.with_name(path.name.removesuffix(".index"))
    else:
        return None
    return prefix if index_of(prefix).is_file() or prefix.is_file() else None


def index_of(prefix: Path) -> Path:
    return Path(f"{prefix}.index")


def index_for(path: Path) -> Path | None:
    """The index that ``path`` means as a PREFIX or as the name of a shard; None for other names."""
    shard = _SHARD.match(str(path))
    if shard is not None:
        index = Path(f"{shard['prefix']}.index")
        return index if index.is_file() else None
    index = index_of(path)
    return index if not path.exists() and index.is_file() else None


def latest_in(folder: Path) -> Path | None:
    """The file to read of a folder of checkpoints: a ``.meta``, else an ``.index``.

    It is the latest by the folder's ``checkpoint`` file, or the only one. None for a folder
    without any. Raises FormatError where several are there and nothing says which.
    """
    state = folder / STATE
    if state.is_file():
        with state.open("rb") as file:
            found = _LATEST.search(file.read(_STATE_BYTES))
        if found is not None:
            return _noted(folder, _unescaped(found[1]))
    for suffix in (".meta", ".index"):
        files = sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
        if len(files) == 1:
            return files[0]
        if files:
            shown = ", ".join(ascii(path.name) for path in files[:5])
            more = f" and {len(files) - 5} more" if len(files) > 5 else ""
            raise FormatError(
                f"is a folder of several checkpoints: {shown}{more}",
                where=str(folder),
                hint="name one of them",
            )
    return None


def _noted(folder: Path, noted: str) -> Path:
    """The file of the checkpoint that a ``checkpoint`` file calls the latest.

    Its path is often one of the machine that wrote it, so only its last part counts.
    """
    name = re.split(r"[/\\]", noted)[-1]
    if name and "\0" not in name:
        for suffix in (".meta", ".index"):
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
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
