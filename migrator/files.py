"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from migrator.errors import DestinationError
from migrator.interrupts import held_back

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_TAKEN = frozenset((errno.EEXIST, errno.ENOTEMPTY))
_SWAPS = 20
"""So often is a swap tried again that another process got in the way of."""

_working: set[Path] = set()


def write_whole(target: Path, content: str | bytes) -> None:
    """Write beside ``target``, then rename. Raises DestinationError where that cannot be done.

    A device or a pipe is written to: root, who may, would put a file in the place of /dev/null.
    """
    if is_stream(target):
        try:
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        except OSError as error:
            raise _cannot_be_written(error, target) from None
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except (OSError, ValueError) as error:
        raise _cannot_be_written(error, target) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        _as_new_file(Path(name))
        os.replace(name, target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _cannot_be_written(error, target) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_full(error: OSError) -> bool:
    """True where a disk, a quota or the size of a file is used up."""
    return error.errno in _FULL


def is_stream(target: Path) -> bool:
    """Whether ``target`` takes what is written and keeps nothing: a terminal, a pipe, /dev/null.

    Raises DestinationError for a disk, which nobody means.
    """
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        return False
    if stat.S_ISBLK(mode):
        raise DestinationError("is a disk", where=str(target), hint="name a file")
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def open_regular(path: str | os.PathLike[str], *, follow: bool = True) -> BinaryIO:
    """A file to be read; whoever put a pipe or a device there does not have us wait for it.

    Without ``follow`` not by a link. Raises OSError, also for what is no regular file.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", os.fspath(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_writable(target: Path) -> None:
    """Raise DestinationError where ``write_whole`` would, as far as that can be known before."""
    if target.is_dir():
        raise DestinationError("is a folder", where=str(target), hint="name a file")
    if is_stream(target):
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        os.unlink(name)
    except (OSError, ValueError) as error:
        raise _cannot_be_written(error, target) from None


def _cannot_be_written(error: OSError | ValueError, target: Path) -> DestinationError:
    why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    full = isinstance(error, OSError) and error.errno in _FULL
    hint = "make room there, or write to another disk" if full else ""
    return DestinationError(f"cannot be written: {why}", where=str(target), hint=hint)


def _as_new_file(path: Path) -> None:
    """mkstemp makes private files; give the mode that open() would have given."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def is_taken(target: Path) -> bool:
    """True where something is at ``target``. Raises DestinationError for a path that is none."""
    try:
        return os.path.lexists(target) or target.exists()
    except (OSError, ValueError) as error:
        raise _cannot_be_written(error, target) from None


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A working folder on the file system of ``target``, gone at the end whatever happens.

    Folders that had to be made for it go too, unless something is in them by then. Raises
    DestinationError where no folder can be made there, or the disk is full when it is used.
    """
    with _made_parents(target):
        try:
            folder = _new_folder(prefix=f".{target.name[:80]}.", suffix=".part", dir=target.parent)
        except (OSError, ValueError) as error:
            raise _cannot_be_written(error, target) from None
        with _removed(folder):
            try:
                yield folder
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                raise _cannot_be_written(error, target) from None


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder among the system's temporary ones, gone at the end whatever happens."""
    with _removed(_new_folder(prefix="migrator-")) as folder:
        yield folder


def new_temporary_folder(prefix: str = "migrator-") -> Path:
    """The same for who calls ``remove_folder`` in the end; the end of the process does else."""
    return _new_folder(prefix=prefix)


def remove_folder(folder: Path) -> None:
    """Remove it with all that is in it, as far as the system lets us."""
    with held_back():
        shutil.rmtree(folder, ignore_errors=True)
        _working.discard(folder)


def _new_folder(*, prefix: str, suffix: str = "", dir: Path | None = None) -> Path:
    with held_back():
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=dir))
        _working.add(folder)
    return folder


@contextmanager
def _removed(folder: Path) -> Iterator[Path]:
    try:
        yield folder
    finally:
        remove_folder(folder)


@contextmanager
def _made_parents(target: Path) -> Iterator[None]:
    """The folders that ``target`` is to be in; made ones go again where they stay empty."""
    made = []
    try:
        for folder in (target.parent, *target.parent.parents):
            if folder.exists():
                break
            made.append(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        _remove_empty(made)
        raise _cannot_be_written(error, target) from None
    try:
        yield
    finally:
        _remove_empty(made)


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


@atexit.register
def _remove_forgotten() -> None:
    """Folders whose owner was interrupted before it had them."""
    for folder in list(_working):
        remove_folder(folder)


def put_in_place(made: Path, target: Path, *, overwrite: bool) -> None:
    """Rename ``made``, a folder or a file, to ``target``; what stood there goes after that.

    Raises DestinationError where ``target`` exists without ``overwrite``.
    """
    try:
        if not is_taken(target) and _rename_new(made, target):
            return
        if not overwrite:
            raise exists(target)
        for _ in range(_SWAPS):
            if _swap(made, target):
                return
        raise DestinationError("is being replaced by others", where=str(target))
    except OSError as error:
        raise DestinationError(
            f"cannot be put in place: {error.strerror or error}", where=str(target)
        ) from None


def _rename_new(made: Path, target: Path) -> bool:
    """Rename; False where something came to be at ``target`` since we looked."""
    try:
        if made.is_dir():
            made.rename(target)  # refuses a folder that is not empty
            return True
        try:
            os.link(made, target)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            made.rename(target)
        return True
    except OSError as error:
        if error.errno in _TAKEN or is_taken(target):
            return False
        raise


def _swap(made: Path, target: Path) -> bool:
    """Put ``made`` where ``target`` stands; the old one comes back whatever interrupts.

    False where another process did so in the same moment.
    """
    with held_back():
        old = _new_folder(prefix=f".{target.name[:80]}.", suffix=".old", dir=target.parent)
        was, placed = old / "was", False
        try:
            with suppress(FileNotFoundError):
                target.rename(was)
            placed = _rename_new(made, target)
            return placed
        finally:
            if not placed and os.path.lexists(was):
                try:
                    _rename_new(was, target)
                except OSError:
                    _working.discard(old)  # better under a strange name than gone
                    raise
            remove_folder(old)


def exists(target: Path) -> DestinationError:
    """The error for a destination that is taken."""
    return DestinationError(
        "exists already", where=str(target), hint="add --overwrite to replace it"
    )
