"""What a stranger may write into a Keras file: read as far as it goes, bounded, or refused."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.keras import archive as archives
from migrator.formats.keras import config as configs
from migrator.formats.load import load
from migrator.inspection.summary import summarize
from migrator.limits import Limits
from migrator.report.text import inspect_text
from tests.formats.keras_pieces import ENTRY, archive, functional, graph, layer, read

h5py = pytest.importorskip("h5py")


@pytest.mark.parametrize(
    "config",
    [
        functional(),
        functional({"class_name": 7, "config": {"name": 7}, "name": 7}),
        functional(ENTRY, layer("d", [], 7)),
        functional(ENTRY, {"class_name": "Dense", "config": [1, 2], "name": "d"}),
        functional(ENTRY, layer("d", "Dense", {"a": {"b": [["x", 0]]}})),
        functional(ENTRY, layer("d", "Dense", [[["x", -5, 99999999999]]])),
        functional(ENTRY, layer("d", "Dense", [[["nobody", 0, 0]]])),
        functional(ENTRY, input_layers=7, output_layers=[[["x", 0, 0]], "x", None]),
        functional(layer("x", "InputLayer", [], batch_shape=[None, -1, 1 << 80, "n"])),
        functional(layer("x", "InputLayer", [], batch_shape=[1] * 5000, dtype={"config": 3})),
        functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]], units="many")),
        functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]], units=float("nan"))),
        functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]], units=1 << 70)),
        functional(ENTRY, layer("d", "Conv2D", [[["x", 0, 0]]], kernel_size=[0], filters=None)),
        functional(ENTRY, layer("d", "Reshape", [[["x", 0, 0]]], target_shape=[-1, -1, 0])),
        functional(ENTRY, layer("d", "TFOpLambda", [["x", 0, 0, 7]], function="math.add")),
        {"class_name": "Sequential", "config": []},
        {"class_name": "Sequential", "config": [layer("a", "TimeDistributed", layer=3)]},
        {"class_name": "Sequential", "config": {"layers": [layer("\x1b[2J\n"), layer("a:1")]}},
        {"class_name": "Model", "config": {"layers": [7, None, []], "input_layers": {}}},
    ],
)
def test_odd_configurations_are_read_as_far_as_they_go(config: Any, tmp_path: Path) -> None:
    model = read(tmp_path, config)
    text = inspect_text(summarize(model))
    assert text.isprintable() or all(char.isprintable() or char == "\n" for char in text)


def test_layers_of_the_same_name_and_layers_in_a_circle_are_told(tmp_path: Path) -> None:
    config = functional(
        ENTRY,
        layer("a", "Dense", [[["b", 0, 0]]]),
        layer("b", "Dense", [[["a", 0, 0]]]),
        layer("a", "Dense", [[["x", 0, 0]]]),
    )
    lines = "\n".join(read(tmp_path, config).warnings)
    assert "stands more than once: 'a'" in lines
    assert "lies on a cycle" in lines


def test_models_inside_of_models_are_bounded(tmp_path: Path) -> None:
    inner = functional(ENTRY)
    for number in range(80):
        inner = functional({**inner, "inbound_nodes": []}, name=f"m{number}")
    with pytest.raises(LimitError, match="models inside of models"):
        read(tmp_path, inner)


def test_nesting_without_end_is_one_error(tmp_path: Path) -> None:
    deep = '{"config": ' * 10_000 + "1" + "}" * 10_000
    with pytest.raises(MigratorError, match=r"m\.keras"):
        read(tmp_path, '{"class_name": "Model", "config": {"layers": ' + deep + "}}")
    with pytest.raises(FormatError, match="no JSON"):
        read(tmp_path, "[" * 100_000)


def test_a_configuration_past_its_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = functional(ENTRY, *[layer(f"d{number}") for number in range(300)])
    with pytest.raises(LimitError, match="nodes"):
        read(tmp_path, many, Limits(nodes=100))
    with pytest.raises(LimitError, match="skeleton bytes"):
        read(tmp_path, many, Limits(skeleton_bytes=10_000))
    with pytest.raises(LimitError, match="layer's name of 5,000 characters"):
        read(tmp_path, functional(ENTRY, layer("n" * 5000)))
    monkeypatch.setattr(configs, "_MOST_VALUES", 100)
    with pytest.raises(LimitError, match="values"):
        read(tmp_path, many)
    monkeypatch.setattr(archives, "MOST_CONFIG", 100)
    with pytest.raises(LimitError, match=r"config\.json: takes more than 100 bytes"):
        read(tmp_path, many)


def test_many_calls_and_many_layers_take_linear_time(tmp_path: Path) -> None:
    calls = [[["x", 0, 0]]] * 6000
    chain = [
        layer(f"d{number}", "Dense", [[[f"d{number - 1}", 0, 0]]]) for number in range(1, 2999)
    ]
    config = functional(ENTRY, layer("d0", "Dense", calls), *chain)
    start = time.perf_counter()
    found = graph(tmp_path, config)
    assert len(found.nodes) == 1 + 6000 + 2998
    assert time.perf_counter() - start < 5


def test_a_layer_list_that_names_one_group_again_and_again_is_bounded(tmp_path: Path) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        group = made.create_group("g0")
        group.attrs["weight_names"] = [b"%05d" % number for number in range(500)]
        names = ["g0"]
        for number in range(1, 200):
            made[f"g{number}"] = group
            names.append(f"g{number}")
        made.attrs["layer_names"] = names
    (tmp_path / "m.h5").write_bytes(file.getvalue())
    with pytest.raises(LimitError, match="variables"):
        load(tmp_path / "m.h5", limits=Limits(variables=10_000))


def test_groups_that_share_their_layers_are_read_once(tmp_path: Path) -> None:
    count = 1500
    inner = [functional(ENTRY, name=f"f{number}") for number in range(count)]
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        layers = made.create_group("layers")
        for number in range(count):
            name = f"functional_{number}" if number else "functional"
            layers.create_group(name)["layers"] = layers
    path = archive(tmp_path / "m.keras", functional(*inner), file.getvalue())
    start = time.perf_counter()
    load(path)
    assert time.perf_counter() - start < 5


def test_a_model_s_results_count_once_for_each_call_of_it(tmp_path: Path) -> None:
    inner = functional(layer("i", "InputLayer", []), name="inner")
    inner["config"]["output_layers"] = [["i", 0, 0]] * 20_000
    inner["inbound_nodes"] = [[["x", 0, 0]]] * 20_000
    path = archive(tmp_path / "m.keras", functional(ENTRY, inner))
    start = time.perf_counter()
    with pytest.raises(LimitError, match="skeleton bytes"):
        load(path)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("letter", ["n", "\U0001f600"])
def test_each_call_of_a_layer_counts_as_what_it_takes_in_memory(
    letter: str, tmp_path: Path
) -> None:
    calls = [[["x", 0, 0]]] * 2000
    path = archive(
        tmp_path / "m.keras", functional(ENTRY, layer("n" * 999 + letter, "Dense", calls))
    )
    assert len(load(path).meta_graphs[0].graph.nodes) == 2001
    most = 2000 * (999 + 1) * (4 if ord(letter) > 255 else 1)
    with pytest.raises(LimitError, match="skeleton bytes"):
        load(path, limits=Limits(skeleton_bytes=most))


def test_each_layer_counts_as_what_it_takes_in_memory(tmp_path: Path) -> None:
    """A layer of few bytes takes about two thousand once it is read."""
    layers = [layer("d", "Dense")] * 2000
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    path = archive(tmp_path / "m.keras", config, packed=True)
    assert len(load(path).meta_graphs[0].graph.nodes) == 2001
    with pytest.raises(LimitError, match="skeleton bytes"):
        load(path, limits=Limits(skeleton_bytes=3_000_000))
