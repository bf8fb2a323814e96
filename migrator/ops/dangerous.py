"""Which ops reach outside of the graph, what each of them does, and what tells where it goes.

Every op of TensorFlow's registry (``ops.json``) was gone through for this table. An op that
computes, holds state of the process or moves data inside of it is not in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

PYTHON = "python"
READ = "read"
WRITE = "write"
DATASET = "dataset"
NETWORK = "network"
PROCESS = "process"
GROUPS = (PYTHON, READ, WRITE, DATASET, NETWORK, PROCESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DangerousOp:
    """One op, and which of its arguments say what it goes for."""

    name: str
    group: str
    """One of ``GROUPS``."""
    does: str
    """A clause for a sentence that begins with the op: ``reads a file``."""
    inputs: tuple[str, ...] = ()
    """Argument names as the registry has them; their constant values are the finding's argument."""
    attrs: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    """Those of the arguments that are kept, but are not what the op goes for."""
    optional: bool = False
    """It does nothing of the kind while its first argument is empty."""


# OP INPUT @ATTR +BESIDE : what it does. One in brackets: harmless while that one is empty.
_TABLE = {
    PYTHON: """
        PyFunc @token : calls a Python function of the process by its number
        PyFuncStateless @token : calls a Python function of the process by its number
        EagerPyFunc @token : calls a Python function of the process by its number
    """,
    READ: """
        ReadFile filename : reads a file
        MatchingFiles pattern : lists files
        ImmutableConst @memory_region_name : maps a file into memory as a tensor
        WholeFileReader : reads files whose names come from a queue
        WholeFileReaderV2 : reads files whose names come from a queue
        TextLineReader : reads files whose names come from a queue
        TextLineReaderV2 : reads files whose names come from a queue
        TFRecordReader : reads files whose names come from a queue
        TFRecordReaderV2 : reads files whose names come from a queue
        FixedLengthRecordReader : reads files whose names come from a queue
        FixedLengthRecordReaderV2 : reads files whose names come from a queue
        LMDBReader : reads databases whose names come from a queue
        RecordInput @file_pattern : reads record files
        Restore file_pattern : reads tensors from a checkpoint
        RestoreSlice file_pattern : reads tensors from a checkpoint
        RestoreV2 prefix : reads tensors from a checkpoint
        DTensorRestoreV2 prefix : reads tensors from a checkpoint
        LoadAndRemapMatrix ckpt_path : reads a tensor from a checkpoint
        GenerateVocabRemapping new_vocab_file old_vocab_file : reads two vocabulary files
        InitializeTableFromTextFile filename : fills a table from a file
        InitializeTableFromTextFileV2 filename : fills a table from a file
        FixedUnigramCandidateSampler [@vocab_file] : reads a vocabulary file
        Skipgram @filename : reads a text file
        DecodeProtoV2 [@descriptor_source] : reads a file of protobuf descriptors
        EncodeProto [@descriptor_source] : reads a file of protobuf descriptors
    """,
    WRITE: """
        WriteFile filename +contents : writes a file, with its folders
        Save filename : writes a checkpoint
        SaveSlices filename : writes a checkpoint
        SaveV2 prefix : writes a checkpoint
        MergeV2Checkpoints destination_prefix checkpoint_prefixes : moves and deletes files
        ShardedFilename basename : builds the name of a file
        ShardedFilespec basename : builds a pattern of file names
        PrintV2 [@output_stream] +input : appends to a file
        DumpTensor @log_dir_path @file_name : writes a file
        SaveDataset path : writes a dataset to files
        SaveDatasetV2 path : writes a dataset to files
        DatasetToTFRecord filename : writes a dataset to a file
        ExperimentalDatasetToTFRecord filename : writes a dataset to a file
        CacheDataset [filename] : writes a dataset to files and reads it back
        CacheDatasetV2 [filename] : writes a dataset to files and reads it back
        CalibrationStatisticsSaver @output_file_path : writes a file
        CreateSummaryFileWriter logdir +filename_suffix : makes event files in a folder
        CreateSummaryDbWriter db_uri : opens a database for writing
        WriteSummary tag : writes to a summary writer's file
        WriteAudioSummary tag : writes to a summary writer's file
        WriteGraphSummary tensor : writes to a summary writer's file
        WriteHistogramSummary tag : writes to a summary writer's file
        WriteImageSummary tag : writes to a summary writer's file
        WriteRawProtoSummary tensor : writes to a summary writer's file
        WriteScalarSummary tag : writes to a summary writer's file
        ImportEvent event : writes to a summary writer's file
    """,
    DATASET: """
        FixedLengthRecordDataset filenames : reads files
        FixedLengthRecordDatasetV2 filenames : reads files
        TextLineDataset filenames : reads files
        TFRecordDataset filenames : reads files
        TFRecordDatasetV2 filenames : reads files
        CSVDataset filenames : reads files
        CSVDatasetV2 filenames : reads files
        ExperimentalCSVDataset filenames : reads files
        SqlDataset data_source_name query +driver_name : opens a database
        ExperimentalSqlDataset data_source_name query +driver_name : opens a database
        LMDBDataset filenames : opens databases
        ExperimentalLMDBDataset filenames : opens databases
        MatchingFilesDataset patterns : lists files
        ExperimentalMatchingFilesDataset patterns : lists files
        LoadDataset path : reads a saved dataset
        SnapshotDataset path @reader_path_prefix @writer_path_prefix : writes and reads snapshots
        SnapshotDatasetV2 path @reader_prefix @writer_prefix : writes and reads snapshots
        SnapshotDatasetReader shard_dir : reads snapshots
        SnapshotNestedDatasetReader : reads snapshots
        SnapshotChunkDataset chunk_file : reads a snapshot
        ListSnapshotChunksDataset snapshot_path : lists the files of a snapshot
        DatasetFromGraph graph_def : runs a graph that it is given as a string
        InitializeTableFromDataset dataset : fills a table from a dataset
    """,
    NETWORK: """
        DebugIdentity [@debug_urls] : sends its tensor to addresses or files
        DebugIdentityV2 [@debug_urls] : sends its tensor to addresses or files
        DebugIdentityV3 [@debug_urls] : sends its tensor to addresses or files
        DebugNanCount [@debug_urls] : sends facts about its tensor to addresses or files
        DebugNumericSummary [@debug_urls] : sends facts about its tensor to addresses or files
        Rpc address method : calls a server
        TryRpc address method : calls a server
        RpcClient server_address : connects to a server
        RpcCall method_name : calls a server
        RpcCheckStatus : waits for a server's answer
        RpcGetValue : takes a server's answer
        RpcServer server_address : opens a port
        RpcServerRegister method_name : offers a function on a port
        RpcServerStart : opens a port
        DistributedSave directory address : has a server write files
        RegisterDataset address +protocol : hands a dataset to a server
        RegisterDatasetV2 address +protocol : hands a dataset to a server
        DataServiceDataset address +protocol : takes data from a server
        DataServiceDatasetV2 address +protocol : takes data from a server
        DataServiceDatasetV3 address +protocol : takes data from a server
        DataServiceDatasetV4 address +protocol : takes data from a server
        BigQueryReader @project_id @dataset_id @table_id : takes data from a cloud service
        GenerateBigQueryReaderPartitions @project_id @dataset_id @table_id : asks a cloud service
        Send @tensor_name +@send_device +@recv_device : sends a tensor to another task
        Recv @tensor_name +@send_device +@recv_device : takes a tensor from another task
        _Send @tensor_name +@send_device +@recv_device : sends a tensor to another task
        _Recv @tensor_name +@send_device +@recv_device : takes a tensor from another task
        _HostSend @tensor_name +@send_device +@recv_device : sends a tensor to another task
        _HostRecv @tensor_name +@send_device +@recv_device : takes a tensor from another task
        RemoteCall target @f : runs a function on another device or task
        RemoteFusedGraphExecute @serialized_remote_fused_graph_execute_info : runs a graph elsewhere
        CollectiveAllToAllV2 group_key instance_key : exchanges data with other tasks
        CollectiveAllToAllV3 group_assignment : exchanges data with other tasks
        CollectiveAssignGroupV2 base_key group_assignment : groups tasks for exchanging data
        CollectiveBcastRecv @group_key @instance_key : exchanges data with other tasks
        CollectiveBcastRecvV2 group_key instance_key : exchanges data with other tasks
        CollectiveBcastSend @group_key @instance_key : exchanges data with other tasks
        CollectiveBcastSendV2 group_key instance_key : exchanges data with other tasks
        CollectiveGather @group_key @instance_key : exchanges data with other tasks
        CollectiveGatherV2 group_key instance_key : exchanges data with other tasks
        CollectiveInitializeCommunicator group_key rank : exchanges data with other tasks
        CollectivePermute source_target_pairs : exchanges data with other tasks
        CollectiveReduce @group_key @instance_key : exchanges data with other tasks
        CollectiveReduceV2 group_key instance_key : exchanges data with other tasks
        CollectiveReduceV3 group_assignment : exchanges data with other tasks
        CollectiveReduceScatterV2 group_key instance_key : exchanges data with other tasks
    """,
    PROCESS: """
        Abort @error_msg : ends the process
        FileSystemSetConfiguration scheme key value : changes how the process reaches a file system
        GcsConfigureCredentials json : changes the credentials that the process uses for storage
        GcsConfigureBlockCache max_cache_size : changes how the process reaches cloud storage
        WorkerHeartbeat request : can tell the process to end
    """,
}

