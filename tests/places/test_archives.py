"""Models in archives: found by content, equal to the same on disk, several told apart."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shlex
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from migrator.actions.diff import diff
from migrator.errors import FormatError, NeedsDecision
from migrator.formats.checkpoint import open_checkpoint
from migrator.formats.checkpoint.locate import checkpoint_place
from migrator.formats.load import load
from migrator.graph.build import to_networkx
from migrator.inspection.summary import summarize
from migrator.model.model import Model
from tests.corpus import FROZEN, HUB, META, SAVED, Sample, sample
from tests.places.packs import link, tarred, tree, zipped

MLP = sample("tf1.15.5/mlp").path.read_bytes()
OTHER = sample("tf1.15.5/conv_bn").path.read_bytes()
PACKINGS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zipped,
    "stored zip": lambda members: zipped(members, method=zipfile.ZIP_STORED),
    "bzip2 zip": lambda members: zipped(members, method=zipfile.ZIP_BZIP2),
    "lzma zip": lambda members: zipped(members, method=zipfile.ZIP_LZMA),
    "tar": tarred,
    "tar.gz": lambda members: gzip.compress(tarred(members)),
    "tar.bz2": lambda members: bz2.compress(tarred(members)),
    "tar.xz": lambda members: lzma.compress(tarred(members)),
    "zip in tar": lambda members: tarred({"inner.zip": zipped(members)}),
}
STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "two gzip members": lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:]),
    "two xz streams": lambda data: lzma.compress(data[:700]) + bytes(4) + lzma.compress(data[700:]),
}


def put(folder: Path, data: bytes, name: str = "drawer.bin") -> Path:
    """Under a name that says nothing."""
    path = folder / name
    path.write_bytes(data)
    return path


def shape_of(model: Model) -> object:
    """What there is to know of a model but for where it lies."""
    summary = summarize(model)
    graphs = [
        sorted(to_networkx(model, meta_graph=index).nodes)
        for index in range(len(model.meta_graphs))
    ]
    return model.source.format, model.source.bytes, summary.meta_graphs, graphs


def folder_of(item: Sample) -> Path:
    """All that belongs to a fixture's model."""
    return item.path if item.path.is_dir() else item.path.parent


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("item", [FROZEN[0], SAVED[0], SAVED[-1], HUB[0], META[0]], ids=str)
def test_an_archive_of_one_model_is_that_model(item: Sample, packing: str, tmp_path: Path) -> None:
    folder = folder_of(item)
    members = {
        name: data
        for name, data in tree(folder, "deep/er").items()
        if not name.endswith((".npz", "fixture.json"))
    }
    path = put(tmp_path, PACKINGS[packing]({**members, "README.md": b"# A model\n"}))
    plain, packed = load(item.path), load(path)
    assert shape_of(packed) == shape_of(plain)
    assert packed.warnings == plain.warnings
    assert packed.source.path.startswith(f"{path}/")
    again = load(packed.source.path)
    assert again.source == packed.source


@pytest.mark.parametrize("packing", STREAMS)
def test_a_compressed_file_is_the_file(packing: str, tmp_path: Path) -> None:
    path = put(tmp_path, STREAMS[packing](MLP))
    model = load(path)
    assert shape_of(model) == shape_of(load(sample("tf1.15.5/mlp").path))
    assert model.source.path == str(path)


def test_a_compressed_meta_graph_finds_the_checkpoint_beside_it(tmp_path: Path) -> None:
    item = META[0]
    for file in item.path.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    plain = tmp_path / item.path.name
    packed = put(tmp_path, gzip.compress(plain.read_bytes()), f"{plain.name}.gz")
    plain.unlink()
    assert str(checkpoint_place(load(packed))) == str(plain.with_suffix(""))


@pytest.mark.parametrize("packing", ["zip", "stored zip", "tar.gz"])
def test_weights_in_an_archive_are_those_on_disk(packing: str, tmp_path: Path) -> None:
    folder = sample("tf1.15.5/sm_variables").path
    path = put(tmp_path, PACKINGS[packing](tree(folder, "export")))
    model = load(path)
    place = checkpoint_place(model)
    assert str(place) == f"{path}/export/variables/variables"
    ours = open_checkpoint(place)
    theirs = open_checkpoint(folder / "variables" / "variables")
    assert sorted(ours.tensors) == sorted(theirs.tensors)
    for name, tensor in ours.tensors.items():
        assert np.array_equal(tensor.numpy(), theirs.tensors[name].numpy())
        assert tensor.place() is None  # no path on disk holds it as it is


