"""How many samples are looked at, as every command that looks around takes it."""

from __future__ import annotations

import click

from headstart.cli.parameters import NUMBER, SEED
from headstart.values.sizes import MILLION

limit_option = click.option(
    "--limit",
    type=NUMBER,
    default=MILLION,
    show_default=True,
    help="Look at so many samples at most, chosen by seed.",
)
seed_option = click.option("--seed", type=SEED, default=0, show_default=True, help="Of all chance.")
