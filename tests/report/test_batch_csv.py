"""A batch as CSV: nothing in a name acts as a formula."""

from __future__ import annotations

import csv
import io
import re

import pytest

from migrator.report.csv_batch import COLUMNS, batch_csv
from tests.batch import made
from tests.batch.made import HOSTILE
from tests.report.batches import ZOO, result


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_a_model_with_its_numbers() -> None:
    models = [
        made.outcome("a", tflite={"outcome": "converted", "bytes": 5, "verdict": "bitwise"}),
        made.blocked("b"),
    ]
    first, second = rows(batch_csv(result(models)))
    assert tuple(first) == COLUMNS
    assert (first["name"], first["verdict"], first["source_bytes"]) == ("a", "bitwise", "1200000")
    assert float(first["seconds"]) == pytest.approx(0.78)
    assert (first["verify_seconds"], first["tflite_bytes"], first["low"]) == ("0.3", "5", "2")
    assert (second["outcome"], second["why"]) == ("blocked", "B101")


def test_no_cell_of_the_csv_begins_as_a_formula() -> None:
    starts = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    spaced = [made.outcome(f"{lead}=1+1", reason=lead) for lead in (" ", "'", '"', "\t", "\u00a0")]
    text = batch_csv(result([*(made.failed(name, reason=name) for name in HOSTILE), *spaced]))
    found = rows(text)
    assert len(found) == len(HOSTILE) + len(spaced)
    for row in found:
        for cell in row.values():
            assert not cell.startswith(starts)
            assert (
                not re.search(rf"^[\s'\"]+[{re.escape(''.join(starts))}]", cell) or cell[0] == "'"
            )
    assert "'=1+1" in {row["name"] for row in found}


def test_semicolon_starts_no_formula_where_it_parts_the_cells() -> None:
    names = ["a;=1+1", 'b"; "=cmd|x', "c;@SUM(A1)", "plain;name"]
    text = batch_csv(result([made.outcome(name) for name in names]))
    for line in text.splitlines():
        for cell in line.split(";")[1:]:
            assert not cell.lstrip("\" '").startswith(("=", "+", "-", "@")) or "'" in cell[:4]
    assert "plain;name" in {row["name"] for row in rows(text)}


def test_csv_holds_no_control_character_but_its_line_ends() -> None:
    text = batch_csv(result())
    assert not [char for char in set(text) - {"\r", "\n"} if not char.isprintable()]
    assert text.count("\n") == len(ZOO) + 1