MILD = {
    "prints to the standard streams": ("Print", "PrintV2"),
    "exports the contents of a table": ("LookupTableExport", "LookupTableExportV2"),
    "keeps the process waiting": (
        "SleepOp",
        "SleepIdentityOp",
        "SleepDataset",
        "ExperimentalSleepDataset",
    ),
    "hands out the program of a dataset": (
        "DatasetToGraph",
        "DatasetToGraphV2",
        "IteratorGetModelProto",
        "SerializeIterator",
        "DeserializeIterator",
    ),
    "stops a run with a message that can hold data": ("Assert",),
    "passes data through a queue of the process": (
        "FIFOQueue",
        "FIFOQueueV2",
        "PaddingFIFOQueue",
        "PaddingFIFOQueueV2",
        "PriorityQueue",
        "PriorityQueueV2",
        "RandomShuffleQueue",
        "RandomShuffleQueueV2",
        "Barrier",
        "Stage",
        "MapStage",
        "OrderedMapStage",
    ),
    "serialises data for a log": (
        "ScalarSummary",
        "TensorSummary",
        "TensorSummaryV2",
        "HistogramSummary",
        "ImageSummary",
        "AudioSummary",
        "AudioSummaryV2",
        "MergeSummary",
        "StatsAggregatorSummary",
        "ExperimentalStatsAggregatorSummary",
        "StatsAggregatorSetSummaryWriter",
    ),
}
"""What it does, in words -> its ops. They go nowhere by themselves, but data may show up there."""
MERELY_NOTED = frozenset(list(MILD)[-3:])
"""Keys of ``MILD`` that most training graphs have."""


@cache
def dangerous_ops() -> Mapping[str, DangerousOp]:
    """Op -> what is known of it, in the order of the table."""
    found: dict[str, DangerousOp] = {}
    for group, rows in _TABLE.items():
        for row in filter(None, map(str.strip, rows.splitlines())):
            head, _, does = row.partition(" : ")
            name, *arguments = head.split()
            optional = bool(arguments) and arguments[0].startswith("[")
            bare = [item.strip("[]+") for item in arguments]
            found[name] = DangerousOp(
                name=name,
                group=group,
                does=does,
                inputs=tuple(item for item in bare if item[0] != "@"),
                attrs=tuple(item[1:] for item in bare if item[0] == "@"),
                beside=tuple(item.lstrip("+@") for item in arguments if item[0] == "+"),
                optional=optional,
            )
    return found


def ops_of(*groups: str) -> tuple[str, ...]:
    """The ops of these groups, in the table's order."""
    return tuple(name for name, item in dangerous_ops().items() if item.group in groups)
