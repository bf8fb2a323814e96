"""Reports of a comparison: JSON by its schema; text and Markdown that nothing breaks out of."""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.diffing.telling import reasons
from migrator.report.diff_parts import REASONS, alike, magnitude, told_nodes, value_text
from migrator.report.json_diff import diff_result
from migrator.report.json_v1 import dumps
from migrator.report.markdown_diff import LIMIT, code, diff_markdown
from migrator.report.text_diff import diff_text
from tests import handmade as h
from tests import wire
from tests.corpus import sample
from tests.diff.models import KERNEL, network
from tests.fuzz.survive import assert_harmless
from tests.schemas import parsed

Json = dict[str, Any]
HOSTILE = (
    "</code></details><script>alert(1)</script>",
    "`x` | y | ![i](http://h/p.png) <img src=http://h/p.png>",
    "a\nb\r\n# title\n- [ ] @someone #1 \x1b[31mred\x07",
    "<!-- --> &lt; ~~~ ``` <details> | \\| \u202egpj.exe",
    "[click](javascript:alert(1)) *b* _u_ https://example.com/x",
)


def hostile(kind: str) -> Any:
    nodes = [h.placeholder("x")]
    for number, name in enumerate(HOSTILE):
        nodes.append(h.op(name, kind, "x", note=f"{name}{kind}".encode(), T=wire.F))
        nodes.append(h.unary(f"{name}/{kind}{number}", "Relu", "x"))
    return h.model(*nodes)


PAIRS: dict[str, tuple[Any, Any]] = {
    "identical": (network(), network()),
    "renamed": (network(prefix="old/"), network(prefix="new/")),
    "weights": (network(), network(kernel=KERNEL * np.float32(1.5))),
    "changed": (network(), network(strides=[1, 2, 2, 1], activation="Elu", output="scores")),
    "another": (sample("tf1.15.5/rnn_while").model(), sample("tf1.15.5/conv_bn").model()),
    "formats": (sample("tf1.4.1/sm_variables").model(), sample("tf1.15.5/sm_variables").model()),
    "functions": (sample("tf2.21.0/sm2_names").model(), sample("tf2.21.0/sm2_tables").model()),
    "hostile": (hostile("Tanh"), hostile("Elu")),
}


@pytest.fixture(scope="module")
def results() -> dict[str, Json]:
    return {
        name: parsed(dumps(diff_result(migrator.diff(*pair), matches=name == "changed")))
        for name, pair in PAIRS.items()
    }


@pytest.mark.parametrize("name", PAIRS)
def test_summary_counts_the_nodes(name: str, results: dict[str, Json]) -> None:
    result = results[name]
    for kind, count in result["summary"].items():
        assert count == sum(item["kind"] == kind for item in result["nodes"])
    assert result["identical"] == (name == "identical")


def test_matches_are_there_where_they_are_asked_for(results: dict[str, Json]) -> None:
    matches = results["changed"]["matches"]
    assert matches["probabilities"] == "scores"
    assert matches["x"] == "x"
    assert "matches" not in results["renamed"]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("width", (60, 80, 100, 120))
def test_text_is_harmless_and_keeps_to_its_width(
    name: str, width: int, results: dict[str, Json]
) -> None:
    text = diff_text(results[name], width=width)
    assert_harmless(text)
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    for line in text.splitlines():
        assert line == line.rstrip()
        # A name is not broken: it stands alone on its line, but for its op.
        assert len(line) <= width or len(line.split()) <= 3 or name == "hostile", line


@pytest.mark.parametrize("name", PAIRS)
def test_verbose_text_names_every_node_that_is_told(name: str, results: dict[str, Json]) -> None:
    from migrator.report.escape import shown

    result = results[name]
    text = diff_text(result, verbose=1, width=120)
    for kind in result["summary"]:
        for item in told_nodes(result, kind):
            own = (item["left"] or item["right"]).split("/", 1)[-1]
            assert shown(own, 60)[-12:] in text or len(own) > 60


def test_headline_comes_before_all_details(results: dict[str, Json]) -> None:
    for result in results.values():
        _, _, told = diff_text(result).partition("\nright")  # the sides, of one line or two each
        first = next(line for line in told.splitlines()[1:] if line and not line.startswith(" "))
        assert first.lower().startswith(result["headline"][0][:20].lower())


