"""Every canonical audit, as its JSON object after a journey through a file."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.report.json_audit import audit_result
from migrator.report.json_v1 import dumps
from tests.report.audits import AUDITS, RULES
from tests.schemas import parsed

RESULTS = {name: parsed(dumps(audit_result(item, rules=RULES))) for name, item in AUDITS.items()}


@pytest.fixture(params=AUDITS)
def result(request: pytest.FixtureRequest) -> dict[str, Any]:
    return RESULTS[request.param]


@pytest.fixture
def results() -> dict[str, dict[str, Any]]:
    return RESULTS
