"""Images, boxes on them, and sound."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.shapes.facts import SCALAR, Dims, Fact, known, meet_size, scalar, with_rank
from migrator.shapes.rules.reading import Op, Table, flag, named, number


def resize(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    batch, _, _, channels = with_rank(facts[0].dims, 4)
    found = Fact((batch, *_pair(facts[1]), channels))
    return [found, SCALAR, SCALAR] if op.op.startswith("Quantized") else [found]


def _pair(fact: Fact) -> Dims:
    values = fact.values
    return values if values is not None and len(values) == 2 else (None, None)


def resize_gradient(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    batch, _, _, channels = with_rank(facts[0].dims, 4)
    if op.op == "ResizeNearestNeighborGrad":
        return [Fact((batch, *_pair(facts[1]), channels))]
    before = with_rank(facts[1].dims, 4)
    return [Fact((batch, before[1], before[2], channels))]


def decode(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """One image of unknown size; its channels where they were asked for."""
    channels = number(op, "channels", 0)
    return [Fact((None, None, channels or None))]


def decode_gif(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((None, None, None, 3))]


def decode_image(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Three dimensions, or four of a GIF."""
    if flag(op, "expand_animations", True):
        return ()
    return [Fact((None, None, number(op, "channels", 0) or None))]


def encoded(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    if op.op == "EncodeJpeg":
        return [SCALAR]
    return () if dims is None else [Fact(dims[:-3])]


def jpeg_shape(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((3,))]


def crop_and_resize(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    image, boxes, places = facts[0].dims, facts[1].dims, facts[2].dims
    count = meet_size(boxes[0] if boxes else None, places[0] if places else None)
    return [Fact((count, *_pair(facts[3]), image[3] if image is not None else None))]


def crop_gradient(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    if op.op.endswith("Boxes"):
        return [Fact(facts[2].dims)]
    wanted = facts[3].values
    return [Fact(with_rank(wanted, 4))]


def glimpse(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    image = with_rank(facts[0].dims, 4)
    return [Fact((image[0], *_pair(facts[1]), image[3]))]


def projected(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    image = with_rank(facts[0].dims, 4)
    return [Fact((image[0], *_pair(facts[2]), image[3]))]


def box_sample(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((3,)), Fact((3,)), Fact((1, 1, 4))]


def suppressed(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """How many boxes are left is known at run time only."""
    return [Fact((None,))]


def suppressed_and_counted(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """NonMaxSuppression V4 and V5, which can pad up to the most that they may give."""
    padded = flag(op, "pad_to_max_output_size")
    found = Fact((scalar(facts[2]) if padded else None,))
    return [found, SCALAR] if op.op.endswith("V4") else [found, found, SCALAR]


def suppressed_by_class(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """CombinedNonMaxSuppression: boxes, scores and classes of each image, and how many count."""
    boxes, scores = facts[0].dims, facts[1].dims
    batch = meet_size(boxes[0] if boxes else None, scores[0] if scores else None)
    each, total = scalar(facts[2]), scalar(facts[3])
    kept = total
    if flag(op, "pad_per_class"):
        classes = scores[2] if scores is not None else None
        if each is None or total is None or classes is None:
            kept = None
        else:
            kept = min(total, each * classes)
    return [Fact((batch, kept, 4)), Fact((batch, kept)), Fact((batch, kept)), Fact((batch,))]


def decode_wav(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    samples, channels = number(op, "desired_samples", -1), number(op, "desired_channels", -1)
    return [
        Fact((samples if samples >= 0 else None, channels if channels >= 0 else None)),
        SCALAR,
    ]


def spectrogram(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    samples, channels = with_rank(facts[0].dims, 2)
    length, step = number(op, "window_size"), number(op, "stride")
    if length < 2 or step < 1:
        raise ValueError("no window")
    count = None
    if samples is not None:
        count = 0 if samples < length else 1 + (samples - length) // step
    width = 1
    while width < length:  # the transform is of the next power of two
        width *= 2
    return [Fact((channels, count, 1 + width // 2))]


def mfcc(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    channels, length, _ = with_rank(facts[0].dims, 3)
    return [Fact((channels, length, number(op, "dct_coefficient_count", 13)))]


def real_transform(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """RFFT and IRFFT, of one to three dimensions, as long as they are told."""
    dims, lengths = facts[0].dims, known(facts[1])
    rank = int(op.op[-2]) if op.op[-1] == "D" else 1
    if dims is None or len(dims) < rank:
        return ()
    if lengths is None or len(lengths) != rank:
        return [Fact((*dims[:-rank], *(None,) * rank))]
    found = list(lengths)
    if op.op.startswith("R") and found[-1]:
        found[-1] = found[-1] // 2 + 1
    return [Fact((*dims[:-rank], *found))]


RULES: Table = {
    **named(
        "ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea QuantizedResizeBilinear"
        " ScaleAndTranslate",
        resize,
    ),
    **named("ResizeBilinearGrad ResizeBicubicGrad ResizeNearestNeighborGrad", resize_gradient),
    **named("DecodeJpeg DecodePng DecodeBmp DecodeAndCropJpeg", decode),
    "DecodeGif": decode_gif,
    "DecodeImage": decode_image,
    **named("EncodeJpeg EncodePng", encoded),
    "ExtractJpegShape": jpeg_shape,
    "CropAndResize": crop_and_resize,
    **named("CropAndResizeGradBoxes CropAndResizeGradImage", crop_gradient),
    **named("ExtractGlimpse ExtractGlimpseV2", glimpse),
    **named("ImageProjectiveTransformV2 ImageProjectiveTransformV3", projected),
    **named("SampleDistortedBoundingBox SampleDistortedBoundingBoxV2", box_sample),
    **named(
        "NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionWithOverlaps",
        suppressed,
    ),
    **named("NonMaxSuppressionV4 NonMaxSuppressionV5", suppressed_and_counted),
    "CombinedNonMaxSuppression": suppressed_by_class,
    "DecodeWav": decode_wav,
    "EncodeWav": lambda op, facts: [SCALAR],
    "AudioSpectrogram": spectrogram,
    "Mfcc": mfcc,
    **named("RFFT RFFT2D RFFT3D IRFFT IRFFT2D IRFFT3D", real_transform),
}
