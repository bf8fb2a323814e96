"""Ask TensorFlow's converter which ops TFLite's own kernels cannot stand for.

Each case is one op on ordinary arguments (float32, ranks and attributes as models have them),
converted with TFLite's builtin kernels alone. What the converter refuses by that op's name is
printed, ready for ``migrator/auditing/facts/flex_ops.py``. Erf and Erfc are left out: the converter
takes them where they make a GELU, as they mostly do. An op that is not among the cases, or that
some arguments only need select kernels for, is not listed: the list has misses, not guesses.

    python scripts/make_flex_ops.py        with TensorFlow
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

F, N, L, S, B, C = tf.float32, tf.int32, tf.int64, tf.string, tf.bool, tf.complex64
raw: Any = tf.raw_ops
Spec = tuple[Any, list[int | None]]
X: Spec = (F, [2, 3])
SQUARE: Spec = (F, [3, 3])
IMAGES: Spec = (F, [1, 8, 8, 3])
VOLUME: Spec = (F, [1, 4, 4, 4, 2])
TEXT: Spec = (S, [2])
ONE_TEXT: Spec = (S, [])
SIGNAL: Spec = (F, [2, 8])
WAVES: Spec = (C, [2, 8])
BOXES: Spec = (F, [5, 4])


def unary(*ops: str, of: Spec = X) -> dict[str, tuple[list[Spec], Callable[..., Any]]]:
    """Cases of ops with one input, whatever it is called."""
    return {op: ([of], _apply(op)) for op in ops}


def binary(*ops: str, of: Spec = X) -> dict[str, tuple[list[Spec], Callable[..., Any]]]:
    return {op: ([of, of], _apply(op)) for op in ops}


def _apply(op: str, **more: Any) -> Callable[..., Any]:
    names = [item.name for item in _definition(op).input_arg]

    def call(*values: Any) -> Any:
        return getattr(raw, op)(**dict(zip(names, values, strict=True)), **more)

    return call


def _definition(op: str) -> Any:
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op)


def cases() -> dict[str, tuple[list[Spec], Callable[..., Any]]]:
    found: dict[str, tuple[list[Spec], Callable[..., Any]]] = {}
    found |= unary(
        *"""Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Digamma Elu Erfinv Exp Expm1
        Floor Inv IsFinite IsInf IsNan Lgamma Log Log1p Neg Ndtri Reciprocal Relu Relu6 Rint Round
        Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Square Tan Tanh Softmax LogSoftmax
        L2Loss Snapshot StopGradient OnesLike ZerosLike Size Rank Shape BesselI0e BesselI1e
        """.split()
    )
    found |= binary(
        *"""Add AddV2 Sub Mul Div RealDiv FloorDiv FloorMod Mod Maximum Minimum Pow
        SquaredDifference Atan2 DivNoNan MulNoNan Xdivy Xlogy Xlog1py TruncateDiv TruncateMod
        Igamma Igammac Zeta Polygamma NextAfter Less Greater Equal NotEqual""".split()
    )
    found |= unary(
        *"""Cholesky MatrixDeterminant MatrixInverse SelfAdjointEigV2 Svd Qr Lu MatrixExponential
        MatrixLogarithm MatrixSquareRoot LogMatrixDeterminant MatrixDiagPart MatrixDiag DiagPart
        Diag""".split(),
        of=SQUARE,
    )
    found |= binary("MatrixSolve", "MatrixTriangularSolve", of=SQUARE)
    found["MatrixSolveLs"] = (
        [SQUARE, SQUARE],
        lambda a, b: raw.MatrixSolveLs(matrix=a, rhs=b, l2_regularizer=0.0),
    )
    found |= unary("FFT", "IFFT", of=WAVES)
    found |= unary("FFT2D", "IFFT2D", of=(C, [4, 8]))
    found["RFFT"] = ([SIGNAL], lambda x: raw.RFFT(input=x, fft_length=[8]))
    found["IRFFT"] = ([(C, [2, 5])], lambda x: raw.IRFFT(input=x, fft_length=[8]))
    found["RFFT2D"] = ([(F, [4, 8])], lambda x: raw.RFFT2D(input=x, fft_length=[4, 8]))
    found |= unary("ComplexAbs", "Angle", "Conj", "Real", "Imag", of=WAVES)
    # Strings, bytes, pictures and sound
    found |= unary(
        *"""DecodeJpeg DecodePng DecodeGif DecodeBmp DecodeImage DecodeBase64 EncodeBase64
        StringLower StringUpper StringStrip StringLength DecodeRaw""".split(),
        of=ONE_TEXT,
    )
    found["DecodeRaw"] = ([TEXT], lambda x: raw.DecodeRaw(bytes=x, out_type=F))
    found["DecodeWav"] = ([ONE_TEXT], lambda x: raw.DecodeWav(contents=x))
    found["EncodeJpeg"] = ([(tf.uint8, [8, 8, 3])], lambda x: raw.EncodeJpeg(image=x))
    found["EncodePng"] = ([(tf.uint8, [8, 8, 3])], lambda x: raw.EncodePng(image=x))
    found["DecodeCSV"] = (
        [TEXT],
        lambda x: raw.DecodeCSV(records=x, record_defaults=[tf.constant([0.0])]),
    )
    found["DecodeJSONExample"] = ([TEXT], lambda x: raw.DecodeJSONExample(json_examples=x))
    found["StringToNumber"] = ([TEXT], lambda x: raw.StringToNumber(string_tensor=x))
    found["AsString"] = ([X], lambda x: raw.AsString(input=x))
    found["StringSplit"] = ([TEXT], lambda x: raw.StringSplit(input=x, delimiter=" "))
    found["StringSplitV2"] = ([TEXT], lambda x: raw.StringSplitV2(input=x, sep=" "))
    found["StringJoin"] = ([TEXT, TEXT], lambda a, b: raw.StringJoin(inputs=[a, b]))
    found["ReduceJoin"] = ([TEXT], lambda x: raw.ReduceJoin(inputs=x, reduction_indices=[0]))
    found["Substr"] = ([TEXT], lambda x: raw.Substr(input=x, pos=0, len=1))
    found["RegexReplace"] = (
        [TEXT],
        lambda x: raw.RegexReplace(input=x, pattern=tf.constant("a+"), rewrite="b"),
    )
    found["StaticRegexReplace"] = (
        [TEXT],
        lambda x: raw.StaticRegexReplace(input=x, pattern="a+", rewrite="b"),
    )
    found["RegexFullMatch"] = (
        [TEXT],
        lambda x: raw.RegexFullMatch(input=x, pattern=tf.constant("a+")),
    )
    found["StringToHashBucketFast"] = (
        [TEXT],
        lambda x: raw.StringToHashBucketFast(input=x, num_buckets=7),
    )
    found["StringToHashBucketStrong"] = (
        [TEXT],
        lambda x: raw.StringToHashBucketStrong(input=x, num_buckets=7, key=[1, 2]),
    )
    found["StringToHashBucket"] = (
        [TEXT],
        lambda x: raw.StringToHashBucket(string_tensor=x, num_buckets=7),
    )
    found["UnicodeDecodeWithOffsets"] = (
        [TEXT],
        lambda x: raw.UnicodeDecodeWithOffsets(input=x, input_encoding="UTF-8"),
    )
    found["ParseExample"] = ([TEXT], _parse_example)
    found["ParseExampleV2"] = ([TEXT], _parse_example_v2)
    found["ParseSingleExample"] = ([ONE_TEXT], _parse_single)
    found["ParseTensor"] = ([ONE_TEXT], lambda x: raw.ParseTensor(serialized=x, out_type=F))
    found["AudioSpectrogram"] = (
        [(F, [64, 1])],
        lambda x: raw.AudioSpectrogram(input=x, window_size=16, stride=8),
    )
    found["Mfcc"] = (
        [(F, [1, 7, 9]), (N, [])],
        lambda a, b: raw.Mfcc(spectrogram=a, sample_rate=b),
    )
    # Pictures
    for op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeArea", "ResizeBicubic"):
        found[op] = ([IMAGES], lambda x, op=op: getattr(raw, op)(images=x, size=[4, 4]))
    found["CropAndResize"] = (
        [IMAGES, BOXES, (N, [5])],
        lambda x, b, i: raw.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=[2, 2]),
    )
    found["ExtractGlimpse"] = (
        [IMAGES, (F, [1, 2])],
        lambda x, o: raw.ExtractGlimpse(input=x, size=[2, 2], offsets=o),
    )
    found["ExtractImagePatches"] = (
        [IMAGES],
        lambda x: raw.ExtractImagePatches(
            images=x, ksizes=[1, 2, 2, 1], strides=[1, 2, 2, 1], rates=[1] * 4, padding="VALID"
        ),
    )
    found |= unary("RGBToHSV", "HSVToRGB", of=IMAGES)
    found["AdjustContrastv2"] = (
        [IMAGES],
        lambda x: raw.AdjustContrastv2(images=x, contrast_factor=2.0),
    )
    found["AdjustHue"] = ([IMAGES], lambda x: raw.AdjustHue(images=x, delta=0.1))
    found["AdjustSaturation"] = ([IMAGES], lambda x: raw.AdjustSaturation(images=x, scale=2.0))
    found["DrawBoundingBoxes"] = (
        [IMAGES, (F, [1, 5, 4])],
        lambda x, b: raw.DrawBoundingBoxes(images=x, boxes=b),
    )
    found["NonMaxSuppression"] = (
        [BOXES, (F, [5])],
        lambda b, s: raw.NonMaxSuppression(boxes=b, scores=s, max_output_size=3),
    )
    for op in ("NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4"):
        more = {} if op.endswith("2") else {"score_threshold": 0.1}
        found[op] = (
            [BOXES, (F, [5])],
            lambda b, s, op=op, more=more: getattr(raw, op)(
                boxes=b, scores=s, max_output_size=3, iou_threshold=0.5, **more
            ),
        )
    found["NonMaxSuppressionV5"] = (
        [BOXES, (F, [5])],
        lambda b, s: raw.NonMaxSuppressionV5(
            boxes=b,
            scores=s,
            max_output_size=3,
            iou_threshold=0.5,
            score_threshold=0.1,
            soft_nms_sigma=0.0,
        ),
    )
    found["CombinedNonMaxSuppression"] = (
        [(F, [1, 5, 1, 4]), (F, [1, 5, 2])],
        lambda b, s: raw.CombinedNonMaxSuppression(
            boxes=b,
            scores=s,
            max_output_size_per_class=3,
            max_total_size=3,
            iou_threshold=0.5,
            score_threshold=0.1,
        ),
    )
    # Layers
    found["LRN"] = ([IMAGES], lambda x: raw.LRN(input=x))
    found["MaxPoolWithArgmax"] = (
        [IMAGES],
        lambda x: raw.MaxPoolWithArgmax(
            input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"
        ),
    )
    found["FractionalMaxPool"] = (
        [IMAGES],
        lambda x: raw.FractionalMaxPool(value=x, pooling_ratio=[1.0, 1.5, 1.5, 1.0])[0],
    )
    for op in ("MaxPool3D", "AvgPool3D"):
        found[op] = (
            [VOLUME],
            lambda x, op=op: getattr(raw, op)(
                input=x, ksize=[1, 2, 2, 2, 1], strides=[1, 2, 2, 2, 1], padding="VALID"
            ),
        )
    found["Conv3D"] = (
        [VOLUME],
        lambda x: raw.Conv3D(
            input=x, filter=tf.ones([2, 2, 2, 2, 3]), strides=[1] * 5, padding="VALID"
        ),
    )
    found["Dilation2D"] = (
        [IMAGES],
        lambda x: raw.Dilation2D(
            input=x, filter=tf.ones([2, 2, 3]), strides=[1] * 4, rates=[1] * 4, padding="VALID"
        ),
    )
    found["CTCGreedyDecoder"] = (
        [(F, [4, 2, 5]), (N, [2])],
        lambda x, n: raw.CTCGreedyDecoder(inputs=x, sequence_length=n),
    )
    found["CTCBeamSearchDecoder"] = (
        [(F, [4, 2, 5]), (N, [2])],
        lambda x, n: raw.CTCBeamSearchDecoder(
            inputs=x, sequence_length=n, beam_width=3, top_paths=1
        ),
    )
    found["FakeQuantWithMinMaxArgs"] = ([X], lambda x: raw.FakeQuantWithMinMaxArgs(inputs=x))
    found["QuantizeV2"] = (
        [X],
        lambda x: raw.QuantizeV2(input=x, min_range=0.0, max_range=1.0, T=tf.quint8)[0],
    )
    # Selecting, sorting, sets, random numbers
    found["Unique"] = ([(N, [5])], lambda x: raw.Unique(x=x))
    found["UniqueV2"] = ([(N, [5])], lambda x: raw.UniqueV2(x=x, axis=[0]))
    found["UniqueWithCounts"] = ([(N, [5])], lambda x: raw.UniqueWithCounts(x=x))
    found["Bincount"] = (
        [(N, [5])],
        lambda x: raw.Bincount(arr=x, size=3, weights=tf.constant([], F)),
    )
    found["DenseBincount"] = (
        [(N, [5])],
        lambda x: raw.DenseBincount(input=x, size=3, weights=tf.constant([], F)),
    )
    found["ListDiff"] = ([(N, [5]), (N, [5])], lambda a, b: raw.ListDiff(x=a, y=b))
    found["DynamicPartition"] = (
        [X, (N, [2])],
        lambda x, p: raw.DynamicPartition(data=x, partitions=p, num_partitions=2),
    )
    found["DynamicStitch"] = (
        [(N, [2]), X],
        lambda i, x: raw.DynamicStitch(indices=[i], data=[x]),
    )
    found["NthElement"] = ([X], lambda x: raw.NthElement(input=x, n=1))
    found["InTopKV2"] = ([X, (N, [2])], lambda x, t: raw.InTopKV2(predictions=x, targets=t, k=1))
    found["Bucketize"] = ([X], lambda x: raw.Bucketize(input=x, boundaries=[0.0, 1.0]))
    found["InvertPermutation"] = ([(N, [4])], lambda x: raw.InvertPermutation(x=x))
    found["Roll"] = ([X], lambda x: raw.Roll(input=x, shift=1, axis=0))
    found["MatrixBandPart"] = (
        [SQUARE],
        lambda x: raw.MatrixBandPart(input=x, num_lower=0, num_upper=-1),
    )
    found["Cross"] = ([X, X], lambda a, b: raw.Cross(a=a, b=b))
    found["Cumsum"] = ([X], lambda x: raw.Cumsum(x=x, axis=1))
    found["Cumprod"] = ([X], lambda x: raw.Cumprod(x=x, axis=1))
    found["TopKV2"] = ([X], lambda x: raw.TopKV2(input=x, k=2))
    found["SegmentSum"] = ([X, (N, [2])], lambda x, s: raw.SegmentSum(data=x, segment_ids=s))
    for op in ("SegmentMean", "SegmentMax", "SegmentMin", "SegmentProd"):
        found[op] = (
            [X, (N, [2])],
            lambda x, s, op=op: getattr(raw, op)(data=x, segment_ids=s),
        )
    for op in ("UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin"):
        found[op] = (
            [X, (N, [2])],
            lambda x, s, op=op: getattr(raw, op)(data=x, segment_ids=s, num_segments=2),
        )
    for op in ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"):
        found[op] = (
            [X, (N, [2]), (N, [2])],
            lambda x, i, s, op=op: getattr(raw, op)(data=x, indices=i, segment_ids=s),
        )
    found["RandomUniform"] = ([], lambda: raw.RandomUniform(shape=[2], dtype=F))
    found["RandomStandardNormal"] = ([], lambda: raw.RandomStandardNormal(shape=[2], dtype=F))
    found["TruncatedNormal"] = ([], lambda: raw.TruncatedNormal(shape=[2], dtype=F))
    found["RandomShuffle"] = ([X], lambda x: raw.RandomShuffle(value=x))
    found["Multinomial"] = ([X], lambda x: raw.Multinomial(logits=x, num_samples=1))
    found["StatelessRandomUniform"] = (
        [],
        lambda: raw.StatelessRandomUniform(shape=[2], seed=[1, 2]),
    )
    # Sparse tensors
    sparse: list[Spec] = [(L, [4, 2]), (F, [4]), (L, [2])]
    found["SparseReorder"] = (
        sparse,
        lambda i, v, s: raw.SparseReorder(input_indices=i, input_values=v, input_shape=s),
    )
    found["SparseReshape"] = (
        [sparse[0], sparse[2]],
        lambda i, s: raw.SparseReshape(
            input_indices=i, input_shape=s, new_shape=tf.constant([4, 1], L)
        ),
    )
    found["SparseFillEmptyRows"] = (
        sparse,
        lambda i, v, s: raw.SparseFillEmptyRows(
            indices=i, values=v, dense_shape=s, default_value=0.0
        ),
    )
    found["SparseTensorDenseMatMul"] = (
        [*sparse, (F, [3, 2])],
        lambda i, v, s, b: raw.SparseTensorDenseMatMul(a_indices=i, a_values=v, a_shape=s, b=b),
    )
    found["SparseToDense"] = (
        [(L, [4]), (F, [4])],
        lambda i, v: raw.SparseToDense(
            sparse_indices=i,
            output_shape=tf.constant([9], L),
            sparse_values=v,
            default_value=0.0,
        ),
    )
    # Losses and checks that are left in some graphs
    found["SoftmaxCrossEntropyWithLogits"] = (
        [X, X],
        lambda a, b: raw.SoftmaxCrossEntropyWithLogits(features=a, labels=b),
    )
    found["SparseSoftmaxCrossEntropyWithLogits"] = (
        [X, (N, [2])],
        lambda a, b: raw.SparseSoftmaxCrossEntropyWithLogits(features=a, labels=b),
    )
    found["CheckNumerics"] = ([X], lambda x: raw.CheckNumerics(tensor=x, message="m"))
    found["Einsum"] = ([X, X], lambda a, b: raw.Einsum(inputs=[a, b], equation="ab,cb->ac"))
    found["ReverseSequence"] = (
        [X, (N, [2])],
        lambda x, n: raw.ReverseSequence(input=x, seq_lengths=n, seq_dim=1),
    )
    found["BroadcastArgs"] = ([(N, [2]), (N, [2])], lambda a, b: raw.BroadcastArgs(s0=a, s1=b))
    found["SpaceToBatchND"] = (
        [IMAGES],
        lambda x: raw.SpaceToBatchND(input=x, block_shape=[2, 2], paddings=[[0, 0], [0, 0]]),
    )
    return found


def _parse_example(text: Any) -> Any:
    return raw.ParseExample(
        serialized=text,
        names=tf.constant([], S),
        sparse_keys=[],
        dense_keys=[tf.constant("x")],
        dense_defaults=[tf.constant([0.0])],
        sparse_types=[],
        dense_shapes=[[1]],
    ).dense_values


def _parse_example_v2(text: Any) -> Any:
    return raw.ParseExampleV2(
        serialized=text,
        names=tf.constant([], S),
        sparse_keys=tf.constant([], S),
        dense_keys=tf.constant(["x"]),
        ragged_keys=tf.constant([], S),
        dense_defaults=[tf.constant([0.0])],
        num_sparse=0,
        sparse_types=[],
        ragged_value_types=[],
        ragged_split_types=[],
        dense_shapes=[[1]],
    ).dense_values


def _parse_single(text: Any) -> Any:
    return raw.ParseSingleExample(
        serialized=text,
        dense_defaults=[tf.constant([0.0])],
        num_sparse=0,
        sparse_keys=[],
        dense_keys=["x"],
        sparse_types=[],
        dense_shapes=[[1]],
    ).dense_values


def needs_flex(op: str, specs: list[Spec], call: Callable[..., Any]) -> bool | str:
    """True where the converter refuses ``op`` by name; a text where something else is wrong."""
    try:
        made = tf.function(
            call, input_signature=[tf.TensorSpec(shape, dtype) for dtype, shape in specs]
        ).get_concrete_function()
    except Exception as error:
        return f"not made: {type(error).__name__}: {error}"
    if op not in {node.op for node in made.graph.as_graph_def().node}:
        return "not in its graph"
    converter = tf.lite.TFLiteConverter.from_concrete_functions([made])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        converter.convert()
    except Exception as error:
        named = re.findall(r"'tf\.([A-Za-z0-9_]+)' op is neither a custom", str(error))
        return op in named or f"refused: {str(error)[:200]}"
    return False


def main() -> None:
    flex = []
    for op, (specs, call) in sorted(cases().items()):
        found = needs_flex(op, specs, call)
        if found is True:
            flex.append(op)
        elif found:
            print(f"{op}: {found}", file=sys.stderr)
    print(tf.__version__)
    print("\n".join(flex))


if __name__ == "__main__":
    main()
