"""`config show`: what is set, and where it comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from headstart.config import CONFIG_FILE, Config, is_home_named, load_config
from headstart.database_urls import VARIABLE, without_passwords
from headstart.errors import HeadstartError, WorkspaceNotFound
from headstart.notices import warn
from headstart.registry.names import nearest
from headstart.values.defaults import (
    DEFAULTS,
    PREFIX,
    USER_VARIABLE,
    VARIABLES,
    Setting,
    find,
    user_defaults,
    user_file,
)
from headstart.values.showable import Results
from headstart.values.variables import problem_of, problem_of_user


def show(root: Path, *, is_given: bool = False, options: Iterable[str] = ()) -> Results[Setting]:
    """Every setting with its value and where that comes from, and what is wrong with it.

    Args:
        root: of the workspace; there need be none.
        is_given: it was named for this call, not by `$HEADSTART_HOME` or the platform.
        options: variables of single commands' options, which are listed where they are set.

    Warns:
        HeadstartWarning: a variable `HEADSTART_…` means nothing.
    """
    root = root.expanduser().absolute()
    file = root / CONFIG_FILE
    config, problem = _config_in(root)
    found = [_workspace(root, is_given)]
    if problem is not None:
        what = "the workspace's own settings"
        found.append(Setting("workspace's file", str(file), "workspace", str(file), what, problem))
    if config is not None:
        found += _places(config, file)
    found.append(_user())
    told = {} if config is None else config.defaults
    own = {} if found[-1].problem else user_defaults()
    for name, default in DEFAULTS.items():
        said = find(name, told, file, own)
        found.append(said or Setting(name, None, "default", None, default.what))
    is_used = any(one.place == VARIABLE for one in found)
    return Results([*found, *_variables(set(options), is_url_used=is_used)])


def _config_in(root: Path) -> tuple[Config | None, str | None]:
    """The settings of a workspace, if there is one, and why they cannot be read."""
    try:
        return load_config(root), None
    except WorkspaceNotFound:
        return None, None
    except HeadstartError as error:
        return None, str(error)


def _places(config: Config, file: Path) -> Iterable[Setting]:
    """Where its database and its store are."""
    url = without_passwords(config.database_url or str(config.sqlite_file))
    by_variable = config.database_url is not None and config.database_url == os.environ.get(
        VARIABLE
    )
    place = (VARIABLE, "environment") if by_variable else (str(file), "workspace")
    yield Setting("database", url, place[1], place[0], "where the registry is")
    if config.namespace is not None:
        what = "which of several projects in that database"
        yield Setting("namespace", config.namespace, "workspace", str(file), what)
    if config.store is not None:
        store, what = without_passwords(config.store), "where shards, models and heads lie"
        yield Setting("store", store, "workspace", str(file), what)


def _user() -> Setting:
    """The user's own file."""
    name, what, problem = "user's file", "your own defaults", problem_of_user()
    try:
        file = user_file()
    except HeadstartError:  # which is the problem
        named = os.environ.get(USER_VARIABLE)
        return Setting(name, named, "environment", f"${USER_VARIABLE}", what, problem)
    return Setting(name, str(file), "user" if file.exists() else "default", None, what, problem)


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
            problem = problem_of(name)
            yield Setting(name, value, "environment", f"${name}", what, problem)