@pytest.mark.parametrize("item", [HUB[0], sample("tf1.15.5/sm_variables"), META[0]], ids=str)
@pytest.mark.parametrize("packing", ["zip", "tar.gz"])
def test_diff_finds_a_packed_model_identical(item: Sample, packing: str, tmp_path: Path) -> None:
    path = put(tmp_path, PACKINGS[packing](tree(folder_of(item), "m")))
    assert diff(path, item.path).identical


def test_assets_in_an_archive_are_compared_by_content(tmp_path: Path) -> None:
    folder = sample("tf1.15.5/hub_text").path
    members = tree(folder)
    (name,) = (name for name in members if name.startswith("assets/"))
    same = put(tmp_path, zipped(members), "same")
    members[name] += b"one more\n"
    other = put(tmp_path, zipped(members), "other")
    assert diff(same, folder).identical
    found = diff(same, other)
    assert not found.identical


def test_several_models_need_a_decision_and_each_option_works(tmp_path: Path) -> None:
    members = {
        "one/frozen.pb": MLP,
        "two words/other": OTHER,
        **tree(sample("tf1.15.5/sm_counter").path, "export/1"),
        "labels.txt": b"cat\ndog\n",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(99),
    }
    path = put(tmp_path, zipped(members))
    with pytest.raises(NeedsDecision, match="holds 3 models") as caught:
        load(path)
    options = [word for option in caught.value.options for word in shlex.split(option)]
    assert options == [f"{path}/export/1", f"{path}/one/frozen.pb", f"{path}/two words/other"]
    kinds = [load(option).source.format for option in options]
    assert kinds == ["saved_model", "graph_def", "graph_def"]


def test_a_part_of_an_archive_is_searched_alone(tmp_path: Path) -> None:
    path = put(tmp_path, zipped({"a/x/m": MLP, "b/m": OTHER}))
    assert load(f"{path}/a").source.path == f"{path}/a/x/m"
    assert load(f"{path}/b/m").source.path == f"{path}/b/m"
    with pytest.raises(FormatError, match="is not in the archive"):
        load(f"{path}/c")
    with pytest.raises(FormatError, match="is not in the archive"):
        load(f"{path}/b/m/n")


