"""Ops that live on under another name, with the same inputs, outputs and attributes."""

from __future__ import annotations

from migrator.migration.passes.draft import Draft, data_of
from migrator.model.graph import Node

_LINALG = """
    BatchCholesky Cholesky
    BatchCholeskyGrad CholeskyGrad
    BatchMatrixBandPart MatrixBandPart
    BatchMatrixDeterminant MatrixDeterminant
    BatchMatrixDiag MatrixDiag
    BatchMatrixDiagPart MatrixDiagPart
    BatchMatrixInverse MatrixInverse
    BatchMatrixSetDiag MatrixSetDiag
    BatchMatrixSolve MatrixSolve
    BatchMatrixSolveLs MatrixSolveLs
    BatchMatrixTriangularSolve MatrixTriangularSolve
    BatchSelfAdjointEigV2 SelfAdjointEigV2
    BatchSvd Svd
"""
_FOURIER = """
    BatchFFT FFT
    BatchFFT2D FFT2D
    BatchFFT3D FFT3D
    BatchIFFT IFFT
    BatchIFFT2D IFFT2D
    BatchIFFT3D IFFT3D
"""
_TABLES = """
    HashTable HashTableV2
    MutableHashTable MutableHashTableV2
    MutableHashTableOfTensors MutableHashTableOfTensorsV2
    MutableDenseHashTable MutableDenseHashTableV2
    InitializeTable InitializeTableV2
    InitializeTableFromTextFile InitializeTableFromTextFileV2
    LookupTableFind LookupTableFindV2
    LookupTableInsert LookupTableInsertV2
    LookupTableSize LookupTableSizeV2
    LookupTableExport LookupTableExportV2
    LookupTableImport LookupTableImportV2
"""
_TENSOR_ARRAYS = """
    TensorArray TensorArrayV3
    TensorArrayV2 TensorArrayV3
    TensorArrayWrite TensorArrayWriteV3
    TensorArrayWriteV2 TensorArrayWriteV3
    TensorArrayRead TensorArrayReadV3
    TensorArrayReadV2 TensorArrayReadV3
    TensorArrayGather TensorArrayGatherV3
    TensorArrayGatherV2 TensorArrayGatherV3
    TensorArrayScatter TensorArrayScatterV3
    TensorArrayScatterV2 TensorArrayScatterV3
    TensorArrayConcat TensorArrayConcatV3
    TensorArrayConcatV2 TensorArrayConcatV3
    TensorArraySplit TensorArraySplitV3
    TensorArraySplitV2 TensorArraySplitV3
    TensorArraySize TensorArraySizeV3
    TensorArraySizeV2 TensorArraySizeV3
    TensorArrayClose TensorArrayCloseV3
    TensorArrayCloseV2 TensorArrayCloseV3
    TensorArrayGrad TensorArrayGradV3
    TensorArrayGradV2 TensorArrayGradV3
"""
_PLAIN = """
    PlaceholderV2 Placeholder
"""


def _pairs(*texts: str) -> dict[str, str]:
    words = " ".join(texts).split()
    return dict(zip(words[::2], words[1::2], strict=True))


RENAMED = _pairs(_LINALG, _FOURIER, _TABLES, _TENSOR_ARRAYS, _PLAIN)
"""Old op -> the op that replaces it."""

HANDLES = frozenset(
    new
    for old, new in RENAMED.items()
    if new in ("TensorArrayV3", "TensorArrayGradV3") or old.endswith(("HashTable", "OfTensors"))
)
"""Those of the new ops that give a resource where the old one gave a string."""


def rename(node: Node, draft: Draft) -> None:
    """The same node under the op's newer name."""
    attrs = {key: value for key, value in node.attrs.items() if key[:1] != "_"}
    draft.finish(RENAMED[node.op], *data_of(node), **attrs)
