"""An audit as text: what matters is on top, what repeats is folded, nothing acts on a terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest

from migrator.report.escape import shown
from migrator.report.json_audit import audit_result
from migrator.report.text_audit import audit_text
from tests.report.audits import RULES, Audit, finding, model

COLOUR = re.compile(r"\x1b\[[0-9;]+m")


def flat(text: str) -> str:
    """Without the wrapping."""
    return " ".join(text.split())


def drawn(*models: Any, verbose: int = 0, width: int = 100) -> str:
    result = audit_result(Audit(models=models), rules=RULES)
    return audit_text(result, verbose=verbose, width=width)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_no_character_acts_on_the_terminal(result: dict[str, Any], verbose: int) -> None:
    text = audit_text(result, verbose=verbose)
    assert all(char == "\n" or char.isprintable() for char in text)
    text.encode("utf-8")


def test_colours_are_the_only_sequences(result: dict[str, Any]) -> None:
    text = audit_text(result, color=True)
    plain = COLOUR.sub("", text)
    assert all(char == "\n" or char.isprintable() for char in plain)
    assert plain.count("\n") == audit_text(result).count("\n")
    if result["findings"]:
        assert plain != text


@pytest.mark.parametrize("name", ["empty", "clean", "all severities", "readiness", "thousand"])
@pytest.mark.parametrize("verbose", [0, 2])
@pytest.mark.parametrize("width", [80, 100, 120])
def test_lines_fit_the_terminal(
    results: dict[str, Any], name: str, verbose: int, width: int
) -> None:
    text = audit_text(results[name], verbose=verbose, width=width)
    assert max(map(len, text.splitlines())) <= width


def test_a_clean_model_is_one_line(results: dict[str, Any]) -> None:
    text = audit_text(results["clean"])
    assert text.count("\n") == 1
    assert text.endswith(": nothing found, ready to migrate\n")


def test_nothing_to_audit_is_said(results: dict[str, Any]) -> None:
    assert audit_text(results["empty"]) == "No model was audited.\n"


def test_the_gravest_comes_first(results: dict[str, Any]) -> None:
    text = audit_text(results["all severities"])
    places = [text.index(f"  {word} ") for word in ("CRITICAL", "HIGH", "medium", "low")]
    assert places == sorted(places)


def test_repetitions_are_folded_and_the_remedy_is_told_once(results: dict[str, Any]) -> None:
    text = audit_text(results["all severities"])
    assert "... and 14 more: -v shows all" in text
    assert text.count("Take writes-a-file out") == 1
    assert "info: H901 dead-nodes" in text
    full = audit_text(results["all severities"], verbose=1)
    assert "more: -v" not in full
    for item in results["all severities"]["findings"]:
        assert item["message"] in full
        assert item["fingerprint"] not in full
        assert item["fingerprint"] in audit_text(results["all severities"], verbose=2)


def test_a_finding_says_where_it_is_and_what_reaches_it() -> None:
    text = flat(
        drawn(
            model(
                findings=(
                    finding(function="outer/cst!inner", op="ReadFile", reached=["load", "call:f"]),
                    finding(node="n2", function="cst!", op="ReadFile", reached=["nothing"]),
                )
            )
        )
    )
    assert (
        "node scope/WriteFile (ReadFile), in function inner of the graph inside of constant "
        "outer/cst; runs when the model is loaded; called as f" in text
    )
    assert "node n2 (ReadFile), in the graph inside of constant cst; reached by nothing" in text


def test_an_argument_that_the_message_lacks_is_told() -> None:
    text = drawn(model(findings=(finding(message="reads a file", argument="/etc/passwd"),)))
    assert "argument /etc/passwd" in text
    assert "argument" not in drawn(model(findings=(finding(argument="/tmp/x"),)))


def test_a_sum_of_many_nodes_tells_the_first() -> None:
    item = finding("H901", node="", message="dead nodes", count=12, nodes=list("abcde"))
    assert "nodes a, b, c, d, e and 7 more" in drawn(model(findings=(item,)), verbose=1)


def test_low_confidence_is_told(results: dict[str, Any]) -> None:
    assert "(medium confidence)" in audit_text(results["all severities"])


def test_decisions_come_with_what_to_paste(results: dict[str, Any]) -> None:
    lines = audit_text(results["readiness"]).splitlines()
    assert "      --feed dropout:0=1.0" in lines
    assert "    - which tensors are the inputs is open" in lines


def test_changes_are_listed_for_one_model(results: dict[str, Any]) -> None:
    one = dict(results["readiness"])
    one["models"] = [one["models"][1]]
    assert "change number 4" in audit_text(one)
    assert "... and 4 more" in audit_text(one)
    assert "change number 8" in audit_text(one, verbose=1)


def test_skipped_and_accepted_are_told(results: dict[str, Any]) -> None:
    text = audit_text(results["all severities"])
    assert "zoo/broken.pb: is no model" in text
    assert "zoo/a.pb (rule H901): the rule failed: KeyError" in text
    assert "3 findings kept back" in text


def test_a_tree_ends_with_a_table_and_its_sum(results: dict[str, Any]) -> None:
    text = audit_text(results["readiness"])
    rows = [re.split(r"  +", line.strip()) for line in text.splitlines()]
    assert ["needs_you", "SavedModel", "needs you"] in rows
    assert "Models in /models/" in text
    assert "1 blocked, 1 needs you, 1 ready with changes, 1 ready, 1 unknown" in text


def test_remedies_of_a_tree_are_told_once(results: dict[str, Any]) -> None:
    text = audit_text(results["thousand"], verbose=1)
    assert text.count("Take writes-a-file out") == 1
    assert "high S901 writes-a-file: 11 findings in 11 models" in text


def test_a_remedy_of_its_own_stays_with_the_finding() -> None:
    text = drawn(
        model("a.pb", (finding(source="a.pb", fix="Do as I say."),)),
        model("b.pb", (finding(source="b.pb"),)),
    )
    assert text.index("Do as I say.") < text.index("b.pb") < text.index("Take writes-a-file out")


def test_a_thousand_models_stay_readable(results: dict[str, Any]) -> None:
    text = audit_text(results["thousand"])
    assert text.count("\n") < 300
    assert text.startswith("/data/zoo/8/model_0878/saved_model.pb: ")
    assert "108 more models: nothing found" in text
    assert "more models with findings or decisions: -v shows them" in text
    assert "1,000 models: 114 blocked, 229 need you" in text
    full = audit_text(results["thousand"], verbose=1)
    for item in results["thousand"]["models"]:
        assert item["source"] in full
    assert "-v shows" not in full


def test_hostile_names_are_shown_escaped(results: dict[str, Any]) -> None:
    text = audit_text(results["nasty"], verbose=1)
    flattened = text.replace(" ", "").replace("\n", "")
    for item in results["nasty"]["findings"]:
        name = shown(item["location"]["node"])
        assert name.replace(" ", "") in flattened
