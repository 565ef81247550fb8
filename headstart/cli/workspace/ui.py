"""`ui`: a page of the workspace, served until it is told to end."""

from __future__ import annotations

import logging

import click

from headstart.cli.output import Call, Result, command, text, with_options
from headstart.cli.workspace.said import say

ENDED = "The page is closed."
LARGEST_PORT = 65535


def register(cli: click.Group) -> None:
    command(cli, "ui")(
        with_options(
            _ui,
            click.option(
                "--port",
                type=click.IntRange(1, LARGEST_PORT),
                help="Port to listen on. Default: one that is free.",
            ),
            click.option(
                "--host",
                default="127.0.0.1",
                show_default=True,
                help="Address to listen on. Any other than this machine's own lets others in who "
                "have the token; put TLS in front of it.",
            ),
            click.option(
                "--name",
                "names",
                multiple=True,
                help="Another name of this host that browsers may call it by, such as a proxy's, "
                "with its port if it is not the usual one; may be repeated.",
            ),
            click.option(
                "--https",
                is_flag=True,
                help="Browsers reach the page by HTTPS, through a proxy of the first --name: they "
                "send their cookie by no other way.",
            ),
            click.option(
                "--read-only/--read-write",
                "read_only",
                default=None,
                help="Refuse all changes. Default: where other machines can reach the page.",
            ),
        )
    )


def _ui(
    call: Call,
    port: int | None,
    host: str,
    names: tuple[str, ...],
    https: bool,
    read_only: bool | None,
) -> Result:
    """Serve a page of the workspace: look at datasets, heads and jobs, and correct labels.

    Prints the address, which has a token in it: whoever has it is let in. Ctrl-C ends it.
    """
    workspace = call.open()
    try:
        from headstart.ui.server import serve
    except ImportError as error:
        from headstart.errors import HeadstartError

        raise HeadstartError(
            f"the page needs a package that is not installed: {error.name}",
            hint="pip install 'headstart[ui]'",
        ) from None
    # A warning, so that -q does not hide the one thing that has to be known.
    done = serve(
        workspace,
        host,
        port,
        read_only=read_only,
        names=names,
        https=https,
        say=lambda address: say(address, logging.WARNING),
    )
    return Result(done, lambda out: out.print(text(ENDED)))
