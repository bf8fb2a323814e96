"""``migrator export``: files that appear whole, for the programs that they are for."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import migrator
from migrator.errors import DestinationError, LimitError, MigratorError
from migrator.formats.messages import message_class
from migrator.report.export import node_link
from tests import handmade as h
from tests import wire
from tests.cli.places import listing, temporary  # noqa: F401
from tests.commands import run, spawn
from tests.corpus import sample
from tests.graph_files import graph_of, records

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
FUNCTIONS = sample("tf2.21.0/sm_functions").path
CHECKPOINT = sample("tf1.15.5/sm_variables").path / "variables" / "variables.index"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.graphml", b"<?xml"),
        ("a.GEXF", b"<?xml"),
        ("a.dot", b"digraph"),
        ("a.gv", b"digraph"),
        ("a.json", b'{"directed"'),
        ("a.pb", b"\n"),
    ],
)
def test_the_ending_tells_the_format(
    name: str, start: bytes, capsys: Capture, tmp_path: Path
) -> None:
    done = run(capsys, "export", MLP, "-o", tmp_path / "new" / name)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{tmp_path / 'new' / name}: ")
    assert "16 nodes" in done.out
    assert (tmp_path / "new" / name).read_bytes().startswith(start)
    assert listing(tmp_path / "new") == [name]
    mode = (tmp_path / "new" / name).stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    assert mode == 0o666 & ~mask


def test_nothing_is_overwritten_unasked(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "a.dot"
    target.write_text("mine")
    done = run(capsys, "export", MLP, "-o", target)
    assert done.code == 2
    assert "--overwrite" in done.err
    assert target.read_text() == "mine"
    assert run(capsys, "export", MLP, "-o", target, "--overwrite", "-q").out == ""
    assert target.read_text().startswith("digraph")


def test_standard_output_takes_texts(capsys: Capture) -> None:
    done = run(capsys, "export", MLP, "-o", "-", "--format", "graphml")
    assert (done.code, done.err) == (0, "")
    assert nx.parse_graphml(done.out).number_of_nodes() == 16
    for words in (("--format", "graph-def"), ("--format", "tensorboard"), ()):
        done = run(capsys, "export", MLP, "-o", "-", *words)
        assert (done.code, done.out) == (2, "")


def test_as_users_run_it(tmp_path: Path) -> None:
    done = spawn(["export", MLP, "-o", "-", "--format", "node-link"], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert len(json.loads(done.out)["nodes"]) == 16


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-o", "a.txt"], "does not tell the format"),
        (["-o", "a"], "--format, one of graphml"),
        (["-o", ""], "is empty"),
        (["-o", "."], "does not tell"),
        (["-o", ".", "--format", "dot"], "is a folder"),
        (["-o", "a.dot", "--function", "f"], "has no function 'f'"),
        (["-o", "a.dot", "--subgraph", "x"], "FROM..TO"),
        (["-o", "a.dot", "--subgraph", ""], "is empty"),
        (["-o", "a.dot", "--subgraph", ".."], "no tensor is named"),
        (["-o", "a.dot", "--subgraph", "x..probabilitie"], "did you mean probabilities"),
        (["-o", "a.dot", "--meta-graph", "serve"], "has no meta graph"),
    ],
)
def test_bad_words_give_one_line(
    words: list[str], text: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(capsys, "export", MLP, *words)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert text in done.err
    assert [name for name in listing(tmp_path) if name != "temporary"] == []


def test_a_checkpoint_has_no_graph(capsys: Capture, tmp_path: Path) -> None:
    done = run(capsys, "export", CHECKPOINT, "-o", tmp_path / "a.dot")
    assert done.code == 2
    assert "variables without a graph" in done.err


def test_several_meta_graphs_are_a_question(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "saved_model.pb"
    metas = [wire.meta_graph(wire.graph([h.placeholder(tag)]), [tag]) for tag in ("a", "b")]
    path.write_bytes(wire.saved_model(*metas))
    done = run(capsys, "export", path, "-o", tmp_path / "a.dot")
    assert done.code == 3
    assert "--tag-set a" in done.err
    assert run(capsys, "export", path, "-o", tmp_path / "a.dot", "--tag-set", "b").code == 0
    assert 'node_name="b"' in (tmp_path / "a.dot").read_text()


def test_a_model_is_not_written_over_itself(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(MLP.read_bytes())
    done = run(capsys, "export", path, "-o", path, "--overwrite")
    assert (done.code, "is the model itself" in done.err) == (2, True)
    assert path.read_bytes() == MLP.read_bytes()


def test_bodies_are_named_where_the_format_has_none(capsys: Capture, tmp_path: Path) -> None:
    done = run(capsys, "export", FUNCTIONS, "-o", tmp_path / "a.graphml")
    assert done.code == 0
    assert "12 functions" in done.err
    name = done.err.partition("for example ")[2].partition(" ")[0]
    done = run(capsys, "export", FUNCTIONS, "-o", tmp_path / "b.graphml", "--function", name)
    assert (done.code, done.err) == (0, "")
    view = migrator.to_networkx(migrator.load(FUNCTIONS)).graph["functions"][name]
    assert nx.read_graphml(tmp_path / "b.graphml").number_of_nodes() == len(view)


def test_a_part_of_a_graph(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "part.pb"
    done = run(capsys, "export", MLP, "-o", target, "--subgraph", "hidden/Relu..probabilities")
    assert done.code == 0
    assert "cut at hidden/Relu" in done.out
    graph = migrator.load(target).graph
    assert graph.by_name["hidden/Relu"].op == "Placeholder"
    assert graph.by_name["logits/kernel"].attrs["value"].numpy().shape == (16, 3)
    assert len(graph) == 8


def test_placeholders_of_a_part_take_the_shapes_that_the_whole_tells(
    capsys: Capture, tmp_path: Path
) -> None:
    """``hidden/Relu`` says nothing of its shape; what it is made of does."""
    target = tmp_path / "tail.pb"
    run(capsys, "export", MLP, "-o", target, "--subgraph", "hidden/Relu..probabilities")
    made = migrator.load(target).graph.by_name["hidden/Relu"]
    assert str(made.attrs["shape"]) == "[?, 16]"
    done = run(capsys, "inspect", target)
    assert "unknown rank" not in done.out


def test_each_output_of_a_node_has_its_own_shape_and_what_nobody_knows_stays_open(
    tmp_path: Path,
) -> None:
    model = h.model(
        h.placeholder("x"),
        h.const("axis", 1, "int32"),
        h.const("sizes", [1, 3], "int32"),
        h.op("split", "SplitV", "x", "sizes", "axis", T=wire.F, Tlen=wire.Type(3), num_split=2),
        h.op("odd", "Odd", "x", T=wire.F),
        h.op("sum", "AddN", "split:1", "odd", T=wire.F, N=2),
        h.op("end", "AddN", "sum", "split:1", T=wire.F, N=2),
    )
    done = migrator.export(model, tmp_path / "part.pb", subgraph="split:1,sum..end")
    made = migrator.load(tmp_path / "part.pb").graph.by_name
    assert done.placeholders == {"split:1": "split_1", "sum:0": "sum"}
    shapes = {name: str(made[name].attrs["shape"]) for name in ("split_1", "sum")}
    assert shapes == {"split_1": "[?, 3]", "sum": "[?, 3]"}
    done = migrator.export(model, tmp_path / "odd.json", subgraph="odd..sum")
    (odd,) = (
        n for n in json.loads((tmp_path / "odd.json").read_text())["nodes"] if n["id"] == "odd"
    )
    assert odd["shape"] is None


def test_functions_that_a_part_does_not_call_go(tmp_path: Path) -> None:
    bodies = [
        wire.function(
            "f", {"x": 1}, {"y": 1}, [h.op("c", "PartitionedCall", "x", f=wire.Call("g"))]
        ),
        wire.function("g", {"x": 1}, {"y": 1}),
        wire.function("h", {"x": 1}, {"y": 1}),
    ]
    model = h.model(
        h.placeholder("x"),
        h.op("a", "PartitionedCall", "x", f=wire.Call("f"), Tin=[wire.F], Tout=[wire.F]),
        h.op("b", "PartitionedCall", "a", f=wire.Call("h"), Tin=[wire.F], Tout=[wire.F]),
        functions=bodies,
    )
    migrator.export(model, tmp_path / "a.pb", subgraph="x..a")
    assert list(migrator.load(tmp_path / "a.pb").graph.functions) == ["f", "g"]
    migrator.export(model, tmp_path / "b.pb", subgraph=(["a"], ["b"]))
    cut = migrator.load(tmp_path / "b.pb").graph
    assert list(cut.functions) == ["h"]
    assert cut.by_name["a"].attrs["dtype"].name == "float32"


def test_a_placeholder_without_a_type_makes_no_graph_def(tmp_path: Path) -> None:
    model = h.model(h.op("a", "Own"), h.op("b", "Relu", "a", T=wire.F))
    with pytest.raises(MigratorError, match="cannot be told: 'a'"):
        migrator.export(model, tmp_path / "a.pb", subgraph="a..b")
    assert migrator.export(model, tmp_path / "a.dot", subgraph="a..b").placeholders == {"a:0": "a"}


def test_weights_go_from_file_to_file(tmp_path: Path) -> None:
    """Those of more than a megabyte on their own way."""
    big = np.arange(400_000, dtype=np.float32)
    path = tmp_path / "big.pb"
    nodes = [h.const("w", big), h.op("y", "Neg", "w", T=wire.F, **{"a": 1, "z": b"s"})]
    path.write_bytes(wire.graph(nodes))
    migrator.export(path, tmp_path / "again.pb", subgraph="..y")
    graph = migrator.load(tmp_path / "again.pb").graph
    assert (graph.by_name["w"].attrs["value"].numpy() == big).all()
    assert graph.by_name["w"].attrs["dtype"].name == "float32"
    assert graph.by_name["y"].attrs["z"] == b"s"


def test_a_tensorboard_log_holds_the_graph_without_its_weights(
    capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "big.pb"
    nodes = [h.const("w", np.zeros(400_000, np.float32)), h.text_const("t", b"x" * 9000)]
    body = wire.function("f", {"x": 1}, {"y": 1}, [h.const("c", np.zeros(5000, np.float32))])
    path.write_bytes(wire.graph([*nodes, h.const("small", [1.5])], [body]))
    target = tmp_path / "logs" / "run"
    done = run(capsys, "export", path, "-o", target, "--format", "tensorboard")
    assert done.code == 0
    assert "left out" in done.err
    (file,) = target.iterdir()
    assert file.name.startswith("events.out.tfevents.")
    assert file.stat().st_size < 2000
    version, event = records(file.read_bytes())
    assert version[0:1] + version[9:] == b"\x09\x1a\x0dbrain.Event:2"
    graph = h.read_graph(graph_of(event)).graph
    assert [node.name for node in graph] == ["w", "t", "small"]
    kept = graph.by_name["w"].attrs["value"]
    assert (kept.dtype.name, kept.shape.as_list()) == ("float32", [400_000])
    assert graph.by_name["small"].attrs["value"].numpy().tolist() == [1.5]
    assert graph.functions["f"].nodes[0].attrs["value"].stored_bytes < 100


def test_a_log_takes_the_place_of_a_log_alone(capsys: Capture, tmp_path: Path) -> None:
    target = tmp_path / "run"
    words = ["export", str(MLP), "-o", str(target), "--format", "tensorboard"]
    assert run(capsys, *words).code == 0
    assert run(capsys, *words).code == 2
    assert run(capsys, *words, "--overwrite").code == 0
    assert len(listing(target)) == 1
    (target / "mine").write_text("")
    done = run(capsys, *words, "--overwrite")
    assert (done.code, "something else" in done.err) == (2, True)


def test_a_graph_of_layers_makes_no_graph_def(tmp_path: Path) -> None:
    from dataclasses import replace

    model = migrator.load(MLP)
    model = replace(model, source=replace(model.source, format="keras_h5"))
    with pytest.raises(MigratorError, match="a Keras model"):
        migrator.export(model, tmp_path / "a.pb")
    for name, form in (("a.dot", None), ("a.json", "model-explorer"), ("log", "tensorboard")):
        migrator.export(model, tmp_path / name, format=form)
    assert listing(tmp_path / "log")


def test_attributes_of_other_formats_are_shown_as_they_can_be(tmp_path: Path) -> None:
    from dataclasses import replace

    model = migrator.load(MLP)
    node = model.graph.nodes[0]
    odd = {"big": 1e300, "list": [1, None], "map": {"a": 1}, "text": "\ud800", "k\ud800": 2**70}
    nodes = (replace(node, name="x\ud800", attrs=odd),)
    graph = replace(model.graph, nodes=nodes, by_name={"x\ud800": nodes[0]})
    model = replace(model, meta_graphs=(replace(model.meta_graphs[0], graph=graph),))
    for name, form in (("a.dot", None), ("a.json", None), ("log", "tensorboard")):
        migrator.export(model, tmp_path / name, format=form)
    assert json.loads((tmp_path / "a.json").read_text())["nodes"][0]["id"] == "x\ud800"
    (file,) = (tmp_path / "log").iterdir()
    shown = message_class("GraphDef").FromString(graph_of(records(file.read_bytes())[1]))
    assert shown.node[0].name == "x\\ud800"


def test_names_that_would_fill_a_disk_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_link, "_MOST_NAMES", 1_000_000)
    nodes = [h.placeholder("x" * 20_000)]
    nodes += [h.op(f"n{i}", "Neg", "x" * 20_000, T=wire.F) for i in range(60)]
    model = h.model(*nodes)
    with pytest.raises(LimitError, match="node-link"):
        migrator.export(model, tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
    assert migrator.export(model, tmp_path / "a.graphml").bytes < 200_000


def test_half_a_file_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pb"
    nodes = [h.const("w", np.zeros(400_000, np.float32)), h.const("v", np.zeros(9000, np.float32))]
    path.write_bytes(wire.graph(nodes))
    model = migrator.load(path)
    with path.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(MigratorError, match="shrank"):
        migrator.export(model, tmp_path / "new" / "a.pb")
    assert [name for name in listing(tmp_path) if name != "temporary"] == ["model.pb"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.dot"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    migrator.export(MLP, pipe)
    reader.join(20)
    assert found[0].endswith(b"}\n")
    assert migrator.export(MLP, "/dev/null", format="dot").bytes == len(found[0])


def test_an_open_file_takes_it_too() -> None:
    file = io.BytesIO()
    done = migrator.export(MLP, file, format="graph-def")
    assert (done.dest, done.bytes) == ("", len(file.getvalue()))
    with pytest.raises(MigratorError, match="is a folder"):
        migrator.export(MLP, io.BytesIO(), format="tensorboard")
    with pytest.raises(MigratorError, match="no format"):
        migrator.export(MLP, io.BytesIO(), format="svg")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationError):
        migrator.export(MLP, tmp_path / "file" / "a.dot")
