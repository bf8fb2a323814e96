"""Checkpoints that TensorFlow writes, read here and by TensorFlow: equal bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint, open_checkpoint
from migrator.formats.load import load
from tests.corpus import FIXTURES, META, Sample

Array = np.ndarray[Any, Any]
INDEXES = sorted(FIXTURES.rglob("*.index"))
DTYPES = (
    "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool "
    "complex64 complex128 qint8 quint8 qint16 quint16 qint32 int4 uint4 float8_e5m2 float8_e4m3fn"
).split()


def agree(prefix: Path | str) -> tuple[Checkpoint, int]:
    """Compare every tensor; the checkpoint and how many tensors there are."""
    import tensorflow as tf

    ours = open_checkpoint(prefix)
    theirs = tf.train.load_checkpoint(str(prefix))
    shapes = theirs.get_variable_to_shape_map()
    types = theirs.get_variable_to_dtype_map()
    assert set(ours.tensors) == set(shapes)
    for key, tensor in ours.tensors.items():
        assert tensor.shape.as_list() == list(shapes[key])
        assert int(tensor.dtype) == types[key].as_datatype_enum
        expected = theirs.get_tensor(key)
        found = tensor.numpy()
        if isinstance(expected, bytes):  # a single string
            assert found.shape == () and found.item() == expected, key
            continue
        expected = np.asarray(expected)
        if found.dtype.names:  # a quantised type, which get_tensor gives as plain integers
            assert types[key].is_quantized
            found, expected = found.view(found.dtype[0]), expected.view(found.dtype[0])
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), key
        if found.dtype == object:
            assert found.tolist() == expected.tolist(), key
            continue
        assert found.tobytes() == expected.tobytes(), key
        span = tensor.place()
        if span is not None:
            with open(span.path, "rb") as file:
                file.seek(span.offset)
                assert file.read(span.length) == expected.tobytes(), key
        proto = tf.make_tensor_proto(expected, dtype=types[key]) if expected.size > 1 else None
        if proto is not None and proto.tensor_content:
            assert type(proto).FromString(tensor.read()) == proto
    ours.check()
    ours.verify()
    return ours, len(shapes)


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def saved_v1(path: Path, build: Callable[[Any], None], **how: Any) -> Path:
    """What ``build`` adds to a TensorFlow 1 graph, saved by a Saver. Writes ``.meta`` too."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        build(v1)
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(**how)
        return Path(saver.save(session, str(path / "model.ckpt"), global_step=7))


@pytest.mark.parametrize("index", INDEXES, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_every_fixture(index: Path) -> None:
    agree(str(index).removesuffix(".index"))


def test_every_type_that_is_saved(tmp_path: Path) -> None:
    import tensorflow as tf

    names, tensors = [], []
    for name in DTYPES:
        dtype = getattr(tf.dtypes, name, None)
        if dtype is None:
            continue
        kind = dtype.as_numpy_dtype
        for shape in ((), (3,), (2, 0), (2, 3, 4)):
            count = int(np.prod(shape))
            raw = np.random.RandomState(count).bytes(count * np.dtype(kind).itemsize)
            array = np.frombuffer(raw, kind).reshape(shape)
            if name in ("bool", "int4", "uint4"):
                array = (np.arange(count) % 2).astype(kind).reshape(shape)
            if dtype.is_quantized:
                base = tf.constant(array.view(kind[0]))
                tensor = tf.bitcast(base, dtype)
            else:
                tensor = tf.constant(array, dtype)
            names.append(f"{name}/{'x'.join(map(str, shape)) or 'scalar'}")
            tensors.append(tensor)
    texts = [b"", b"a", b"\0\xff", b"x" * 300]
    names += ["string/scalar", "string/vector", "string/empty", "string/none"]
    tensors += [
        tf.constant(b"one"),
        tf.constant([texts, texts[::-1]]),
        tf.constant("", shape=(3,)),
        tf.constant([], tf.string),
    ]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "m"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=tensors,
    )
    _, count = agree(tmp_path / "m")
    assert count == len(names) >= 80


