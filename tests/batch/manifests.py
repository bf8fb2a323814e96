"""Manifests for the tests: written to a file, read as a user would have them read."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.faults import Faults, ManifestError
from migrator.batching.manifest.reading import format_by_name, read_drafts
from migrator.batching.manifest.sources import read_entries

FORMATS = ["yaml", "toml", "csv", "jsonl"]


def read(path: Path, format: str = "") -> list[Entry]:
    """The entries of one manifest, whose files need not be there. Raises ManifestError."""
    faults = Faults()
    drafts = read_drafts(
        str(path), format or format_by_name(str(path)), faults, check=lambda key, name: ""
    )
    faults.check()
    return [draft.entry for draft in drafts]


def written(folder: Path, name: str, text: str) -> Path:
    """A manifest in ``folder``, beside a model ``m.pb`` that it may name."""
    (folder / "m.pb").touch()
    path = folder / name
    path.write_text(text, "utf-8", newline="")
    return path


def faults_in(folder: Path, name: str, text: str) -> list[str]:
    """What is wrong with a manifest: ``LINE: TEXT`` each, without its path."""
    path = written(folder, name, text)
    with pytest.raises(ManifestError) as caught:
        read_entries([path])
    assert caught.value.exit_code == 2
    return [fault.removeprefix(f"{path}:") for fault in caught.value.faults]
