"""From the record of a migration back to what was asked for."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from migrator.migration.options import Choice
from migrator.migration.plan import IMAGES
from migrator.migration.spec import SignatureSpec


def recorded_choice(record: Any, base: Choice, *, only: Collection[str] = ()) -> Choice | None:
    """``base`` with the signatures, feeds and weights of a record's JSON.

    ``only`` names signatures; all where it is empty. Signatures for encoded pictures, which the
    source does not have, are left out. None where no signature remains. Raises LookupError,
    TypeError, ValueError and AttributeError for what is no record.
    """
    signatures = record["signatures"]
    found = {
        key: item
        for key, item in signatures.items()
        if not (only and key not in only)
        and not (key.endswith(IMAGES) and key[: -len(IMAGES)] in signatures)
    }
    if not found:
        return None
    feeds = [f"{item['tensor']}={_text(item['value'])}" for item in record["feeds"]]
    feeds = [feed for feed in feeds if feed not in base.feeds]
    asked = replace(base, feeds=[*feeds, *base.feeds], weights=record["weights"])
    if all(item.get("source_key") for item in found.values()):
        names = [f"{key}={item['source_key']}" for key, item in found.items()]
        return replace(asked, signatures=names)
    wanted = [
        SignatureSpec(
            name=key,
            inputs={name: entry["source_tensor"] for name, entry in item["inputs"].items()},
            outputs={name: entry["source_tensor"] for name, entry in item["outputs"].items()},
        )
        for key, item in found.items()
    ]
    return replace(asked, signatures=[], wanted=wanted)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
