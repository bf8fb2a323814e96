"""What the real Model Explorer makes of our graphs, overlays and mapping, in a real Chromium."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest

import migrator
from migrator.actions.explorer_server import free_port
from tests import handmade as h
from tests import wire
from tests.browser.conftest import Tab
from tests.commands import environment
from tests.explorer import Served, require_explorer, view, wait_for

ODD = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network, and the same under other names with another op, weight and node."""
    folder = tmp_path_factory.mktemp("models")

    def written(name: str, scope: str, activation: str, last: float, *more: bytes) -> Path:
        path = folder / name
        nodes = [
            h.placeholder("x"),
            *h.dense(f"{scope}/first", "x"),
            h.unary(f"{scope}/act", activation, f"{scope}/first"),
            h.const("scale", np.full((3,), last)),
            h.op("out", "Mul", f"{scope}/act", "scale", T=wire.F),
            *more,
        ]
        path.write_bytes(wire.graph(nodes))
        return path

    left = written("left.pb", "tower", "Relu", 1.0, h.op(ODD, "NoOp", "^x"))
    return left, written("right.pb", "body/inner", "Elu", 1.5)


@pytest.fixture(scope="module")
def served(models: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with view(*models, cwd=tmp_path_factory.mktemp("view")) as running:
        yield running


def look(tab: Tab, address: str) -> None:
    """Open the page; back when both panes are laid out."""
    tab.driver.get("about:blank")
    tab.driver.get_log("performance"), tab.console()
    tab.driver.get(address)
    wait_for(lambda: len(tab.all("graph-panel, renderer-wrapper canvas")) >= 2)
    wait_for(lambda: sum("node count" in text for text in tab.texts("info-panel")) == 2)


def state(tab: Tab) -> list[dict[str, Any]]:
    """The panes as the page's own address tells them."""
    data = json.loads(parse_qs(urlsplit(tab.driver.current_url).query)["data"][0])
    found: list[dict[str, Any]] = data["uiState"]["paneStates"]
    return found


def select(tab: Tab, node: str) -> list[str]:
    """Select a node of the left pane; what is then selected in both."""
    message = {"cmd": "model-explorer-select-node-by-node-id", "nodeId": node}
    tab.script("window.postMessage(arguments[0], '*')", message)
    wait_for(lambda: state(tab)[0]["selectedNodeId"] == node)
    try:
        wait_for(lambda: state(tab)[1]["selectedNodeId"])
    except AssertionError:
        return [node, ""]
    return [pane["selectedNodeId"] for pane in state(tab)]


def test_both_graphs_are_side_by_side_and_coloured(tab: Tab, served: Served) -> None:
    look(tab, served.address)
    left, right = tab.texts("info-panel")
    assert "what changed" in left and "weights: largest difference" in right
    titles = " ".join(tab.texts("body"))
    assert "left: left.pb" in titles and "right: right.pb" in titles


def test_page_gets_nothing_from_elsewhere(tab: Tab, served: Served) -> None:
    look(tab, served.address)
    events = [json.loads(row["message"])["message"] for row in tab.driver.get_log("performance")]
    answers = {
        urlsplit(event["params"]["response"]["url"]).netloc
        for event in events
        if event["method"] == "Network.responseReceived"
    }
    assert {host for host in answers if host} == {urlsplit(served.address).netloc}
    errors = [text for text in tab.console() if "Content Security Policy" not in text]
    assert not [text for text in errors if "rror" in text]


def test_selecting_a_renamed_node_selects_its_counterpart(tab: Tab, served: Served) -> None:
    look(tab, served.address)
    chosen = select(tab, "tower/first")
    assert chosen == ["tower/first", "tower/first"]
    left, right = tab.texts("info-panel")
    assert "body/inner/first" in right
    assert "renamed; body/inner/first on the right" in left


def test_hostile_name_stays_text(tab: Tab, served: Served) -> None:
    look(tab, served.address)
    message = {"cmd": "model-explorer-select-node-by-node-id", "nodeId": ODD}
    tab.script("window.postMessage(arguments[0], '*')", message)
    wait_for(lambda: ODD in "".join(tab.texts("info-panel")))
    assert tab.script("return document.querySelectorAll('img[src=x]').length") == 0


@contextmanager
def plain_explorer(folder: Path) -> Iterator[str]:
    """The package's own command on the files that ``diff`` writes; its address."""
    require_explorer()
    port = free_port("localhost")
    closed = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "localhost"}  # it phones home
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "model_explorer", folder / "left.json", folder / "right.json"),
            *("--no_open_in_browser", "--host", "localhost", "--port", str(port)),
        ],
        env=environment(closed),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        served = Served(process=process, address=f"http://localhost:{port}/")  # type: ignore[arg-type]

        def answers() -> bool:
            assert process.poll() is None
            try:
                served.open("/check_health").close()
                return True
            except OSError:
                return False

        wait_for(answers)
        yield served.address
    finally:
        process.kill()
        process.wait()


def test_written_mapping_and_overlays_serve_the_unchanged_package(
    tab: Tab, models: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    explored = migrator.explore(*models, dest=folder)
    panes = [
        {
            "deepestExpandedGroupNodeIds": [],
            "selectedNodeId": "",
            "selectedGraphId": pane.graph,
            "selectedCollectionLabel": pane.label,
            "widthFraction": 0.5,
            "selected": pane is explored.panes[0],
        }
        for pane in explored.panes
    ]
    overlays = [
        (str(folder / name), pane.label) for pane in explored.panes for name in pane.overlays
    ]
    data = {
        "models": [{"url": str(folder / pane.file)} for pane in explored.panes],
        "nodeData": [path for path, _ in overlays],
        "nodeDataTargets": [label for _, label in overlays],
        "uiState": {"paneStates": panes},
    }
    with plain_explorer(folder) as address:
        look(tab, f"{address}?data={quote(json.dumps(data))}")
        assert all("what changed" in text for text in tab.texts("info-panel"))
        tab.script("document.querySelector('sync-navigation-button .content').click()")
        wait_for(lambda: tab.all(".sync-mode-radio-button"))
        upload = tab.one(".sync-mode-radio-button", "Upload mapping")
        upload.find_element("css selector", "input").click()
        field = wait_for(lambda: tab.driver.find_elements("css selector", ".upload-mapping-input"))
        field[0].send_keys(str(folder / "sync.json"))
        wait_for(lambda: "sync.json" in " ".join(tab.texts(".uploaded-file-name")))
        assert select(tab, "tower/first") == ["tower/first", "body/inner/first"]
