"""Types of parameters: files to write, which are not written over unasked, and names that complete.

Names are looked up by plain SQL, as the listings are: completion has to be instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)

from headstart.config import Config, default_root, load_config
from headstart.errors import AlreadyExists, HeadstartError
from headstart.values.seeds import LARGEST_SEED

NUMBER = click.IntRange(1, 2**31 - 1)
"""How many of something, or which, as databases count."""
FOLDS = click.IntRange(2, 2**31 - 1)
WHOLE = click.IntRange(0, 2**31 - 1)
SEED = click.IntRange(0, LARGEST_SEED)


class Numbered(click.IntRange):
    """The type of an argument that is the number of something.

    Args:
        of: what it numbers, in one word.
        listed: the command that lists them.
    """

    def __init__(self, of: str, listed: str) -> None:
        super().__init__(1, 2**31 - 1)
        self.of, self.listed = of, listed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(
                f"{value!r} is not the number of a {self.of}. `{self.listed}` lists them.",
                param,
                ctx,
            )


JOB = Numbered("job", "headstart job list")
SWEEP = Numbered("sweep", "headstart head sweeps")


class OutputFile(click.Path):
    """The type of an argument or option that names a file, or a folder, to write.

    A command that has one gets `--force`, and is only called where nothing is written over that
    its user did not mean to: a terminal is asked, elsewhere it is an error.

    Args:
        beside: suffixes of what the command writes beside it, as `NAME.md` of `NAME.keras`; by the
            file's own suffix.
    """

    def __init__(self, beside: dict[str, Sequence[str]] | None = None) -> None:
        super().__init__(path_type=Path)
        self._beside = beside or {}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; `.`, `/` and what ends in `..` are names of no file."""
        file = Path(str(super().convert(value, param, ctx)))
        if file.name in ("", ".."):
            self.fail(f"{file} is a folder; name a file in it.", param, ctx)
        return file

    def written(self, file: Path) -> list[Path]:
        """What a command writes that is given this file."""
        own = self._beside.get(file.suffix.lower(), self._beside.get("*", ()))
        return [file, *(file.with_suffix(suffix) for suffix in own)]


def outputs_of(parameters: Sequence[click.Parameter]) -> list[click.Parameter]:
    """Those of a command that name a file to write."""
    return [one for one in parameters if isinstance(one.type, OutputFile)]


def force_option() -> click.Option:
    """Of every command that writes a file."""
    return click.Option(["--force"], is_flag=True, help="Overwrite an existing file.")


def ask_about(outputs: Sequence[click.Parameter], given: dict[str, Any]) -> None:
    """See that a command writes over nothing unasked.

    Args:
        outputs: its parameters that name a file to write.
        given: its parameters by name.

    Raises:
        AlreadyExists: a file is there, and nobody was asked, or said no.
    """
    for one in outputs:
        file = given[str(one.name)]
        kind = one.type
        if file is None or not isinstance(kind, OutputFile):
            continue
        there = [path for path in kind.written(file.expanduser()) if path.exists()]
        if there:
            _ask(there)


def _ask(there: Sequence[Path]) -> None:
    names = " and ".join(map(str, there))
    verb, them = ("is", "it") if len(there) == 1 else ("are", "them")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise AlreadyExists(f"{names} {verb} there", hint=f"Add --force to write over {them}.")
    if not click.confirm(f"{names} {verb} there. Write over {them}?", err=True):
        raise AlreadyExists(f"nothing was written; {names} {verb} as before")


Names = Callable[[Config, str, click.Context], Iterable[str]]
"""Of a workspace, of what was typed of the word, and of the words before it."""


class Registered(click.types.StringParamType):
    """A text that is the name of something registered, and completes.

    Args:
        names: all there are.
        or_file: files complete where no name does.
    """

    def __init__(self, names: Names, *, or_file: bool = False) -> None:
        self._names, self._or_file = names, or_file

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del param
        found = [
            CompletionItem(name)
            for name in self._known(ctx, incomplete)
            if name.startswith(incomplete)
        ]
        if not found and self._or_file:
            return [CompletionItem(incomplete, type="file")]
        return found

    def _known(self, ctx: click.Context, incomplete: str) -> list[str]:
        """A shell that completes is no place for messages: what cannot be asked has no names."""
        try:
            return list(dict.fromkeys(self._names(_config(ctx), incomplete, ctx)))
        except HeadstartError:
            return []


