"""Aligned tables: what a reader sees is in its column."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from migrator.report.table import fitted_to, folded, table, width

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


def test_one_long_cell_does_not_widen_a_whole_column() -> None:
    rows = [("short", "x"), ("n" * 200, "y"), *[("name", "z")] * 6]
    lines = table(rows, ("name", "is")).splitlines()
    assert [len(line) for line in lines if "n" * 200 not in line] != []
    assert all(len(line) < 40 for line in lines if "n" * 200 not in line)
    assert f"  {'n' * 200}  y" in lines


def test_of_two_rows_the_longer_one_does_not_widen_the_other() -> None:
    lines = table([("w", "x"), ("n" * 90, "y")], ("name", "is")).splitlines()
    assert len(lines[2]) < 70
    assert lines[3] == f"  {'n' * 90}  y"


def test_a_column_of_long_cells_stays_one() -> None:
    lines = table([("n" * number, "y") for number in range(90, 100)], ("name", "is")).splitlines()
    assert {line.index("y") for line in lines[2:]} == {len(lines[0]) - 2}


def test_on_a_terminal_the_rest_of_a_wide_row_goes_on_below_in_its_columns() -> None:
    rows = [("in", "n" * 70, "float32", "[1, 2]"), ("out", "m" * 20, "int8", "[3]")]
    with fitted_to(60):
        lines = table(rows, ("", "tensor", "dtype", "shape")).splitlines()
    assert lines[0].split() == ["tensor", "dtype", "shape"]
    dtype = lines[0].index("dtype")
    assert lines[2].split() == ["in", "n" * 70]
    assert lines[3].split() == ["float32", "[1,", "2]"]
    assert lines[3].index("float32") == dtype == lines[4].index("int8")
    assert max(len(line) for line in lines if "n" not in line.replace("int8", "")) <= 60


@given(
    rows=st.lists(st.tuples(*[st.text("ab重é", max_size=90)] * 3), min_size=1, max_size=5),
    room=st.integers(20, 200),
)
def test_no_cell_is_lost_or_cut_however_narrow_the_terminal(
    rows: list[tuple[str, str, str]], room: int
) -> None:
    with fitted_to(room):
        text = table([(*row, "|") for row in rows], ("one", "two", "three", "|"))
    found = " ".join(text.split("\n", 2)[2].split()).split("|")
    assert found[-1] == ""
    assert [part.split() for part in found[:-1]] == [[cell for cell in row if cell] for row in rows]


def test_a_line_folds_at_words_behind_its_mark() -> None:
    assert folded("one two three", "  - ") == "  - one two three"
    with fitted_to(20):
        assert folded("one two three four", "  - ") == "  - one two three\n    four"
        assert folded("n" * 30) == "  " + "n" * 30
