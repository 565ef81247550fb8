"""What a record of a TFRecord file holds: an `Example`, features by name.

The messages are those of tensorflow/core/example/example.proto, declared here: importing them from
TensorFlow would import all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from headstart.errors import SampleUnreadable

BYTES, INT64, FLOAT = "bytes", "int64", "float"
LISTS = {"bytes_list": BYTES, "float_list": FLOAT, "int64_list": INT64}


class Values(NamedTuple):
    """What a feature holds: a kind, and values of it."""

    kind: str
    values: Sequence[Any]


def features_in(record: bytes, where: str) -> dict[str, Values]:
    """The features of an `Example` by name; empty ones have the kind they were written with.

    Args:
        record: as it was written.
        where: for messages.

    Raises:
        SampleUnreadable: it is none.
    """
    from google.protobuf.message import DecodeError

    try:
        example = _message().FromString(record)
    except DecodeError as error:
        raise SampleUnreadable(
            f"{where} is no Example", hint="Only records of tf.train.Example can be read."
        ) from error
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind is not None:
            found[name] = Values(LISTS[kind], getattr(feature, kind).value)
    if not found:
        raise SampleUnreadable(
            f"{where} is no Example with features",
            hint="Only records of tf.train.Example can be read.",
        )
    return found


@cache
def _message() -> Any:
    """The class of an `Example`, in a pool of its own, where TensorFlow's does not stand."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="headstart/example.proto", package="headstart", syntax="proto3"
    )
    types = {
        "BytesList": kind.TYPE_BYTES,
        "FloatList": kind.TYPE_FLOAT,
        "Int64List": kind.TYPE_INT64,
    }
    for name, type_ in types.items():
        value = file.message_type.add(name=name).field.add(name="value", number=1)
        value.type, value.label = type_, kind.LABEL_REPEATED
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (field, name) in enumerate(zip(LISTS, types, strict=True), start=1):
        one = feature.field.add(name=field, number=number, type_name=f".headstart.{name}")
        one.type, one.label, one.oneof_index = kind.TYPE_MESSAGE, kind.LABEL_OPTIONAL, 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    _add(entry, "value", ".headstart.Feature", kind.LABEL_OPTIONAL, number=2)
    _add(features, "feature", ".headstart.Features.FeatureEntry", kind.LABEL_REPEATED)
    example = file.message_type.add(name="Example")
    _add(example, "features", ".headstart.Features", kind.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("headstart.Example"))


def _add(message: Any, name: str, type_name: str, label: Any, number: int = 1) -> None:
    from google.protobuf import descriptor_pb2

    kind = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
    message.field.add(name=name, number=number, type=kind, type_name=type_name, label=label)
