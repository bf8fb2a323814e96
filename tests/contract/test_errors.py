"""Errors: one tree, each with a place and a way out, whole after pickling."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrator.errors as errors
from migrator.errors import BlockedError, ManyFaults, MigratorError, NeedsDecision, WorkerError


def tree(kind: type[MigratorError]) -> list[type[MigratorError]]:
    return [kind, *(item for child in kind.__subclasses__() for item in tree(child))]


KINDS = tree(MigratorError)


def test_every_error_of_the_module_is_in_the_tree() -> None:
    found = {
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, Exception)
    }
    assert found <= set(KINDS)
    assert len(KINDS) >= 11


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_survive_pickling_and_copying(kind: type[MigratorError]) -> None:
    error = kind("what is wrong", where="file.pb", hint="do this").at("batch")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is kind
        assert str(again) == str(error) == "batch: file.pb: what is wrong; do this"
        assert again.__dict__ == error.__dict__
        assert again.args == error.args
        assert again.exit_code == error.exit_code
    assert str(copy.copy(error)) == str(error)


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (BlockedError("b", blockers=["one", "two"]), "blockers"),
        (ManyFaults("m", faults=["one", "two"], count=3), "faults"),
        (NeedsDecision("n", options=["--input x"]), "options"),
        (WorkerError("w", log="line\nline"), "log"),
    ],
)
def test_what_an_error_carries_survives_pickling(error: MigratorError, field: str) -> None:
    assert getattr(pickle.loads(pickle.dumps(error)), field) == getattr(error, field)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_exit_codes_are_those_of_the_contract(kind: type[MigratorError]) -> None:
    assert kind("x").exit_code == (3 if issubclass(kind, NeedsDecision) else 2)


def test_exit_constants_are_those_of_the_contract() -> None:
    assert (
        errors.EXIT_YES, errors.EXIT_NO, errors.EXIT_CANNOT, errors.EXIT_NEEDS_DECISION,
        errors.EXIT_INTERRUPTED,
    ) == (0, 1, 2, 3, 130)  # fmt: skip


@given(st.text(), st.text(), st.text())
def test_messages_say_where_what_and_hint(what: str, where: str, hint: str) -> None:
    text = str(MigratorError(what, where=where, hint=hint))
    assert text == (f"{where}: " if where else "") + what + (f"; {hint}" if hint else "")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_is_for(kind: type[MigratorError]) -> None:
    assert kind.__doc__
