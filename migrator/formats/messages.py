"""TensorFlow's messages, as far as we read them, under a package name of our own.

Compatible on the wire by field number alone. A descriptor pool of our own keeps them apart from
TensorFlow's in a process that has both. A field of the original that is missing here is skipped.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

PACKAGE = "migrator.wire"

SPAN_FIELD = 536870911
"""Highest field number there is; no message of TensorFlow's uses it. In a skeleton it marks a
payload that was left in the file (see ``skeleton.Spans``)."""

# One line a field: number, name, type; "*" repeated, "{}" map from string, "/NAME" in that oneof.
# A DataType is a number here; in text it has a name.
_MESSAGES: dict[str, str] = {
    "GraphDef": "1 node NodeDef* | 2 library FunctionDefLibrary | 3 version int32"
    " | 4 versions VersionDef",
    "NodeDef": "1 name string | 2 op string | 3 input string* | 4 device string"
    " | 5 attr AttrValue{}",
    "AttrValue": "1 list ListValue/value | 2 s bytes/value | 3 i int64/value | 4 f float/value"
    " | 5 b bool/value | 6 type DataType/value | 7 shape TensorShapeProto/value"
    " | 8 tensor TensorProto/value | 9 placeholder string/value | 10 func NameAttrList/value"
    f" | {SPAN_FIELD} span bytes",
    "ListValue": "2 s bytes* | 3 i int64* | 4 f float* | 5 b bool* | 6 type DataType*"
    " | 7 shape TensorShapeProto* | 8 tensor TensorProto* | 9 func NameAttrList*",
    "NameAttrList": "1 name string | 2 attr AttrValue{}",
    "TensorProto": "1 dtype DataType | 2 tensor_shape TensorShapeProto | 3 version_number int32"
    " | 4 tensor_content bytes | 5 float_val float* | 6 double_val double* | 7 int_val int32*"
    " | 8 string_val bytes* | 9 scomplex_val float* | 10 int64_val int64* | 11 bool_val bool*"
    " | 12 dcomplex_val double* | 13 half_val int32* | 16 uint32_val uint32*"
    f" | 17 uint64_val uint64* | 18 float8_val bytes | {SPAN_FIELD} span bytes",
    "TensorShapeProto": "2 dim Dim* | 3 unknown_rank bool",
    "Dim": "1 size int64 | 2 name string",
    "VersionDef": "1 producer int32 | 2 min_consumer int32 | 3 bad_consumers int32*",
    "FunctionDefLibrary": "1 function FunctionDef* | 2 gradient GradientDef*"
    " | 3 registered_gradients RegisteredGradient*",
    "RegisteredGradient": "1 gradient_func string | 2 registered_op_type string",
    "GradientDef": "1 function_name string | 2 gradient_func string",
    "FunctionDef": "1 signature OpDef | 3 node_def NodeDef* | 4 ret string{} | 5 attr AttrValue{}"
    " | 6 control_ret string{}",
    "OpDef": "1 name string | 2 input_arg ArgDef* | 3 output_arg ArgDef* | 4 attr AttrDef*"
    " | 17 is_stateful bool | 20 control_output string*",
    "ArgDef": "1 name string | 3 type DataType | 4 type_attr string | 5 number_attr string"
    " | 6 type_list_attr string | 16 is_ref bool",
    "AttrDef": "1 name string | 2 type string",
    "SavedModel": "1 saved_model_schema_version int64 | 2 meta_graphs MetaGraphDef*",
    "MetaGraphDef": "1 meta_info_def MetaInfoDef | 2 graph_def GraphDef | 3 saver_def SaverDef"
    " | 4 collection_def CollectionDef{} | 5 signature_def SignatureDef{}"
    " | 6 asset_file_def AssetFileDef* | 7 object_graph_def SavedObjectGraph",
    "MetaInfoDef": "1 meta_graph_version string | 4 tags string* | 5 tensorflow_version string"
    " | 6 tensorflow_git_version string",
    "CollectionDef": "1 node_list StringList/kind | 2 bytes_list BytesList/kind"
    " | 3 int64_list Int64List/kind | 4 float_list FloatList/kind | 5 any_list AnyList/kind",
    "VariableDef": "1 variable_name string | 2 initializer_name string | 3 snapshot_name string"
    " | 5 is_resource bool | 7 trainable bool",
    "StringList": "1 value string*",
    "BytesList": "1 value bytes*",
    "Int64List": "1 value int64*",
    "FloatList": "1 value float*",
    "AnyList": "1 value Any*",
    "Any": "1 type_url string | 2 value bytes",
    "SignatureDef": "1 inputs TensorInfo{} | 2 outputs TensorInfo{} | 3 method_name string"
    " | 4 defaults TensorProto{}",
    "TensorInfo": "1 name string | 2 dtype DataType | 3 tensor_shape TensorShapeProto"
    " | 4 coo_sparse CooSparse | 5 composite_tensor CompositeTensor",
    "CooSparse": "1 values_tensor_name string | 2 indices_tensor_name string"
    " | 3 dense_shape_tensor_name string",
    "CompositeTensor": "2 components TensorInfo*",
    "AssetFileDef": "1 tensor_info TensorInfo | 2 filename string",
    "SaverDef": "1 filename_tensor_name string | 2 save_tensor_name string"
    " | 3 restore_op_name string",
    "SavedObjectGraph": "1 nodes SavedObject* | 2 concrete_functions SavedConcreteFunction{}",
    "SavedConcreteFunction": "2 bound_inputs int32*",
    "SavedObject": "1 children ObjectReference* | 3 slot_variables SlotVariableReference*"
    " | 4 user_object SavedUserObject/kind"
    " | 5 asset SavedAsset/kind | 6 function SavedFunction/kind | 7 variable SavedVariable/kind"
    " | 8 bare_concrete_function SavedBareConcreteFunction/kind | 9 constant SavedConstant/kind"
    " | 10 resource Opaque/kind | 11 saveable_objects SaveableObject{}"
    " | 12 captured_tensor CapturedTensor/kind | 13 registered_name string",
    "SavedAsset": "1 asset_file_def_index int32",
    "SavedConstant": "1 operation string",
    "SaveableObject": "2 save_function int32 | 3 restore_function int32",
    "CapturedTensor": "1 name string | 2 concrete_function string",
    "ObjectReference": "1 node_id int32 | 2 local_name string",
    "SavedUserObject": "1 identifier string | 3 metadata bytes",
    "SavedMetadata": "1 nodes SavedMetadataObject*",
    "SavedMetadataObject": "3 node_path string | 4 identifier string | 5 metadata bytes",
    "ModuleAttachment": "1 key string | 2 value bytes",
    "SavedFunction": "1 concrete_functions string*",
    "SavedBareConcreteFunction": "1 concrete_function_name string"
    " | 2 argument_keywords string* | 3 allowed_positional_arguments int64",
    "SavedVariable": "1 dtype DataType | 2 shape TensorShapeProto | 3 trainable bool"
    " | 6 name string",
    "Opaque": "",
    "BundleHeader": "1 num_shards int32 | 2 endianness int32 | 3 version VersionDef",
    "BundleEntryProto": "1 dtype DataType | 2 shape TensorShapeProto | 3 shard_id int32"
    " | 4 offset int64 | 5 size int64 | 6 crc32c fixed32 | 7 slices TensorSliceProto*",
    "SavedTensorSlices": "1 meta SavedTensorSliceMeta | 2 data SavedSlice",
    "SavedTensorSliceMeta": "1 tensor SavedSliceMeta* | 2 versions VersionDef",
    "SavedSliceMeta": "1 name bytes | 2 shape TensorShapeProto | 3 type DataType"
    " | 4 slice TensorSliceProto*",
    "SavedSlice": "1 name bytes | 2 slice TensorSliceProto | 3 data TensorProto",
    "TensorSliceProto": "1 extent Extent*",
    "Extent": "1 start int64 | 2 length int64/has_length",
    "TrackableObjectGraph": "1 nodes TrackableObject*",
    "TrackableObject": "1 children ObjectReference* | 2 attributes SerializedTensor*"
    " | 3 slot_variables SlotVariableReference*",
    "SerializedTensor": "1 name string | 2 full_name string | 3 checkpoint_key string",
    "SlotVariableReference": "1 original_variable_node_id int32 | 2 slot_name string"
    " | 3 slot_variable_node_id int32",
}

_SCALARS = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "fixed32": 7,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "uint32": 13,
    "DataType": 5,
}


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(
        name="migrator/wire.proto", package=PACKAGE, syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        _describe(file.message_type.add(name=message), message, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file) if not hasattr(pool, "AddSerializedFile") else pool.AddSerializedFile(
        file.SerializeToString()
    )
    return pool


def _describe(target: Any, message: str, fields: str) -> None:
    oneofs: list[str] = []
    for line in filter(None, (part.strip() for part in fields.split("|"))):
        number, name, kind = line.split()
        kind, _, oneof = kind.partition("/")
        field = target.field.add(name=name, number=int(number), label=1)
        if kind.endswith("{}"):
            kind = kind[:-2]
            entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
            entry = target.nested_type.add(name=entry_name)
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=1, type=_SCALARS["string"])
            _type(entry.field.add(name="value", number=2, label=1), kind)
            field.label = 3
            _type(field, f"{message}.{entry_name}")
            continue
        if kind.endswith("*"):
            kind = kind[:-1]
            field.label = 3
        _type(field, kind)
        if oneof:
            if oneof not in oneofs:
                oneofs.append(oneof)
                target.oneof_decl.add(name=oneof)
            field.oneof_index = oneofs.index(oneof)


def _type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = 11
        field.type_name = f".{PACKAGE}.{kind}"


class Field(NamedTuple):
    """One field of a message, as the table has it."""

    number: int
    name: str
    kind: str
    """A scalar's name, a message's, or ``map:KIND`` for an entry of a map from string."""
    repeated: bool
    oneof: str

    @property
    def scalar(self) -> bool:
        return self.kind in _SCALARS


@cache
def fields(name: str) -> tuple[Field, ...]:
    """The fields of a message, or of an entry of a map as ``map:KIND``."""
    if name.startswith("map:"):
        return (Field(1, "key", "string", False, ""), Field(2, "value", name[4:], False, ""))
    found = []
    for line in filter(None, (part.strip() for part in _MESSAGES[name].split("|"))):
        number, field, kind = line.split()
        kind, _, oneof = kind.partition("/")
        whole = kind.rstrip("*")
        if kind.endswith("{}"):
            whole = f"map:{kind[:-2]}"
        found.append(Field(int(number), field, whole, kind != whole, oneof))
    return tuple(found)


def is_message(name: str) -> bool:
    """True for a message that the table has."""
    return name in _MESSAGES


@cache
def message_class(name: str) -> Any:
    """The protobuf class of one of our messages, e.g. ``GraphDef``."""
    from google.protobuf import message_factory

    descriptor = _pool().FindMessageTypeByName(f"{PACKAGE}.{name}")
    get = getattr(message_factory, "GetMessageClass", None)
    if get is not None:
        return get(descriptor)
    factory: Any = message_factory.MessageFactory(_pool())
    return factory.GetPrototype(descriptor)


@cache
def children(name: str) -> dict[int, str | None]:
    """Field number -> the message in it, None for a scalar; map entries as ``map:MESSAGE``."""
    if name.startswith("map:"):
        value = name[4:]
        return {1: None, 2: None if value in _SCALARS else value}
    table: dict[int, str | None] = {}
    for line in filter(None, (part.strip() for part in _MESSAGES[name].split("|"))):
        number, _, kind = line.split()
        kind = kind.partition("/")[0].rstrip("*")
        if kind.endswith("{}"):
            table[int(number)] = f"map:{kind[:-2]}"
        else:
            table[int(number)] = None if kind in _SCALARS else kind
    return table


@cache
def field_names(name: str) -> dict[int, str]:
    """Field number -> name, for saying where in a message something is."""
    if name.startswith("map:"):
        return {1: "key", 2: "value"}
    parts = (part.split() for part in _MESSAGES[name].split("|") if part.strip())
    return {int(number): field for number, field, _ in parts}


@cache
def repeated(name: str) -> frozenset[int]:
    """The numbers of a message's repeated fields, maps included."""
    if name.startswith("map:"):
        return frozenset()
    parts = (part.split() for part in _MESSAGES[name].split("|") if part.strip())
    return frozenset(int(number) for number, _, kind in parts if kind.endswith(("*", "{}")))
