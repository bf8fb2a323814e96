"""The batch that the tests of reports draw."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from migrator.report.json_batch import batch_result
from tests.batch import made
from tests.batch.made import RUN
from tests.report.test_html_audit import Page

Json = dict[str, Any]
ZOO = made.zoo(600)


def result(models: Sequence[Json] = ZOO, **run: Any) -> Json:
    return batch_result(models, run={**RUN, **run})


def page_data(text: str) -> Json:
    """What a page was made with."""
    found: Json = json.loads(Page(text).data)
    return found
