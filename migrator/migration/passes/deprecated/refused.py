"""Ops that no rewrite replaces: why, and what to do instead.

Every op that TensorFlow removed since 1.4 or refuses in new graphs, unless ``REPLACEMENTS`` has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from migrator.ops.contrib import contrib_part


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an op has no replacement, and the way out."""

    why: str
    hint: str
    library: str = ""
    """Where the op came from, such as ``tf.contrib.boosted_trees``."""


_BEFORE = "name an --output before it or an --input behind it"
_CUT = "name its results as --input"
_LIBRARY = "bring that library along: --op-library FILE.so"

_FAMILIES: tuple[tuple[str, str, str, str], ...] = (
    (
        "tf.contrib.boosted_trees",
        "gradient boosted trees of TensorFlow 1 have no successor that reads them",
        "train the model again with TensorFlow Decision Forests",
        """BuildCategoricalEqualitySplits BuildDenseInequalitySplits BuildSparseInequalitySplits
        CenterTreeEnsembleBias CreateQuantileAccumulator CreateStatsAccumulatorScalar
        CreateStatsAccumulatorTensor CreateTreeEnsembleVariable DecisionTreeEnsembleResourceHandleOp
        GradientTreesPartitionExamples GradientTreesPrediction GradientTreesPredictionVerbose
        GrowTreeEnsemble MakeQuantileSummaries QuantileAccumulatorAddSummaries
        QuantileAccumulatorDeserialize QuantileAccumulatorFlush QuantileAccumulatorFlushSummary
        QuantileAccumulatorGetBuckets QuantileAccumulatorIsInitialized QuantileAccumulatorSerialize
        QuantileBuckets QuantileStreamResourceHandleOp Quantiles StatsAccumulatorScalarAdd
        StatsAccumulatorScalarDeserialize StatsAccumulatorScalarFlush
        StatsAccumulatorScalarIsInitialized StatsAccumulatorScalarMakeSummary
        StatsAccumulatorScalarResourceHandleOp StatsAccumulatorScalarSerialize
        StatsAccumulatorTensorAdd StatsAccumulatorTensorDeserialize StatsAccumulatorTensorFlush
        StatsAccumulatorTensorIsInitialized StatsAccumulatorTensorMakeSummary
        StatsAccumulatorTensorResourceHandleOp StatsAccumulatorTensorSerialize
        TreeEnsembleDeserialize TreeEnsembleIsInitializedOp TreeEnsembleSerialize
        TreeEnsembleStampToken TreeEnsembleStats TreeEnsembleUsedHandlers""",
    ),
    (
        "tf.contrib.tensor_forest",
        "TensorForest has no successor that reads its trees",
        "train the model again with TensorFlow Decision Forests",
        """CreateFertileStatsVariable CreateTreeVariable DecisionTreeResourceHandleOp
        FeatureUsageCounts FertileStatsDeserialize FertileStatsIsInitializedOp
        FertileStatsResourceHandleOp FertileStatsSerialize FinalizeTree GrowTreeV4 ProcessInputV4
        ReinterpretStringToFloat ScatterAddNdim TensorForestCreateTreeVariable
        TensorForestTreeDeserialize TensorForestTreeIsInitializedOp TensorForestTreePredict
        TensorForestTreeResourceHandleOp TensorForestTreeSerialize TensorForestTreeSize
        TraverseTreeV4 TreeDeserialize TreeIsInitializedOp TreePredictionsV4 TreeSerialize TreeSize
        UpdateModelV4 HardRoutingFunction KFeatureGradient KFeatureRoutingFunction RoutingFunction
        RoutingGradient StochasticHardRoutingFunction StochasticHardRoutingGradient UnpackPath""",
    ),
    (
        "tf.contrib.bigtable, kafka, kinesis, ignite, hadoop, cloud",
        "it reads examples from a service or a file system",
        f"{_CUT}, and read with TensorFlow I/O in front of the model",
        """BigQueryReader BigtableClient BigtableLookupDataset BigtablePrefixKeyDataset
        BigtableRangeKeyDataset BigtableSampleKeyPairsDataset BigtableSampleKeysDataset
        BigtableScanDataset BigtableTable DatasetToBigtable GcsConfigureBlockCache
        GcsConfigureCredentials GenerateBigQueryReaderPartitions IgniteDataset KafkaDataset
        KinesisDataset SequenceFileDataset ObtainNext SloppyInterleaveDataset SaveIterator
        RestoreIterator DecodeLibsvm""",
    ),
    (
        "tf.contrib.ffmpeg",
        "sound and film were decoded by an ffmpeg program",
        f"{_CUT}, and decode in front of the model: tf.audio.decode_wav, or TensorFlow I/O",
        "DecodeAudio DecodeAudioV2 DecodeVideo EncodeAudio EncodeAudioV2",
    ),
    (
        "tf.contrib.rpc",
        "it calls another server while the graph runs",
        f"{_CUT}, and call the server in front of the model",
        "Rpc TryRpc",
    ),
    (
        "tf.contrib.image",
        "TensorFlow 2 has no op that computes it",
        f"{_BEFORE}; TensorFlow Addons had some of these, outside of a SavedModel",
        """AdjustHsvInYiq BipartiteMatch ImageConnectedComponents SingleImageRandomDotStereograms
        PeriodicResample PeriodicResampleOpGrad""",
    ),
    (
        "tf.contrib",
        "its hashing or its order of results has no equal in TensorFlow 2",
        f"{_BEFORE}; features can be crossed in front of the model",
        "SparseFeatureCross SparseFeatureCrossV2 HyperplaneLSHProbes",
    ),
    (
        "tf.contrib.fused_conv",
        "it ran on GPUs only, for inference in half or 8 bits",
        "export the model again without the fused convolution",
        "FusedConv2DBiasActivation",
    ),
    (
        "tf.contrib",
        "it belongs to training",
        "name an --output before it; a model for inference does not need it",
        """MaskedMatmul ReduceSliceMax ReduceSliceMin ReduceSliceProd ReduceSliceSum ResamplerGrad
        SkipGramGenerateCandidates WALSComputePartialLhsAndRhs ZeroInitializer ZeroVarInitializer
        NegTrain Skipgram BytesInUse BytesLimit MaxBytesInUse NcclBroadcastRecv NcclBroadcastSend
        NcclReduceRecv NcclReduceSend""",
    ),
    (
        "TPU training",
        "it belongs to training on a TPU",
        "export the graph that was made for a CPU or for serving",
        """LoadTPUEmbeddingADAMParametersGradAccumDebug
        LoadTPUEmbeddingAdadeltaParametersGradAccumDebug
        LoadTPUEmbeddingAdagradParametersGradAccumDebug LoadTPUEmbeddingFTRLParametersGradAccumDebug
        LoadTPUEmbeddingMomentumParametersGradAccumDebug
        LoadTPUEmbeddingProximalAdagradParametersGradAccumDebug
        LoadTPUEmbeddingRMSPropParametersGradAccumDebug
        RetrieveTPUEmbeddingADAMParametersGradAccumDebug
        RetrieveTPUEmbeddingAdadeltaParametersGradAccumDebug
        RetrieveTPUEmbeddingAdagradParametersGradAccumDebug
        RetrieveTPUEmbeddingFTRLParametersGradAccumDebug
        RetrieveTPUEmbeddingMomentumParametersGradAccumDebug
        RetrieveTPUEmbeddingProximalAdagradParametersGradAccumDebug
        RetrieveTPUEmbeddingRMSPropParametersGradAccumDebug TPUReplicate""",
    ),
    (
        "",
        "an optimiser wrote it for one processor; it never was part of a model",
        "start from the graph before it was optimised",
        "RemoteFusedGraphExecute _MklAdd _MklMaximum _MklMul _MklSquaredDifference _MklSub",
    ),
    (
        "",
        "TensorFlow computes it in Python now (tf.linalg.matrix_exponential)",
        _BEFORE,
        "MatrixExponential",
    ),
    (
        "",
        "it reads examples from files",
        _CUT,
        "FixedLengthRecordReader IdentityReader TFRecordReader TextLineReader",
    ),
    ("", "it only tests TensorFlow itself", _BEFORE, "Old"),
)

