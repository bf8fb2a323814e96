"""Asking h5py in a process of its own, and believing nothing that it says."""

from __future__ import annotations

import base64
import io
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.hdf5.tree import (
    LISTED_ATTRIBUTES,
    PLAIN_ATTRIBUTES,
    Attribute,
    Dataset,
    External,
    Group,
    Link,
    Soft,
)
from migrator.formats.hdf5.types import element_type
from migrator.formats.hdf5.walk import MOST_TEXT, Hdf5File
from migrator.limits import DEFAULT_LIMITS, TRUST_HINT, Limits
from migrator.places.python_file import SourceFile
from migrator.places.source import ByteSource

_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_MEMORY = 4 << 30
"""Address space that h5py itself may take: libraries and their threads reserve much."""
_PART = 1 << 20
_COPIED = 4 << 20
STORAGES = ("contiguous", "inline", "chunked", "elsewhere")
WANTED = {
    "plain": list(PLAIN_ATTRIBUTES),
    "listed": list(LISTED_ATTRIBUTES),
    "text": MOST_TEXT,
}


def describe(source: ByteSource, limits: Limits) -> Hdf5File:
    """What ``walk`` gives, as h5py reads it.

    Raises FormatError for what h5py refuses, crashes on or never ends with, LimitError,
    MigratorError where there is no h5py.
    """
    task = {"wanted": {**WANTED, "objects": limits.variables}}
    data = _ask(source, limits, task, most=limits.skeleton_bytes, memory=_MEMORY)
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise FormatError("h5py's answer is cut off", where=source.name) from None
    return Hdf5File(root=tree_of(said, source), warnings=(), heap=None)


def describe_here(source: ByteSource, limits: Limits = DEFAULT_LIMITS) -> Hdf5File:
    """``describe`` in this process, which HDF5's library may hang or end."""
    from migrator.formats.hdf5 import child

    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise _missing(source.name) from None
    opened = io.BufferedReader(SourceFile(source), _PART)
    try:
        with h5py.File(opened, "r") as file:
            said = child.describe(file, {**WANTED, "objects": limits.variables})
    except MigratorError:
        raise
    except child.TooMuch as error:
        raise LimitError(str(error), where=source.name) from None
    except Exception as error:  # h5py raises many kinds for damaged files
        raise FormatError(
            f"cannot be read as HDF5: {ascii(str(error))[1:-1]}", where=source.name
        ) from None
    return Hdf5File(root=tree_of(said, source), warnings=(), heap=None)


def _missing(where: str) -> MigratorError:
    return MigratorError(
        "is HDF5 of a kind that takes h5py, which is not installed",
        where=where,
        hint="pip install h5py",
    )


def fetch(source: ByteSource, path: str, item: Dataset, limits: Limits) -> bytes:
    """The elements of a data set in a row, in the file's byte order, by h5py. Raises MigratorError.

    Texts of any length stand behind their lengths, four bytes each.
    """
    most = limits.tensor_bytes
    count = 1
    for size in item.dims or ():
        count *= size
    expected = count * max(item.type.size, 1)
    task = {"dataset": path, "address": item.address, "dims": list(item.dims or ()), "most": most}
    return _ask(source, limits, task, most=most, memory=_MEMORY + 4 * expected, where=path)


def tree_of(said: Any, source: ByteSource) -> Group:
    """The tree that ``child.describe`` gives. Raises FormatError for one that makes no sense."""
    try:
        objects = said["objects"]
        made: list[Group | Dataset] = [_object(item, source) for item in objects]
        for item, group in zip(objects, made, strict=True):
            if isinstance(group, Group):
                links: Any = group.links
                for name, link in item["links"].items():
                    links[name] = _link(link, made)
        root = made[0]
    except (AttributeError, LookupError, TypeError, ValueError):
        raise FormatError("h5py's answer makes no sense", where=source.name) from None
    if not isinstance(root, Group):
        raise FormatError("its root is no group", where=source.name)
    return root


