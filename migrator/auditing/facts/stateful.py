"""Which ops are known to keep to the process' own state, and which nobody can vouch for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from migrator.auditing.facts.programs import PROGRAM_ATTRS
from migrator.model.graph import Function
from migrator.ops.dangerous import MILD, dangerous_ops
from migrator.ops.registry import op_facts

_ORDINARY = re.compile(
    r"""
    _?(?:If|While|Case|Arg|Retval|DeviceArg|DeviceRetval) | StatefulPartitionedCall
    | Xla(?:If|While|Launch|Dequantize) | RiscWhile
    | .*(?:Variable|VarHandle|VarIsInitialized|Resource|Assign|DisableCopyOnRead).*
    | .*(?:Dataset|Iterator|MemoryCache|SeedGenerator|IterationCounter|ThreadPool).*
    | .*(?:Table|TensorsMap|Queue|Barrier|Stage|Unstage|Accumulator|Mutex|Stack|TensorArray).*
    | (?:Ordered)?Map(?:Clear|IncompleteSize|Peek|Size|Unstage|UnstageNoKey)
    | .*(?:ScopedAllocator|ParallelConcat|Session(?:Handle|Tensor)|Reader|StatsAggregator).*
    | .*(?:Random|Multinomial|Stateful|CandidateSampler|TruncatedNormal|Rng|Sample).*
    | .*(?:BoostedTrees|TensorForest|CudnnRNN|CheckNumerics|SummaryWriter).*
    | NonDeterministicInts | Timestamp | Empty | DeepCopy | GuaranteeConst | NegTrain | TestAttr
    | DeviceIndex | DevicePlacementOp | GraphDefVersion | RequiresOlderGraphVersion
    | IsTensorFloat32Enabled | DtypeWithDefaultOp | DeleteRpcFutureResource
    """,
    re.VERBOSE,
)
"""Stateful ops that hold values, draw numbers or call functions, within the process."""
ACCELERATOR = re.compile(
    r".*(?:TPU|Tpu|Infeed|Outfeed|Nccl|SparseCore|DedupData|PhysicalReplica|Fdo).*"
    r"|_?Xla.*|AllToAll|CrossReplicaSum|ConvertToCooTensor|SyncDevice|GlobalIterId"
    r"|UpdateTaskIdAndGlobalCoreArray"
)
"""Stateful ops that act on accelerators, some of them on a whole cluster of them."""


@cache
def is_unclear(op: str) -> bool:
    """A registered stateful op of which no table here says what it touches."""
    facts = op_facts(op)
    if facts is None or not facts.stateful:
        return False
    return not (
        op in dangerous_ops()
        or op in PROGRAM_ATTRS
        or any(op in ops for ops in MILD.values())
        or _ORDINARY.fullmatch(op)
    )


def is_unregistered(op: str, functions: Mapping[str, Function]) -> bool:
    """No covered TensorFlow registers it, and it is no function of the graph either."""
    return op_facts(op) is None and op not in functions
