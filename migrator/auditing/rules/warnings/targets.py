"""Warnings about where a model will run: layouts, quantisation, TFLite."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.facts.flex_ops import CONVERTER, FLEX_OPS
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import in_words, op_words, plural, summed
from migrator.auditing.subject import Subject
from migrator.model.dtypes import STRING

_LAID_OUT = frozenset(
    """
    AvgPool AvgPool3D BiasAdd Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInputV2
    DepthwiseConv2dNative FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 MaxPool MaxPool3D
    MaxPoolV2 DepthToSpace SpaceToDepth
    """.split()
)
_QUANTIZED = frozenset(
    """
    Dequantize QuantizeDownAndShrinkRange QuantizeV2 QuantizedAdd QuantizedAvgPool
    QuantizedBatchNormWithGlobalNormalization QuantizedBiasAdd QuantizedConcat QuantizedConv2D
    QuantizedInstanceNorm QuantizedMatMul QuantizedMaxPool QuantizedMul QuantizedRelu
    QuantizedRelu6 QuantizedReluX QuantizedReshape QuantizedResizeBilinear RequantizationRange
    Requantize
    """.split()
)
_FAKE = frozenset(
    (
        "FakeQuantWithMinMaxArgs",
        "FakeQuantWithMinMaxVars",
        "FakeQuantWithMinMaxVarsPerChannel",
        "QuantizeAndDequantize",
        "QuantizeAndDequantizeV2",
        "QuantizeAndDequantizeV3",
    )
)


@rule(
    code="W111",
    name="nchw-layout",
    severity=Severity.LOW,
    family="warning",
    looks_at=sorted(_LAID_OUT),
    since="0.1",
)
def nchw_layout(subject: Subject) -> Iterator[Issue]:
    """Channels-first layout, made for GPUs

    What it detects: convolutions, pooling, biases and batch norm with `data_format` NCHW or NCDHW
    behind the results.

    Why it matters: on a CPU these run only through oneDNN: with `TF_ENABLE_ONEDNN_OPTS=0`, or in a
    build without it, they fail ("MaxPoolingOp only supports NHWC"). TensorFlow 1 on a CPU never
    ran them, so there may be no CPU reference to compare with.

    How to fix: Serve it on a GPU or keep oneDNN on, and verify on the machine that will serve.
    For TFLite nothing is to be done: the converter puts transposes around them.

    Limits: the attribute is read, not the device that will run it.
    """
    for graph in subject.served.graphs:
        places = [
            place
            for place in graph.places(_LAID_OUT)
            if place.node.attrs.get("data_format") in (b"NCHW", b"NCDHW", b"NCHW_VECT_C")
        ]
        if places:
            yield Issue(
                message=f"{plural(len(places), 'op')} in channels-first layout "
                f"({op_words(places)})",
                place=places[0],
                attr="data_format",
                detail=summed(places),
            )


@rule(
    code="W112",
    name="legacy-quantized",
    severity=Severity.LOW,
    family="warning",
    looks_at=sorted(_QUANTIZED),
    since="0.1",
)
def legacy_quantized(subject: Subject) -> Iterator[Issue]:
    """The 8-bit ops of TensorFlow 1

    What it detects: Quantized*, QuantizeV2, Requantize and Dequantize behind the results, as
    the graph transform tool and `quantize_graph` wrote them.

    Why it matters: no converter reads this form of quantisation: TFLite refuses their types
    (quint8, qint32) and ops, and no TensorFlow tool turns them back.

    How to fix: Migrate it as it is to keep its results; for TFLite go back to the float model and
    quantise anew (`migrator tflite --quantize`).

    Limits: Dequantize over constant weights alone (weights stored in 8 bits) is told as well,
    although the computation itself is in float there.
    """
    for graph in subject.served.graphs:
        places = graph.places(_QUANTIZED)
        if places:
            only = {place.node.op for place in places} == {"Dequantize"}
            what = "weights are stored in TensorFlow 1's 8-bit form" if only else "8-bit ops"
            yield Issue(
                message=f"{what}: {plural(len(places), 'node')} ({op_words(places)})",
                place=places[0],
                detail=summed(places),
            )


@rule(
    code="W113",
    name="fake-quantization",
    severity=Severity.INFO,
    family="warning",
    looks_at=sorted(_FAKE),
    since="0.1",
)
def fake_quantization(subject: Subject) -> Iterator[Issue]:
    """Trained for quantisation

    What it detects: FakeQuant* and QuantizeAndDequantize* behind the results.

    Why it matters: the model was trained to be quantised. In TensorFlow it computes in float and
    rounds on the way; its ranges are worth keeping for an integer TFLite model.

    How to fix: Nothing to do to migrate it. For TFLite convert this model rather than one without
    the ranges.

    Limits: whether every layer has its range is not looked at.
    """
    for graph in subject.served.graphs:
        places = graph.places(_FAKE)
        if places:
            yield Issue(
                message=f"{plural(len(places), 'op')} of quantisation-aware training "
                f"({op_words(places)})",
                place=places[0],
                detail=summed(places),
            )


@rule(
    code="W114",
    name="flex-ops",
    severity=Severity.INFO,
    confidence="medium",
    family="warning",
    looks_at=sorted(FLEX_OPS),
    since="0.1",
)
def flex_ops(subject: Subject) -> Iterator[Issue]:
    """Ops that TFLite runs only with TensorFlow's own kernels

    What it detects: ops behind the results for which TFLite has no kernel of its own, so that a
    converted model needs the select (Flex) ones.

    Why it matters: an application must then link TensorFlow's kernels, which adds megabytes, and
    Python's interpreter of TensorFlow 2.21 cannot run the file to verify it.

    How to fix: For TFLite alone: link the Flex delegate, or cut the model around them (`migrator
    tflite --input`, `--output`) and do that part in the application.

    Limits: the list holds what TensorFlow 2.21's converter was seen to refuse, one op at a time.
    Some of these vanish when the converter folds or fuses them, and others are not listed.
    """
    for graph in subject.served.graphs:
        if graph.is_guess or graph.is_other:
            continue
        places = graph.places(FLEX_OPS)
        if graph.plan is not None:  # what a rewrite takes out does not count
            places = [place for place in places if place.node.op in graph.planned_ops]
        if places:
            yield Issue(
                message=f"TFLite needs select ops for {op_words(places)} "
                f"(by the converter of TensorFlow {CONVERTER})",
                place=places[0],
                detail=summed(places),
            )


@rule(
    code="W115",
    name="string-endpoints",
    severity=Severity.INFO,
    family="warning",
    looks_at=("signatures", "endpoints"),
    since="0.1",
)
def string_endpoints(subject: Subject) -> Iterator[Issue]:
    """Strings going in or coming out

    What it detects: inputs or outputs of type string: text, encoded pictures, serialized
    Examples.

    Why it matters: TFLite handles strings with few ops of its own, so decoding and parsing need
    select ops there. In Python, results come back as bytes where TensorFlow 1's callers may have
    compared them with str.

    How to fix: For TFLite alone: name the decoded tensor as the input (`--input`) and decode in
    the application.

    Limits: what the strings hold is not known.
    """
    for graph in subject.served.graphs:
        if graph.is_other:
            continue
        ends = [item for item in (*graph.inputs, *graph.outputs) if item.dtype == STRING]
        names = list(dict.fromkeys(item.name for item in ends))
        if names:
            yield Issue(
                message=f"strings in or out: {in_words(names)}",
                meta_graph=graph.tags,
                detail={"count": len(names), "names": names[:10]},
            )
