"""Plans of the fixtures, for the tests of plans."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from migrator.migration.options import Choice
from migrator.migration.plan import Plan
from migrator.migration.planning import plan
from tests.corpus import Sample, sample


def planned(item: Sample, **choice: Any) -> Plan:
    """The plan of a fixture, with its endpoints and feeds where it has no signatures."""
    named: dict[str, list[str]] = {}
    if item.kind == "meta_graph":
        named = {
            "inputs": [f"{name}={tensor}" for name, tensor in item.inputs.items()],
            "outputs": [f"{name}={tensor}" for name, tensor in item.outputs.items()],
            "feeds": [f"{tensor}={json.dumps(value)}" for tensor, value in item.feeds.items()],
        }
    return plan(item.path, choice=Choice(**choice), **named)


def of(name: str, **choice: Any) -> Plan:
    return planned(sample(name), **choice)


def codes(found: Plan) -> list[str]:
    return [blocker.code for blocker in found.blockers]


def steps(found: Plan) -> set[str]:
    return {step.code for step in found.steps}


def values(found: Plan) -> dict[str, Any]:
    """The variables whose values are known already, by name."""
    return {item.name: item.value.numpy() for item in found.held if item.value is not None}


def copied(item: Sample, folder: Path) -> Path:
    """A copy of a fixture's model that may be damaged; gives what a user would name."""
    source = item.path if item.path.is_dir() else item.path.parent
    shutil.copytree(source, folder / "copy")
    return folder / "copy" if item.path.is_dir() else folder / "copy" / item.path.name
