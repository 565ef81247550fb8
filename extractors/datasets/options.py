"""What `dataset add` can be told: options that several kinds of sources share, and the check that
a source knows what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError
from headstart.extractors.datasets.remote.addresses import is_address, parse
from headstart.extractors.datasets.remote.secrets import is_secret_setting
from headstart.extractors.datasets.source import DatasetSource, Option
from headstart.registry.names import nearest

GROUP_PATTERN = Option(
    "group_pattern",
    "Regular expression that finds the group in the id (path): its first brackets, or all of it.",
    metavar="REGEX",
)
ROOT = Option(
    "root",
    "Read nothing outside of DIR, a folder or an address; for tables and folders "
    "from other people.",
    takes="folder",
    metavar="DIR",
    elsewhere="name no files",
)
STORE_OPTIONS = Option(
    "store_options",
    "For an object store: region=…, endpoint=…, skip_signature=true for a public "
    "bucket. May be repeated. Keys come from the environment.",
    takes="settings",
    metavar="KEY=VALUE",
    elsewhere="lie in no store",
)
LABEL_COLUMN = Option(
    "label_column",
    "Column with the labels; `none` if there are none. Several columns of a table "
    "are joined by +, such as lat+lon.",
)
SPLIT_COLUMN = Option("split_column", "Column with train, validation or test.")
GROUP_COLUMN = Option(
    "group_column",
    "Column with the group of a sample, such as a patient. A group stays in one split.",
)
WEIGHT_COLUMN = Option(
    "weight_column",
    "Column with what a sample counts where heads are trained: positive numbers.",
)
ID_COLUMN = Option(
    "id_column",
    "Column with unique ids. Default: the path. `none` numbers the rows.",
)
PATH_COLUMN = Option("path_column", "Column with the files' paths.")
TEXT_COLUMN = Option("text_column", "Column with the texts.")


def declared(sources: Iterable[type[DatasetSource]]) -> dict[str, Option]:
    """The options of all kinds by name, the first declaration of each."""
    found: dict[str, Option] = {}
    for source in sources:
        for option in source.options:
            found.setdefault(option.name, option)
    return found


def checked(
    source: type[DatasetSource], given: Mapping[str, Any], sources: Iterable[type[DatasetSource]]
) -> dict[str, Any]:
    """The options that were given, as a source takes them and as they are stored.

    Args:
        source: of the dataset.
        given: by name; None and what is empty counts as not given.
        sources: all kinds, to say which of them know an option.

    Raises:
        DatasetError: the source does not know one of them, or a folder is none.
    """
    own = {option.name: option for option in source.options}
    found = {}
    for name, value in given.items():
        if value is None or value == () or value == []:
            continue
        if name not in own:
            raise _unknown(source, name, list(sources))
        found[name] = TAKERS[own[name].takes](own[name], value)
    return found


def check_columns(given: Mapping[str, Any]) -> None:
    """See that options which name a column are texts; the others are left to `checked`.

    Raises:
        DatasetError: one is not.
    """
    for name, value in given.items():
        if name.endswith("_column") and value is not None:
            _text(LABEL_COLUMN if name == LABEL_COLUMN.name else Option(name, ""), value)


def _unknown(
    source: type[DatasetSource], name: str, sources: list[type[DatasetSource]]
) -> DatasetError:
    """The error for an option that a kind does not know, with the kinds that do."""
    kind, known = source.kind, declared(sources)
    own = ", ".join(option.flag for option in source.options) or "none"
    if name not in known:
        return DatasetError(
            f"no kind of dataset knows the option {name!r}",
            hint=" ".join(filter(None, [nearest(name, known), f"{kind} knows {own}."])),
        )
    option = known[name]
    holders = " and ".join(
        one.kind for one in sources if name in {option.name for option in one.options}
    )
    why = f"{kind} {option.elsewhere}: " if option.elsewhere else ""
    return DatasetError(
        f"{why}a dataset of kind {kind} does not know the option {option.flag} ({name}), which is "
        f"for {holders}",
        hint=f"Leave it out; {kind} knows {own}.",
    )


def checked_on_error(on_error: str) -> dict[str, str]:
    """What is done about a row or file that is no sample, as it is stored among the options.

    Raises:
        DatasetError: it is neither `fail`, which is not stored, nor `skip`.
    """
    if on_error not in ("fail", "skip"):
        raise DatasetError(f"on_error is {on_error!r}", hint="It can be fail or skip.")
    return {} if on_error == "fail" else {"on_error": on_error}


LISTED = 1000
"""Skipped samples that are listed one by one; of more, how many there are."""


def listed(skipped: Sequence[str]) -> dict[str, Any]:
    """What was skipped, as it is stored among a dataset's options; nothing where nothing was."""
    if not skipped:
        return {}
    return {"skipped": {"count": len(skipped), "first": list(skipped[:LISTED])}}


def _texts(option: Option, value: Any) -> list[str]:
    del option
    return [value] if isinstance(value, str) else list(value)


def _file(option: Option, given: Any) -> str:
    del option
    return str(Path(given).expanduser().absolute())


def _settings(option: Option, value: Any) -> list[str]:
    texts = _texts(option, value)
    for text in texts:
        name, equals, setting = text.partition("=")
        if not name.strip() or not equals:
            raise DatasetError(f"{option.flag} is KEY=VALUE, received {name!r}")
        if is_secret_setting(name, setting):
            raise DatasetError(
                f"{option.flag} {name}: keys and passwords would be stored with the dataset",
                hint="Set them in the environment, such as AWS_SECRET_ACCESS_KEY.",
            )
    return texts


def checked_settings(given: Sequence[str]) -> list[str]:
    """The settings of a store, without secrets.

    Raises:
        DatasetError: one is none, or may be a secret.
    """
    return _settings(STORE_OPTIONS, given)


def _folder(option: Option, given: Any) -> str:
    if is_address(given):
        return str(parse(given))
    path = Path(given).expanduser().absolute()
    if not path.is_dir():
        raise DatasetError(f"the {option.name} {path} is not a folder", hint="Check the path.")
    return str(path.resolve())


def _text(option: Option, value: Any) -> Any:
    """A text, or a number; of columns a text alone."""
    if option.name.endswith("_column") and not isinstance(value, str):
        of_labels = " Several of labels are one text, such as lat+lon."
        raise DatasetError(
            f"{option.name} is {value!r}, of type {type(value).__name__}",
            hint=f"Give the column's name.{of_labels if option is LABEL_COLUMN else ''}",
        )
    if option.name.endswith("_column") and not value.strip():
        raise DatasetError(f"{option.name} is empty", hint="Name a column, or leave it out.")
    return value


TAKERS: dict[str, Callable[[Option, Any], Any]] = {
    "text": _text,
    "texts": _texts,
    "file": _file,
    "folder": _folder,
    "settings": _settings,
}
