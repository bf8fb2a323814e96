"""Read legacy TensorFlow models without TensorFlow; bring them to TensorFlow 2, verified.

The public names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from migrator._version import __version__

if TYPE_CHECKING:
    from migrator.actions.audit import audit as audit
    from migrator.actions.diff import diff as diff
    from migrator.actions.explore import explore as explore
    from migrator.actions.export import export as export
    from migrator.actions.freeze import freeze as freeze
    from migrator.actions.migrate import migrate as migrate
    from migrator.actions.run import run as run
    from migrator.actions.tflite import tflite as tflite
    from migrator.actions.verify import verify as verify
    from migrator.auditing.settings import AuditSettings as AuditSettings
    from migrator.batching.run.batch import batch as batch
    from migrator.errors import MigratorError as MigratorError
    from migrator.errors import NeedsDecision as NeedsDecision
    from migrator.formats.load import load as load
    from migrator.graph.build import to_networkx as to_networkx
    from migrator.inspection.summary import summarize as summarize
    from migrator.inspection.weights import weights as weights
    from migrator.limits import Limits as Limits
    from migrator.migration.options import Choice as Choice
    from migrator.migration.planning import plan as plan
    from migrator.model.graph import Graph as Graph
    from migrator.model.graph import Node as Node
    from migrator.model.model import Model as Model
    from migrator.report.text import inspect_text as inspect_text

_HOMES = {
    "AuditSettings": "migrator.auditing.settings",
    "Choice": "migrator.migration.options",
    "Graph": "migrator.model.graph",
    "Limits": "migrator.limits",
    "MigratorError": "migrator.errors",
    "Model": "migrator.model.model",
    "NeedsDecision": "migrator.errors",
    "Node": "migrator.model.graph",
    "audit": "migrator.actions.audit",
    "batch": "migrator.batching.run.batch",
    "diff": "migrator.actions.diff",
    "explore": "migrator.actions.explore",
    "export": "migrator.actions.export",
    "freeze": "migrator.actions.freeze",
    "inspect_text": "migrator.report.text",
    "load": "migrator.formats.load",
    "migrate": "migrator.actions.migrate",
    "plan": "migrator.migration.planning",
    "run": "migrator.actions.run",
    "summarize": "migrator.inspection.summary",
    "tflite": "migrator.actions.tflite",
    "to_networkx": "migrator.graph.build",
    "verify": "migrator.actions.verify",
    "weights": "migrator.inspection.weights",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'migrator' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
