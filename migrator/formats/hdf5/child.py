"""The process that asks h5py. Run as a file: nothing of migrator is imported here.

HDF5's library follows links to other files, never ends on some damaged files and crashes on
others, so it runs where it can be stopped. Standard input is one line of JSON; the file itself
comes as an open descriptor. What goes out is JSON, or an array's bytes.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from typing import Any

_MOST_OBJECTS = "holds more than {:,} objects"
_MOST_HOPS = 16


class TooMuch(Exception):
    """The file would take more than it may."""


class Bytes(io.RawIOBase):
    """A part of an open file, as h5py takes one."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = 0) -> int:
        self._at = position + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        most = max(0, min(len(buffer), self._size - self._at))
        found = os.pread(self._descriptor, most, self._offset + self._at)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def describe(file: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Everything that ``tree`` has, as JSON: ``objects`` by number, the root first.

    A link is a number of an object, a list of one (soft) or two texts (external), or null.
    """
    import h5py  # type: ignore[import-untyped, unused-ignore]

    plain, listed, most_text = set(wanted["plain"]), tuple(wanted["listed"]), wanted["text"]
    objects: list[dict[str, Any]] = []
    known: dict[Any, int] = {}
    stack: list[tuple[int, Any]] = []
    count = 0

    def attributes(item: Any) -> dict[str, Any]:
        found = {}
        for name in item.attrs:
            if name not in plain and name.rstrip("0123456789") not in listed:
                continue
            handle = item.attrs.get_id(name)
            # h5py takes the size 0 of an empty one for an error.
            size = 0 if 0 in (handle.shape or ()) else handle.get_storage_size()
            if size > most_text:
                raise TooMuch(f"attribute {name} takes {size:,} bytes")
            value = _plain(item.attrs[name])
            if value is not None:
                found[name] = value
        return found

    def make(item: Any) -> int | None:
        key = h5py.h5o.get_info(item.id)
        where = (key.fileno, key.addr)
        if where in known:
            return known[where]
        if not isinstance(item, (h5py.Group, h5py.Dataset)):
            return None
        known[where] = len(objects)
        made: dict[str, Any] = {"attrs": attributes(item), "address": key.addr}
        objects.append(made)
        if isinstance(item, h5py.Group):
            made["links"] = {}
            stack.append((known[where], item))
        else:
            made.update(_dataset(h5py, item))
        return known[where]

    make(file["/"])
    while stack:
        number, group = stack.pop()
        links = objects[number]["links"]
        for name in group:
            count += 1
            if count > wanted["objects"]:
                raise TooMuch(_MOST_OBJECTS.format(wanted["objects"]))
            if "/" in name or name in ("", "."):  # h5py would take it for a path
                raise ValueError(f"a link is called {name!a}")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                links[name] = [str(link.filename), str(link.path)]
            elif isinstance(link, h5py.SoftLink):
                links[name] = [str(link.path)]
            else:
                links[name] = make(group[name])
    return {"objects": objects}


def _dataset(h5py: Any, item: Any) -> dict[str, Any]:
    handle = item.id
    space = handle.get_space()
    is_null = space.get_simple_extent_type() == h5py.h5s.NULL
    create = handle.get_create_plist()
    kinds = {h5py.h5d.COMPACT: "inline", h5py.h5d.CONTIGUOUS: "contiguous",
             h5py.h5d.CHUNKED: "chunked"}  # fmt: skip
    storage = kinds.get(create.get_layout(), "elsewhere")
    if create.get_external_count():
        storage = "elsewhere"
    return {
        "type": base64.b64encode(handle.get_type().encode()).decode(),
        "dims": None if is_null else list(item.shape),
        "storage": storage,
        "offset": handle.get_offset() if storage == "contiguous" else None,
        "stored": handle.get_storage_size(),
    }


def _plain(value: Any) -> Any:
    """Texts, whole numbers and lists of texts; None for others."""
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()
    if isinstance(value, (str, bytes)):
        return _text(value)
    if isinstance(value, int):
        return value
    if isinstance(value, list) and all(isinstance(part, (str, bytes)) for part in value):
        return [_text(part) for part in value]
    return None


def _text(value: str | bytes) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text.encode("utf-8", "replace").decode("utf-8", "replace")


def found_at(file: Any, path: str, address: int) -> Any:
    """The data set at ``path``. Raises LookupError unless it is the object at ``address``.

    Part by part, as ``tree.find`` does: h5py would split a name with a slash in it, and follow
    links to other files.
    """
    import h5py

    def parts_of(text: bytes) -> list[bytes]:
        return [part for part in reversed(text.split(b"/")) if part not in (b"", b".")]

    parts = parts_of(path.encode("utf-8", "surrogateescape"))
    root = here = h5py.h5g.open(file.id, b"/")
    hops = 0
    while parts:
        if not isinstance(here, h5py.h5g.GroupID):
            raise LookupError("a part of the path is no group")
        name = parts.pop()
        kind = here.links.get_info(name).type
        if kind == h5py.h5l.TYPE_HARD:
            here = h5py.h5o.open(here, name)
            continue
        hops += 1
        if kind != h5py.h5l.TYPE_SOFT or hops > _MOST_HOPS:
            raise LookupError("a part of the path is a link that is not followed")
        target = here.links.get_val(name)
        here = root if target.startswith(b"/") else here
        parts += parts_of(target)
    if not isinstance(here, h5py.h5d.DatasetID) or h5py.h5o.get_info(here).addr != address:
        raise LookupError("the path leads to something else")
    return here


def values(file: Any, path: str, address: int, dims: list[int], most: int) -> bytes:
    """An array's elements in a row in the file's byte order; texts behind their lengths."""
    import h5py
    import numpy as np

    handle = found_at(file, path, address)
    create = handle.get_create_plist()
    here = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
    if create.get_layout() not in here or create.get_external_count():
        raise LookupError("keeps its data in another file, which is not read")
    if list(handle.shape) != dims:
        raise LookupError("the data set has another shape")
    item = h5py.Dataset(handle)
    if item.size * max(item.dtype.itemsize, 1) > most:
        raise TooMuch("takes more memory than it may")
    array = np.asarray(item[()], dtype=object if item.dtype == object else None)
    if array.dtype == object:
        parts = []
        for part in array.ravel():
            data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogateescape")
            parts.append(len(data).to_bytes(4, "little") + data)
        return b"".join(parts)
    return array.astype(item.dtype, copy=False).tobytes()


def _alone() -> None:
    """From here on nothing can be opened: whatever a file names, it is not read."""
    import codecs
    import resource

    for name in ("ascii", "latin-1", "utf-8"):  # Python opens these when it first meets them
        codecs.lookup(name)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _bounded(seconds: float, memory: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, bound in ((resource.RLIMIT_CPU, int(seconds) + 1), (resource.RLIMIT_AS, memory)):
        _, hard = resource.getrlimit(kind)
        least = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (least, hard))


def main() -> int:
    task = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = task["path"]
    _bounded(task["seconds"], task["memory"])
    try:
        import h5py
        import numpy  # noqa: F401
    except ImportError:
        return _refused("h5py is not installed", "missing")
    try:
        opened = Bytes(task["descriptor"], task["offset"], task["size"])
        with h5py.File(opened, "r") as file:
            _alone()
            if "dataset" in task:
                wanted = (task[name] for name in ("dataset", "address", "dims", "most"))
                data = values(file, *wanted)
            else:
                data = json.dumps(describe(file, task["wanted"])).encode()
    except TooMuch as error:
        return _refused(str(error), "limit")
    except MemoryError:
        return _refused("needs more memory than it may take", "limit")
    except Exception as error:  # h5py raises many kinds for damaged files
        return _refused(str(error), "damaged")
    with os.fdopen(1, "wb", closefd=False) as out:
        out.write(b"+" + data)
    return 0


def _refused(text: str, kind: str) -> int:
    answer = json.dumps({"kind": kind, "text": text[:2000]})
    os.write(1, b"-" + answer.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
