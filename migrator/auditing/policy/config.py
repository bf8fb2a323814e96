"""``migrator.toml``, or ``[tool.migrator]`` of a pyproject.toml: the audit's options as a file.

The keys are those of the command line. The file is looked for in the working directory and above
it, never in the models' folders: what is audited shall not say how.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator.auditing.discovery.globs import anchored
from migrator.auditing.policy.gate import parse_gate
from migrator.auditing.policy.selection import faults_in
from migrator.errors import UsageError, did_you_mean
from migrator.migration.spec import load_toml

OWN = "migrator.toml"
SHARED = "pyproject.toml"
_MOST_BYTES = 4 << 20
_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """What a configuration file says; None and empty where it is silent."""

    path: str = ""
    """The file; empty where there is none."""
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    fail_on: tuple[str, ...] | None = None
    deep: bool | None = None
    strict: bool | None = None
    jobs: int | None = None
    timeout: float | None = None
    baseline: str | None = None
    """Taken from the file's folder."""
    exclude: tuple[str, ...] | None = None
    """Patterns with ``/`` are taken from the file's folder."""
    per_path_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def keeps_back(self) -> bool:
        """Whether it can keep a finding from being told."""
        return bool(
            self.select or self.ignore or self.exclude or self.per_path_ignores or self.baseline
        )


def find_config(start: str | os.PathLike[str] = ".") -> AuditConfig:
    """The configuration that holds in folder ``start``: its own or the nearest above it.

    In one folder ``migrator.toml`` comes first; a pyproject.toml counts where it has the table
    ``tool.migrator``. Raises what ``read_config`` does.
    """
    folder = Path(os.path.abspath(start))
    for place in (folder, *folder.parents):
        if _is_file(place / OWN):
            return read_config(place / OWN)
        if _is_file(place / SHARED) and _has_table(place / SHARED):
            return read_config(place / SHARED)
    return AuditConfig()


def read_config(path: str | os.PathLike[str]) -> AuditConfig:
    """Read one file: the table ``tool.migrator`` of a pyproject.toml, or all of another.

    Raises UsageError that names every fault: keys that are none, values of a wrong type, rules
    that do not exist.
    """
    where = os.fspath(path)
    try:
        found = load_toml(_text(where))
        if os.path.basename(where) == SHARED:
            found = _shared_table(found)
    except UsageError as error:
        hint = error.hint or "--no-config goes without it"
        raise UsageError(error.what, where=where, hint=hint) from None
    config, faults = _parse(found, where)
    if faults:
        shown = faults[:_MOST_FAULTS]
        more = [f"and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
        count = f"{len(faults)} faults: " if len(faults) > 1 else ""
        raise UsageError(count + "; ".join([*shown, *more]), where=where)
    return config


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _text(where: str) -> str:
    try:
        if os.path.exists(where) and not os.path.isfile(where):
            raise UsageError("is not a file")
        with open(where, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the path
        raise UsageError(f"is not a path: {error}") from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"holds more than {_MOST_BYTES:,} bytes, so it is no configuration")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"is not UTF-8 (byte {error.start})") from None


def _has_table(path: Path) -> bool:
    """True for a file with our table; where it cannot be parsed, if it speaks of us at all."""
    try:
        text = _text(os.fspath(path))
    except UsageError:
        return False
    if "migrator" not in text:
        return False
    try:
        found = load_toml(text)
    except UsageError:
        return "tool.migrator" in text
    tool = found.get("tool")
    return isinstance(tool, dict) and "migrator" in tool


def _shared_table(found: Any) -> Any:
    tool = found.get("tool", {})
    if not isinstance(tool, dict) or "migrator" not in tool:
        raise UsageError("has no table [tool.migrator]")
    return tool["migrator"]


def _parse(table: Any, where: str) -> tuple[AuditConfig, list[str]]:
    """The configuration, and all that is wrong with it."""
    if not isinstance(table, dict):
        return AuditConfig(), ["tool.migrator: expected a table"]
    folder = os.path.dirname(os.path.abspath(where))
    values: dict[str, Any] = {}
    faults = []
    for key, value in table.items():
        if key not in _KEYS:
            near = did_you_mean(key, _KEYS) or f"keys: {', '.join(_KEYS)}"
            faults.append(f"there is no key {key!r}; {near}")
            continue
        try:
            values[key.replace("-", "_")] = _KEYS[key](value, folder)
        except _Faults as error:
            faults += [f"{key}: {fault}" for fault in error.faults]
    return AuditConfig(path=where, **values), faults


class _Faults(Exception):
    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults


def _wrong(value: Any, expected: str) -> _Faults:
    return _Faults(f"{reprlib.repr(value)}; expected {expected}")


def _flag(value: Any, folder: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value, "true or false")
    return value


def _count(value: Any, folder: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(value, "a number, one or more")
    return value


def _seconds(value: Any, folder: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < float("inf"):
        raise _wrong(value, "seconds above zero")
    return float(value)


def _words(value: Any, what: str) -> tuple[str, ...]:
    """A list of texts; one text may hold several with commas, as on the command line."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise _wrong(value, f"a list of {what}")
    return tuple(word.strip() for item in listed for word in item.split(",") if word.strip())


def _rules(value: Any, folder: str) -> tuple[str, ...]:
    words = _words(value, 'rules, such as ["S101", "health"]')
    faults = faults_in(words)
    if faults:
        raise _Faults(*map(str, faults))
    return words


def _gate(value: Any, folder: str) -> tuple[str, ...]:
    words = _words(value, 'words, such as ["high", "blocked"]')
    try:
        parse_gate(words)
    except UsageError as error:
        raise _Faults(str(error)) from None
    return words


def _patterns(value: Any, folder: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise _wrong(value, "a list of patterns")
    return tuple(anchored(item, folder) for item in value)


def _file(value: Any, folder: str) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(value, "a path")
    return os.path.join(folder, value)


def _ignores(value: Any, folder: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise _wrong(value, "a table of patterns and lists of rules")
    found = {}
    faults: list[str] = []
    for pattern, rules in value.items():
        try:
            found[anchored(pattern, folder)] = _rules(rules, folder)
        except _Faults as error:
            faults += [f"{pattern!r}: {fault}" for fault in error.faults]
        if not pattern:
            faults.append("'': an empty pattern fits nothing")
    if faults:
        raise _Faults(*faults)
    return found


_KEYS: Mapping[str, Callable[[Any, str], Any]] = {
    "select": _rules,
    "ignore": _rules,
    "fail-on": _gate,
    "deep": _flag,
    "jobs": _count,
    "timeout": _seconds,
    "strict": _flag,
    "baseline": _file,
    "exclude": _patterns,
    "per-path-ignores": _ignores,
}
