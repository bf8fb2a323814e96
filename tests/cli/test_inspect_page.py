"""``migrator inspect --format html``: one page with a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from migrator.drawing.scene import picture_scene
from tests.commands import run
from tests.corpus import sample

pytest.importorskip("igraph")
MLP = sample("tf1.15.5/mlp")
Capture = pytest.CaptureFixture[str]


def test_page_holds_picture_and_facts_of_the_model(tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "page.html"
    done = run(capsys, "inspect", MLP.path, "--format", "html", "-o", target)
    assert (done.code, done.out, done.err) == (0, "", "")
    text = target.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert '"scopes":' in text and '"schema":"migrator.inspect/1"' in text


def test_several_meta_graphs_are_several_pictures(capsys: Capture) -> None:
    item = sample("tf1.15.5/sm_tags")
    count = len(item.model().meta_graphs)
    done = run(capsys, "inspect", item.path, "--format", "html")
    assert count > 1 and done.out.count('"layouts":') == count


def test_several_models_on_one_page_are_refused(capsys: Capture) -> None:
    done = run(capsys, "inspect", MLP.path, MLP.path, "--format", "html")
    assert done.code == 2
    assert "draws one model" in done.err


def test_without_igraph_the_page_has_no_picture_and_a_note_names_the_extra(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    done = run(capsys, "inspect", MLP.path, "--format", "html")
    assert done.code == 0
    assert '"scenes":[]' in done.out
    assert done.err.startswith("migrator: note: no picture: ")
    assert "pip install 'migrator[picture]'" in done.err
    assert run(capsys, "inspect", MLP.path, "--format", "html", "-q").err == ""


def test_page_of_a_checkpoint_has_no_picture_and_no_word_about_it(capsys: Capture) -> None:
    path = sample("tf1.15.5/sm_variables").path / "variables" / "variables"
    done = run(capsys, "inspect", path, "--format", "html")
    assert (done.code, done.err) == (0, "")
    assert '"scenes":[]' in done.out and '"note":""' in done.out


def test_the_scene_of_a_served_model_names_the_body_that_it_opens_on() -> None:
    scene = picture_scene(sample("tf2.21.0/sm_functions").model().meta_graphs[0])
    served = scene["scopes"][scene["served"]]
    assert scene["names"][served[3]].startswith("StatefulPartitionedCall")
    cells = [item for item in below(scene, scene["served"]) if item >= 0]
    ops = {scene["ops"][scene["op"][cell]] for cell in cells}
    assert "_Retval" in ops and len(ops) > 2


def test_what_signatures_share_is_drawn_in_the_default_one() -> None:
    """Keras' export() has two, ``serve`` and ``serving_default``, of one function."""
    (meta,) = sample("tf2.21.0/keras_export").model().meta_graphs
    scene = picture_scene(meta)
    cells = [item for item in below(scene, scene["served"]) if item >= 0]
    assert {"MatMul", "BiasAdd"} & {scene["ops"][scene["op"][cell]] for cell in cells}


def test_a_graph_without_functions_opens_as_a_whole() -> None:
    assert "served" not in picture_scene(MLP.model().meta_graphs[0])
    assert "served" not in picture_scene(sample("tf1.15.5/sm_variables").model().meta_graphs[0])


def below(scene: dict[str, Any], scope: int) -> list[int]:
    found, stack = [], [scope]
    while stack:
        for item in scene["scopes"][stack.pop()][5]:
            found.append(item)
            if item < 0:
                stack.append(-1 - item)
    return found