def test_colour_is_only_where_it_is_wanted(results: dict[str, Json]) -> None:
    assert "\x1b" in diff_text(results["changed"], color=True)
    assert "\x1b" not in diff_text(results["changed"])


def test_renamed_scope_is_one_line(results: dict[str, Json]) -> None:
    text = diff_text(results["renamed"])
    assert "old/  ->  new/" in text
    assert "old/conv" not in text


def test_nodes_that_changed_alike_are_told_once() -> None:
    nodes = [
        {
            "op": "Conv2D",
            "changes": [{"field": "attr data_format", "left": "NHWC", "right": "NCHW"}],
            "left": f"c{number}",
            "right": f"c{number}",
        }
        for number in range(5)
    ]
    assert [len(group.nodes) for group in alike(nodes)] == [5]


def test_weights_are_sorted_by_how_far_they_are_apart() -> None:
    left = h.model(h.const("a", [1.0, 2.0]), h.const("b", [1.0, 2.0, 3.0]))
    right = h.model(h.const("a", [1.0, 2.5]), h.const("b", [9.0, 2.0, 3.0]))
    lines = diff_text(diff_result(migrator.diff(left, right))).splitlines()
    rows = [line.split() for line in lines if " other values " in line]
    assert [row[0] for row in rows] == ["b", "a"]
    assert rows[0][3:] == ["3", "8", "2.67", "33.3%"]


@pytest.mark.parametrize("name", PAIRS)
def test_markdown_holds_no_html_but_its_own(name: str, results: dict[str, Json]) -> None:
    text = diff_markdown(results[name])
    assert_harmless(text)
    tags = set(re.findall(r"<[^>]*>", text))
    assert tags <= {
        *("<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>", "<br>")
    }
    assert text.count("<details>") == text.count("</details>")
    assert text.count("<code>") == text.count("</code>")


def test_hostile_names_stay_text_in_markdown(results: dict[str, Json]) -> None:
    text = diff_markdown(results["hostile"])
    inside = re.findall(r"<code>(.*?)</code>", text)
    assert any("script" in html.unescape(item) for item in inside)
    for item in inside:
        assert re.fullmatch(r"(?:[A-Za-z0-9 /.,;%()?+-]|&#\d+;)*", item), item
    outside = re.sub(r"<code>.*?</code>", "", text)
    for word in ("@someone", "http:", "](", "`", "javascript"):
        assert word not in outside


def test_code_gives_the_name_back_unharmed() -> None:
    for name in HOSTILE[:2]:
        assert html.unescape(code(name, 200))[6:-7] == name


def test_rows_of_a_markdown_table_have_the_cells_of_its_header(results: dict[str, Json]) -> None:
    for result in results.values():
        cells = 0
        for line in diff_markdown(result).splitlines():
            if not line.startswith("|"):
                cells = 0
                continue
            count = line.count("|")
            assert count == cells or not cells, line
            cells = count


def test_markdown_keeps_to_its_limit(results: dict[str, Json]) -> None:
    whole = diff_markdown(results["another"])
    short = diff_markdown(results["another"], limit=1500)
    assert len(short) <= 1500 < len(whole)
    assert "Too long to show here" in short


def test_deep_lists_are_shown_without_recursion() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    assert value_text(value).startswith("[[[")


def test_unknown_sizes_and_empty_texts_can_be_seen() -> None:
    assert value_text([None, 4]) == "[?, 4]"
    assert value_text("") == '""'
    assert value_text(None) == "-"


def test_weight_of_another_shape_is_told_once() -> None:
    left = h.model(h.const("w", np.ones((2, 3))), h.const("v", np.ones((4, 4))))
    right = h.model(h.const("w", np.ones((2, 5))), h.const("v", np.zeros((4, 4))))
    result = diff_result(migrator.diff(left, right))
    assert {item["kind"] for item in result["weights"]} == {"shape", "values"}
    for text in (diff_text(result), diff_markdown(result)):
        assert "Weights (1 differ)" in text
        assert "other shape" not in text.replace("another shape", "")
    assert "shape  [2, 3] -> [2, 5]" in diff_text(result)