def test_a_saver_of_tensorflow_1(tmp_path: Path) -> None:
    def build(v1: Any) -> None:
        v1.get_variable("dense/kernel", initializer=random(30, 20))
        v1.get_variable("dense/bias", initializer=random(20), use_resource=True)
        v1.get_variable("step", initializer=7, trainable=False)
        v1.get_variable("words", initializer=[b"a", b"longer" * 40], dtype="string")

    prefix = saved_v1(tmp_path, build)
    checkpoint, count = agree(prefix)
    assert count == 4 and checkpoint.shards == 1
    assert all(
        tensor.place() is not None for key, tensor in checkpoint.tensors.items() if key != "words"
    )
    assert load(tmp_path).source.format == "meta_graph"  # by its `checkpoint` file


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_partitioned_variables_and_their_slices(axis: int, sharded: bool, tmp_path: Path) -> None:
    import tensorflow as tf

    specs = []

    def build(v1: Any) -> None:
        partitioner = v1.fixed_size_partitioner(3, axis=axis)
        with v1.variable_scope("net", partitioner=partitioner, use_resource=True):
            v1.get_variable("table", (10, 8), initializer=v1.random_normal_initializer(seed=1))
        for part in v1.global_variables():
            specs.append(part._get_save_slice_info().spec)
        v1.get_variable("plain", initializer=random(5))

    checkpoint, count = agree(saved_v1(tmp_path, build, sharded=sharded))
    assert count == 2
    prefix = str(checkpoint.prefix)
    wanted = [*specs, "10 8 2,5:-", "10 8 -:3,2", "10 8 9,1:7,1", "10 8 1,8:1,6", ""]
    theirs = tf.raw_ops.RestoreV2(
        prefix=prefix,
        tensor_names=["net/table"] * len(wanted),
        shape_and_slices=wanted,
        dtypes=[tf.float32] * len(wanted),
    )
    for spec, expected in zip(wanted, theirs, strict=True):
        found = checkpoint.slice("net/table", spec).numpy()
        assert found.shape == tuple(expected.shape), spec
        assert found.tobytes() == expected.numpy().tobytes(), spec
    for part in specs:
        assert checkpoint.slice("net/table", part).place() is not None
    assert (checkpoint.tensors["net/table"].place() is not None) == (axis == 0)


V1_TYPES = (
    "float32 float64 float16 int8 int16 int32 int64 uint8 uint16 bool complex64 complex128 "
    "qint8 quint8 qint32 string"
).split()


def agree_v1(prefix: Path | str) -> Checkpoint:
    """Compare every tensor with what the Restore op gives: a reader reads fewer types, and none
    that is in slices."""
    import tensorflow as tf

    ours = open_checkpoint(prefix)
    theirs = tf.train.load_checkpoint(str(ours.prefix))
    types = theirs.get_variable_to_dtype_map()
    assert ours.version == 1 and set(ours.tensors) == set(types)
    for key, tensor in ours.tensors.items():
        assert int(tensor.dtype) == types[key].as_datatype_enum
        assert tensor.shape.as_list() == theirs.get_variable_to_shape_map()[key]
        expected = np.asarray(
            tf.raw_ops.Restore(
                file_pattern=str(ours.prefix), tensor_name=key, dt=types[key]
            ).numpy()
        )
        found = tensor.numpy()
        if types[key] == tf.string:
            assert found.tolist() == expected.tolist(), key
            continue
        assert found.shape == expected.shape and found.itemsize == expected.itemsize, key
        assert found.tobytes() == expected.tobytes(), key
        span = tensor.place()
        if span is not None:
            with open(span.path, "rb") as file:
                file.seek(span.offset)
                assert file.read(span.length) == expected.tobytes(), key
    ours.check()
    ours.verify()
    return ours


