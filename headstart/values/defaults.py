"""What options are where nobody says it: `[defaults]` of a workspace and of a user, and variables.

An option of the command line is taken from the first place that says it: the command line, the
variable of that option of that command (`HEADSTART_EXTRACT_ENGINE`), the variable of the default
(`HEADSTART_ENGINE`), `[defaults]` in the workspace's `headstart.toml`, `[defaults]` in the user's
`config.toml`, what the command's `-h` says.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import InvalidValue, WorkspaceError
from headstart.values.showable import Showable

PREFIX = "HEADSTART_"
TABLE, ROOTS = "defaults", "roots"
USER_VARIABLE = f"{PREFIX}CONFIG"
VARIABLES = {
    f"{PREFIX}HOME": "the workspace's folder",
    f"{PREFIX}DATABASE_URL": "the database of a workspace that was made with it",
    USER_VARIABLE: "the user's configuration file",
    f"{PREFIX}CORES": "cores that this process may use",
    f"{PREFIX}CACHE": "the folder for copies of what lies in an object store",
    f"{PREFIX}CACHE_SIZE": "how large those copies may become together, such as 20GB",
    f"{PREFIX}JSON": "print JSON, as --json",
    f"{PREFIX}DEBUG": "show tracebacks, as --debug",
    f"{PREFIX}LOG_FORMAT": "how lines of standard error are written, as --log-format",
}
"""Those of the environment that are no option of one command."""


@dataclass(frozen=True)
class Default:
    """An option that may have a default of the user's own.

    Attributes:
        what: it says.
        commands: that take it; empty where all do that have the option.
        but: commands that do not take it.
    """

    what: str
    commands: tuple[str, ...] = ()
    but: tuple[str, ...] = ()

    def is_for(self, command: str) -> bool:
        """Whether a command, such as `head train`, takes it."""
        return command not in self.but and (not self.commands or command in self.commands)


EXTRACT = ("extract",)
DEFAULTS = {
    "engine": Default("what computes features"),
    "precision": Default("in what backbones compute"),
    "storage": Default("in what features are stored", EXTRACT),
    "compression": Default("of stored features", EXTRACT),
    "split": Default("how samples of new datasets are split, unless they say it", ("dataset add",)),
    "seed": Default("of all that is drawn", but=("dataset resplit",)),
    "folds": Default("of cross-validation"),
    "batch_size": Default("samples per call of the backbone", EXTRACT),
    "commit_seconds": Default("how often rows are committed", EXTRACT),
    "lease_seconds": Default("how long a silent process keeps its claims", EXTRACT),
    "stall_seconds": Default("after which a step counts as hanging", EXTRACT),
}
"""By the option's name, dashes as underscores."""


@dataclass(frozen=True)
class Setting(Showable):
    """A setting and where it comes from.

    Attributes:
        name: of the setting.
        value: None where each command has its own.
        origin: `option`, `environment`, `workspace`, `user` or `default`.
        place: the variable or the file that says it; None of a default.
        what: it says.
        problem: why it cannot be used; None where it can.
    """

    name: str
    value: Any
    origin: str
    place: str | None
    what: str
    problem: str | None = None

    def _line(self) -> str:
        return f"{self.name} = {self.value!r}, {self.origin}"


def user_file() -> Path:
    """The user's configuration: `$HEADSTART_CONFIG`, or `config.toml` in the platform's folder."""
    named = os.environ.get(USER_VARIABLE)
    if named:
        try:
            return Path(named).expanduser()
        except RuntimeError as error:
            raise WorkspaceError(
                f"${USER_VARIABLE} is {named!r}: {error}", hint="Name the file by its whole path."
            ) from error
    from platformdirs import user_config_path

    return user_config_path("headstart", appauthor=False) / "config.toml"


def user_defaults() -> Mapping[str, Any]:
    """`[defaults]` of the user; empty where there is no such file; errors as `_user`."""
    told = _user()
    roots_in(told, user_file())  # what is wrong is said wherever the file is read
    return defaults_in(told, user_file())


def user_roots() -> Mapping[str, str]:
    """`[roots]` of the user: folders of data, by the names that they have on other machines; errors
    as `_user`."""
    return roots_in(_user(), user_file())


def roots_in(told: Mapping[str, Any], file: Path) -> Mapping[str, str]:
    """`[roots]` of a configuration file.

    Raises:
        InvalidValue: it is no table of texts.
    """
    found = told.get(ROOTS, {})
    if not isinstance(found, Mapping) or not all(isinstance(one, str) for one in found.values()):
        raise InvalidValue(
            f"{ROOTS} in {file} is not a table of folders", hint='Such as "/mnt/photos" = "/data".'
        )
    return found


def _user() -> Mapping[str, Any]:
    """What the user's own file says; nothing where there is none.

    Raises:
        WorkspaceError: the file that `$HEADSTART_CONFIG` names is not there, or cannot be read.
        InvalidValue: it says what is not known.
    """
    file = user_file()
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not os.environ.get(USER_VARIABLE):
            return {}
        raise WorkspaceError(
            f"${USER_VARIABLE} names {file}, which is not there", hint="Make it, or unset it."
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WorkspaceError(
            f"cannot read {file}: {error}", hint="Fix the file; nothing was changed."
        ) from error
    check_keys(told, (TABLE, ROOTS), file)
    return told


def defaults_in(told: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    """`[defaults]` of a configuration file.

    Raises:
        InvalidValue: it holds what is no default.
    """
    found = told.get(TABLE, {})
    if not isinstance(found, Mapping):
        raise InvalidValue(f"{TABLE} in {file} is not a table", hint=f"Begin it with [{TABLE}].")
    check_keys((name.replace("-", "_") for name in found), DEFAULTS, file, f"[{TABLE}] in ")
    return {name.replace("-", "_"): value for name, value in found.items()}


def check_keys(told: Iterable[str], known: Iterable[str], file: Path, where: str = "") -> None:
    """See that a file says nothing that is not known.

    Raises:
        InvalidValue: it does; the message names it.
    """
    from difflib import get_close_matches

    names = list(known)
    for name in told:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            raise InvalidValue(
                f"{where}{file}: no setting is called {name!r}",
                hint=f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(names)}.",
            )


def find(
    name: str,
    workspace: Mapping[str, Any],
    workspace_file: Path,
    user: Mapping[str, Any] | None = None,
) -> Setting | None:
    """What an option is by default, and who says so; None where nobody does.

    Args:
        name: of the option.
        workspace: `[defaults]` of the workspace.
        workspace_file: where those are.
        user: `[defaults]` of the user, if they were read.
    """
    what = DEFAULTS[name].what
    variable = f"{PREFIX}{name.upper()}"
    if value := os.environ.get(variable):
        return Setting(name, value, "environment", f"${variable}", what)
    if name in workspace:
        return Setting(name, workspace[name], "workspace", str(workspace_file), what)
    own = user_defaults() if user is None else user
    if name in own:
        return Setting(name, own[name], "user", str(user_file()), what)
    return None