_FIRST_WORDS: tuple[tuple[str, str, str, str], ...] = (
    (
        "CudnnRNN",
        "NVIDIA's cuDNN",
        "the weights are packed for a GPU, and there is no kernel for a CPU",
        "export the model with CudnnCompatibleLSTMCell or CudnnCompatibleGRUCell, which read "
        "the same checkpoint",
    ),
    (
        "BoostedTrees",
        "tf.estimator's boosted trees",
        "TensorFlow 2 keeps the names of these ops, without kernels",
        "train the model again with TensorFlow Decision Forests",
    ),
    (
        "TRTEngineOp",
        "TensorRT",
        "the engine was built for one GPU and one release",
        "start from the graph before TensorRT",
    ),
    ("Nccl", "", "it joins GPUs in training", "name an --output before it"),
    *(
        (start, library, "its kernels come in a library of their own", _LIBRARY)
        for library, starts in (
            ("TensorFlow Addons", "Addons>"),
            ("TensorFlow I/O", "IO>"),
            (
                "TensorFlow Text",
                "TFText> Sentencepiece UnicodeScriptTokenize WhitespaceTokenize Wordpiece "
                "RegexSplitWithOffsets NormalizeUTF8 CaseFoldUTF8",
            ),
            ("TensorFlow Decision Forests", "SimpleML"),
            ("TensorFlow Recommenders Addons", "TFRA>"),
            ("Horovod", "Horovod"),
        )
        for start in starts.split()
    ),
    ("Bigtable", "tf.contrib.bigtable", "it reads from a service", _CUT),
    ("TPU", "TPU training", "it runs on a TPU only", "export the graph that serves on a CPU"),
)

REFUSED: Mapping[str, Reason] = {
    op: Reason(why=why, hint=hint, library=library)
    for library, why, hint, ops in _FAMILIES
    for op in ops.split()
}


@lru_cache(maxsize=4096)
def why_not(op: str) -> Reason | None:
    """Why ``op`` cannot be replaced, None for an op that nothing is known to stand against."""
    found = REFUSED.get(op)
    if found is not None:
        part = contrib_part(op)
        return replace(found, library=part) if part else found
    for start, library, why, hint in _FIRST_WORDS:
        if op.startswith(start):
            return Reason(why=why, hint=hint, library=library)
    return None
