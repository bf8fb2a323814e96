"""A readiness verdict as a JSON object; plan, migrate and audit tell the same one."""

from __future__ import annotations

from migrator.migration.readiness import Readiness
from migrator.report.json_v1 import Json


def readiness_json(found: Readiness) -> Json:
    """``verdict``, ``reasons`` and ``options``, as the schemas have them."""
    return {
        "verdict": found.verdict,
        "reasons": [
            {"code": item.code, "text": item.text, "node": item.node, "fix": item.fix}
            for item in found.reasons
        ],
        "options": list(found.options),
    }