@pytest.mark.parametrize("name", V1_TYPES)
def test_every_type_of_version_1(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    dtype = getattr(tf.dtypes, name)
    names, tensors = [], []
    for shape in ((), (3,), (2, 0), (2, 3, 4)):
        count = int(np.prod(shape))
        if name == "string":
            array: Any = np.array([b"%d\0\xff" % n * n for n in range(count)], object)
            tensors.append(tf.constant(array.reshape(shape), tf.string, shape))
        else:
            kind = dtype.as_numpy_dtype
            raw = np.random.RandomState(count).bytes(count * np.dtype(kind).itemsize)
            array = np.frombuffer(raw, kind).reshape(shape)
            if name == "bool":
                array = (np.arange(count) % 2).astype(bool).reshape(shape)
            base = tf.constant(array.view(kind[0]) if dtype.is_quantized else array)
            tensors.append(tf.bitcast(base, dtype) if dtype.is_quantized else base)
        names.append("x".join(map(str, shape)) or "scalar")
    tf.raw_ops.Save(filename=str(tmp_path / "m"), tensor_names=names, data=tensors)
    assert len(agree_v1(tmp_path / "m").tensors) == 4


@pytest.mark.parametrize("sharded", [False, True])
def test_a_saver_of_version_1_with_slices(sharded: bool, tmp_path: Path) -> None:
    import tensorflow as tf

    def build(v1: Any) -> None:
        partitioner = v1.fixed_size_partitioner(3, axis=1)
        with v1.variable_scope("net", partitioner=partitioner, use_resource=True):
            v1.get_variable("table", (10, 8), initializer=v1.random_normal_initializer(seed=1))
        v1.get_variable("large", initializer=random(700, 600))  # past the size of a block
        v1.get_variable("step", initializer=7, trainable=False)

    version = tf.compat.v1.train.SaverDef.V1
    prefix = saved_v1(tmp_path, build, sharded=sharded, write_version=version)
    checkpoint = agree_v1(prefix)
    assert checkpoint.tensors["large"].place() is not None
    for spec in ("10 8 2,5:-", "10 8 -:3,2", "10 8 1,8:1,6", "10 8 -:0,3"):
        (expected,) = tf.raw_ops.RestoreV2(
            prefix=str(checkpoint.prefix),
            tensor_names=["net/table"],
            shape_and_slices=[spec],
            dtypes=[tf.float32],
        )
        found = checkpoint.slice("net/table", spec).numpy()
        assert found.tobytes() == expected.numpy().tobytes(), spec


@pytest.mark.parametrize(
    "item", [item for item in META if "version_1" in item.name], ids=lambda item: item.name
)
def test_fixtures_of_version_1(item: Sample) -> None:
    agree_v1(item.path.with_suffix(""))


def test_slices_of_strings_and_of_whole_tensors(tmp_path: Path) -> None:
    import tensorflow as tf

    words = np.array([[b"w%d" % (10 * i + j) for j in range(5)] for i in range(4)], dtype=object)
    table = random(4, 5, 3)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "m"),
        tensor_names=["words", "words", "table"],
        shape_and_slices=["4 5 0,4:0,2", "4 5 0,4:2,3", ""],
        tensors=[tf.constant(words[:, :2]), tf.constant(words[:, 2:]), tf.constant(table)],
    )
    checkpoint = open_checkpoint(tmp_path / "m")
    checkpoint.verify()
    # TensorFlow puts strings together no more than it cuts them.
    assert checkpoint.tensors["words"].numpy().tolist() == words.tolist()
    assert checkpoint.slice("words", "4 5 1,2:1,3").numpy().tolist() == words[1:3, 1:4].tolist()
    for key, spec, dtype in (
        ("words", "4 5 0,4:2,3", tf.string),
        ("table", "4 5 3 -:-:-", tf.float32),
        ("table", "4 5 3 1,2:-:1,2", tf.float32),
        ("table", "4 5 3 1,3:-:-", tf.float32),
        ("table", "4 5 3 2,1:3,2:-", tf.float32),
    ):
        (expected,) = tf.raw_ops.RestoreV2(
            prefix=str(tmp_path / "m"), tensor_names=[key], shape_and_slices=[spec], dtypes=[dtype]
        )
        assert checkpoint.slice(key, spec).numpy().tolist() == expected.numpy().tolist(), spec


