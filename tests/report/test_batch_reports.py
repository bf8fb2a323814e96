"""A batch as JSON: nothing lost, nothing invented."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, overload

import pytest

from migrator.batching.task import Outcome, outcome_from_json
from migrator.report.batch_parts import OUTCOMES
from migrator.report.html_batch import batch_html
from migrator.report.json_batch import batch_chunks
from tests.batch import made
from tests.batch.made import RUN
from tests.report.batches import ZOO, Json, result
from tests.schemas import schema, validate


def test_made_outcomes_are_what_the_batch_writes() -> None:
    assert set(made.outcome("a")) == {item.name for item in fields(Outcome)}
    for item in (made.outcome("a"), made.needs_decision("b"), made.blocked("c"), made.failed("d")):
        assert outcome_from_json(item).to_json() == item


def test_results_and_models_validate() -> None:
    validate(result())
    for model in ZOO:
        validate(model)
    validate(result([]))


def test_both_schemas_say_the_same_of_a_model() -> None:
    whole, one = schema("batch")["$defs"]["model"], schema("batch-model")
    assert whole == {key: one[key] for key in whole}


@pytest.mark.parametrize(
    "wrong",
    [
        made.outcome("a", cause="error"),
        made.outcome("a", outcome="finished"),
        {**made.needs_decision("a"), "decision": None},
        made.failed("a", reason=""),
        made.outcome("a", source_bytes=-1),
    ],
)
def test_outcomes_that_contradict_themselves_do_not_validate(wrong: Json) -> None:
    with pytest.raises(AssertionError):
        validate(wrong)


def test_latest_outcome_of_a_name_counts_and_names_are_in_order() -> None:
    lines = [made.failed("b"), made.outcome("c"), made.failed("a"), made.outcome("b")]
    found = result(lines)
    assert [item["name"] for item in found["models"]] == ["a", "b", "c"]
    assert found["totals"]["outcome"] == {**dict.fromkeys(OUTCOMES, 0), "done": 2, "failed": 1}
    assert found["totals"]["cause"] == {"error": 1}


def test_totals_are_those_of_the_models() -> None:
    totals = result()["totals"]
    assert totals["models"] == len(ZOO) == sum(totals["outcome"].values())
    assert totals["outcome"] == {key: sum(m["outcome"] == key for m in ZOO) for key in OUTCOMES}
    assert totals["cause"] == Counter(m["cause"] for m in ZOO if m["outcome"] == "failed")
    kinds = Counter(m["decision"]["kind"] for m in ZOO if m["decision"])
    assert totals["decision"] == kinds
    assert totals["bytes"]["source"] == sum(m["source_bytes"] for m in ZOO)
    assert totals["bytes"]["results"] == sum(m["result_bytes"] for m in ZOO)
    done = [m for m in ZOO if m["outcome"] == "done"]
    assert totals["bytes"]["source_of_results"] == sum(m["source_bytes"] for m in done)
    spent = sum(sum(m["seconds"].values()) for m in ZOO)
    assert totals["seconds"]["total"] == pytest.approx(spent, abs=0.01)
    assert totals["tried_again"] == sum(m["attempts"] > 1 for m in ZOO)
    assert totals["findings"]["low"] == sum(m["findings"]["low"] for m in ZOO)


def test_text_in_pieces_is_the_result_with_a_line_a_model() -> None:
    text = "".join(batch_chunks(ZOO, run=RUN))
    assert json.loads(text) == result()
    assert sum('"name":' in line for line in text.splitlines()) == len(ZOO)
    assert text.isascii()


def test_number_that_json_does_not_know_costs_no_result() -> None:
    odd = made.outcome("a", seconds={"migrate": float("nan")})
    text = "".join(batch_chunks([odd], run=RUN))
    assert json.loads(text, parse_constant=pytest.fail)["totals"]["seconds"]["total"] == 0


class OnDemand(Sequence[Json]):
    """Outcomes that are made when asked for, as read from a file; how many live at most."""

    class Kept(dict[str, Any]):
        alive = 0
        most = 0

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            OnDemand.Kept.alive += 1
            OnDemand.Kept.most = max(OnDemand.Kept.most, OnDemand.Kept.alive)

        def __del__(self) -> None:
            OnDemand.Kept.alive -= 1

    def __len__(self) -> int:
        return 300

    @overload
    def __getitem__(self, at: int) -> Json: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Json]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if not isinstance(at, int) or not 0 <= at < len(self):
            raise IndexError
        return self.Kept(made.outcome(f"m{at:03}"))


def test_writing_and_drawing_hold_few_outcomes_at_a_time() -> None:
    models = OnDemand()
    OnDemand.Kept.most = 0
    assert sum(map(len, batch_chunks(models, run=RUN))) > 100_000
    assert "m299" in batch_html({**result([]), "models": models})
    assert 1 <= OnDemand.Kept.most <= 4
