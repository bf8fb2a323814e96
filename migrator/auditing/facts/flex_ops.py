"""Ops that TFLite has no kernels of its own for, as TensorFlow 2.21's converter was seen to say.

Made by ``scripts/make_flex_ops.py``. Not complete: an op that is not here was not tried, or
converts on ordinary arguments.
"""

from __future__ import annotations

CONVERTER = "2.21"
"""The TensorFlow release that was asked."""
FLEX_OPS = frozenset(
    """
    Acos Acosh AdjustContrastv2 AdjustHue AdjustSaturation Angle AsString Asin Asinh Atan
    Atanh AudioSpectrogram AvgPool3D BesselI0e BesselI1e Bincount CTCBeamSearchDecoder
    CTCGreedyDecoder Cholesky CombinedNonMaxSuppression Conj Cosh CropAndResize Cross
    Cumprod DecodeBase64 DecodeBmp DecodeCSV DecodeGif DecodeImage DecodeJSONExample
    DecodeJpeg DecodePng DecodeRaw DecodeWav DenseBincount Diag DiagPart Digamma Dilation2D
    DrawBoundingBoxes DynamicPartition DynamicStitch EncodeBase64 EncodeJpeg EncodePng
    Erfinv ExtractGlimpse ExtractImagePatches FFT FFT2D FractionalMaxPool HSVToRGB IFFT
    IFFT2D IRFFT Igamma Igammac InTopKV2 ListDiff LogMatrixDeterminant Lu MatrixDeterminant
    MatrixDiagPart MatrixInverse MatrixSolve MatrixSolveLs MatrixSquareRoot
    MatrixTriangularSolve MaxPool3D MaxPoolWithArgmax Mfcc Mod Ndtri NextAfter
    NonMaxSuppression NonMaxSuppressionV2 NthElement ParseExample ParseExampleV2
    ParseSingleExample ParseTensor Polygamma Qr QuantizeV2 RGBToHSV RandomShuffle ReduceJoin
    RegexFullMatch RegexReplace ResizeArea ResizeBicubic SegmentMax SegmentMean SegmentMin
    SegmentProd SelfAdjointEigV2 Sinh SparseFillEmptyRows SparseReorder SparseReshape
    SparseSegmentMean SparseSegmentSqrtN SparseSegmentSum SparseTensorDenseMatMul
    StatelessRandomUniform StaticRegexReplace StringJoin StringLength StringLower
    StringSplit StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast
    StringToHashBucketStrong StringToNumber StringUpper Substr Svd Tan TruncateMod
    TruncatedNormal UnicodeDecodeWithOffsets UniqueV2 UniqueWithCounts Zeta
    """.split()
)
