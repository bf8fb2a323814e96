"""The two sides of a verification: how each is run, and what its tensors are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator.runtime.client import Child


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSide:
    """A GraphDef, run in a TensorFlow 1 session.

    ``feeds`` and ``fetches`` are name -> tensor, ``dtypes`` name -> type of a feed; ``fixed``
    values by tensor name are fed in every case; ``fallback`` is a smaller GraphDef, without the
    nodes of its inputs, for when TensorFlow refuses the whole one.
    """

    path: str
    feeds: Mapping[str, str]
    dtypes: Mapping[str, str]
    fetches: Mapping[str, str]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fallback: str | None = None

    def start(self, child: Child, cases: Path, results: Path) -> None:
        """Hand the run over to ``child``."""
        from migrator.arrays import save_arrays

        fixed = None
        if self.fixed:
            fixed = results.with_name(f"fixed-{results.name}")
            save_arrays(fixed, self.fixed)
        child.start(
            "run_graph",
            graph=self.path,
            fallback=self.fallback,
            feeds=dict(self.feeds),
            dtypes=dict(self.dtypes),
            fetches=dict(self.fetches),
            fixed=str(fixed) if fixed else None,
            cases=str(cases),
            results=str(results),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModelSide:
    """A signature of a SavedModel. ``inputs`` and ``outputs`` map this verification's names to
    the signature's own. ``loaders`` are tried in turn, ``tf2`` and ``tf1``."""

    path: str
    signature: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    tags: tuple[str, ...] | None = None
    loaders: tuple[str, ...] = ("tf2",)

    def start(self, child: Child, cases: Path, results: Path) -> None:
        """Hand the run over to ``child``."""
        child.start(
            "run_saved_model",
            path=self.path,
            tags=None if self.tags is None else list(self.tags),
            signature=self.signature,
            inputs=dict(self.inputs),
            outputs=dict(self.outputs),
            loaders=list(self.loaders),
            cases=str(cases),
            results=str(results),
        )


Side = GraphSide | SavedModelSide
