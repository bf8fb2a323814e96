"""``migrator view`` and ``diff --format model-explorer``: what is written, served and refused."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import handmade as h
from tests import wire
from tests.commands import run
from tests.corpus import sample
from tests.explorer import Served, require_explorer, view, wait_for

MLP = sample("tf1.15.5/mlp").path
CONV = sample("tf1.15.5/conv_bn").path
Capture = pytest.CaptureFixture[str]


def test_diff_writes_a_folder_and_says_how_to_open_it(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "made"
    words = ("diff", MLP, CONV, "--format", "model-explorer", "-o", target)
    done = run(capsys, *words)
    assert (done.code, done.err) == (1, "")
    assert f"migrator view {MLP} {CONV}" in done.out
    names = {item.name for item in target.iterdir()}
    assert {"left.json", "right.json", "sync.json", "left.changes.json"} <= names
    for name in names:
        json.loads((target / name).read_text("ascii"))
    again = run(capsys, *words)
    assert (again.code, again.out) == (2, "") and "--overwrite" in again.err
    assert run(capsys, *words, "--overwrite", "-q").out == ""


def test_equal_models_are_exit_code_zero(capsys: Capture, tmp_path: Path) -> None:
    words = ("diff", MLP, MLP, "--format", "model-explorer", "-o", tmp_path / "made")
    assert run(capsys, *words).code == 0
    assert not (tmp_path / "made" / "left.changes.json").exists()


@pytest.mark.parametrize("others", [[], [CONV]], ids=["one", "two"])
def test_a_bound_that_is_passed_ends_it_before_anything_is_served(
    others: list[Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = "migrator.actions.explorer_server"
    monkeypatch.setattr(f"{server}.require_package", lambda: None)
    monkeypatch.setattr(f"{server}.serve", lambda *given, **options: pytest.fail("is served"))
    for name, told in (("nodes=3", "the limit is 3"), ("seconds=0.000001", "takes longer")):
        done = run(capsys, "view", MLP, *others, "--limit", name)
        assert (done.code, done.out) == (2, "")
        assert told in done.err and f"--limit {name.partition('=')[0]}=MORE" in done.err


def test_a_folder_for_the_page_keeps_to_the_bounds(capsys: Capture, tmp_path: Path) -> None:
    words = ("diff", MLP, CONV, "--format", "model-explorer", "-o", tmp_path / "made")
    done = run(capsys, *words, "--limit", "nodes=3")
    assert (done.code, done.out) == (2, "") and "--limit nodes=" in done.err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("words", ([], ["-o", "-"]))
def test_a_folder_needs_a_name(words: list[str], capsys: Capture) -> None:
    done = run(capsys, "diff", MLP, CONV, "--format", "model-explorer", *words)
    assert (done.code, done.out) == (2, "") and "-o DIR" in done.err


def test_nothing_is_left_where_a_model_cannot_be_read(capsys: Capture, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pb"
    bad.write_bytes(b"no model at all")
    words = ("diff", MLP, bad, "--format", "model-explorer", "-o", tmp_path / "made")
    done = run(capsys, *words)
    assert (done.code, done.out) == (2, "") and "bad.pb" in done.err
    assert [item.name for item in tmp_path.iterdir()] == ["bad.pb"]


def test_without_the_package_the_extra_is_named(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model_explorer", None)
    done = run(capsys, "view", MLP, CONV)
    assert (done.code, done.out) == (2, "")
    assert "pip install 'migrator[view]'" in done.err and done.err.count("\n") == 1


@pytest.fixture
def package() -> None:
    require_explorer()


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.pb"], "missing.pb"),
        ([MLP, "--weights"], "two models"),
        ([MLP, "--port", "70000"], "70000"),
        ([MLP, "--host", "no such host."], "no such host"),
    ],
)
def test_bad_usage_is_one_clear_error(words: list[str], said: str, capsys: Capture) -> None:
    done = run(capsys, "view", *words, "--no-browser")
    assert (done.code, done.out) == (2, "")
    assert said in done.err and done.err.count("\n") == 1


@pytest.mark.usefixtures("package")
def test_a_port_that_is_taken_is_told(capsys: Capture) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(capsys, "view", MLP, "--port", str(port), "--no-browser")
    assert done.code == 2 and str(port) in done.err


@pytest.mark.usefixtures("package")
def test_a_port_that_is_taken_in_the_last_moment_is_told(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr("migrator.actions.explorer_server.free_port", lambda *_: port)
        done = run(capsys, "view", MLP, "--no-browser")
    assert done.code == 2 and f"port {port} was taken" in done.err


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("view")
    with view(MLP, CONV, cwd=folder) as running:
        yield running


def test_page_is_told_of_both_graphs_and_that_they_go_together(served: Served) -> None:
    data = served.data
    labels = [pane["selectedCollectionLabel"] for pane in data["uiState"]["paneStates"]]
    assert [item.startswith(side) for item, side in zip(labels, ("left", "right"), strict=True)]
    assert data["sync"] == {"mode": "match_node_id"}
    assert len(data["nodeData"]) == len(data["nodeDataTargets"])


def test_server_hands_out_our_graphs_and_overlays(served: Served) -> None:
    for number, pane in enumerate(served.data["uiState"]["paneStates"]):
        graphs = served.get(f"/api/v1/load_graphs_json?graph_index={number}")["graphs"]
        assert pane["selectedGraphId"] in {graph["id"] for graph in graphs}
    for number in range(len(served.data["nodeData"])):
        found = served.get(f"/api/v1/load_node_data?node_data_index={number}")
        assert all(item["results"] for item in json.loads(found["content"]).values())


def test_it_has_our_json_read_and_nothing_that_reads_models(served: Served) -> None:
    ids = {item["id"] for item in served.get("/api/v1/get_extensions")}
    assert "builtin_json" in ids
    assert not {"builtin_graphdef", "builtin_tf_mlir", "builtin_tf_direct"} & ids


def test_files_of_the_user_stay_where_they_are(served: Served) -> None:
    assert served.refuses(f"/api/v1/read_text_file?path={Path(__file__)}")
    assert served.refuses("/api/v1/send_command?json=%7B%22extensionId%22%3A%22builtin_json%22%7D")
    assert served.refuses("/apipost/v1/upload", post=b"x")
    assert served.refuses("/apipost/v1/update_config", post=b"{}")


def test_other_sites_cannot_ask_under_their_own_names(served: Served) -> None:
    assert served.refuses("/api/v1/load_graphs_json?graph_index=0", Host="evil.example")


def test_newer_versions_are_not_asked_for(served: Served) -> None:
    assert served.get("/api/v1/check_new_version") == {"version": "", "runningVersion": ""}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_ends_when_told_and_leaves_nothing(number: int, code: int, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with view(MLP, cwd=tmp_path, TMPDIR=str(temporary), HTTP_PROXY="http://127.0.0.1:9") as one:
        assert one.stop(number) == code
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
@pytest.mark.parametrize("wait", (0.0, 0.005, 0.01, 0.02, 0.05))
def test_it_ends_when_told_before_it_answers(wait: float, number: int, tmp_path: Path) -> None:
    with view(MLP, cwd=tmp_path, answering=False) as one:
        time.sleep(wait)
        assert one.stop(number) == (0 if number == signal.SIGINT else 143)


def test_a_browser_is_opened_once_there_is_a_page(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    script.chmod(0o755)
    with view(MLP, cwd=tmp_path, browser=True, BROWSER=f"{script} %s") as one:
        wait_for(opened.exists)
        assert opened.read_text("ascii").strip() == one.address


def test_hostile_names_come_through(tmp_path: Path) -> None:
    file = tmp_path / "odd & #name+%20.pb"
    file.write_bytes(
        wire.graph([h.op("__proto__", "NoOp"), h.op("<img src=x>", "NoOp", "^__proto__")])
    )
    with view(file, cwd=tmp_path) as one:
        (graph,) = one.get("/api/v1/load_graphs_json?graph_index=0")["graphs"]
        assert len(graph["nodes"]) == 2
        assert file.name in one.data["models"][0]["url"]
