"""Functions of a source get names that tracing gives to none, and no two the same one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from migrator.runtime.function_names import out_of_reach

_NAMES = st.lists(
    st.sampled_from(
        ("migrated", "migrated1", "migrated2", "migrated02", "f", "9", "10", "_", "_7", "")
    ),
    max_size=6,
).map("_".join)


def test_names_that_tracing_numbers_are_moved_and_others_stay() -> None:
    assert out_of_reach("__inference_serve_31") == "migrated___inference_serve_31"
    assert out_of_reach("cond_true_7") == "migrated_cond_true_7"
    assert out_of_reach("while_body__0a1b2c3d4e5f") == "while_body__0a1b2c3d4e5f"
    assert out_of_reach("preprocess") == "preprocess"


def test_names_grow_by_a_number_and_not_without_end() -> None:
    name = "__inference_serve_31"
    for _ in range(50):
        name = out_of_reach(name)
    assert name == "migrated50___inference_serve_31"


@given(_NAMES, _NAMES)
def test_no_two_names_become_one(one: str, other: str) -> None:
    assert (out_of_reach(one) == out_of_reach(other)) == (one == other)
