"""Op names and words that tell what a node is for. Data for the endpoint rules."""

from __future__ import annotations

import re
from itertools import pairwise

PLACEHOLDERS = frozenset(("Placeholder", "PlaceholderV2"))
DEFAULTED = "PlaceholderWithDefault"
FEEDERS = frozenset(
    (
        "IteratorGetNext",
        "IteratorGetNextSync",
        "QueueDequeue",
        "QueueDequeueV2",
        "QueueDequeueMany",
        "QueueDequeueManyV2",
        "QueueDequeueUpTo",
        "QueueDequeueUpToV2",
        "Unstage",
        "ReaderRead",
        "ReaderReadV2",
        "ReaderReadUpTo",
        "ReaderReadUpToV2",
        "InfeedDequeue",
        "InfeedDequeueTuple",
        "_Arg",
        "Arg",
    )
)
"""Ops whose outputs are what a training pipeline put in: inputs, once cut."""

SHAPE_OPS = frozenset(
    ("Shape", "ShapeN", "Size", "Rank", "TensorArraySizeV3", "ZerosLike", "OnesLike")
)
"""Their result does not hold the values of their input."""

STATE_WRITES = frozenset(
    (
        "Assign",
        "AssignAdd",
        "AssignSub",
        "ScatterAdd",
        "ScatterUpdate",
        "AssignVariableOp",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
    )
)
"""What these are given is training state."""

_TRAINING_STEP = re.compile(r"(?:Resource)?(?:Sparse)?Apply[A-Z]")
_OTHER_WRITE = re.compile(
    r"(?:Resource)?Scatter(?:Nd)?(?:Add|Sub|Mul|Div|Min|Max|Update)"
    r"|(?:Resource)?StridedSliceAssign|(?:Resource|Sparse)?AccumulatorApplyGradient"
)
SINKS = STATE_WRITES | frozenset(
    (
        "Assert",
        "NoOp",
        "Print",
        "PrintV2",
        "ScalarSummary",
        "HistogramSummary",
        "ImageSummary",
        "AudioSummary",
        "AudioSummaryV2",
        "TensorSummary",
        "TensorSummaryV2",
        "MergeSummary",
        "CheckNumerics",
        "Save",
        "SaveSlices",
        "SaveV2",
        "ShardedFilename",
        "MergeV2Checkpoints",
        "Restore",
        "RestoreSlice",
        "RestoreV2",
        "WriteFile",
        "CountUpTo",
        "QueueEnqueue",
        "QueueEnqueueV2",
        "QueueEnqueueMany",
        "QueueEnqueueManyV2",
        "QueueClose",
        "QueueCloseV2",
        "QueueSize",
        "QueueSizeV2",
        "Stage",
        "MakeIterator",
        "InitializeTable",
        "InitializeTableV2",
        "InitializeTableFromTextFile",
        "InitializeTableFromTextFileV2",
        "SymbolicGradient",
        "StackPushV2",
        "StackPush",
    )
)
"""What they are given is not thereby an output."""

LOSS_OPS = frozenset(
    (
        "SoftmaxCrossEntropyWithLogits",
        "SparseSoftmaxCrossEntropyWithLogits",
        "CTCLoss",
        "CTCLossV2",
        "L2Loss",
        "InTopK",
        "InTopKV2",
        "NegTrain",
    )
)
"""What comes out of these judges a result and is none."""

NO_OUTPUT = frozenset(
    (
        "Const",
        "Placeholder",
        "PlaceholderV2",
        "Switch",
        "RefSwitch",
        "Enter",
        "RefEnter",
        "NextIteration",
        "RefNextIteration",
        "LoopCond",
        "Variable",
        "VariableV2",
        "VarHandleOp",
        "HashTable",
        "HashTableV2",
        "FIFOQueue",
        "FIFOQueueV2",
        "VarIsInitializedOp",
        "IsVariableInitialized",
    )
)
"""Not an output, even where nothing consumes them."""

RESHAPING = frozenset(
    ("Identity Reshape Squeeze ExpandDims Transpose StopGradient Snapshot PreventGradient").split()
)
"""Ops that hand the same values on."""

FINAL_OPS = frozenset(
    (
        "Softmax",
        "LogSoftmax",
        "Sigmoid",
        "ArgMax",
        "TopK",
        "TopKV2",
        "NonMaxSuppression",
        "NonMaxSuppressionV2",
        "NonMaxSuppressionV3",
        "NonMaxSuppressionV4",
        "CombinedNonMaxSuppression",
        "CTCGreedyDecoder",
        "CTCBeamSearchDecoder",
        "EncodePng",
        "EncodeJpeg",
        "EncodeWav",
    )
)
"""Ops that stand at the end of a model more often than in its middle."""

