"""An audit as text: what matters is on top, what repeats is folded, nothing acts on a terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest

from migrator.auditing.finding import Severity, Skipped
from migrator.migration.readiness import BLOCKED, Readiness
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
    assert text.count("\n") < 320
    assert text.startswith("/data/zoo/8/model_0878/saved_model.pb: ")
    assert "108 more models: nothing new" in text
    assert "more models with findings or decisions: -v shows them" in text
    assert "1,000 models: 114 blocked, 229 need you" in text
    full = audit_text(results["thousand"], verbose=1)
    for item in results["thousand"]["models"]:
        assert item["source"] in full
    assert "-v shows" not in full


def test_models_of_which_the_same_is_to_be_told_are_told_once() -> None:
    names = [f"run/model.ckpt-{step}.meta" for step in (0, 10, 20, 30, 40)]
    many = [model(name, (finding(source=name),)) for name in names]
    other = model("run/z.meta", (finding(source="run/z.meta", message="writes the file '/z'"),))
    text = drawn(*many, other)
    assert text.count("writes the file '/tmp/x'") == 1
    assert flat(f"The same holds for {', '.join(names[1:4])} and 1 more") in flat(text)
    assert "writes the file '/z'" in text
    assert drawn(*many, other, verbose=1).count("writes the file '/tmp/x'") == len(names)


def test_models_with_other_remedies_or_verdicts_are_not_the_same() -> None:
    blocked = Readiness(verdict=BLOCKED)
    text = drawn(
        model("a.pb", (finding(source="a.pb"),)),
        model("b.pb", (finding(source="b.pb", fix="Do as I say."),)),
        model("c.pb", (finding(source="c.pb"),), readiness=blocked),
        model("d.pb", (finding(source="d.pb", node="elsewhere"),)),
    )
    assert "The same holds" not in text


def test_what_cannot_be_read_for_one_reason_is_told_once() -> None:
    sources = [f"{letter}.pb" for letter in "abcdefghijklmnopqrst"]
    skipped = tuple(Skipped(source=item, reason="is a pointer") for item in sources)
    skipped += (Skipped(source="z.pb", reason="is empty"), Skipped(source="z2.pb", reason="is odd"))
    result = audit_result(Audit(models=(), skipped=skipped), rules=RULES)
    text = audit_text(result)
    assert "- 20 alike: is a pointer: a.pb, b.pb, c.pb and 17 more" in text
    assert "- z.pb: is empty" in text
    assert "-v shows" not in text
    full = audit_text(result, verbose=1)
    assert all(f"- {item}: is a pointer" in full for item in sources)


def test_a_model_whose_findings_are_kept_back_is_not_called_clean() -> None:
    text = audit_text(audit_result(Audit(models=(model(),), accepted=3), rules=RULES))
    assert "nothing new, ready to migrate" in text
    assert "nothing found" not in text


def test_a_dangerous_model_is_not_only_ready() -> None:
    text = flat(drawn(model(findings=(finding(),))))
    assert "Neither run nor migrate it before you know why: migrating runs a model" in text
    several = flat(drawn(model("a.pb", (finding(source="a.pb"),)), model("b.pb")))
    assert "migrate the model with critical or high security findings before" in several
    mild = drawn(model(findings=(finding("B901"), finding(severity=Severity.MEDIUM))))
    assert "Neither run" not in mild


def test_ways_to_run_are_told_in_words() -> None:
    item = finding(op="RestoreV2", reached=["init", "train"])
    text = flat(drawn(model(findings=(item,))))
    assert "gives variables and tables their first values; runs when it is trained" in text


@pytest.mark.parametrize("width", [60, 100])
def test_a_long_path_can_be_searched_for(width: int) -> None:
    path = "/" + "/".join(["folder-of-some-length"] * 8)
    text = drawn(model(findings=(finding(message=f"reads '{path}'; now"),)), width=width)
    assert path in text


def test_hostile_names_are_shown_escaped(results: dict[str, Any]) -> None:
    text = audit_text(results["nasty"], verbose=1)
    flattened = text.replace(" ", "").replace("\n", "")
    for item in results["nasty"]["findings"]:
        name = shown(item["location"]["node"])
        assert name.replace(" ", "") in flattened
