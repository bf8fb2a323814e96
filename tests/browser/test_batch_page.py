"""The pages of a batch in a real Chromium."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator.report.batch_entry import entry, entry_lines
from migrator.report.html_batch import batch_html
from migrator.report.html_batch_model import batch_model_html
from migrator.report.json_batch import batch_result
from tests.batch import made
from tests.batch.made import HOSTILE
from tests.browser.conftest import Tab

Json = dict[str, Any]
Draw = Callable[[str, str], Path]
ROWS = ".models tbody tr[data-row]"


def draw(models: list[Json], **run: Any) -> str:
    return batch_html(batch_result(models, run={**made.RUN, **run}))


def small() -> list[Json]:
    """Seven models, one of each result and one that leaves the folder."""
    return [
        made.outcome("a/same", source_bytes=3_000_000),
        made.outcome("b/near", verdict="within_tolerance", format="saved_model"),
        made.outcome("c/bare", verdict="not_run", source_bytes=9_000_000),
        made.needs_decision("d/open"),
        made.blocked("e/stuck"),
        made.failed("f/slow", "timeout"),
        made.failed("../gone", "missing_source"),
    ]


@pytest.fixture(scope="module")
def page(drawn: Draw) -> Path:
    return drawn("small-batch", draw(small()))


@pytest.fixture(scope="module")
def big(drawn: Draw) -> Path:
    return drawn("big-batch", draw(made.zoo(5000)))


def names(tab: Tab) -> list[str]:
    return [text.rpartition("/")[2] for text in tab.texts(f"{ROWS} .name")]


def status(tab: Tab) -> str:
    return str(tab.one(".status").text)


def click(tab: Tab, css: str, text: str = "") -> None:
    tab.one(css, text).click()


def settle(tab: Tab) -> None:
    """Two frames: what scrolling asked for is drawn."""
    tab.script("return new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_from_a_file_without_a_message_or_a_request(
    tab: Tab, page: Path, scheme: str
) -> None:
    tab.open(page, scheme=scheme)
    assert names(tab) == ["open", "gone", "slow", "stuck", "bare", "near", "same"]
    for view in ("To decide", "Not done, and why", "Time and size", "Models"):
        click(tab, ".tab", view)
    click(tab, f"{ROWS} a", "slow")
    assert tab.one(".panel h2").text == "f/slow"
    assert tab.console() == []
    assert [url for url in tab.requests() if url != "data:,"] == [page.as_uri()]


def test_bar_and_keys_count_and_filter(tab: Tab, page: Path) -> None:
    tab.open(page)
    keys = dict(zip(tab.texts(".legend .word"), tab.texts(".legend .number"), strict=True))
    assert keys == {
        "Bit for bit": "1", "Within tolerance": "1", "Not verified": "1",
        "Needs a decision": "1", "Blocked": "1", "Failed": "2",
    }  # fmt: skip
    click(tab, ".legend .key", "Failed")
    assert names(tab) == ["gone", "slow"]
    assert status(tab) == "2 of 7 models"
    click(tab, ".legend .key", "Blocked")
    assert names(tab) == ["gone", "slow", "stuck"]
    click(tab, ".clear")
    assert status(tab) == "All 7 models"


def test_search_finds_by_name_source_reason_and_format(tab: Tab, page: Path) -> None:
    tab.open(page)
    for words, told in (
        ("near", ["near"]),
        ("/srv/zoo/a frozen", ["same"]),
        ("longer than", ["slow"]),
        ("savedmodel", ["near"]),
        ("B101", ["stuck"]),
        ("nowhere", []),
    ):
        tab.type("input[type=search]", words)
        assert names(tab) == told, words
    assert "Nothing matches" in tab.one(".empty").text


def test_sorting_goes_both_ways_and_stays_in_the_address(tab: Tab, page: Path) -> None:
    tab.open(page)
    click(tab, ".sort", "Before")
    first = names(tab)
    assert first[:2] == ["bare", "same"]
    click(tab, ".sort", "Before")
    assert names(tab)[-2:] == ["same", "bare"]
    time.sleep(0.4)
    tab.open(page, tab.script("return location.hash"))
    assert names(tab)[-2:] == ["same", "bare"]


def test_only_rows_in_sight_are_in_the_page(tab: Tab, big: Path) -> None:
    tab.open(big)
    assert tab.script("return document.querySelector('.models').ariaRowCount") == "5001"
    for share in (0.0, 0.3, 0.7, 1.0):
        tab.script("scrollTo(0, arguments[0] * document.body.scrollHeight)", share)
        settle(tab)
        rows = [int(row) for row in tab.script(
            "return [...document.querySelectorAll(arguments[0])].filter(e => {"
            "const r = e.getBoundingClientRect(); return r.bottom > 0 && r.top < innerHeight"
            "}).map(e => e.dataset.row)", ROWS)]  # fmt: skip
        assert rows == list(range(rows[0], rows[-1] + 1)) and len(rows) > 8
        assert len(tab.texts(ROWS)) < 120
    assert rows[-1] == 4999
    heights = tab.script(
        "return [...new Set([...document.querySelectorAll(arguments[0])]"
        ".map(e => Math.round(e.getBoundingClientRect().height)))]",
        ROWS,
    )
    assert heights == [42]


@pytest.mark.parametrize("width", [380, 700, 1100, 1900])
def test_nothing_is_wider_than_the_window_and_rows_are_of_one_height(
    tab: Tab, big: Path, width: int
) -> None:
    for view in ("models", "decisions", "problems", "costs"):
        tab.open(big, f"#view={view}", width=width)
        assert tab.script("return document.documentElement.scrollWidth <= innerWidth"), view
    tab.open(big, width=width)
    heights = tab.script(
        "return [...new Set([...document.querySelectorAll(arguments[0])]"
        ".map(e => Math.round(e.getBoundingClientRect().height)))]",
        ROWS,
    )
    assert len(heights) == 1 and heights[0] in (42, 58)


def test_keyboard_alone_goes_everywhere(tab: Tab, big: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    row = "return Number(document.activeElement.closest('tr')?.dataset.row ?? -1)"
    tab.open(big)
    tab.press("/")
    assert tab.script("return document.activeElement.type") == "search"
    tab.press(Keys.ARROW_DOWN)
    assert tab.script(row) == 0
    tab.press(Keys.ARROW_DOWN, Keys.PAGE_DOWN)
    assert tab.script(row) == 16
    tab.press(Keys.END)
    assert tab.script(row) == 4999
    settle(tab)
    seen = tab.script(
        "const r = document.activeElement.getBoundingClientRect();"
        "return r.top >= 0 && r.bottom <= innerHeight"
    )
    assert seen
    name = tab.focused()
    tab.press(Keys.ENTER)
    assert tab.one(".panel h2").text == name
    tab.press(Keys.ESCAPE)
    assert not tab.all(".panel")
    assert tab.focused() == name
    tab.press(Keys.HOME)
    assert tab.script(row) == 0


def test_decisions_are_grouped_and_their_entries_are_to_paste(tab: Tab, drawn: Draw) -> None:
    models = [
        made.needs_decision("a"),
        made.needs_decision("b"),
        made.needs_decision("c", made.TAGS),
        made.needs_decision("d e", made.FEEDS),
        made.outcome("done"),
    ]
    tab.open(drawn("decide", draw(models)), "#view=decisions")
    assert tab.texts(".group-head h2") == [
        "Which tensors are the inputs and outputs ",
        "Which meta graph is meant ",
        "Which value a placeholder is given ",
    ]
    texts = [item.text for item in tab.all("pre")]
    assert texts[0] == "migrator batch decided.yaml --dest /srv/out"
    for model, text in ((models[2], texts[2]), (models[3], texts[3])):
        lines = entry_lines(model["decision"])
        assert text == ("models:\n" + entry(model["name"], model["source"], lines)).rstrip()
    assert texts[1].count("- name:") == 2
    click(tab, ".group-head button", "Show in the table")
    assert names(tab) == ["a", "b"]


def test_entries_of_hostile_names_are_those_that_python_writes(tab: Tab, drawn: Draw) -> None:
    models = [made.needs_decision(name) for name in HOSTILE]
    tab.open(drawn("entries", draw(models)), "#view=decisions")
    shown = "\n".join(tab.texts("details pre .row")) + "\n"
    ordered = sorted(models, key=lambda item: str(item["name"]))[:12]
    lines = entry_lines(made.ENDPOINTS)
    written = "".join(entry(item["name"], item["source"], lines) for item in ordered)
    assert shown == f"models:\n{written}"


def test_reasons_count_and_lead_to_their_models(tab: Tab, big: Path) -> None:
    tab.open(big, "#view=problems")
    counts = [int(text.split()[0]) for text in tab.texts(".group-head .many")]
    assert sum(counts) == 1000
    assert counts[:8] == sorted(counts[:8], reverse=True)
    head = tab.one(".group-head", "Out of time")
    count = int(head.find_element("css selector", ".many").text.split()[0])
    head.find_element("xpath", ".//button[text()='Show in the table']").click()
    assert status(tab) == f"{count} of 5,000 models"
    assert tab.texts(f"{ROWS} .why")[0].startswith("took longer than 600 s")
    title = tab.all(f"{ROWS} .why")[0].get_attribute("title")
    assert str(title).startswith("Out of time: took longer than 600 s")


def test_each_model_links_to_its_page_unless_it_leaves_the_folder(
    tab: Tab, page: Path, drawn: Draw
) -> None:
    tab.open(page)
    click(tab, f"{ROWS} a", "slow")
    assert tab.one(".whole a").get_attribute("href") == page.parent.as_uri() + "/f/slow/index.html"
    click(tab, ".close")
    click(tab, f"{ROWS} a", "gone")
    assert tab.one(".panel h2").text == "../gone"
    assert not tab.all(".whole a")
    tab.open(drawn("odd", draw([made.outcome("javascript:alert(1)/a b#c?d%41")])), "#model=0")
    link = tab.one(".whole a").get_attribute("href")
    assert link == page.parent.as_uri() + "/javascript%3Aalert(1)/a%20b%23c%3Fd%2541/index.html"


def test_hostile_names_stay_text(tab: Tab, drawn: Draw) -> None:
    models = [
        made.failed(name, reason=name, source=name, format=name) for name in HOSTILE
    ] + [made.needs_decision(f"n/{name}", {"kind": name, "candidates": [name], "options": [name]})
         for name in HOSTILE]  # fmt: skip
    tab.open(drawn("hostile-batch", draw(models, dest=HOSTILE[0], command=HOSTILE[1])))
    text = tab.script("return document.body.innerText")
    for view in ("To decide", "Not done, and why", "Time and size"):
        click(tab, ".tab", view)
        tab.script("for (const item of document.querySelectorAll('details')) item.open = true")
        settle(tab)
        text += tab.script("return document.body.innerText")
    for number in range(len(models)):
        tab.script("location.hash = 'model=' + arguments[0]", number)
        settle(tab)
        text += tab.script("return document.querySelector('.panel').innerText")
    assert tab.script("return typeof window.pwned") == "undefined"
    assert not tab.script("return document.querySelectorAll('img, #app script, iframe').length")
    assert [char for char in set(text) if not char.isprintable() and char not in "\n\t"] == []
    assert "</script><script>window.pwned = 1</script>" in text
    assert tab.console() == []


def test_policy_stops_script_that_slipped_into_the_file(tab: Tab, drawn: Draw) -> None:
    slipped = "<script>window.pwned = 1</script><img src='x' onerror='window.pwned = 2'></body>"
    tab.open(drawn("slipped-batch", draw(small()).replace("</body>", slipped)))
    assert len(names(tab)) == 7
    assert tab.script("return typeof window.pwned") == "undefined"


def test_paper_holds_reasons_and_models(tab: Tab, page: Path) -> None:
    tab.open(page, media="print")
    tab.script("dispatchEvent(new Event('beforeprint'))")
    text = tab.one(".paper").text
    for word in ("Out of time: 1 model", "took longer than 600 s", "a/same", "Needs a decision"):
        assert word in text
    assert not tab.all("main") and not tab.all(".toolbar")
    assert len(tab.pdf()) > 10_000


def test_without_javascript_there_are_counts_and_reasons(tab: Tab, page: Path) -> None:
    tab.open(page, javascript=False)
    text = tab.driver.find_element("css selector", "noscript").text
    assert "took longer than 600 s" in text and "e/stuck" in text


def test_batch_without_models_says_so(tab: Tab, drawn: Draw) -> None:
    tab.open(drawn("no-models", draw([])))
    assert "There is no model" in tab.one(".empty").text
    for view in ("To decide", "Not done, and why", "Time and size"):
        click(tab, ".tab", view)
    assert tab.console() == []


@pytest.mark.parametrize("models", [5000, 50_000])
def test_opens_in_less_than_three_seconds(tab: Tab, drawn: Draw, models: int) -> None:
    file = drawn(f"zoo-{models}", draw(made.zoo(models)))
    start = time.monotonic()
    tab.open(file)
    settle(tab)
    assert time.monotonic() - start < 3
    assert status(tab) == f"All {models:,} models"
    tab.type("input[type=search]", "bert")
    assert max(tab.measures("batch-filter")) < 1000


# ---- a model's page


def model_page(**changes: Any) -> str:
    arguments: Json = {
        "outcome": made.outcome("team/net"),
        "inspect": {
            "meta_graphs": [
                {
                    "tags": ["serve"],
                    "signatures": {},
                    "graph": {"nodes": 3, "ops": {"Const": 2, "MatMul": 1}},
                }
            ]
        },
        "audit": {
            "findings": [
                {
                    "code": "W101",
                    "name": "old-loops",
                    "severity": "low",
                    "message": "an old loop",
                    "location": {"node": "while/Enter"},
                    "fix": "`migrate` rewrites it",
                }
            ]
        },
        "plan": {"blockers": [], "steps": []},
        "record": {
            "steps": [{"code": "prune", "text": "3 nodes are not needed", "count": 3}],
            "verification": {
                "verdict": "within_tolerance",
                "max_abs": 1e-7,
                "max_rel": 2e-7,
                "cases": [
                    {
                        "name": "zeros",
                        "signature": "serving_default",
                        "verdict": "within_tolerance",
                        "inputs": {"image": [1, 4]},
                        "outputs": {"probs": {"verdict": "within_tolerance", "max_abs": 1e-7}},
                    }
                ],
            },
        },
        "log": "first line\nlast line\n",
        "files": ("saved_model", "log.txt"),
        **changes,
    }
    return batch_model_html(arguments.pop("outcome"), **arguments)


def test_model_page_tells_all_there_is(tab: Tab, drawn: Draw) -> None:
    tab.open(drawn("model", model_page()))
    assert tab.texts("main h2")[1:] == ["Proof", "Plan", "Findings", "Picture", "Model", "Log"]
    text = tab.one("main").text
    for word in ("bit for bit", "zeros", "image [1, 4]", "1.00e-7", "3 nodes are not needed"):
        assert word in text
    assert "migrator inspect /srv/zoo/team/net/frozen.pb --format html -o picture.html" in text
    click(tab, ".group summary", "old loops")
    assert "an old loop" in tab.one(".findings").text
    assert tab.one(".up a").get_attribute("href").endswith("/index.html")
    assert [a.text for a in tab.all(".files a")] == ["saved_model", "log.txt"]
    assert not tab.all(".log pre")
    assert tab.console() == []


def test_log_of_a_failed_model_is_open(tab: Tab, drawn: Draw) -> None:
    tab.open(drawn("failed", model_page(outcome=made.failed("x", "signal"), record=None)))
    assert tab.one(".log pre").text == "first line\nlast line"
    assert "signal 11" in tab.one("section.readiness").text


def test_model_page_of_a_decision_has_the_entry(tab: Tab, drawn: Draw) -> None:
    model = made.needs_decision("x y")
    tab.open(drawn("undecided", model_page(outcome=model, record=None)))
    lines = entry_lines(model["decision"])
    written = "models:\n" + entry("x y", model["source"], lines).rstrip()
    assert tab.one("section.readiness pre").text == written
    tab.open(drawn("undecided", model_page(outcome=model)), width=380)
    assert tab.script("return document.documentElement.scrollWidth <= innerWidth")
    assert "logits/BiasAdd:0" in tab.one("section.readiness").text


def test_model_page_draws_its_graph(tab: Tab, drawn: Draw) -> None:
    pytest.importorskip("igraph")
    from migrator.drawing.scene import picture_scene
    from tests.report.graphs import network

    scene = picture_scene(network())
    tab.open(drawn("pictured", model_page(scene=scene)))
    assert tab.all(".picture svg")
    padded = {**scene, "padding": "x" * 400_000}
    tab.open(drawn("later", model_page(scene=padded)))
    assert not tab.all(".picture")
    click(tab, ".draw summary")
    settle(tab)
    assert tab.all(".picture svg")
    assert tab.console() == []


@pytest.mark.parametrize("name", [*HOSTILE])
def test_hostile_model_page_stays_text(tab: Tab, drawn: Draw, name: str) -> None:
    text = model_page(
        outcome=made.failed(name, reason=name, source=name),
        inspect={
            "meta_graphs": [
                {
                    "tags": [name],
                    "signatures": {name: {"inputs": {name: {"tensor": name}}}},
                    "graph": {"ops": {name: 1}, "largest_weights": [{"name": name}]},
                }
            ]
        },
        audit={"findings": [{"name": name, "message": name, "location": {"node": name}}]},
        plan={"blockers": [{"text": name, "node": name, "fix": name}], "notes": [name]},
        record={"verification": {"verdict": name, "reason": name, "cases": [{"name": name}]}},
        log=name,
    )
    tab.open(drawn("hostile-model", text))
    tab.script("for (const item of document.querySelectorAll('details')) item.open = true")
    settle(tab)
    told = tab.script("return document.body.innerText")
    assert tab.script("return typeof window.pwned") == "undefined"
    assert not tab.script("return document.querySelectorAll('img, #app script, iframe').length")
    assert [char for char in set(told) if not char.isprintable() and char not in "\n\t"] == []
    assert tab.console() == []


def test_column_why_has_each_models_own_words(tab: Tab, drawn: Draw) -> None:
    head = "which tensors are the inputs and outputs is open: "
    models = [made.needs_decision(n, reason=f"{head}{n}:0 may be an output") for n in "ab"]
    tab.open(drawn("own-words", draw(models)))
    assert tab.texts(f"{ROWS} .why") == ["a:0 may be an output", "b:0 may be an output"]
    title = str(tab.all(f"{ROWS} .why")[0].get_attribute("title"))
    assert title.endswith(f"{head}a:0 may be an output")


@pytest.mark.parametrize("width", [1280, 900, 420])
def test_end_of_a_long_name_stays_in_sight(tab: Tab, drawn: Draw, width: int) -> None:
    deep = "team/" + "folder_of_a_long_name/" * 8 + "model.ckpt-10"
    models = [made.outcome(name) for name in (deep, "without_folder", "x/" + "y" * 300)]
    tab.open(drawn(f"long-{width}", draw(models)))
    tab.driver.set_window_size(width, 900)
    settle(tab)
    ends = tab.script(
        "return [...document.querySelectorAll('.batch .model a b')].map((leaf) => ["
        "leaf.scrollWidth <= leaf.clientWidth + 1, leaf.getBoundingClientRect().right <="
        " leaf.closest('th').getBoundingClientRect().right + 1])"
    )
    assert ends == [[True, True], [True, True], [False, True]]


def test_left_out_files_have_a_view_with_a_search(tab: Tab, drawn: Draw) -> None:
    files = [{"source": f"zoo/{n}.tflite", "reason": "is a TFLite model already"} for n in range(9)]
    files += [{"source": name, "reason": f"is odd: {name}"} for name in HOSTILE]
    tab.open(drawn("left-out", draw(small(), skipped=files, left_out=4000)))
    click(tab, ".tab", "Left out")
    assert tab.one(".tab[aria-current]").text == "Left out4,000"
    assert "The first 32 are named here." in tab.one(".how").text
    assert len(tab.all(".left-out tbody tr")) == len(files)
    search = tab.one(".prosaic input")
    search.send_keys("zoo 7")
    assert tab.texts(".left-out tbody td") == ["zoo/7.tflite", "is a TFLite model already"]
    search.clear()
    tab.one(".prosaic select").send_keys("odd")
    settle(tab)
    assert len(tab.all(".left-out tbody tr")) == len(HOSTILE)
    assert tab.script("return typeof window.pwned") == "undefined"
    tab.open(drawn("left-out-none", draw(small())))
    assert "Left out" not in " ".join(tab.texts(".tab"))


def test_conversions_have_a_column_and_a_filter_where_there_are_any(tab: Tab, drawn: Draw) -> None:
    models = [
        made.outcome("a", tflite={"outcome": "converted_unverified", "reason": "no select ops"}),
        made.outcome("b", tflite={"outcome": "converted", "verdict": "within_tolerance"}),
        made.outcome("c"),
    ]
    tab.open(drawn("tflite", draw(models)))
    assert tab.texts(f"{ROWS} .tflite") == ["Not compared", "Within tolerance", ""]
    assert "TFLite: 1 not compared, 1 within tolerance" in tab.one(".notes").text
    tab.one("[data-choice=tflite]").send_keys("TFLite: not")
    settle(tab)
    assert names(tab) == ["a"]
    click(tab, f"{ROWS} a")
    assert "no select ops" in tab.one(".panel").text
    tab.open(drawn("no-tflite", draw(small())))
    assert not tab.all(".tflite") and not tab.all("[data-choice=tflite]")


def test_models_of_earlier_runs_are_marked_and_can_be_left_out(tab: Tab, drawn: Draw) -> None:
    models = [made.outcome("old", finished=made.stamp(-60)), made.outcome("new")]
    tab.open(drawn("earlier", draw(models)))
    assert tab.texts(f"{ROWS} .one-line") == ["new", "oldearlier"]
    tab.one("[data-choice=run]").send_keys("This")
    settle(tab)
    assert names(tab) == ["new"]
    tab.open(drawn("earlier", draw(models)), "#run=earlier")
    assert names(tab) == ["old"]


def test_only_alike_reasons_fold_and_no_model_speaks_for_another(tab: Tab, drawn: Draw) -> None:
    reasons = [
        "no kernel for 'Foo' (node 'a/b')",
        "no kernel for 'Foo' (node 'c/d')",
        'starts with "<!DOCTYPE html", 7 bytes',
        'starts with "hello there", 9 bytes',
        "it's 3 too long, isn't it",
        "it's 4 too long, isn't it",
    ]
    models = [made.failed(f"m{n}", reason=reason) for n, reason in enumerate(reasons)]
    tab.open(drawn("alike", draw(models)), "#view=problems")
    assert sorted(tab.texts(".said")) == [
        "it's … too long, isn't it",
        "no kernel for 'Foo' (node …)",
        'starts with "<!DOCTYPE html", 7 bytes',
        'starts with "hello there", 9 bytes',
    ]
    click(tab, "summary", "no kernel")
    settle(tab)
    assert tab.texts(".own") == reasons[:2]


def test_models_that_were_only_inspected_are_called_so(tab: Tab, drawn: Draw) -> None:
    seconds = {"inspect": 0.1}
    only = made.outcome("a", verdict="", result_bytes=0, seconds=seconds, steps=["inspect"])
    tab.open(drawn("inspected", draw([only])))
    assert tab.texts(f"{ROWS} .result") == ["Inspected"]
    assert "Inspected1" in tab.texts(".key")
    tab.open(drawn("inspected-one", batch_model_html(only)))
    assert tab.one(".readiness h2").text == "Inspected"


def test_model_page_says_which_outputs_were_not_compared(tab: Tab, drawn: Draw) -> None:
    outputs = {"plain": {"verdict": "bitwise"}, "sampled": {"verdict": "not_comparable"}}
    proof = {"verdict": "bitwise", "reason": "", "cases": [{"name": "case0", "outputs": outputs}]}
    tab.open(drawn("random", model_page(record={"verification": proof, "steps": []})))
    said = tab.one(".readiness p").text
    assert "the other outputs" in said and said.endswith("Not compared, as random: sampled.")


def test_model_page_tells_one_reason_once(tab: Tab, drawn: Draw) -> None:
    reason = "the original refused every generated input " + "because of this and that " * 12
    case = {"name": "case0", "verdict": "not_run", "reason": reason, "outputs": {}}
    proof = {"verdict": "not_run", "reason": reason, "cases": [case, {**case, "name": "case1"}]}
    failed = made.failed("a", reason=reason)
    tab.open(drawn("once", model_page(outcome=failed, record={"verification": proof}, log="")))
    assert tab.script("return document.body.innerText").count("refused every generated") == 1
    tab.open(drawn("twice", model_page(record={"verification": proof}, log="")))
    assert tab.script("return document.body.innerText").count("refused every generated") == 1


def test_model_page_tells_of_the_conversion(tab: Tab, drawn: Draw) -> None:
    told = {
        "outcome": "converted_unverified",
        "reason": "",
        "verification": {"verdict": "not_run", "reason": "no select ops here", "cases": []},
        "notes": ["link the Flex delegate"],
    }
    made_one = made.outcome("a", tflite={"outcome": "converted_unverified", "verdict": "not_run"})
    tab.open(drawn("converted", model_page(outcome=made_one, tflite=told)))
    text = tab.one("main").text
    for words in ("Converted, and not compared", "no select ops here", "link the Flex delegate"):
        assert words in text