def test_a_training_checkpoint_of_tensorflow_2(tmp_path: Path) -> None:
    import tensorflow as tf

    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(random(12, 6), name="dense/kernel")
            self.bias = tf.Variable(random(6), name="dense/bias")
            self.steps = [tf.Variable(1), tf.Variable(True), tf.Variable(b"text")]

    model = Model()
    optimizer = tf.keras.optimizers.Adam()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((random(3, 12) @ model.kernel + model.bias) ** 2)
    variables = [model.kernel, model.bias]
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    saver = tf.train.Checkpoint(model=model, optimizer=optimizer)
    prefix = saver.save(str(tmp_path / "ckpt"))
    checkpoint, _ = agree(prefix)
    key = "model/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    assert checkpoint.key_of("dense/kernel") == key
    assert checkpoint.tensors[key].numpy().tobytes() == model.kernel.numpy().tobytes()
    objects = checkpoint.object_graph
    assert objects is not None and len(objects.message.nodes) > 8
    momenta = [name for name in checkpoint.variables if "optimizer/_variables" in name]
    assert len(momenta) >= 4
    found = load(tmp_path)
    assert found.source.format == "checkpoint" and len(found.variables) == len(checkpoint.variables)


def test_slots_of_an_optimizer_of_tensorflow_1_in_an_object_graph(tmp_path: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    kernel = tf.Variable(random(4, 3), name="kernel")
    optimizer = v1.train.MomentumOptimizer(0.1, 0.9)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(kernel**2)
    optimizer.apply_gradients([(tape.gradient(loss, kernel), kernel)])
    prefix = tf.train.Checkpoint(kernel=kernel, optimizer=optimizer).save(str(tmp_path / "ckpt"))
    checkpoint, _ = agree(prefix)
    objects = checkpoint.object_graph
    assert objects is not None
    key = "kernel/.ATTRIBUTES/VARIABLE_VALUE"
    slot = objects.slots[key, "momentum"]
    expected = optimizer.get_slot(kernel, "momentum").numpy()
    assert checkpoint.tensors[slot].numpy().tobytes() == expected.tobytes()


def test_variables_that_a_size_limit_cut_over_several_shards(tmp_path: Path) -> None:
    import tensorflow as tf

    policy = getattr(tf.train.experimental, "MaxShardSizePolicy", None)
    if policy is None:
        pytest.skip("this TensorFlow cannot split by size")
    options = tf.train.CheckpointOptions(experimental_sharding_callback=policy(2000))
    saver = tf.train.Checkpoint(
        big=tf.Variable(random(100, 30)), small=tf.Variable(random(3)), text=tf.Variable(b"x" * 99)
    )
    prefix = saver.write(str(tmp_path / "ckpt"), options=options)
    checkpoint, _ = agree(prefix)
    assert checkpoint.shards > 3


def test_thousands_of_variables_in_several_blocks(tmp_path: Path) -> None:
    import tensorflow as tf

    names = [f"layer_{n:05d}/{'long/' * 9}kernel" for n in range(12_000)]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "m"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(float(n)) for n in range(len(names))],
    )
    checkpoint = open_checkpoint(tmp_path / "m")
    assert (tmp_path / "m.index").stat().st_size > 300_000  # past the size of one block
    assert list(checkpoint.tensors) == names
    assert [int(item.numpy()) for item in checkpoint.tensors.values()][::500] == list(
        range(0, 12_000, 500)
    )
    assert checkpoint.verify() == 48_000


@pytest.mark.parametrize("place", ["data", "index"])
def test_what_tensorflow_calls_corrupt_is_an_error_here(place: str, tmp_path: Path) -> None:
    import tensorflow as tf

    prefix = saved_v1(tmp_path, lambda v1: v1.get_variable("w", initializer=random(100)))
    file = next(tmp_path.glob(f"model.ckpt-7.{place}*"))
    data = bytearray(file.read_bytes())
    data[20 if place == "data" else 3] ^= 4
    file.write_bytes(bytes(data))
    with pytest.raises(Exception, match=r"[Cc]hecksum|corrupt|Unable to open table"):
        tf.train.load_checkpoint(str(prefix)).get_tensor("w")
    with pytest.raises(MigratorError, match="checksum"):
        open_checkpoint(prefix).verify()
