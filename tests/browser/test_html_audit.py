"""The audit's HTML page in a real Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator.report.escape import shown
from migrator.report.html_audit import audit_html
from tests.browser.conftest import Tab
from tests.report.audit_samples import HOSTILE, finding, hostile, model, result, zoo

Json = dict[str, Any]
Draw = Callable[[str, str], Path]

ROWS = ".models tbody tr"
FIRST = "/srv/models/a/first.pb"
SECOND = "/srv/models/b/second/saved_model.pb"
THIRD = "/srv/models/third.pb"


def small() -> Json:
    """Three models: one attacks, one needs a decision, one is ready."""
    models = [
        model(THIRD, "ready", bytes=10, nodes=7),
        model(SECOND, "needs_you", bytes=5_000_000, nodes=90, format="saved_model"),
        model(FIRST, "blocked", bytes=300_000, nodes=1200),
    ]
    findings = [
        finding(FIRST, "S101", 0),
        finding(FIRST, "B101", 1),
        *(finding(FIRST, "W102", number) for number in range(30)),
        finding(SECOND, "W201", 0),
        finding(SECOND, "H101", 1),
        finding(THIRD, "H101", 0),
    ]
    skipped = [
        {"source": "/srv/models/cut.pb", "rule": "", "reason": "is the file truncated?"},
        {"source": FIRST, "rule": "H103", "reason": "the rule failed: KeyError"},
    ]
    return result(models, findings, skipped)


@pytest.fixture(scope="module")
def page(drawn: Draw) -> Path:
    return drawn("small", audit_html(small()))


@pytest.fixture(scope="module")
def big(drawn: Draw) -> Path:
    return drawn("big", audit_html(zoo(1000, 20_000)))


def names(tab: Tab) -> list[str]:
    return tab.texts(f"{ROWS} .name b")


def status(tab: Tab) -> str:
    return str(tab.one(".status").text)


def click(tab: Tab, css: str, text: str = "") -> None:
    tab.one(css, text).click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_from_a_file_without_a_message_or_a_request(
    tab: Tab, page: Path, scheme: str
) -> None:
    tab.open(page, scheme=scheme)
    assert names(tab) == ["first.pb", "second", "third.pb"]
    click(tab, f"{ROWS} a", "first.pb")
    assert tab.one(".panel h2").text == "a/first.pb"
    assert tab.console() == []
    assert [url for url in tab.requests() if url != "data:,"] == [page.as_uri()]


def test_policy_stops_script_that_slipped_into_the_file(tab: Tab, drawn: Draw) -> None:
    slipped = (
        "<script>window.pwned = 1</script><img src='x' onerror='window.pwned = 2'>"
        "<a id='bait' href='javascript:window.pwned = 3'>x</a>"
        "<iframe srcdoc='<script>top.pwned = 4</script>'></iframe>"
        "<style>h1 { color: rgb(1, 2, 3) }</style></body>"
    )
    tab.open(drawn("slipped", audit_html(small()).replace("</body>", slipped)))
    tab.script("document.getElementById('bait').click()")
    assert len(names(tab)) == 3
    assert tab.script("return typeof window.pwned") == "undefined"
    color = tab.script("return getComputedStyle(document.querySelector('h1')).color")
    assert color != "rgb(1, 2, 3)"
    assert len(tab.console()) >= 3


def test_hostile_names_stay_text(tab: Tab, drawn: Draw) -> None:
    tab.open(drawn("hostile", audit_html(hostile())))
    tags = {"a", "b", "code", "i", "span", "ul", "ol", "li", "dl", "dt", "dd", "pre", "main"}
    seen = "return [...new Set([...document.querySelectorAll('#app *')].map(e => e.localName))]"
    everything = (
        "let text = document.body.innerText;"
        "for (const way of ['model', 'rule']) for (const key of arguments[0][way]) {"
        "  location.hash = new URLSearchParams({[way]: key});"
        "  await new Promise(requestAnimationFrame);"
        "  for (const item of document.querySelectorAll('details')) item.open = true;"
        "  await new Promise(requestAnimationFrame);"
        "  text += document.body.innerText;"
        "} return text"
    )
    spoken = [name for name in HOSTILE if "\ud800" not in name]  # WebDriver takes no other text
    keys = {"model": [f"~{number}" for number in range(len(HOSTILE))] + spoken, "rule": spoken}
    text = str(tab.script(f"return (async function() {{ {everything} }})(...arguments)", keys))
    for view in ("Rules", "Skipped", "Models"):
        click(tab, ".tab", view)
        text += tab.script("return document.body.innerText")
    assert tab.script("return typeof window.pwned") == "undefined"
    assert tab.script("return document.getElementById('pwned')") is None
    strange = set(tab.script(seen)) - tags
    assert strange <= {
        "article", "aside", "button", "caption", "details", "div", "h1", "h2", "h3", "h4",
        "header", "input", "nav", "option", "p", "section", "select", "summary", "table",
        "tbody", "td", "th", "thead", "tr", "wbr",
    }  # fmt: skip
    assert tab.script("return document.scripts.length") == 3
    unprintable = [char for char in set(text) if not char.isprintable() and char not in "\n\t"]
    assert unprintable == []
    assert "</script><script>window.pwned = 1</script>" in text
    assert tab.console() == []


def test_names_are_escaped_as_in_the_other_reports(tab: Tab, drawn: Draw) -> None:
    found = [
        *HOSTILE[:-1],
        "名前 mit Umlaut äöü",
        "soft\u00adhyphen",
        "no\u00a0break",
        "\U0001f600\U000e0041",
    ]
    made = result(
        [model("a.pb")], [finding("a.pb", "S101", i, message=m) for i, m in enumerate(found)]
    )
    tab.open(drawn("escaped", audit_html(made)), "#model=a.pb")
    while tab.all(".panel .more"):
        click(tab, ".panel .more")
    assert tab.texts(".findings > li > p") == [shown(text) for text in found]


def test_search_finds_by_path_rule_op_argument_and_message(tab: Tab, page: Path) -> None:
    tab.open(page)
    for text, left in {
        "SECOND": ["second"],
        "/etc/pass": ["first.pb"],
        "readfile": ["first.pb"],
        "no-signature": ["second"],
        "h101": ["second", "third.pb"],
        "lead to no output third": ["third.pb"],
        "nowhere at all": [],
    }.items():
        tab.type("input[type=search]", text)
        assert names(tab) == left, text
    assert status(tab).startswith("0 of 3 models, 0 of 35 findings")
    click(tab, ".empty button")
    assert len(names(tab)) == 3
    assert status(tab) == "All 3 models, 35 findings"


def test_filters_narrow_models_counts_and_panel(tab: Tab, page: Path) -> None:
    tab.open(page)
    click(tab, ".tile", "High")
    assert names(tab) == ["first.pb"]
    assert status(tab) == "1 of 3 models, 1 of 35 findings"
    click(tab, f"{ROWS} a")
    assert tab.texts(".panel .group .title") == ["Reads a file that is not the model's own"]
    click(tab, ".headline button", "Show all 32")
    assert len(tab.texts(".panel .group")) == 3
    click(tab, ".tile", "High")
    click(tab, ".chip", "Health")
    assert names(tab) == ["second", "third.pb"]
    click(tab, ".key", "Ready\n")
    assert names(tab) == ["third.pb"]
    click(tab, ".clear")
    assert len(names(tab)) == 3
    tab.script(
        "const box = document.querySelector('select'); box.value = 'W201';"
        "box.dispatchEvent(new Event('change'))"
    )
    assert names(tab) == ["second"]


def test_counts_on_the_filters_are_those_of_the_result(tab: Tab, big: Path) -> None:
    made = zoo(1000, 20_000)
    tab.open(big)
    counts = [int(text.replace(",", "")) for text in tab.texts(".tile .number")]
    assert counts == list(made["summary"].values())
    verdicts = [int(text.replace(",", "")) for text in tab.texts(".legend .number")]
    assert verdicts == list(made["readiness"].values())
    widths = tab.script(
        "return [...document.querySelectorAll('.totals .track span')].map(e => e.clientWidth)"
    )
    shares = [count / 1000 for count in verdicts]
    assert [w / sum(widths) for w in widths] == pytest.approx(shares, abs=0.02)


def test_headings_sort_and_sort_back(tab: Tab, page: Path) -> None:
    tab.open(page)
    for heading, order in {
        "Size": ["second", "first.pb", "third.pb"],
        "Nodes": ["first.pb", "second", "third.pb"],
        "Model": ["first.pb", "second", "third.pb"],
        "Info": ["second", "third.pb", "first.pb"],
    }.items():
        click(tab, ".sort", heading)
        assert names(tab) == order, heading
        assert tab.one("th[aria-sort]").get_attribute("aria-sort") == "descending"
        click(tab, ".sort", heading)
        if heading != "Info":  # equal ones stay the worst first
            assert names(tab) == order[::-1], heading
        assert tab.one("th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_a_model_tells_readiness_findings_and_remedies(tab: Tab, page: Path) -> None:
    tab.open(page)
    click(tab, f"{ROWS} a", "first.pb")
    panel = re.sub(r"\s+", " ", tab.one(".panel").text)
    for told in (
        "Blocked", "the op GatherTree is not registered", "--op-library", "GraphDef",
        "written by TensorFlow 1.15.5", "1 high, 1 medium, 30 low", "/etc/passwd",
        "model/block_0/ReadFile_0", "runs when the model is loaded", "Remedy Cut the node off",
        "H103 the rule failed",
    ):  # fmt: skip
        assert told in panel, told
    assert len(tab.texts(".findings > li")) == 1 + 1 + 8  # the rest of the 30 when asked for
    click(tab, ".panel .more", "of 22")
    click(tab, ".panel .more", "of 14")
    click(tab, ".panel .more", "of 6")
    assert len(tab.texts(".findings > li")) == 32
    assert tab.all(".about h4") == []
    tab.script("document.querySelector('.about summary').click()")
    heads = [item.text for item in tab.all(".about h4")]
    assert heads == ["What it detects", "Why it matters", "How to fix", "Limits", "Looks at"]


def test_a_place_in_a_nested_graph_and_a_way_to_run_are_told_in_words(
    tab: Tab, drawn: Draw
) -> None:
    places = {"cst!": "n0", "outer/cst!inner": "n1", "plain": "n2"}
    found = [finding(FIRST, "S101") for _ in places]
    for item, (function, node) in zip(found, places.items(), strict=True):
        item["location"] |= {"function": function, "node": node}
        item["detail"]["reached"] = ["init", "train"]
    tab.open(drawn("places", audit_html(result([model(FIRST)], found))))
    click(tab, f"{ROWS} a", "first.pb")
    panel = re.sub(r"\s+", " ", tab.one(".panel").text)
    assert "Where n0, in the graph inside of constant cst Op" in panel
    assert "Where n1, in function inner of the graph inside of constant outer/cst Op" in panel
    assert "Where plain / n2 Op" in panel
    assert "gives variables and tables their first values" in panel
    assert "runs when it is trained" in panel


def test_copy_puts_what_is_shown_on_the_clipboard(tab: Tab, page: Path) -> None:
    tab.open(page, f"#model={SECOND}")
    click(tab, ".options li:first-child .copy")
    tab.script("return new Promise(done => setTimeout(done, 200))")
    assert tab.one(".options li:first-child .copy").text == "Copied"
    tab.one("input[type=search]").send_keys("\ue009v")  # Control and V
    assert tab.script("return document.querySelector('input').value") == (
        "--output scores=logits:0"
    )


def test_rules_are_listed_told_and_filter(tab: Tab, page: Path) -> None:
    tab.open(page)
    click(tab, ".tab", "Rules")
    assert tab.texts(".rules tbody .facts code") == ["S101", "B101", "W102", "W201", "H101"]
    click(tab, ".rules a", "Nodes that no output needs")
    assert tab.one(".panel h2").text == "Nodes that no output needs"
    assert tab.texts(".affected .name b") == ["second", "third.pb"]
    assert "rule=H101" in tab.script("return location.hash")
    click(tab, ".panel .headline button")
    assert names(tab) == ["second", "third.pb"]
    assert not tab.all(".panel")


def test_skipped_entries_tell_their_reason(tab: Tab, page: Path) -> None:
    tab.open(page)
    click(tab, ".lead a", "2 skipped")
    entries = [item.text.split("\n") for item in tab.all(".skipped li")]
    assert entries == [
        ["cut.pb", "not read", "is the file truncated?"],
        ["a/first.pb", "the rule H103 did not run on it", "the rule failed: KeyError"],
    ]


def test_addresses_lead_to_models_rules_and_filters_and_back(tab: Tab, page: Path) -> None:
    tab.open(page, f"#model={SECOND}")
    assert tab.one(".panel h2").text == "b/second/saved_model.pb"
    tab.open(page, "#rule=S101")
    assert tab.one(".panel h2").text == "Reads a file that is not the model's own"
    tab.open(page, "#q=h101&readiness=ready&sort=path")
    assert names(tab) == ["third.pb"]
    click(tab, f"{ROWS} a")
    assert tab.one(".panel h2").text == "third.pb"
    tab.driver.back()
    assert not tab.all(".panel")
    assert names(tab) == ["third.pb"]
    tab.driver.forward()
    assert tab.one(".panel h2").text == "third.pb"
    tab.open(page, "#model=/no/such.pb&rule=nor&severity=worst&view=none&sort=__proto__&code=x")
    assert len(names(tab)) == 3
    assert not tab.all(".panel")


def test_state_is_kept_in_the_address(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.type("input[type=search]", "e")
    click(tab, ".tile", "Low")
    click(tab, ".sort", "Size")
    click(tab, f"{ROWS} a", "second")
    address = tab.script("return location.hash")
    assert address == f"#q=e&severity=low&sort=size&model={SECOND}"
    tab.open(page, address)
    assert names(tab) == ["second", "first.pb"]
    assert tab.one(".panel h2").text == "b/second/saved_model.pb"


def test_keyboard_alone_searches_walks_opens_and_closes(tab: Tab, page: Path) -> None:
    down, enter, escape, tabulator = "\ue015", "\ue007", "\ue00c", "\ue004"
    tab.open(page)
    tab.press("/")
    assert tab.script("return document.activeElement.type") == "search"
    tab.press(*"h101")
    assert names(tab) == ["second", "third.pb"]
    tab.press(escape)
    assert len(names(tab)) == 3
    tab.script("document.querySelector('.models tbody a').focus()")
    tab.press(down, enter)
    assert tab.focused() == "b/second/saved_model.pb"
    assert tab.script("return document.activeElement.localName") == "h2"
    tab.press(tabulator)
    assert tab.focused() == "Copy"
    tab.press(escape)
    assert not tab.all(".panel")
    assert tab.focused() == "b/second/saved_model.pb"
    assert tab.script("return document.activeElement.localName") == "a"


def test_previous_and_next_follow_the_list(tab: Tab, page: Path) -> None:
    tab.open(page, f"#model={FIRST}&sort=path")
    seen = []
    for _ in range(2):
        click(tab, ".panel-bar button", "Next")
        seen.append(tab.one(".panel h2 b").text)
    assert seen == ["second", "third.pb"]
    assert not tab.one(".panel-bar button", "Next").is_enabled()


def test_theme_follows_the_system_until_one_is_chosen_and_is_kept(tab: Tab, page: Path) -> None:
    def background() -> str:
        return str(tab.script("return getComputedStyle(document.body).backgroundColor"))

    tab.open(page, scheme="dark")
    dark = background()
    tab.open(page, scheme="light")
    light = background()
    assert dark != light
    click(tab, ".theme")  # light
    click(tab, ".theme")  # dark
    assert background() == dark
    # Loaded anew by the same process: another one might be asked before the browser has written.
    tab.driver.refresh()
    assert background() == dark
    click(tab, ".theme")  # the system's again
    assert background() == light


_CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgb = (color) => {
  paint.clearRect(0, 0, 1, 1); paint.fillStyle = color; paint.fillRect(0, 0, 1, 1);
  return [...paint.getImageData(0, 0, 1, 1).data];
};
const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const color = rgb(getComputedStyle(e).backgroundColor);
    if (color[3] === 255) return color;
  }
  return [255, 255, 255, 255];
};
const poor = new Set();
for (const e of document.querySelectorAll('#app *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.checkVisibility() || e.closest('.zero, :disabled, .offscreen')) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const what = e.className || e.localName;
  if (ratio < 4.5) poor.add(`${what} ${ratio.toFixed(2)} ${e.textContent.slice(0, 20)}`);
}
return [...poor];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(tab: Tab, drawn: Draw, scheme: str) -> None:
    file = drawn("many", audit_html(zoo(60, 900)))
    tab.open(file, "#severity=low&readiness=needs_you", scheme=scheme)
    assert tab.script(_CONTRAST) == []
    tab.open(file, scheme=scheme)
    assert tab.script(_CONTRAST) == []
    click(tab, f"{ROWS}:first-child a")
    assert tab.script(_CONTRAST) == []
    click(tab, ".tab", "Rules")
    assert tab.script(_CONTRAST) == []


def test_controls_have_names_and_states(tab: Tab, page: Path) -> None:
    tab.open(page, f"#model={FIRST}")
    tree = tab.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = ("button", "link", "searchbox", "combobox", "DisclosureTriangle")
    seen = set()
    for node in tree:
        role = node.get("role", {}).get("value", "")
        if role in controls and not node.get("ignored"):
            seen.add(role)
            assert node["name"]["value"].strip(), json.dumps(node)[:300]
    assert {"button", "link", "searchbox"} <= seen
    roles = {node.get("role", {}).get("value", "") for node in tree if not node.get("ignored")}
    assert {"banner", "main", "navigation", "complementary", "heading", "status"} <= roles
    assert tab.one(".tile", "High").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("width", [400, 640, 1079, 1300])
def test_nothing_is_cut_off_at_any_width(tab: Tab, drawn: Draw, width: int) -> None:
    wide = "return document.scrollingElement.scrollWidth - innerWidth"
    panel = "const p = document.querySelector('.panel'); return p.scrollWidth - p.clientWidth"
    for name, made in (("small", small()), ("hostile", hostile())):
        file = drawn(name, audit_html(made))
        for view in ("", "#view=rules", "#view=skipped"):
            tab.open(file, view, width=width)
            assert tab.script(wide) <= 0, (name, view)
        tab.open(file, "#model=~0" if name == "hostile" else f"#model={FIRST}", width=width)
        if name == "small":
            assert tab.script(panel) <= 0
        assert tab.script(wide) <= 0, name


def test_without_javascript_there_is_a_summary(tab: Tab, page: Path) -> None:
    tab.open(page, javascript=False)
    text = tab.driver.find_element("css selector", "body").text
    tab.open(page)  # scripts are on again
    assert "3 models, 35 findings, 2 skipped" in text
    assert "Needs you 1" in text
    assert FIRST in text


def test_prints_the_worst_models_or_the_open_one(tab: Tab, drawn: Draw) -> None:
    file = drawn("printed", audit_html(zoo(60, 600)))
    tab.open(file)
    worst = names(tab)[:25]
    assert tab.pdf().startswith(b"%PDF")
    assert tab.texts(".paper h2") == ["The 25 worst of 60 models"]
    assert tab.texts(".paper h3 b") == worst
    assert tab.texts(".paper .fix")
    click(tab, f"{ROWS} a", worst[3])
    tab.pdf()
    assert tab.texts(".paper h3 b") == [worst[3]]


def test_a_thousand_models_open_and_filter_at_once(tab: Tab, big: Path) -> None:
    tab.open(big)
    ready = tab.script("return performance.getEntriesByName('audit-ready')[0].startTime")
    assert ready < 6000  # a third of a second on a machine with nothing else to do
    assert len(names(tab)) == 100
    tab.type("input[type=search]", "passwd")
    click(tab, ".tile", "High")
    click(tab, ".key", "Ready\n")
    click(tab, ".clear")
    for heading in ("Size", "Model"):
        click(tab, ".sort", heading)
    measures = sorted(tab.measures("audit-filter"))
    assert len(measures) > 8
    assert measures[len(measures) // 2] < 200
    assert measures[-1] < 1500
    click(tab, ".list .more", "of 900")
    assert len(names(tab)) == 200
    assert tab.console() == []
