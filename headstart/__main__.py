"""`python -m headstart`: the command line."""

from __future__ import annotations

from headstart.cli import command

if __name__ == "__main__":
    command()