def _config(ctx: click.Context) -> Config:
    given = next((root for one in _upwards(ctx) if (root := one.params.get("workspace"))), None)
    return load_config(Path(given) if given else default_root())


def _upwards(ctx: click.Context | None) -> Iterable[click.Context]:
    while ctx is not None:
        yield ctx
        ctx = ctx.parent


def _named(rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    for row in rows:
        yield from (row["name"], *row.get("aliases", ()))
        if row.get("version", 1) > 1:
            yield f"{row['name']}:{row['version']}"


def _backbones(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    """Names, and behind `NAME@` and each comma the names of its cut points."""
    from headstart.registry import listing

    del ctx
    name, at, wanted = incomplete.partition("@")
    if not at:
        return _named(listing.backbones(config))
    before, comma, _ = wanted.rpartition(",")
    return (f"{name}@{before}{comma}{cut}" for cut in ["default", *listing.cuts(config, name)])


def _datasets(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    from headstart.registry import listing

    del incomplete, ctx
    return _named(listing.datasets(config))


def _heads(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    from headstart.registry import listing

    del incomplete, ctx
    return _named(listing.heads(config))


def _cuts_of_head(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    from headstart.registry import listing

    del incomplete
    head = ctx.params.get("name")  # None as long as the line ends in an option without its value
    rows = [row for row in listing.heads(config) if head is None or head in list(_named([row]))]
    backbones = dict.fromkeys(row["backbone"] for row in rows)
    return (cut for backbone in backbones for cut in listing.cuts(config, backbone))


def _keys(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    from headstart.registry import listing

    del incomplete, ctx
    return (row["feature_key"][:12] for row in listing.features(config))


def _sources(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    from headstart.registry.zoo import ENTRIES

    del config, incomplete, ctx
    return (entry.source for entry in ENTRIES)


def _terms(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    from headstart.glossary import TERMS

    del config, incomplete, ctx
    return (term.name for term in TERMS)


def _none(config: Config, incomplete: str, ctx: click.Context) -> Iterable[str]:
    del config, incomplete, ctx
    return ()


EVERYWHERE: dict[str, Registered] = {
    "backbone": Registered(_backbones, or_file=True),
    "backbones": Registered(_backbones, or_file=True),
    "dataset": Registered(_datasets, or_file=True),
    "head": Registered(_heads),
    "key": Registered(_keys),
    "sets": Registered(_keys),
    "start": Registered(_cuts_of_head),
    "term": Registered(_terms),
}
"""By the name of a parameter."""
NEW = Registered(_none)
IN_GROUPS: dict[str, Registered] = {
    "backbone": Registered(_backbones),
    "dataset": Registered(_datasets),
    "head": Registered(_heads),
    "zoo": Registered(_sources),
}
"""What NAME is in the commands of a group, but for those that make one."""
SPECIAL: dict[tuple[str | None, str, str], Registered] = {
    ("backbone", "add", "name"): NEW,
    ("backbone", "add", "source"): Registered(_sources, or_file=True),
    ("dataset", "add", "name"): NEW,
    ("dataset", "add", "source"): Registered(_none, or_file=True),
    ("head", "train", "name"): NEW,
}


def complete_names(group: str | None, command: str, parameters: Sequence[click.Parameter]) -> None:
    """Let the parameters of a command that are names of something complete."""
    for one in parameters:
        name = str(one.name)
        found = SPECIAL.get((group, command, name)) or EVERYWHERE.get(name)
        if found is None and name == "name":
            found = IN_GROUPS.get(group or "")
        if found is not None and type(one.type) is click.types.StringParamType:
            one.type = found


class WholeWords(BashComplete):
    """Bash takes `net@con` and `zoo:eff` for several words, which click would complete one by one:
    here the line is taken as it is, and what bash will not replace is left out of the answer."""

    name = "bash"
    source_template = BashComplete.source_template.replace(
        "env COMP_WORDS=", 'env COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_WORDS='
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        words = split_arg_string(line)
        last = "" if not line or line[-1].isspace() else words.pop()
        return words[1:], last

    def complete(self) -> str:
        arguments, incomplete = self.get_completion_args()
        kept = incomplete[: max(map(incomplete.rfind, "@:=")) + 1]
        return "\n".join(
            f"{item.type},{str(item.value).removeprefix(kept)}"
            for item in self.get_completions(arguments, incomplete)
        )


add_completion_class(WholeWords)
