"""What the tests with TensorFlow share: fixtures, cases, and a child that runs results."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.runtime.client import Child
from migrator.runtime.forks import warm_tensorflow

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.tensorflow)


@dataclass(frozen=True)
class Fixture:
    """One folder of fixtures with what its fixture.json says."""

    folder: Path
    about: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def model(self) -> Path:
        return self.folder / self.about["model"]

    def options(self) -> dict[str, list[str]]:
        """What a user has to add: feeds, and the endpoints where nobody could tell them, or
        where only a cut of the graph works."""
        feeds = [f"{name}={json.dumps(value)}" for name, value in self.about["feeds"].items()]
        unclear = self.about.get("refused") or self.about.get("misleading")
        if self.about["decidable"] and not unclear:
            return {"feeds": feeds}
        named = {
            side: [f"{name}={tensor}" for name, tensor in self.about[side].items()]
            for side in ("inputs", "outputs")
        }
        return {"feeds": feeds, **named}

    def cases(self, file_name: str = "cases.npz") -> dict[str, dict[str, dict[str, Any]]]:
        """case -> "in" | "out" -> name -> array, as TensorFlow 1 itself gave them."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        with np.load(self.folder / file_name) as file:
            for key in file.files:
                case, side, name = key.split("/", 2)
                value = file[key]
                encoding = self.about["encodings"].get(name)
                # The same name may belong to numbers elsewhere.
                if encoding == "bytes" and value.dtype == np.uint8:
                    value = np.array(value.tobytes(), dtype=object)
                elif encoding == "bytes_array" and value.dtype.kind == "S":
                    value = value.astype(object)
                found.setdefault(case, {"in": {}, "out": {}})[side][name] = value
        return found


def load_fixture(name: str) -> Fixture:
    folder = FIXTURES / name
    return Fixture(folder, json.loads((folder / "fixture.json").read_text()))


def frozen_fixtures() -> list[str]:
    """Names of the frozen graphs that run."""
    found = []
    for file in sorted(FIXTURES.glob("*/*/fixture.json")):
        about = json.loads(file.read_text())
        if about["kind"] == "graph_def" and about["runs"]:
            found.append(f"{file.parent.parent.name}/{file.parent.name}")
    return found


@pytest.fixture(scope="module")
def warm() -> Iterator[None]:
    """TensorFlow is imported once for all migrations of a module that asks for this."""
    with warm_tensorflow():
        yield


@pytest.fixture(scope="module")
def runner() -> Iterator[Child]:
    """A child with TensorFlow that runs one result after the other."""
    with Child() as child:
        yield child


def real_models() -> Any:
    """The module scripts/real_models.py."""
    spec = importlib.util.spec_from_file_location("real_models", ROOT / "scripts/real_models.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["real_models"] = module
    spec.loader.exec_module(module)
    return module
