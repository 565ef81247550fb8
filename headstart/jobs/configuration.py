"""`config show`: what is set, and where it comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from headstart.config import CONFIG_FILE, is_home_named, load_config
from headstart.database_urls import VARIABLE, without_passwords
from headstart.errors import WorkspaceNotFound
from headstart.notices import warn
from headstart.registry.names import nearest
from headstart.values.defaults import (
    DEFAULTS,
    PREFIX,
    VARIABLES,
    Setting,
    find,
    user_file,
)
from headstart.values.showable import Results


def show(root: Path, *, is_given: bool = False, options: Iterable[str] = ()) -> Results[Setting]:
    """Every setting with its value and where that comes from.

    Args:
        root: of the workspace; there need be none.
        is_given: it was named for this call, not by `$HEADSTART_HOME` or the platform.
        options: variables of single commands' options, which are listed where they are set.

    Raises:
        InvalidValue: a configuration file says what is not known.

    Warns:
        HeadstartWarning: a variable `HEADSTART_…` means nothing.
    """
    root = root.expanduser().absolute()
    file = root / CONFIG_FILE
    found = [_workspace(root, is_given)]
    try:
        config = load_config(root)
    except WorkspaceNotFound:
        told = {}
    else:
        told = config.defaults
        url = without_passwords(config.database_url or str(config.sqlite_file))
        by_variable = config.database_url is not None and config.database_url == os.environ.get(
            VARIABLE
        )
        place = (VARIABLE, "environment") if by_variable else (str(file), "workspace")
        found.append(Setting("database", url, place[1], place[0], "where the registry is"))
        if config.store is not None:
            store, what = without_passwords(config.store), "where shards, models and heads lie"
            found.append(Setting("store", store, "workspace", str(file), what))
    user = user_file()
    there = "user" if user.exists() else "default"
    found.append(Setting("user's file", str(user), there, None, "your own defaults"))
    for name, default in DEFAULTS.items():
        said = find(name, told, file)
        found.append(said or Setting(name, None, "default", None, default.what))
    is_used = any(one.place == VARIABLE for one in found)
    return Results([*found, *_variables(set(options), is_url_used=is_used)])


def _workspace(root: Path, is_given: bool) -> Setting:
    what = VARIABLES[f"{PREFIX}HOME"]
    if is_given:
        return Setting("workspace", str(root), "option", "--workspace", what)
    if is_home_named():
        return Setting("workspace", str(root), "environment", f"${PREFIX}HOME", what)
    return Setting("workspace", str(root), "default", None, what)


def _guess(name: str, known: Iterable[str]) -> str:
    guess = nearest(name, known)
    return "" if guess is None else f". {guess}"


SECRET = re.compile(r"(?i)([\w.-]*(?:secret|password|token|key|credential)[\w.-]*\s*[=:]\s*)\S+")
"""What looks like one in a value, such as `aws_secret_access_key=…`."""
OF_STORES = "_STORE_OPTION"
"""How variables end that hold `KEY=VALUE` for a store; of which any may be a secret."""


def _without_secrets(name: str, value: str) -> str:
    """The value of a variable as it may be shown."""
    if name.endswith(OF_STORES):
        return re.sub(r"=\S*", "=***", value) if "=" in value else "***"
    return SECRET.sub(r"\1***", without_passwords(value))


def _variables(options: set[str], *, is_url_used: bool) -> Iterable[Setting]:
    """Those of the environment that are set, but for those that were named before."""
    flat = {f"{PREFIX}{name.upper()}" for name in DEFAULTS}
    known = {*VARIABLES, *options, *flat}
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or not os.environ[name]:
            continue
        if name not in known:
            warn(f"${name} means nothing{_guess(name, known)}")
        elif name == VARIABLE and not is_url_used:
            url = without_passwords(os.environ[name])
            yield Setting(name, url, "environment", f"${name}", "not used by this workspace")
        elif name not in flat and name not in (f"{PREFIX}HOME", VARIABLE):
            what = VARIABLES.get(name, "an option of one command")
            value = _without_secrets(name, os.environ[name])
            yield Setting(name, value, "environment", f"${name}", what)
