"""The tables of a TFLite file, as far as we read them. Version 3, with its additions a to c.

``Buffer.offset`` and ``size``, and the options of an operator alike, are of files past 2 GB:
what they name lies behind the FlatBuffer, and the offset counts from the file's start.
"""

from __future__ import annotations

from functools import cache

from migrator.formats.tflite.flat import Kind
from migrator.model.dtypes import INVALID, DType, dtype_named
from migrator.ops.tflite import option_fields

MODEL = Kind(
    "Model",
    "version:u32 operator_codes:[OperatorCode] subgraphs:[SubGraph] description:str"
    " buffers:[Buffer] metadata_buffer:[i32] metadata:[Metadata] signature_defs:[SignatureDef]"
    " external_buffer_groups:[ExternalBufferGroup] external_buffers:[ExternalBuffer]",
)
OPERATOR_CODE = Kind(
    "OperatorCode", "deprecated_builtin_code:i8 custom_code:str version:i32=1 builtin_code:i32"
)
SUBGRAPH = Kind(
    "SubGraph", "tensors:[Tensor] inputs:[i32] outputs:[i32] operators:[Operator] name:str"
)
TENSOR = Kind(
    "Tensor",
    "shape:[i32] type:i8 buffer:u32 name:str quantization:QuantizationParameters is_variable:bool"
    " sparsity:SparsityParameters shape_signature:[i32] has_rank:bool"
    " variant_tensors:[VariantSubType] external_buffer:u32",
)
OPERATOR = Kind(
    "Operator",
    "opcode_index:u32 inputs:[i32] outputs:[i32] builtin_options_type:u8 builtin_options:union"
    " custom_options:[u8] custom_options_format:i8 mutating_variable_inputs:[bool]"
    " intermediates:[i32] large_custom_options_offset:u64 large_custom_options_size:u64"
    " builtin_options2_type:u8 builtin_options2:union",
)
QUANTIZATION = Kind(
    "QuantizationParameters",
    "min:[f32] max:[f32] scale:[f32] zero_point:[i64] details_type:u8 details:union"
    " quantized_dimension:i32",
)
# MultiAxisQuantization starts alike.
BLOCKWISE = Kind("BlockwiseQuantization", "scales:i32 zero_points:i32 block_size:i32")
SPARSITY = Kind(
    "SparsityParameters", "traversal_order:[i32] block_map:[i32] dim_metadata:[DimensionMetadata]"
)
DIMENSION = Kind(
    "DimensionMetadata",
    "format:i8 dense_size:i32 array_segments_type:u8 array_segments:union array_indices_type:u8"
    " array_indices:union",
)
INDEX_VECTOR = Kind("Int32Vector", "values:[i32]")
"""``Uint16Vector`` and ``Uint8Vector`` alike, with narrower numbers."""
VARIANT = Kind("VariantSubType", "shape:[i32] type:i8 has_rank:bool")
BUFFER = Kind("Buffer", "data:[u8] offset:u64 size:u64")
METADATA = Kind("Metadata", "name:str buffer:u32")
SIGNATURE = Kind(
    "SignatureDef",
    "inputs:[TensorMap] outputs:[TensorMap] signature_key:str - subgraph_index:u32",
)
TENSOR_MAP = Kind("TensorMap", "name:str tensor_index:u32")
EXTERNAL_GROUP = Kind("ExternalBufferGroup", "name:str")
CONTAINER = (
    MODEL,
    OPERATOR_CODE,
    SUBGRAPH,
    TENSOR,
    OPERATOR,
    QUANTIZATION,
    BLOCKWISE,
    SPARSITY,
    DIMENSION,
    INDEX_VECTOR,
    VARIANT,
    BUFFER,
    METADATA,
    SIGNATURE,
    TENSOR_MAP,
    EXTERNAL_GROUP,
)
DETAILS = {2: "blockwise", 3: "multi_axis"}
"""Forms of quantisation that name a tensor of scales; the second is of LiteRT's schema."""

# What the metadata buffers of a file hold: schemas of their own.
CONVERSION = Kind("ConversionMetadata", "environment:Environment options:ConversionOptions")
ENVIRONMENT = Kind("Environment", "tensorflow_version:str api_version:u32 model_type:i32")
CONVERSION_OPTIONS = Kind(
    "ConversionOptions",
    "model_optimization_modes:[i32] allow_custom_ops:bool enable_select_tf_ops:bool"
    " force_select_tf_ops:bool",
)
MODEL_METADATA = Kind(
    "ModelMetadata",
    "name:str description:str version:str subgraph_metadata:[SubGraphMetadata] author:str"
    " license:str - min_parser_version:str",
)
MODEL_TYPES = (
    "",
    "SavedModel",
    "Keras model",
    "concrete functions",
    "GraphDef",
    "session",
    "JAX",
    "PyTorch",
)
OPTIMIZATIONS = {
    1001: "float16 weights",
    1002: "dynamic range",
    1003: "full integer",
    1004: "16-bit activations",
    2000: "quantization-aware training",
    3001: "random sparsity",
    3002: "block sparsity",
    3003: "structured sparsity",
}

_TYPES = (
    "float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64"
    " resource variant uint32 uint16 int4 bfloat16 int2 uint4"
    " float8_e4m3fn float8_e5m2"
).split()
_DTYPES = tuple(map(dtype_named, _TYPES))
PACKED = {dtype_named("int4"): 4, dtype_named("uint4"): 4, dtype_named("int2"): 2}
"""Bits of an element, for types with several elements to a byte."""


def dtype_of(number: int) -> DType:
    """The element type that a file means by ``number``; INVALID for one that is newer."""
    return _DTYPES[number] if 0 <= number < len(_DTYPES) else INVALID


@cache
def options_kind(table: str) -> Kind:
    """A table of options by its name."""
    return Kind(table, option_fields(table))