def test_a_checkpoint_in_an_archive_has_every_name_that_it_has_on_disk(tmp_path: Path) -> None:
    folder = sample("tf1.15.5/mg_sharded").path.parent
    path = put(tmp_path, tarred(tree(folder, "run")))
    (index,) = folder.glob("*.index")
    prefix = index.name.removesuffix(".index")
    for name in ("", "/run", f"/run/{prefix}.meta"):
        assert load(f"{path}{name}").source.path == f"{path}/run/{prefix}.meta"
    for name in (prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00002"):
        model = load(f"{path}/run/{name}")
        assert (model.source.format, model.warnings) == ("checkpoint", ())
        assert model.source.path == f"{path}/run/{prefix}.index"


def test_the_latest_of_several_checkpoints_is_the_model(tmp_path: Path) -> None:
    folder = sample("tf1.15.5/mg_train").path.parent
    members = tree(folder, "run")
    (meta,) = (name for name in members if name.endswith(".meta"))
    prefix = meta.removesuffix(".meta")
    older = {
        name.replace(prefix, "run/model.ckpt-3"): data
        for name, data in members.items()
        if name.startswith(prefix)
    }
    state = f'model_checkpoint_path: "{prefix.rpartition("/")[2]}"\n'.encode()
    path = put(tmp_path, zipped({**older, **members, "run/checkpoint": state}))
    assert load(path).source.path == f"{path}/{meta}"
    members.pop("run/checkpoint", None)
    path = put(tmp_path, zipped({**older, **members}), "undecided")
    with pytest.raises(NeedsDecision, match="holds 2 models"):
        load(path)


@pytest.mark.parametrize("name", ["mg_version_1", "mg_version_1_sharded"])
def test_a_meta_graph_owns_its_checkpoint_of_version_1(name: str, tmp_path: Path) -> None:
    item = sample(f"tf1.15.5/{name}")
    files = tree(item.path.parent, "run")
    members = {name: data for name, data in files.items() if not name.endswith(".npz")}
    members.pop("run/fixture.json", None)
    for more in ({}, {"run/checkpoint": b""}):
        path = put(tmp_path, zipped({**members, **more}))
        assert load(path).source.path == f"{path}/run/{item.path.name}"


def test_the_shards_of_a_checkpoint_of_version_1_are_one_model(tmp_path: Path) -> None:
    files = tree(sample("tf1.15.5/mg_version_1_sharded").path.parent)
    path = put(tmp_path, tarred({name: data for name, data in files.items() if "-of-" in name}))
    model = load(path)
    assert (model.source.format, len(load(path).warnings)) == ("checkpoint", 0)
    assert "-00000-of-" in model.source.path


def test_a_file_that_is_no_meta_graph_owns_nothing(tmp_path: Path) -> None:
    members = {"m.pb": MLP, "m.pb.meta": b"fileFormatVersion: 2\nguid: 0\n", "n.pb": OTHER}
    with pytest.raises(NeedsDecision, match="holds 2 models"):
        load(put(tmp_path, zipped(members)))


def test_a_keras_file_goes_on_being_one(tmp_path: Path) -> None:
    data = sample("tf2.21.0/keras_zip").path.read_bytes()
    for path in (put(tmp_path, data), put(tmp_path, tarred({"a/b.keras": data}), "b.tar")):
        try:
            found = load(path).source.format
        except Exception as error:
            found = "keras_zip" if "Keras" in str(error) else str(error)
        assert found == "keras_zip"


def test_what_systems_add_to_archives_is_no_model(tmp_path: Path) -> None:
    junk = {"__MACOSX/a/._m.pb": MLP, "a/._m.pb": MLP, "a/.DS_Store": b"\0\0\0\1Bud1"}
    path = put(tmp_path, zipped({**junk, "a/m.pb": MLP}))
    assert load(path).source.path == f"{path}/a/m.pb"


def test_names_of_windows_have_folders(tmp_path: Path) -> None:
    path = tmp_path / "w.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in tree(sample("tf1.15.5/sm_counter").path, "export").items():
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name.replace("/", "\\")
            info.create_system = 0
            file.writestr(info, data)
    assert load(path).source.path == f"{path}/export/saved_model.pb"


def test_links_inside_of_a_tar_are_followed(tmp_path: Path) -> None:
    members = tree(sample("tf1.15.5/sm_variables").path, "real/1")
    more = [
        link("latest", "real/1"),
        link("deep/er/up", "../../latest/./saved_model.pb"),
        link("copy/m", "real/1/saved_model.pb", tarfile.LNKTYPE),
    ]
    path = put(tmp_path, tarred(members, more=more))
    assert load(f"{path}/latest").source.format == "saved_model"
    assert checkpoint_place(load(f"{path}/latest")) is not None
    size = len(members["real/1/saved_model.pb"])
    assert load(f"{path}/deep/er/up").source.bytes == size
    assert load(f"{path}/copy/m").source.bytes == size


def test_the_later_of_two_of_one_name_counts_in_a_tar(tmp_path: Path) -> None:
    first, second = tarred({"m.pb": OTHER}), tarred({"m.pb": MLP})
    blocks = -(-len(OTHER) // 512) + 1
    path = put(tmp_path, first[: blocks * 512] + second)
    assert load(path).source.bytes == len(MLP)


def test_memory_does_not_grow_with_what_lies_in_the_archive(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).bytes(24 << 20)
    path = put(tmp_path, zipped({"m.pb": MLP, "variables.data": weights}))
    del weights
    load(path)
    tracemalloc.start()
    try:
        model = load(path)
        source = model.place.archive.tree.find(["variables.data"])  # type: ignore[union-attr]
        data = model.place.archive.open(source, "weights")  # type: ignore[union-attr]
        assert len(data.read(data.size - 9, 9)) == 9
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_beside_the_one_model_is_named(tmp_path: Path) -> None:
    inner = gzip.compress(tarred({"other.pb": OTHER}))
    path = put(tmp_path, zipped({"mlp.pb": MLP, "deep/inner.tar.gz": inner}))
    model = load(path)
    assert model.source.path == f"{path}/mlp.pb"
    (warning,) = model.warnings
    assert "'deep/inner.tar.gz' in it is not looked into" in warning
    assert load(f"{path}/deep/inner.tar.gz").source.path.endswith("other.pb")
    assert load(put(tmp_path, zipped({"inner.tar.gz": inner}), "alone.bin")).warnings == ()


def test_numpy_arrays_beside_the_one_model_are_no_archive_to_name(tmp_path: Path) -> None:
    arrays = io.BytesIO()
    np.savez(arrays, inputs=np.zeros(3), outputs=np.ones(2))
    path = put(tmp_path, zipped({"mlp.pb": MLP, "cases.npz": arrays.getvalue()}))
    assert load(path).warnings == ()
    empty = zipped({"a.npy": b"no array"})
    path = put(tmp_path, zipped({"mlp.pb": MLP, "cases.npz": empty}))
    assert "'cases.npz' in it is not looked into" in load(path).warnings[0]
