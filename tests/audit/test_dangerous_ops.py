"""The table of dangerous ops against TensorFlow's registry."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path

import pytest

from migrator.auditing.facts.stateful import ACCELERATOR, is_unclear
from migrator.auditing.registry import all_rules
from migrator.auditing.rules.security.attacks import input_slot
from migrator.ops import registry
from migrator.ops.dangerous import GROUPS, MERELY_NOTED, MILD, dangerous_ops, ops_of
from migrator.ops.registry import op_facts

_OPS = json.loads(Path(registry.__file__).with_name("ops.json").read_bytes())["ops"]
_PATTERNS = """
    PyFunc* EagerPyFunc ReadFile MatchingFiles ImmutableConst WholeFileReader* TextLineReader*
    TFRecordReader* FixedLengthRecordReader* LMDBReader Restore RestoreSlice RestoreV2
    LoadAndRemapMatrix GenerateVocabRemapping InitializeTableFromTextFile* WriteFile Save
    SaveSlices SaveV2 MergeV2Checkpoints ShardedFilename PrintV2 DumpTensor SaveDataset*
    *DatasetToTFRecord CreateSummaryFileWriter CreateSummaryDbWriter Write*Summary WriteSummary
    FixedLengthRecordDataset* *CSVDataset* TextLineDataset TFRecordDataset* *SqlDataset
    *LMDBDataset *MatchingFilesDataset LoadDataset SnapshotDataset* DatasetFromGraph
    InitializeTableFromDataset DebugIdentity* RpcClient RpcCall RpcServer* DistributedSave
    RegisterDataset* DataServiceDataset* _Send _Recv Collective* RemoteCall
    FileSystemSetConfiguration Abort
""".split()
_TELLING_INPUT = re.compile(
    r"file(name)?s?|.*_file|.*filename|.*path|patterns?|.*(?<!has)prefix|.*address|db_uri|.*dir"
    r"|directory|json"
)
_NO_FILE = {
    "DecodeJSONExample",  # its json holds examples
    "ExperimentalSetStatsAggregatorDataset",  # its prefix is a counter's
    "SetStatsAggregatorDataset",
    "StaticRegexFullMatch",
    "RegexFullMatch",
    "RegexReplace",
}


@pytest.mark.parametrize("name", dangerous_ops())
def test_listed_op_is_registered_with_the_arguments_that_the_table_names(name: str) -> None:
    op = dangerous_ops()[name]
    facts = op_facts(name)
    assert facts is not None
    assert op.group in GROUPS
    assert op.does
    for argument in op.inputs:
        assert input_slot(name, argument) is not None, argument
    assert op.attrs or op.inputs or name in ops_of("read", "dataset", "network")


@pytest.mark.parametrize("pattern", _PATTERNS)
def test_registered_op_that_a_pattern_covers_is_listed(pattern: str) -> None:
    names = [name for name in _OPS if fnmatch.fnmatchcase(name, pattern)]
    assert names, "no release has an op like that"
    assert [name for name in names if name not in dangerous_ops()] == []


def test_registered_op_with_an_input_for_a_path_or_an_address_is_listed() -> None:
    found = {
        name
        for name, row in _OPS.items()
        for item in row["i"]
        if item.endswith(":string") and _TELLING_INPUT.fullmatch(item.partition(":")[0])
    }
    assert found - set(dangerous_ops()) <= _NO_FILE


def test_each_dangerous_op_is_looked_at_by_one_rule() -> None:
    seen: dict[str, list[str]] = {}
    for rule in all_rules():
        if rule.family == "security" and rule.code != "S407":
            for op in set(rule.looks_at) & set(dangerous_ops()):
                seen.setdefault(op, []).append(rule.code)
    assert set(seen) == set(dangerous_ops())
    assert {op: codes for op, codes in seen.items() if len(codes) > 1} == {}


def test_mild_ops_are_registered_and_not_dangerous_but_for_printing_to_a_file() -> None:
    mild = {op for ops in MILD.values() for op in ops}
    assert all(op_facts(op) for op in mild)
    assert mild & set(dangerous_ops()) == {"PrintV2"}
    assert set(MILD) > MERELY_NOTED


def test_stateful_op_without_a_table_acts_on_an_accelerator() -> None:
    """A new stateful op in a later registry must be looked at by somebody: see ``stateful``."""
    unclear = {name for name in _OPS if is_unclear(name)}
    assert [name for name in sorted(unclear) if not ACCELERATOR.fullmatch(name)] == []
    assert {"TPUExecute", "_XlaRun", "NcclReduce"} <= unclear
    assert not unclear & {"VarHandleOp", "RandomUniform", "IteratorGetNext", "WriteFile", "If"}