def test_every_reason_has_words() -> None:
    assert set(REASONS) == reasons.REASONS


def test_large_differences_are_written_out() -> None:
    assert [magnitude(value) for value in (None, 0.0, 0.12345, 999.4, 999.6, 1000.0, 2.5e9)] == [
        *("", "0", "0.123", "999", "1,000", "1,000", "2.5e+09")
    ]


def test_names_that_are_cut_can_still_be_told_apart() -> None:
    names = [f"tower/{way}/bidirectional_rnn/basic_lstm_cell/kernel" for way in ("fw", "bw")]
    left = h.model(*(h.const(name, np.ones((2, 3))) for name in names))
    right = h.model(*(h.const(name, np.zeros((2, 3))) for name in names))
    lines = diff_text(diff_result(migrator.diff(left, right)), width=60).splitlines()
    assert {line.split()[0] for line in lines if "kernel" in line} == set(names)


def test_inputs_of_the_same_name_that_are_others_are_told_as_such(
    results: dict[str, Json],
) -> None:
    change = {"field": "input 0", "left": "a", "right": "a"}
    node = {"kind": "rewired", "left": "y", "right": "y", "op": "Relu", "confidence": 1.0}
    result = {**results["identical"], "nodes": [{**node, "changes": [change]}]}
    for text in (diff_text(result), diff_markdown(result)):
        assert "(another node there)" in text


def test_control_inputs_of_several_nodes_are_names_not_lists() -> None:
    def model(*more: str) -> Any:
        nodes = [h.placeholder("x"), h.op("before", "NoOp")]
        return h.model(*nodes, *(h.op(f"y{n}", "Relu", "x", *more, T=wire.F) for n in range(4)))

    text = diff_text(diff_result(migrator.diff(model(), model("^before"))), verbose=1)
    assert "control inputs, of the first  none -> before" in text


def test_saved_variables_of_another_kind_are_told_by_their_ops() -> None:
    def model(op: str) -> Any:
        return h.model(h.op("v", op, dtype=wire.F, shape=[2, 3]), h.placeholder("x"))

    changes = diff_result(migrator.diff(model("VariableV2"), model("VarHandleOp")))["nodes"]
    homes = [item for node in changes for item in node["changes"] if item["field"] == "home"]
    assert all(item["left"] != item["right"] for item in homes)


@pytest.mark.parametrize("width", [70, 100, 120])
def test_table_of_weights_with_long_names_keeps_to_its_width(width: int) -> None:
    names = [f"{'scope/' * 20}layer{number}/kernel" for number in range(12)]
    left = h.model(*(h.const(name, np.ones((2, 3))) for name in names))
    right = h.model(*(h.const(name, np.zeros((2, 3))) for name in names))
    lines = diff_text(diff_result(migrator.diff(left, right)), width=width).splitlines()
    table = lines[lines.index("Weights (12 differ)") :]
    assert len(table) == 15
    assert max(map(len, table)) <= width


def test_ten_thousand_changes_are_folded_and_verbose_tells_them_all(
    results: dict[str, Json],
) -> None:
    nodes = [
        {
            **{"kind": "changed", "left": f"n{number}", "right": f"n{number}", "op": "Relu"},
            **{"confidence": 1.0},
            "changes": [{"field": "attr k", "left": number, "right": number + 1}],
        }
        for number in range(10_000)
    ]
    result = {**results["identical"], "nodes": nodes}
    text = diff_text(result)
    assert len(text.splitlines()) < 60
    assert "... and 9,988 more: -v shows all" in text
    assert len(diff_text(result, verbose=1).splitlines()) > 20_000
    assert len(diff_markdown(result)) <= LIMIT


def test_calls_of_a_model_in_a_keras_model_keep_its_name() -> None:
    nested = sample("tf1.15.5/keras2_nested").model()
    found = diff_result(migrator.diff(nested, sample("tf1.15.5/keras2_two_inputs").model()))
    for text in (diff_text(found), html.unescape(diff_markdown(found))):
        assert "tower/call_1" in text
        assert "tower/inner/low" in text
