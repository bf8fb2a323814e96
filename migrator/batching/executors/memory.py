"""Memory and processes as Linux tells of them; elsewhere nothing is known, and nothing bounded."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")
_UNBOUNDED = 1 << 60


def process_tree(root: int) -> list[int]:
    """``root`` and all that it started, directly or not, and that is alive."""
    children: dict[int, list[int]] = {}
    try:
        entries = os.listdir(_PROC)
    except OSError:
        return [root]
    for entry in entries:
        if entry.isdigit():
            parent = _parent(int(entry))
            children.setdefault(parent, []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, ())
    return found


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program stands in brackets, and may hold any.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return -1


def used_by(pids: Iterable[int], *, beyond: int = 0) -> int:
    """Bytes of memory that processes hold together, what they share counted once.

    Rough, and larger, where even the rough sum is not ``beyond``: telling shares is dear.
    """
    listed = list(pids)
    rough = sum(map(_resident, listed))
    return rough if rough <= beyond else sum(map(_proportional, listed))


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return _resident(pid)


def kill_all(pids: Iterable[int]) -> None:
    """End processes, and the groups that they lead."""
    ours = os.getpgid(0)
    for pid in pids:
        with contextlib.suppress(OSError):
            group = os.getpgid(pid)
            if group == pid and group != ours:
                os.killpg(group, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)


def available() -> int | None:
    """Bytes that can still be taken without swapping, by the machine and our control group."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # version 2
        bound = int((_GROUPS / "memory.max").read_text())
        found.append(bound - int((_GROUPS / "memory.current").read_text()) + _cache())
    with contextlib.suppress(OSError, ValueError):  # version 1
        old = _GROUPS / "memory"
        bound = int((old / "memory.limit_in_bytes").read_text())
        if bound < _UNBOUNDED:
            found.append(bound - int((old / "memory.usage_in_bytes").read_text()))
    return max(min(found), 0) if found else None


def _cache() -> int:
    """Of what our control group holds, the files that the system gives up when it must."""
    for line in (_GROUPS / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0


def cores() -> float:
    """Processors that we may use; less than there are where a control group says so."""
    if hasattr(os, "sched_getaffinity"):
        count = float(len(os.sched_getaffinity(0)))
    else:
        count = float(os.cpu_count() or 1)
    with contextlib.suppress(OSError, ValueError):
        quota, period = (_GROUPS / "cpu.max").read_text().split()
        count = min(count, int(quota) / int(period))  # "max" is no number
    return count


def killings() -> int:
    """How often the system ended a process here for want of memory, as far as it tells."""
    count = 0
    for file in (_PROC / "vmstat", _GROUPS / "memory.events"):
        with contextlib.suppress(OSError, ValueError):
            for line in file.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    count += int(value)
    return count


def offer_first() -> None:
    """Have the system end this process and its children before others when memory is out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, so that it can be found."""
    import ctypes
    import sys

    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