def _object(item: Any, source: ByteSource) -> Group | Dataset:
    attrs: dict[str, Attribute] = {}
    for name, value in item["attrs"].items():
        attrs[str(name)] = (
            tuple(str(part) for part in value)
            if isinstance(value, list)
            else value
            if isinstance(value, int)
            else str(value)
        )
    if "links" in item:
        return Group(attrs=attrs, links={})
    storage, offset, stored, dims = item["storage"], item["offset"], item["stored"], item["dims"]
    if storage not in STORAGES or not isinstance(stored, int) or stored < 0:
        raise ValueError("no storage")
    if offset is not None and not (isinstance(offset, int) and 0 <= offset <= source.size):
        raise ValueError("no offset")
    if dims is not None and not all(isinstance(size, int) and size >= 0 for size in dims):
        raise ValueError("no shape")
    address = item["address"]
    if not isinstance(address, int) or address < 0:
        raise ValueError("no address")
    # What h5py gives is the message with two bytes in front; see H5Tencode.
    kind = element_type(base64.b64decode(item["type"])[2:])
    if storage == "contiguous" and offset is None:
        storage = "chunked"  # never written, or in a way that only h5py knows: it gives the values
    if storage == "inline":
        storage = "chunked"
    return Dataset(
        type=kind,
        dims=None if dims is None else tuple(dims),
        storage=storage,
        address=address,
        offset=offset,
        stored=stored,
        attrs=attrs,
    )


def _link(link: Any, made: list[Group | Dataset]) -> Link:
    if link is None:
        return None
    if isinstance(link, list):
        if len(link) == 1:
            return Soft(target=str(link[0]))
        return External(file=str(link[0]), target=str(link[1]))
    if not isinstance(link, int) or link < 0:
        raise ValueError("no link")
    return made[link]


def _ask(
    source: ByteSource,
    limits: Limits,
    task: dict[str, Any],
    *,
    most: int,
    memory: int,
    where: str = "",
) -> bytes:
    shown = f"{source.name}: {ascii(where)[1:-1][:300]}" if where else source.name
    with _opened(source, limits) as (descriptor, offset):
        order = {
            **task,
            "path": [os.path.abspath(part) for part in sys.path],
            "descriptor": descriptor,
            "offset": offset,
            "size": source.size,
            "seconds": limits.seconds,
            "memory": memory,
        }
        answer, code = _run(order, descriptor, limits.seconds, most, shown)
    if answer[:1] == b"+" and code == 0:
        return answer[1:]
    if answer[:1] == b"-":
        _refuse(answer[1:], shown)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    raise FormatError(f"cannot be read as HDF5: its library died of it ({how})", where=shown)


def _refuse(answer: bytes, where: str) -> None:
    try:
        said = json.loads(answer)
        kind, text = str(said["kind"]), ascii(str(said["text"]))[1:-1]
    except (ValueError, KeyError, TypeError):
        return
    if kind == "missing":
        raise _missing(where)
    if kind == "limit":
        raise LimitError(text, where=where, hint=TRUST_HINT)
    raise FormatError(f"cannot be read as HDF5: {text}", where=where)


@contextmanager
def _opened(source: ByteSource, limits: Limits) -> Iterator[tuple[int, int]]:
    """A descriptor of a file on disk that holds the bytes, and where; a copy where none does."""
    place = source.on_disk(0) if source.size else None
    descriptor = None if place is None else place.source.descriptor()
    if place is not None and descriptor is not None:
        yield descriptor, place.offset
        source.check_same()
        return
    limits.check("decompressed_bytes", source.size, where=source.name)
    with tempfile.TemporaryFile() as copy:
        for at in range(0, source.size, _COPIED):
            copy.write(source.read(at, min(_COPIED, source.size - at)))
        copy.flush()
        yield copy.fileno(), 0


def _run(
    order: dict[str, Any], descriptor: int, seconds: float, most: int, where: str
) -> tuple[bytes, int]:
    """The child's answer, and its exit code. Raises LimitError past the time or the size."""
    # One thread: those of numpy's linear algebra take address space, and nobody needs them.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("HDF5_PLUGIN_PATH", None)
    environment["HDF5_PLUGIN_PRELOAD"] = "::"  # no filters from elsewhere
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env=environment,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        with child.stdin as out:
            out.write(json.dumps(order).encode() + b"\n")
    except BrokenPipeError:
        pass  # it is dead, and its exit code says how
    try:
        answer = _read(child.stdout, time.monotonic() + seconds, most, where)
        return answer, child.wait(timeout=max(1.0, seconds))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise LimitError(
            f"takes HDF5's library longer than the limit of {seconds:g} seconds",
            where=where,
            hint=TRUST_HINT,
        ) from None
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        child.stdout.close()


def _read(pipe: IO[bytes], until: float, most: int, where: str) -> bytes:
    parts: list[bytes] = []
    total = 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left = until - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError
            part = os.read(pipe.fileno(), _PART)
            if not part:
                return b"".join(parts)
            parts.append(part)
            total += len(part)
            if total > most + 1:
                raise LimitError(
                    f"gives more than the limit of {most:,} bytes", where=where, hint=TRUST_HINT
                )
