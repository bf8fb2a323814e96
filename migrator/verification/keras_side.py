"""The side of a verification that Keras itself runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migrator.runtime.client import Child


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasSide:
    """A Keras model, called in inference mode. ``inputs`` and ``outputs`` map this verification's
    names to those of the signature that ``export_keras`` gives the model."""

    path: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def start(self, child: Child, cases: Path, results: Path) -> None:
        """Hand the run over to ``child``."""
        child.start(
            "run_keras",
            path=self.path,
            inputs=dict(self.inputs),
            outputs=dict(self.outputs),
            cases=str(cases),
            results=str(results),
        )
