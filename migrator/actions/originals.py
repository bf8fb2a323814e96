"""A source of any format as the original of a migration: its plan, and how it itself is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.actions.keras import KerasExport, is_keras, keras_to_saved_model
from migrator.errors import UsageError
from migrator.formats.load import load_on_disk
from migrator.limits import Limits
from migrator.migration.options import Choice
from migrator.migration.plan import SERVING, Plan, SignaturePlan
from migrator.migration.planning import plan as make_plan
from migrator.model.model import Model, Source
from migrator.runtime.client import ChildLimits
from migrator.verification.sides import Side


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Original:
    """What is migrated. ``model`` holds its graph; ``keras`` is set where Keras exported that."""

    source: Source
    model: Model
    keras: KerasExport | None = None
    limits: Limits

    @property
    def peak_rss_bytes(self) -> int:
        return self.keras.peak_rss_bytes if self.keras else 0

    def plan(self, choice: Choice) -> Plan:
        """Plan it. Raises what ``plan`` raises."""
        plan = make_plan(self.model, choice=choice, limits=self.limits)
        if self.keras is None:
            return plan
        return replace(
            plan,
            source=self.source,
            steps=(*self.keras.steps, *plan.steps),
            notes=(*self.keras.notes, *plan.notes),
        )

    def side(self, signature: SignaturePlan) -> Side | None:
        """What runs a signature where it is no session on the graph."""
        if self.keras is None:
            return None
        found = self.model.meta_graphs[0].signatures[SERVING]
        names = [
            {spec.tensor: name for name, spec in specs.items()}
            for specs in (found.inputs, found.outputs)
        ]
        sides = (signature.inputs, signature.outputs)
        for known, items in zip(names, sides, strict=True):
            for item in items:
                if item.tensor not in known:
                    raise UsageError(
                        f"{item.tensor} is no input or output of the Keras model, so Keras cannot "
                        "be asked for it",
                        where=self.source.path,
                        hint="migrate what it exports, to name inner tensors",
                    )
        return replace(
            self.keras.side,
            inputs={item.name: names[0][item.tensor] for item in signature.inputs},
            outputs={item.name: names[1][item.tensor] for item in signature.outputs},
        )


def open_original(
    source: str | os.PathLike[str],
    work: Path,
    child_limits: ChildLimits,
    limits: Limits,
    tell: Callable[[str], None],
) -> Original:
    """Read ``source``; a Keras file is exported by Keras into ``work`` first, in a child.

    Raises what ``load`` and ``keras_to_saved_model`` raise.
    """
    tell("reading")
    if not is_keras(source, limits):
        model = load_on_disk(source, limits=limits)
        return Original(source=model.source, model=model, limits=limits)
    tell("exporting by Keras")
    export = keras_to_saved_model(source, work, child_limits)
    model = load_on_disk(export.path, limits=limits)
    return Original(source=export.source, model=model, keras=export, limits=limits)
