"""A side of a verification that the TFLite interpreter runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migrator.runtime.client import Child


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteSide:
    """A signature of a TFLite file. ``inputs`` and ``outputs`` map this verification's names to
    the signature's own."""

    path: str
    signature: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def start(self, child: Child, cases: Path, results: Path) -> None:
        """Hand the run over to ``child``."""
        child.start(
            "run_tflite",
            path=self.path,
            signature=self.signature,
            inputs=dict(self.inputs),
            outputs=dict(self.outputs),
            cases=str(cases),
            results=str(results),
        )