_OUTPUT_WORDS = frozenset(
    (
        "output outputs out logits logit prob probs probability probabilities prediction "
        "predictions predict pred preds predicted softmax sigmoid score scores class classes "
        "label result results embedding embeddings boxes detections detection masks mask heatmap "
        "heatmaps answer final encoded decoded argmax topk transcription generated"
    ).split()
)
_COUNTING_WORDS = frozenset(
    "num number count counts length lengths len size sizes total labels names dims".split()
)
_JUDGING_WORDS = frozenset(
    "loss losses accuracy acc metric metrics auc perplexity lr regularizer regularization summary "
    "summaries".split()
)
_JUDGING_PAIRS = frozenset(("global_step", "learning_rate", "correct_prediction"))
_DOUBTFUL_WORDS = frozenset("cost error precision recall correct labels target targets".split())
_TRAINING_SCOPES = re.compile(
    r"(?:^|/)(?:gradients|save|report_uninitialized_variables|init)(?:_\d+)?(?:/|$)"
)
_JUDGING_SCOPE = re.compile(r"cross_entropy|(^|_)(loss|losses|metrics|accuracy)(_|$)")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_LOWERED = re.compile(r"/_\d+$")
_COUNTED = re.compile(r"_\d+$")
# What Python's operators and layer functions call their nodes when nobody gives a name.
_AUTOMATIC = frozenset(
    (
        "add sub mul div truediv floordiv mod pow neg abs matmul concat stack unstack split "
        "strided_slice slice reshape transpose squeeze expanddims biasadd mean sum max min prod "
        "relu relu6 tanh identity cast gather gatherv2 batchnorm fusedbatchnorm fusedbatchnormv2 "
        "fusedbatchnormv3 convolution conv2d maxpool avgpool pack exit merge tensordot addv2 addn "
        "exp log sqrt rsqrt square fill tile pad range equal greater less select where maximum "
        "minimum embedding_lookup embedding_lookup_sparse tofloat todouble toint32 toint64 "
        "zeros ones zeros_like ones_like"
    ).split()
)


def words(name: str) -> tuple[str, ...]:
    """The words of a node's last name part, in lower case: ``BoxScores_1`` -> box, scores, 1."""
    last = name.rsplit("/", 1)[-1]
    return tuple(word.lower() for word in _CAMEL.findall(last))


def output_word(name: str) -> str | None:
    """The word of ``name`` that speaks for an output."""
    return next((word for word in words(name) if word in _OUTPUT_WORDS), None)


def counting_word(name: str) -> str | None:
    """The word of ``name`` that a count, or what is there once for each item, is called by."""
    found = words(name)
    if "batch" in found:  # how many were fed: seldom what somebody wants to be told
        return None
    return next((word for word in found if word in _COUNTING_WORDS), None)


def is_training_step(op: str) -> bool:
    """True for what moves weights along gradients (``ApplyAdam``, ``SparseApplyMomentum``)."""
    return _TRAINING_STEP.match(op) is not None


def writes_state(op: str) -> bool:
    """True for an op that changes a variable."""
    return op in STATE_WRITES or is_training_step(op) or _OTHER_WRITE.fullmatch(op) is not None


def is_guard(name: str) -> bool:
    """True for the node that joins the branches of a conditional assertion."""
    return "/AssertGuard/" in f"/{name}"


def judging_word(name: str) -> str | None:
    """The word of ``name`` that speaks for a loss, a metric or training state."""
    found = words(name)
    pairs = {f"{first}_{second}" for first, second in pairwise(found)}
    return next(iter(sorted(pairs & _JUDGING_PAIRS)), None) or next(
        (word for word in found if word in _JUDGING_WORDS), None
    )


def doubtful_word(name: str) -> str | None:
    """A word of ``name`` that speaks against an output, but not for sure."""
    return next((word for word in words(name) if word in _DOUBTFUL_WORDS), None)


def judging_scope(name: str) -> str | None:
    """The scope of ``name`` that belongs to a loss or a metric."""
    return next((part for part in name.split("/")[:-1] if _JUDGING_SCOPE.search(part)), None)


def in_training_scope(name: str) -> bool:
    """True for nodes that gradients, savers and initialisers bring along."""
    if "gradients" not in name and "save" not in name and "init" not in name:
        return False  # most names, and several times faster than the pattern
    return _TRAINING_SCOPES.search(name) is not None


def is_given_name(name: str, op: str) -> bool:
    """False where the last part of ``name`` is what TensorFlow calls an unnamed ``op``."""
    last = _COUNTED.sub("", name.rsplit("/", 1)[-1]).lower()
    return bool(last) and last != op.lower() and last not in _AUTOMATIC


def is_lowered(name: str) -> bool:
    """True for what TensorFlow 2 makes when it turns functional control flow into the old kind."""
    return bool(_LOWERED.search(name))


def is_variable_read(name: str) -> bool:
    """True for the node that reads a variable, or did before freezing."""
    return name.endswith(("/read", "/ReadVariableOp")) or "/ReadVariableOp_" in name


_TRAINING_FLAG = re.compile(
    r"(^|[_/ ])(is_?)?(train|training|phase|phase_train|is_?train|learning_phase|"
    r"keras_learning_phase|test_?mode|mode)($|[_/ :])",
    re.IGNORECASE,
)
_KEEP = re.compile(r"keep", re.IGNORECASE)
_RATE = re.compile(r"drop|(^|[_/])rate", re.IGNORECASE)
_OTHER_KNOB = re.compile(
    r"learning_?rate|(^|[_/])lr($|_)|momentum|decay|temperature", re.IGNORECASE
)


def is_training_flag(name: str) -> bool:
    """True for names such as ``is_training``, ``phase_train``, ``keras_learning_phase``."""
    return bool(_TRAINING_FLAG.search(name))


def is_keep_probability(name: str) -> bool:
    return bool(_KEEP.search(name))


def is_drop_rate(name: str) -> bool:
    return bool(_RATE.search(name)) and not is_keep_probability(name) and not is_other_knob(name)


def is_other_knob(name: str) -> bool:
    return bool(_OTHER_KNOB.search(name))
