"""What can stand on a side of a verification. Each knows the child task that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from migrator.runtime.client import Child

GRAPH_DEF, SAVED_MODEL, META_GRAPH = "graph_def", "saved_model", "meta_graph"


class Side(Protocol):
    """A model that a child can run on cases. ``path`` is for messages."""

    @property
    def path(self) -> str: ...

    def start(self, child: Child, cases: Path, results: Path) -> None:
        """Hand the run over to ``child``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSide:
    """A model in a TensorFlow 1 session, called by tensor names.

    ``feeds`` and ``fetches`` are name -> tensor, ``dtypes`` name -> type of what is fed; ``fixed``
    holds arrays by tensor that are fed in every case. ``kind`` says what ``path`` is, and ``text``
    whether it is in protobuf's text format: a GraphDef
    (``fallback``: the planned graph, for one that TensorFlow does not import; ``stand_ins``:
    constants that are not in the file and come from variables), a SavedModel with ``tags``, or a
    meta graph with its ``checkpoint`` and ``files`` (tensor of a path -> where the file is now).
    """

    path: str
    feeds: Mapping[str, str]
    dtypes: Mapping[str, str]
    fetches: Mapping[str, str]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fallback: str | None = None
    kind: str = GRAPH_DEF
    text: bool = False
    tags: tuple[str, ...] = ()
    checkpoint: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    stand_ins: Sequence[Mapping[str, Any]] = ()

    def start(self, child: Child, cases: Path, results: Path) -> None:
        """Hand the run over to ``child``."""
        from migrator.arrays import save_arrays

        fixed = None
        if self.fixed:
            fixed = results.with_name(f"fixed-{results.name}")
            save_arrays(fixed, self.fixed)
        child.start(
            "run_graph",
            source={
                "kind": self.kind,
                "text": self.text,
                "path": self.path,
                "tags": list(self.tags),
                "checkpoint": self.checkpoint,
                "files": dict(self.files),
                "fallback": self.fallback,
                "stand_ins": [dict(row) for row in self.stand_ins],
            },
            feeds=dict(self.feeds),
            dtypes=dict(self.dtypes),
            fetches=dict(self.fetches),
            fixed=str(fixed) if fixed else None,
            cases=str(cases),
            results=str(results),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSide:
    """One signature of a plan, wrapped but not saved. ``task`` is what ``run_planned`` takes."""

    path: str
    task: Mapping[str, Any]

    def start(self, child: Child, cases: Path, results: Path) -> None:
        """Hand the run over to ``child``."""
        child.start("run_planned", **self.task, cases=str(cases), results=str(results))


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
