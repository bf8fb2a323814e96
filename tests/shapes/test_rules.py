"""What one op gives, family by family; the numbers are TensorFlow's."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.model.dtypes import FLOAT32, INT32
from migrator.model.graph import Node
from migrator.shapes.facts import Dims, Fact
from migrator.shapes.rules import RULES, infer, rule_of


def made(kind: str, *given: Fact | Dims | None, **attrs: Any) -> list[Dims | None]:
    return [fact.dims for fact in facts(kind, *given, **attrs)]


def facts(kind: str, *given: Fact | Dims | None, **attrs: Any) -> list[Fact]:
    inputs = [item if isinstance(item, Fact) else Fact(item) for item in given]
    return list(infer(Node("n", kind, (), "", attrs), inputs))


def vector(*values: int | None) -> Fact:
    return Fact((len(values),), values)


def number(value: int | None) -> Fact:
    return Fact((), (value,))


IMAGE = (None, 224, 224, 3)
CONV = {"strides": [1, 2, 2, 1], "padding": b"SAME"}


@pytest.mark.parametrize(
    ("kind", "given", "attrs", "expected"),
    [
        ("Add", [(None, 3), (4, 1)], {}, [(4, 3)]),
        ("Add", [(None, 1), (None,)], {}, [(None, None)]),
        ("Relu", [None], {}, [None]),
        ("AddN", [(None, 3), (2, None), None], {}, [(2, 3)]),
        ("Equal", [(2,), (3,)], {"incompatible_shape_error": False}, [()]),
        ("Equal", [(2,), (None,)], {"incompatible_shape_error": False}, []),
        ("SelectV2", [(), (3, 1), (4,)], {}, [(3, 4)]),
        ("MatMul", [(2, 3), None], {"transpose_a": True}, [(3, None)]),
        ("MatMul", [None, (5, 7)], {}, [(None, 7)]),
        ("BatchMatMulV2", [(4, 1, 2, 3), (5, 3, 7)], {}, [(4, 5, 2, 7)]),
        ("Einsum", [(2, 3, 4), (5, 4)], {"equation": b"...ik,jk->j...i"}, [(5, 2, 3)]),
        ("Einsum", [(2, 3), (4, 5)], {"equation": b"ab,cd->dabx"}, []),
        ("BiasAdd", [(None, None, None, None), (8,)], {}, [(None, None, None, 8)]),
        ("BiasAdd", [(1, None, 2, 2), (8,)], {"data_format": b"NCHW"}, [(1, 8, 2, 2)]),
        ("Conv2D", [IMAGE, (3, 3, 3, 32)], CONV, [(None, 112, 112, 32)]),
        ("Conv2D", [None, (3, 3, 3, 32)], CONV, [(None, None, None, 32)]),
        ("Conv2D", [IMAGE, (7, 7, 3, 4)], {**CONV, "padding": b"VALID"}, [(None, 109, 109, 4)]),
        (
            "Conv2D",
            [(1, 3, 10, 10), (3, 3, 3, 4)],
            {
                "strides": [1, 1, 1, 1],
                "padding": b"EXPLICIT",
                "explicit_paddings": [0, 0, 0, 0, 1, 2, 0, 0],
                "dilations": [1, 1, 2, 2],
                "data_format": b"NCHW",
            },
            [(1, 4, 9, 6)],
        ),
        ("Conv2D", [IMAGE, (3, 3, 3, 32)], {"padding": b"SAME"}, []),
        ("DepthwiseConv2dNative", [IMAGE, (3, 3, 3, 2)], CONV, [(None, 112, 112, 6)]),
        (
            "Conv3D",
            [(1, 8, 9, 9, 2), (3, 3, 3, 2, 5)],
            {"strides": [1, 1, 2, 2, 1], "padding": b"VALID"},
            [(1, 6, 4, 4, 5)],
        ),
        (
            "Conv2DBackpropInput",
            [vector(None, 8, 8, 4), (3, 3, 4, 6), (7, 4, 4, 6)],
            CONV,
            [(7, 8, 8, 4)],
        ),
        (
            "MaxPool",
            [(None, 7, 7, 64)],
            {"ksize": [1, 3, 3, 1], "strides": [1, 2, 2, 1], "padding": b"VALID"},
            [(None, 3, 3, 64)],
        ),
        ("FusedBatchNormV3", [IMAGE, (3,)], {}, [IMAGE, (3,), (3,), (3,), (3,)]),
        ("Mean", [(2, 3, 4), vector(1, -1)], {}, [(2,)]),
        ("Mean", [(2, 3, 4), vector(1)], {"keep_dims": True}, [(2, 1, 4)]),
        ("Mean", [(2, 3, 4), (2,)], {"keep_dims": True}, [(None, None, None)]),
        ("Mean", [(2, 3, 4), (2,)], {}, []),
        ("ArgMax", [(2, 3, 4), number(1)], {}, [(2, 4)]),
        ("TopKV2", [(None, 10), number(3)], {}, [(None, 3), (None, 3)]),
        ("Reshape", [(None, 7, 7, 64), vector(-1, 3136)], {}, [(None, 3136)]),
        ("Reshape", [(2, 3, 4), vector(None, 4)], {}, [(6, 4)]),
        ("Reshape", [(2, 3), (4,)], {}, [(None, None, None, None)]),
        ("Reshape", [(2, 3), (None,)], {}, []),
        ("Squeeze", [(None, 1, 1, 5)], {"squeeze_dims": [1, 2]}, [(None, 5)]),
        ("Squeeze", [(None, 1, 5)], {}, []),
        ("ExpandDims", [(2, 3), number(-1)], {}, [(2, 3, 1)]),
        ("Transpose", [(1, None, 3), vector(2, 0, 1)], {}, [(3, 1, None)]),
        ("ConcatV2", [(None, 3), (2, 4), number(-1)], {}, [(2, 7)]),
        ("ConcatV2", [(None, 3), (2, 4), ()], {}, [(None, None)]),
        ("Pack", [(None, 3), (2, None)], {"axis": 1}, [(2, 2, 3)]),
        ("Unpack", [(5, 2)], {"num": 2, "axis": 1}, [(5,), (5,)]),
        ("Split", [number(1), (None, 6)], {"num_split": 3}, [(None, 2)] * 3),
        ("SplitV", [(7, 2), vector(3, -1), number(0)], {"num_split": 2}, [(3, 2), (4, 2)]),
        ("Tile", [(2, None), vector(3, 2)], {}, [(6, None)]),
        ("Pad", [(None, 4), Fact((2, 2), (1, 1, 0, 3))], {}, [(None, 7)]),
        ("SpaceToDepth", [(1, 4, 6, 3)], {"block_size": 2}, [(1, 2, 3, 12)]),
        ("DepthToSpace", [(1, 2, 3, 12)], {"block_size": 2}, [(1, 4, 6, 3)]),
        (
            "SpaceToBatchND",
            [(2, 5, 6, 3), vector(2, 2), Fact((2, 2), (1, 0, 0, 0))],
            {},
            [(8, 3, 3, 3)],
        ),
        (
            "BatchToSpaceND",
            [(8, 3, 3, 3), vector(2, 2), Fact((2, 2), (1, 0, 0, 0))],
            {},
            [(2, 5, 6, 3)],
        ),
        ("Slice", [(5, None), vector(1, 0), vector(-1, 2)], {}, [(4, 2)]),
        ("GatherV2", [(5, 3), (2, None), number(0)], {}, [(2, None, 3)]),
        ("GatherV2", [(4, 5, 3), (4, 2), number(1)], {"batch_dims": 1}, [(4, 2, 3)]),
        ("GatherNd", [(5, 4, 3), (7, 2)], {}, [(7, 3)]),
        ("OneHot", [(2, 3), number(9)], {"axis": 0}, [(9, 2, 3)]),
        ("Where", [(2, 3)], {}, [(None, 2)]),
        ("ResizeBilinear", [(None, 5, 5, 3), vector(64, None)], {}, [(None, 64, None, 3)]),
        ("DecodeJpeg", [()], {"channels": 3}, [(None, None, 3)]),
        ("CropAndResize", [IMAGE, (9, 4), (9,), vector(14, 14)], {}, [(9, 14, 14, 3)]),
        ("NonMaxSuppressionV3", [(50, 4), (50,), number(9)], {}, [(None,)]),
        (
            "NonMaxSuppressionV4",
            [(50, 4), (50,), number(9)],
            {"pad_to_max_output_size": True},
            [(9,), ()],
        ),
        ("ParseExample", [(None,)], {"Nsparse": 1, "dense_shapes": []}, [(None, 2), (None,), (2,)]),
        ("StringJoin", [(), (3,)], {}, [(3,)]),
        (
            "QuantizedConv2D",
            [(1, 8, 8, 3), (3, 3, 3, 4)],
            {"strides": [1, 1, 1, 1], "padding": b"SAME"},
            [(1, 8, 8, 4), (), ()],
        ),
        ("BlockLSTM", [(), (9, None, 5), (2, 7), (2, 7)], {}, [(9, 2, 7)] * 7),
        ("SparseToDense", [(4, 2), vector(3, None)], {}, [(3, None)]),
        ("RFFT", [(2, 512), vector(512)], {}, [(2, 257)]),
        (
            "AudioSpectrogram",
            [(16000, 1)],
            {"window_size": 480, "stride": 160},
            [(1, 98, 257)],
        ),
    ],
)
def test_op_gives_these_shapes(
    kind: str, given: list[Any], attrs: dict[str, Any], expected: list[Dims | None]
) -> None:
    assert made(kind, *given, **attrs) == expected


def test_sizes_are_followed_from_a_shape_to_a_reshape() -> None:
    (shape,) = facts("Shape", (None, 7, 7, 64))
    (batch,) = facts(
        "StridedSlice", shape, vector(0), vector(1), vector(1), shrink_axis_mask=1, Index=INT32
    )
    (rest,) = facts("StridedSlice", shape, vector(1), vector(0), vector(1), end_mask=1)
    (flat,) = facts("Prod", rest, vector(0), T=INT32)
    (wanted,) = facts("Pack", batch, flat, axis=0)
    assert wanted == Fact((2,), (None, 3136))
    assert made("Reshape", (None, 7, 7, 64), wanted) == [(None, 3136)]


@pytest.mark.parametrize(
    ("kind", "left", "right", "expected"),
    [
        ("FloorDiv", -7, 2, -4),
        ("TruncateDiv", -7, 2, -3),
        ("FloorMod", -7, 2, 1),
        ("FloorDiv", 7, 0, None),
        ("Add", 2**31 - 1, 1, None),
        ("Maximum", 3, 5, 5),
        ("Less", 3, 5, 1),
    ],
)
def test_arithmetic_on_sizes_is_that_of_the_type(
    kind: str, left: int, right: int, expected: int | None
) -> None:
    assert facts(kind, number(left), number(right), T=INT32) == [number(expected)]


def test_a_size_computed_in_single_precision_is_rounded_as_there() -> None:
    """0.7 * 10 is just below 7 in neither: as float32 it is 7 exactly, so the cast gives 7."""
    (scaled,) = facts("Cast", number(10), DstT=FLOAT32)
    seven_tenths = Fact((), None, (0.699999988079071,))
    (product,) = facts("Mul", scaled, seven_tenths, T=FLOAT32)
    assert facts("Cast", product, DstT=INT32) == [number(7)]


@pytest.mark.parametrize(
    ("masks", "begin", "end", "expected"),
    [
        ({}, [1, 0], [3, 2], (2, 2, 6)),
        ({"begin_mask": 1, "end_mask": 3}, [0, 2], [0, 0], (4, 3, 6)),
        ({"ellipsis_mask": 1}, [0, 1], [0, 3], (4, 5, 2)),
        ({"new_axis_mask": 2}, [0, 0], [2, 0], (2, 1, 5, 6)),
        ({"shrink_axis_mask": 1}, [-1, 0], [0, 3], (3, 6)),
        ({}, [None, 0], [3, 2], (None, 2, 6)),
    ],
)
def test_strided_slice_with_its_masks(
    masks: dict[str, int], begin: list[int], end: list[int], expected: Dims
) -> None:
    steps = vector(*[1] * len(begin))
    assert made("StridedSlice", (4, 5, 6), vector(*begin), vector(*end), steps, **masks) == [
        expected
    ]


def test_variables_arrays_and_queues_remember_what_they_hold() -> None:
    from migrator.model.tensors import Shape

    (handle,) = facts("VarHandleOp", shape=Shape((3, 4)))
    assert made("ReadVariableOp", handle) == [(3, 4)]
    assert made("ResourceGather", handle, (None,)) == [(None, 4)]
    handle, flow = facts("TensorArrayV3", ())
    (written,) = facts("TensorArrayWriteV3", handle, number(0), (2, 5), flow)
    assert made("TensorArrayReadV3", handle, number(0), written) == [(2, 5)]
    (other,) = facts("TensorArrayWriteV3", handle, number(1), (3, 5), written)
    assert made("TensorArrayGatherV3", handle, (7,), other) == [(7, None, 5)]
    (queue,) = facts("FIFOQueueV2", shapes=[Shape((28, 28)), Shape(())])
    assert made("QueueDequeueManyV2", queue, number(32)) == [(32, 28, 28), (32,)]
    (table,) = facts("HashTableV2")
    assert made("LookupTableFindV2", table, (None, 2), ()) == [(None, 2)]


def test_every_rule_bears_no_inputs_and_no_attributes() -> None:
    rule_of("Placeholder of nobody")
    for kind in RULES:
        for count in range(8):
            for given in (Fact(), Fact(()), Fact((0,)), Fact((1 << 62,) * 5), vector(-1, -1)):
                for fact in facts(kind, *[given] * count):
                    assert fact.dims is None or all(
                        size is None or 0 <= size < 1 << 63 for size in fact.dims
                    ), kind


@pytest.mark.parametrize("wrong", [b"", "text", -1, [], [0] * 5, None, object()])
def test_every_rule_bears_attributes_of_the_wrong_kind(wrong: Any) -> None:
    keys = (
        "strides ksize padding data_format dilations explicit_paddings axis T dtype shape N num"
        " num_split keep_dims squeeze_dims equation value block_size k DstT output_shapes shapes"
        " batch_dims rates ksizes pooling_ratio channels element_shape num_features Nsparse"
        " dense_shapes begin_mask top_paths num_partitions window_size"
    )
    rule_of("Placeholder of nobody")
    attrs = dict.fromkeys(keys.split(), wrong)
    for kind in RULES:
        facts(kind, *[Fact((2, 2, 2, 2))] * 4, **attrs)
