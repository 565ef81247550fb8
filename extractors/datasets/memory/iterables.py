"""What gives samples one by one: any iterable, torch's datasets, pipelines of tf.data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headstart.extractors.datasets.memory.items import EXPECTED
from headstart.extractors.datasets.memory.kept import named_type, refused
from headstart.extractors.datasets.memory.labels import label_list
from headstart.extractors.datasets.memory.rows import Item
from headstart.notices import tell


def items_in(data: Any, labels: Any) -> Iterator[Item]:
    """The samples of something that can be iterated, or asked by number; each once.

    Raises:
        DatasetError: it gives no samples, or batches of them.
    """
    if hasattr(data, "element_spec"):
        found = _of_tensorflow(data)
    elif type(data).__name__ == "DataLoader" and hasattr(data, "dataset"):
        raise refused("a DataLoader, which gives batches", "Give its .dataset.")
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        found = (data[number] for number in range(len(data)))
    elif hasattr(data, "__iter__"):
        found = iter(data)
    else:
        raise refused(f"{named_type(data)}", EXPECTED)
    if labels is not None:
        if not hasattr(data, "__len__"):
            raise refused(
                f"separate labels for {named_type(data)}, which has no length",
                "Give (content, label) one by one.",
            )
        return (
            Item(one, label)
            for one, label in zip(found, label_list(labels, len(data)), strict=True)
        )
    return _paired(found, _class_names(data))


def _paired(found: Iterator[Any], names: list[str] | None) -> Iterator[Item]:
    for number, one in enumerate(found):
        if isinstance(one, dict):
            raise refused(
                f"sample {number:,} as a dict of {', '.join(map(str, one))}",
                "Give (content, label), such as ((one['image'], one['label']) for one in data).",
            )
        if not isinstance(one, tuple | list) or (isinstance(one, list) and len(one) != 2):
            yield Item(one)
            continue
        if len(one) != 2:
            raise refused(f"sample {number:,} as a tuple of {len(one)}", "Give (content, label).")
        content, label = one
        yield Item(content, label if names is None else _name(label, names))


def _class_names(data: Any) -> list[str] | None:
    """The names that a dataset has for its numbers, as torchvision's and Keras' say them."""
    for attribute in ("classes", "class_names"):
        names = getattr(data, attribute, None)
        if isinstance(names, list | tuple) and names and all(isinstance(n, str) for n in names):
            tell(f"labels are the names in .{attribute}: {', '.join(names[:4])} …")
            return list(names)
    return None


def _name(label: Any, names: list[str]) -> Any:
    value = label.item() if hasattr(label, "item") and getattr(label, "ndim", 0) == 0 else label
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names)
    return names[value] if is_number else label


def _of_tensorflow(data: Any) -> Iterator[Any]:
    """The elements of a `tf.data.Dataset`, out of their batches if they are in some."""
    spec = data.element_spec
    is_pair = isinstance(spec, tuple) and len(spec) == 2
    first = spec[0] if is_pair else spec
    if isinstance(spec, dict) or not hasattr(first, "shape"):
        raise refused("a tf.data.Dataset of dicts or several tensors", "Map it to (x, y).")
    is_batched = _is_batched(first, spec[1] if is_pair else None)
    if is_batched:
        tell("a tf.data.Dataset of batches: its samples are taken out of them")
        data = data.unbatch()
    return data.as_numpy_iterator()


def _is_batched(x: Any, y: Any) -> bool:
    """Whether the first dimension is that of a batch: open, or the same for both."""
    if not x.shape.rank:
        return False
    if y is None or not hasattr(y, "shape"):
        return x.shape[0] is None
    return (
        bool(y.shape.rank)
        and x.shape[0] == y.shape[0]
        and (x.shape[0] is None or y.shape.rank == 1)
    )
