"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.errors import DestinationError


def write_whole(target: Path, text: str) -> None:
    """Write beside ``target``, then rename. Raises DestinationError where that cannot be done."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise DestinationError(
            f"cannot be written: {error.strerror or error}", where=str(target)
        ) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        _as_new_file(Path(name))
        os.replace(name, target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise DestinationError(
            f"cannot be written: {error.strerror or error}", where=str(target)
        ) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _as_new_file(path: Path) -> None:
    """mkstemp makes private files; give the mode that open() would have given."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A working folder on the file system of ``target``, gone at the end whatever happens.

    Raises DestinationError where no folder can be made there.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise DestinationError(
            f"cannot be written: {error.strerror or error}", where=str(target)
        ) from None
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put_in_place(made: Path, target: Path, *, overwrite: bool) -> None:
    """Rename folder ``made`` to ``target``; what stood there goes only once that worked.

    Raises DestinationError where ``target`` exists without ``overwrite``.
    """
    try:
        if not (target.exists() or target.is_symlink()):
            made.rename(target)
            return
        if not overwrite:
            raise exists(target)
        _swap(made, target)
    except OSError as error:
        raise DestinationError(
            f"cannot be put in place: {error.strerror or error}", where=str(target)
        ) from None


def _swap(made: Path, target: Path) -> None:
    """Put ``made`` where ``target`` stands; the old one comes back whatever interrupts."""
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    try:
        target.rename(old / "was")
        made.rename(target)
    except BaseException:
        if (old / "was").exists() and not target.exists():
            (old / "was").rename(target)
        raise
    finally:
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)


def exists(target: Path) -> DestinationError:
    """The error for a destination that is taken."""
    return DestinationError(
        "exists already", where=str(target), hint="add --overwrite to replace it"
    )
