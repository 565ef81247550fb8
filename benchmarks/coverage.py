"""How often intervals hold the truth and stars are deserved, beside how often they say so.

Run it by hand: `python benchmarks/coverage.py --repeats 2000 [--seconds 5] [--only WORD]`. It
prints a table in Markdown; docs/statistics.md has it. It ends with 1 if chance does not explain how
far a share lies from what is claimed. `make test-all` runs the same with few repeats.
"""

from __future__ import annotations

import argparse
import math
import sys

from simulations import Simulated, every_simulation, simulate

HEAD = (
    "| claim | n | classes | candidates | groups | repeats | simulated | +- |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--repeats", type=int, default=500)
    asked.add_argument(
        "--seconds",
        type=float,
        default=math.inf,
        help="Of a processor, after which a case ends with fewer repeats, 100 at least.",
    )
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="", help="Claims whose name has this in it.")
    given = asked.parse_args()
    chosen = [one for one in every_simulation() if given.only in one.name]
    print(HEAD)
    failed = 0
    for found in simulate(chosen, given.repeats, given.seed, given.seconds):
        print(row(found), flush=True)
        failed += found.is_refuted
    print(
        f"\nSeed {given.seed}; +-: the standard error of the simulation itself; "
        "**bold**: further off than claimed, *italic*: so, but by less than two such errors."
    )
    sys.exit(bool(failed))


def row(found: Simulated) -> str:
    """A line of the table."""
    case = found.case
    share = f"{found.share:.3f}"
    if not found.holds:
        share = f"**{share}**" if found.is_refuted else f"*{share}*"
    cells = (
        found.of.name,
        f"{case.n:,}",
        case.classes,
        case.candidates,
        case.groups or "none",
        f"{found.repeats:,}",
        share,
        f"{found.error:.3f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
