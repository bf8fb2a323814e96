"""Results run on a fixture's cases: what TensorFlow 1 gave must come out, by either loader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migrator.arrays import load_arrays, save_arrays
from migrator.migration.record import MigrationRecord
from migrator.model.tensors import TensorSpec
from migrator.runtime.client import Child
from migrator.verification.compare import compare_arrays

from .conftest import Fixture

PARTS = ("values", "indices", "dense_shape")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The cases of one signature. ``inputs`` and ``outputs``: name in the cases -> tensor."""

    key: str
    file: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def dense(specs: Mapping[str, TensorSpec]) -> dict[str, str]:
    """Name -> tensor; of a sparse tensor three, named as in the cases."""
    found = {}
    for name, spec in specs.items():
        if spec.encoding == "sparse":
            pairs = zip(PARTS, spec.parts, strict=True)
            found |= {f"{name}/{part}": tensor for part, tensor in pairs}
        else:
            found[name] = spec.tensor
    return found


def replay(
    runner: Child,
    dest: Path,
    record: MigrationRecord,
    fixture: Fixture,
    given: Replay,
    *,
    loader: str = "tf2",
    fresh: int = 0,
    folder: Path,
) -> None:
    """Run the cases on the result and compare. ``fresh`` numbers loads that share no state."""
    signature = record.signatures[given.key]
    names = {}
    for kind, theirs, ours in (
        ("inputs", given.inputs, signature.inputs),
        ("outputs", given.outputs, signature.outputs),
    ):
        own = {item.tensor: name for name, item in ours.items()}
        names[kind] = {name: own[tensor] for name, tensor in theirs.items()}
    cases = fixture.cases(given.file)
    assert cases
    arrays = {
        f"{case}/{name}": value
        for case, sides in cases.items()
        for name, value in sides["in"].items()
    }
    save_arrays(folder / "cases.npz", arrays)
    outcome = runner.run(
        "run_saved_model",
        # Another spelling of the path is another model to what a child keeps loaded.
        path=str(dest) + "/." * fresh,
        tags=["serve"],
        signature=given.key,
        **names,
        loaders=[loader],
        cases=str(folder / "cases.npz"),
        results=str(folder / "results.npz"),
    )
    assert outcome["errors"] == {}
    found = load_arrays(folder / "results.npz")
    tolerance = fixture.about.get("tolerance") or {}
    for case, sides in cases.items():
        assert sides["out"]
        for name, expected in sides["out"].items():
            compared = compare_arrays(
                expected,
                found[f"{case}/{name}"],
                rtol=tolerance.get("rtol", 1e-5),
                atol=tolerance.get("atol", 1e-6),
            )
            assert compared.verdict != "mismatch", (given.key, loader, case, name, compared)
