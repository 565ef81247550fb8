"""All commands, of which a module is imported when one of its own is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

MODULES = {
    "admin": ("init", "doctor", "glossary", "db"),
    "workspace.config": ("config",),
    "workspace.backup": ("backup", "restore"),
    "workspace.stats": ("stats",),
    "zoo": ("zoo",),
    "backbone": ("backbone",),
    "dataset": ("dataset",),
    "extract": ("extract",),
    "workspace.job": ("job",),
    "workspace.worker": ("worker",),
    "features": ("features",),
    "exploration.similar": ("similar",),
    "head": ("head",),
    "rank": ("rank",),
    "heads.auto": ("auto",),
    "workspace.log": ("log",),
    "workspace.prune": ("prune",),
    "workspace.ui": ("ui",),
    "demo": ("demo",),
}
"""Of `headstart.cli`, with the commands and groups that each of them registers."""
MODULE_OF = {name: module for module, names in MODULES.items() for name in names}


class Program(click.Group):
    """The group of all commands. One of them is found without the others, whose modules are half of
    what a short command imports; whoever looks through all of them has them imported."""

    _commands: dict[str, click.Command]

    if not TYPE_CHECKING:  # of click it is an attribute

        @property
        def commands(self) -> dict[str, click.Command]:
            for name in MODULE_OF:
                self._found(name)
            return self._commands

        @commands.setter
        def commands(self, given: dict[str, click.Command]) -> None:
            self._commands = given

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._found(cmd_name)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        self._commands[name or str(cmd.name)] = cmd

    def _found(self, name: str) -> click.Command | None:
        if name in MODULE_OF and name not in self._commands:
            import_module(f"headstart.cli.{MODULE_OF[name]}").register(self)
        return self._commands.get(name)
