"""What columns hold: by their types, and by what Hugging Face and pandas wrote into the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

TEXT, BYTES, ARRAY, NUMBER, OTHER = "text", "bytes", "array", "number", "other"
INNER = "bytes", "path"
"""The fields of a struct that holds a file, as Hugging Face writes pictures and sounds."""
LARGEST_NOTE = 1 << 24
"""Characters of JSON in a schema's metadata; more is not read."""


@dataclass(frozen=True)
class Declared:
    """What is known of the columns of a schema besides their types.

    Attributes:
        names: of the classes in a column of numbers, by column.
        media: columns of pictures, sounds and the like, as declared.
        index: columns that are the index of a data frame.
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    media: tuple[str, ...] = ()
    index: tuple[str, ...] = ()

    def text_index(self, schema: pa.Schema) -> list[str]:
        """The index, if it is one column of texts."""
        names = set(schema.names)
        found = [name for name in self.index if name in names]
        is_text = len(found) == 1 and holds(schema.field(found[0]).type) == TEXT
        return found if is_text else []


def declared_in(schema: pa.Schema) -> Declared:
    """What a schema's metadata says; what is not of the form that is known is passed over."""
    features = _note(schema, b"huggingface", "info", "features")
    found = {name: one for name, one in features.items() if isinstance(one, dict | list)}
    names = {name: _class_names(one) for name, one in found.items()}
    media = [n for n, one in found.items() if isinstance(one, dict) and one.get("_type") in MEDIA]
    index = _note(schema, b"pandas").get("index_columns", [])
    there = set(schema.names)
    return Declared(
        {name: one for name, one in names.items() if one and name in there},
        tuple(name for name in media if name in there),
        tuple(one for one in index if isinstance(one, str)) if isinstance(index, list) else (),
    )


MEDIA = ("Image", "Audio", "Video", "Pdf")


def _note(schema: pa.Schema, key: bytes, *inner: str) -> dict[str, Any]:
    text = (schema.metadata or {}).get(key, b"")
    try:
        found = json.loads(text) if 0 < len(text) <= LARGEST_NOTE else {}
    except (ValueError, RecursionError):
        return {}
    for name in inner:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _class_names(feature: Any) -> tuple[str, ...]:
    """The names of a `ClassLabel`, or of a list of them."""
    if isinstance(feature, list) and len(feature) == 1:
        return _class_names(feature[0])
    if not isinstance(feature, dict):
        return ()
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list):
        return tuple(str(name) for name in names)
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        inner = feature.get("feature")
        return _class_names(inner) if inner != feature else ()
    return ()


def holds(kind: pa.DataType) -> str:
    """What cells of a type hold: `text`, `bytes` (also in a struct, or a path there), `array` of
    numbers, `number`, or `other`."""
    kind = plain(kind)
    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return TEXT
    if is_binary(kind) or is_file(kind):
        return BYTES
    if is_number(kind):
        return NUMBER
    if is_list(kind):
        return ARRAY if holds(kind.value_type) in (NUMBER, ARRAY) else OTHER
    return OTHER


def plain(kind: pa.DataType) -> pa.DataType:
    """A type without what it is extended by, or the dictionary that its values stand in."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain(kind.storage_type)
    return plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def is_binary(kind: pa.DataType) -> bool:
    types = pa.types
    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def is_file(kind: pa.DataType) -> bool:
    """Whether it is a struct of `bytes` and perhaps a `path`."""
    if not pa.types.is_struct(kind) or kind.get_field_index(INNER[0]) < 0:
        return False
    names = {kind.field(number).name for number in range(kind.num_fields)}
    return names <= set(INNER) and is_binary(plain(kind.field(INNER[0]).type))


def is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


def is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
