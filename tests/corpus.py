"""The table of fixtures: what lies in ``fixtures/`` and what its makers say is true of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from migrator.formats.load import load
from migrator.model.model import Model

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One fixture. ``record`` is its fixture.json (see fixtures/README.md)."""

    name: str
    folder: Path
    record: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> str:
        return str(self.record["kind"])

    @property
    def made_by(self) -> str:
        """The TensorFlow release."""
        return str(self.record["made_with"]["tensorflow"])

    @property
    def path(self) -> Path:
        """What a user would name: the file, or the SavedModel's folder."""
        return self.folder / str(self.record["model"])

    @property
    def file(self) -> Path:
        """The model file itself."""
        return self.path / "saved_model.pb" if self.path.is_dir() else self.path

    @property
    def inputs(self) -> dict[str, str]:
        return dict(self.record["inputs"])

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.record["outputs"])

    @property
    def feeds(self) -> dict[str, Any]:
        return dict(self.record["feeds"])

    @property
    def refused(self) -> str:
        """The code of what blocks the graph as a whole; empty for most. ``inputs`` and
        ``outputs`` are then those of the cut that works.
        """
        return str(self.record.get("refused", ""))

    @property
    def random(self) -> tuple[str, ...]:
        """Names of the outputs that differ from run to run; the cases leave them out."""
        return tuple(self.record.get("random", ()))

    @property
    def described(self) -> list[dict[str, Any]]:
        """What inspect must find, one for each meta graph."""
        found = self.record["inspect"]
        return list(found) if isinstance(found, list) else [found]

    def model(self) -> Model:
        """The fixture as a Model, read once for all tests."""
        return _loaded(self.path)


@cache
def _loaded(path: Path) -> Model:
    return load(path)


def _read(record: Path) -> Sample:
    name = record.parent.relative_to(FIXTURES).as_posix()
    return Sample(name=name, folder=record.parent, record=json.loads(record.read_text()))


SAMPLES = tuple(_read(record) for record in sorted(FIXTURES.glob("*/*/fixture.json")))
_GRAPHS = tuple(sample for sample in SAMPLES if sample.kind == "graph_def")
REFUSED = tuple(sample for sample in _GRAPHS if sample.refused)
"""Frozen graphs that cannot be migrated whole: by the cut that their record names."""
NAMED = tuple(sample for sample in _GRAPHS if sample.record.get("misleading"))
"""Frozen graphs whose owner wants other endpoints than the graph suggests: name them."""
FROZEN = tuple(sample for sample in _GRAPHS if sample not in REFUSED + NAMED)
SAVED = tuple(sample for sample in SAMPLES if sample.kind == "saved_model")
META = tuple(sample for sample in SAMPLES if sample.kind == "meta_graph")
HUB = tuple(sample for sample in SAMPLES if sample.kind == "hub_module")
KERAS = tuple(sample for sample in SAMPLES if sample.kind.startswith("keras"))
PROTOBUF = FROZEN + REFUSED + NAMED + SAVED
"""Everything that `load` reads today."""
_newest = {
    sample.folder.name: sample
    for sample in sorted(PROTOBUF, key=lambda item: item.made_by == "1.15.5")
}
FUZZED = tuple(
    sample
    for sample in PROTOBUF
    if _newest.get(sample.folder.name, sample) is sample
    and sample.file.stat().st_size < 80_000
    and not sample.folder.name.startswith(("names_", "random_", "refused_"))
)
"""One of each structure, small enough to be read some hundred times."""
DTYPE_SETS = tuple(sorted((FIXTURES / "dtypes").glob("tensors-*.pb")))


def sample(name: str) -> Sample:
    """The fixture called ``name``, such as ``tf1.15.5/mlp``."""
    return next(item for item in SAMPLES if item.name == name)
