"""What stands around a picture, and how it uses a window: tables, address, columns, changes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator.drawing.scene import pair_scene, picture_scene
from migrator.drawing.two import Pairing
from migrator.inspection.summary import summarize
from migrator.model.model import MetaGraph, Model
from migrator.report import json_v1
from migrator.report.html_diff import diff_html
from migrator.report.html_picture import inspect_html
from tests.browser.conftest import Tab
from tests.browser.test_picture import click_item, inspected, settle, titles
from tests.corpus import sample
from tests.handmade import model, placeholder, unary
from tests.report import graphs

pytest.importorskip("igraph")

Draw = Callable[[str, str], Path]
LONG = "x" * 10_000
NAMES = (*graphs.HOSTILE, "\u2028\u2029", "__proto__", "constructor", "toString", "", LONG)
ALL_IN_VIEW = (
    "const a = document.querySelector('.canvas').getBoundingClientRect();"
    "return [...document.querySelectorAll(arguments[0])].every(e => {"
    " const b = e.querySelector('rect').getBoundingClientRect();"
    " return b.left >= a.left && b.right <= a.right && b.top >= a.top && b.bottom <= a.bottom; })"
)
CROSSED = (
    "let worst = 0; for (const level of document.querySelectorAll('.level')) {"
    " const own = [...level.children].filter(e => e.classList.contains('item'));"
    " const boxes = own.map(e => e.querySelector(':scope > .box, :scope > .frame')"
    "  .getBoundingClientRect());"
    " for (const line of level.querySelectorAll(':scope > .edges path')) {"
    "  const to = line.getScreenCTM(); const long = line.getTotalLength();"
    "  for (let at = 0; at <= long; at += 6) {"
    "   const p = line.getPointAtLength(at).matrixTransform(to);"
    "   boxes.forEach((b, end) => {"
    "    if (end === Number(line.dataset.a) || end === Number(line.dataset.b)) return;"
    "    worst = Math.max(worst, Math.min(p.x - b.left, b.right - p.x, p.y - b.top,"
    "     b.bottom - p.y)); }); } } } return worst"
)


def chain(count: int, scope: str = "") -> MetaGraph:
    names = [f"{scope}n{number}" for number in range(count)]
    nodes = [
        unary(name, "Relu", before) for before, name in zip(["x", *names], names, strict=False)
    ]
    return model(placeholder("x"), *nodes).meta_graphs[0]


def grown(left: MetaGraph, host: str) -> tuple[MetaGraph, Pairing]:
    """``left`` with a new scope between ``host`` and what reads it, and what that changed."""
    nodes = {node.name: node for node in left.graph.nodes}
    reader = next(node for node in nodes.values() if host in node.inputs)
    extra = model(unary("new/a", "Tanh", host), unary("new/b", "Neg", "new/a")).meta_graphs[0]
    moved = dataclasses.replace(reader, inputs=("new/b",))
    made = (*(moved if node is reader else node for node in nodes.values()), *extra.graph.nodes)
    graph = dataclasses.replace(left.graph, nodes=made, by_name={node.name: node for node in made})
    kinds = [("added", "", "new/a"), ("added", "", "new/b"), ("rewired", reader.name, reader.name)]
    pairing = Pairing(pairs=[(name, name) for name in nodes], kinds=kinds)
    return dataclasses.replace(left, graph=graph), pairing


@pytest.fixture(scope="module")
def change(drawn: Draw) -> Path:
    """A small change within a long network."""
    left = graphs.network(120)
    right, pairing = grown(left, "layer_77/Relu")
    nodes = [{"kind": kind, "left": a, "right": b, "op": "Op"} for kind, a, b in pairing.kinds]
    result: dict[str, Any] = {"left": {"path": "a"}, "right": {"path": "b"}, "nodes": nodes}
    return drawn("change", diff_html(result, pair_scene(left, right, pairing)))


@pytest.fixture(scope="module")
def real(drawn: Draw) -> Path:
    found = sample("tf1.15.5/conv_bn").model()
    result = json_v1.inspect_result([summarize(found)])
    return drawn("real", inspect_html(result, [("", picture_scene(found.meta_graphs[0]))]))


@pytest.mark.parametrize("scope", ["", "inside/"])
def test_a_long_chain_fills_the_window_and_stays_readable(
    tab: Tab, drawn: Draw, scope: str
) -> None:
    tab.open(drawn(f"chain{len(scope)}", inspected(chain(40, scope))))
    tab.one(".tool", "Open all").click()
    settle(tab)
    wide, high = tab.script(
        "const b = document.querySelector('.world').getBoundingClientRect();"
        "return [b.width, b.height]"
    )
    assert 0.7 < wide / high < 4
    assert tab.script(ALL_IN_VIEW, ".leaf") is True
    assert min(tab.script(
        "return [...document.querySelectorAll('.leaf .box')]"
        ".map(e => e.getBoundingClientRect().height)"
    )) > 14  # fmt: skip


def test_lines_run_through_no_box(tab: Tab, drawn: Draw) -> None:
    rnn = sample("tf1.15.5/while_plain").model().meta_graphs[0]
    for number, meta in enumerate((chain(40), graphs.flat(60), graphs.network(40), rnn)):
        tab.open(drawn(f"lines{number}", inspected(meta)))
        tab.one(".tool", "Open all").click()
        settle(tab)
        assert tab.script(CROSSED) < 2.5


def test_a_few_changes_are_opened_in_view_and_reached_by_keys(tab: Tab, change: Path) -> None:
    tab.open(change)
    settle(tab)
    kinds = "return [...document.querySelectorAll('.leaf[data-kind]')].map(e => e.dataset.kind)"
    assert sorted(tab.script(kinds)) == ["added", "added", "rewired"]
    assert tab.script(ALL_IN_VIEW, ".leaf[data-kind]") is True
    tab.script("document.querySelector('.canvas').focus()")
    seen = []
    for key in "nnnp":
        tab.press(key)
        settle(tab)
        seen.append(tab.one(".details .full code").text)
    assert set(seen) == {"new/a", "new/b", "layer_78/product"} and seen[3] == seen[1]
    assert "New input" in tab.one(".legend").text


def test_closed_scopes_tell_how_much_changed_inside(tab: Tab, change: Path) -> None:
    tab.open(change)
    tab.one(".tool", "Close all").click()
    settle(tab)
    assert sorted(tab.texts(".closed .count")) == ["+2", "↷1"]


def test_address_leads_to_a_node(tab: Tab, drawn: Draw) -> None:
    page = drawn("address", inspected(graphs.network(4)))
    tab.open(page, "#node=layer_2/product/weights")
    settle(tab)
    assert tab.one(".details .full code").text == "layer_2/product/weights"
    click_item(tab, "out")
    assert tab.script("return location.hash") == "#node=out"
    tab.one(".details .shut").click()
    assert tab.script("return location.hash") in ("", "#")
    tab.open(page, "#node=</script><img src=x onerror=alert(1)>&__proto__=1&%E2%80%A8")
    settle(tab)
    assert tab.all(".details") == [] and tab.console() == []


def test_weights_and_ends_of_a_model_are_told_and_lead_to_the_picture(tab: Tab, real: Path) -> None:
    tab.open(real)
    sections = {item.split(" (")[0] for item in tab.texts(".below h2")}
    assert {"Largest weights", "Ops"} < sections
    assert "0" not in tab.texts(".below .figure:nth-child(4)")
    row = tab.script(
        "return [...document.querySelectorAll('.below tr')].map(e => e.innerText)"
        ".find(text => text.includes('3, 3, 3, 8'))"
    )
    assert "216" in row and "864 B" in row
    tab.one(".below .link", "image:0").click()
    settle(tab)
    assert tab.one(".details .full code").text == "image"
    assert tab.texts(".leaf[data-sort=ends] > .op")[0] == "image"
    assert (
        "float32 ?\N{MULTIPLICATION SIGN}12\N{MULTIPLICATION SIGN}12\N{MULTIPLICATION SIGN}3"
        in tab.texts(".leaf[data-sort=ends] > .said")[0]
    )


def test_tables_filter_sort_and_stay_quick(tab: Tab, drawn: Draw) -> None:
    nodes = [
        {"kind": "added", "right": f"layer_{number % 4}/n{number}", "op": f"Op{number % 7}"}
        for number in range(20_000)
    ]
    weights = [
        {"kind": "values", "left": f"w{number}", "right": f"w{number}", "max_abs": value}
        for number, value in enumerate([0.5, None, 1e-9, 30.0])
    ]
    nodes[19_999] = {"kind": "changed", "left": "out", "right": "out", "op": "Softmax"}
    scene = picture_scene(graphs.network(4))
    start = time.perf_counter()
    page = drawn("tables", diff_html({"nodes": nodes, "weights": weights}, scene))
    tab.open(page)
    settle(tab)
    took = tab.script(
        "const f = document.querySelector('.filter'); const before = performance.now();"
        "f.value = 'n1234'; f.dispatchEvent(new Event('input'));"
        "document.querySelector('.order').click(); return performance.now() - before"
    )
    assert took < 1000 and time.perf_counter() - start < 20
    assert tab.one(".filters .dim").text == "11 of 20,000 nodes"
    assert len(tab.texts(".below section:first-child tbody tr")) == 11
    order = next(item for item in tab.all(".order") if item.text == "Largest")
    largest = "return [...document.querySelectorAll('.below section:nth-child(2) tbody tr')]"
    for wanted in (["w3", "w0", "w2", "w1"], ["w2", "w0", "w3", "w1"]):
        order.click()
        assert tab.script(f"{largest}.map(e => e.children[1].innerText)") == wanted
    tab.type(".filter", "softmax")
    tab.script("document.querySelector('.goes td:last-child').click()")
    settle(tab)
    assert tab.one(".details .full code").text == "out"
    assert tab.console() == []


def test_hostile_names_stay_text_everywhere_on_the_page(tab: Tab, drawn: Draw) -> None:
    left = graphs.hostile(tuple(filter(None, NAMES)))  # no reader takes a node without a name
    names = list(left.graph.by_name)
    kinds = [("changed", name, name) for name in names]
    scene = pair_scene(left, left, Pairing(pairs=[(name, name) for name in names], kinds=kinds))
    row = [
        {
            "kind": name, "left": name, "right": f"{name}/w{number}", "op": name, "key": name,
            "field": name, "nodes": name, "changes": [{"field": name, "left": name, "right": name}],
        }
        for number, name in enumerate(NAMES)
    ]  # fmt: skip
    fields = ("nodes", "scopes", "weights", "signatures", "functions", "others")
    result: dict[str, Any] = dict.fromkeys(fields, row)
    result |= {"left": {"path": NAMES[0]}, "right": NAMES[1], "headline": list(NAMES)}
    file = drawn("hostile_diff", diff_html(result, scene))
    for address in ("", "#node=__proto__", "#node=constructor/toString"):
        tab.open(file, address)
        settle(tab)
        assert tab.console() == []
    tab.one(".tool", "Open all").click()
    settle(tab)
    shown = titles(tab)
    assert "constructor" in shown and "__proto__" in shown
    for word in ("__proto__", "constructor", "<img", "script"):
        tab.type(".find", word)
        tab.press("\ue007")
        settle(tab)
        assert word in tab.one(".details").text
        tab.type(".below section:first-child .filter", word)
        assert tab.texts(".below section:first-child tbody tr")
    for button in tab.all(".order")[:6]:
        button.click()
    assert tab.script("return typeof window.pwned") == "undefined"
    assert tab.script("return document.scripts.length") == 3
    assert tab.script("return document.querySelectorAll('#app img, #app script').length") == 0
    text = tab.script("return document.title + document.body.innerText")
    assert not [char for char in set(text) if not char.isprintable() and char not in "\n\t"]
    assert tab.script("return document.documentElement.scrollWidth") <= 1300
    assert tab.script("return ({}).kind") is None
    assert tab.console() == []
    assert [url for url in tab.requests() if url.startswith("http")] == []


def test_the_whole_picture_is_printed(tab: Tab, change: Path, drawn: Draw) -> None:
    tab.open(drawn("printed", inspected(graphs.network(6))))
    settle(tab)
    box = "return document.querySelector('.canvas').getAttribute('viewBox')"
    before = tab.script(box)
    tab.one("[aria-label='Zoom in']").click()
    settle(tab)
    tab.script("dispatchEvent(new Event('beforeprint'))")
    x, y, w, h = (float(part) for part in tab.script(box).split())
    inside = tab.script(
        "const b = document.querySelector('.world').getBBox();"
        "const m = document.querySelector('.world').transform.baseVal.consolidate().matrix;"
        "return [b.x * m.a + m.e, b.y * m.a + m.f, b.width * m.a, b.height * m.a]"
    )
    assert x <= inside[0] + 1 and y <= inside[1] + 1
    assert x + w >= inside[0] + inside[2] - 1 and y + h >= inside[1] + inside[3] - 1
    tab.script("dispatchEvent(new Event('afterprint'))")
    assert tab.script(box) == before


def page_of(drawn: Draw, label: str, item: Model) -> Path:
    result = json_v1.inspect_result([summarize(item)])
    return drawn(label, inspect_html(result, [("", picture_scene(item.meta_graphs[0]))]))


def test_a_served_model_opens_on_the_body_of_its_default_signature(tab: Tab, drawn: Draw) -> None:
    tab.open(page_of(drawn, "served", sample("tf2.21.0/keras_export").model()))
    settle(tab)
    seen = tab.script(
        "const a = document.querySelector('.canvas').getBoundingClientRect();"
        "return [...document.querySelectorAll('.leaf')].filter(e => {"
        " const b = e.querySelector('rect').getBoundingClientRect();"
        " return b.left >= a.left && b.right <= a.right && b.top >= a.top && b.bottom <= a.bottom;"
        "}).map(e => e.textContent)"
    )
    assert any("Rsqrt" in text for text in seen)
    text = tab.script("return document.body.innerText")
    assert "SavedModel ·" in text and "saved_model ·" not in text
    assert "Run at load: __saved_model_init_op" in text
    assert "Signature __saved_model_init_op" not in text


def test_ends_that_a_model_declares_are_not_called_suggested(tab: Tab, drawn: Draw) -> None:
    tab.open(page_of(drawn, "keras", sample("tf2.21.0/keras_h5").model()))
    settle(tab)
    text = tab.script("return document.body.innerText")
    assert "Inputs (" in text and "as the graph suggests" not in text
    assert "Keras model (HDF5) ·" in text
