"""Aligned tables: what a reader sees is in its column."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from migrator.report.table import table, width

CELLS = st.text("ab重é", max_size=12)


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_every_row_ends_its_first_column_where_the_header_does(rows: list[tuple[str, str]]) -> None:
    lines = table([(*row, "|") for row in rows], ("x", "name", "|")).splitlines()
    assert len(lines) == len(rows) + 2
    place = lines[0].index("|")
    assert {width(line[: line.rindex("|")]) for line in lines[2:]} == {place}
    for row, line in zip(rows, lines[2:], strict=True):
        assert line[2:].startswith(row[0])
        assert row[1] in line


def test_numbers_stand_at_the_right() -> None:
    text = table([("a", "5"), ("b", "1,000")], ("name", "count"), right=(1,))
    assert [line[-1:] for line in text.splitlines()] == ["t", "-", "5", "0"]


def test_a_long_last_cell_goes_on_below_itself() -> None:
    words = " ".join(f"word{number}" for number in range(20))
    lines = table([("a", words)], ("name", "because")).splitlines()
    start = lines[0].index("because")
    assert " ".join(line[start:] for line in lines[2:]) == words
    assert len(lines) > 4
    assert max(map(len, lines)) <= start + 48


def test_marks_that_take_no_room_count_as_none() -> None:
    assert width("e\u0301") == 1
    assert width("重") == 2
    assert width("\u200b") == 0
