"""How often intervals hold the truth and stars are deserved, beside how often they say so.

Run it by hand: `python benchmarks/coverage.py --repeats 2000 [--only WORD]`. It prints a table in
Markdown; docs/statistics.md has it. It ends with 1 if chance does not explain how far a share lies
from what is claimed. `make test-all` runs the same with few repeats.
"""

from __future__ import annotations

import argparse
import sys

from simulations import Simulated, every_simulation, simulate

HEAD = (
    "| claim | n | classes | candidates | groups | nominal | simulated |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--repeats", type=int, default=500)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="", help="Claims whose name has this in it.")
    given = asked.parse_args()
    chosen = [one for one in every_simulation() if given.only in one.name]
    print(HEAD)
    failed = 0
    for found in simulate(chosen, given.repeats, given.seed):
        print(row(found), flush=True)
        failed += found.is_refuted
    print(f"\n{given.repeats:,} repeats, seed {given.seed}; **bold**: further off than claimed.")
    sys.exit(bool(failed))


def row(found: Simulated) -> str:
    """A line of the table."""
    case = found.case
    share = f"{found.share:.3f}"
    cells = (
        found.of.name,
        f"{case.n:,}",
        case.classes,
        case.candidates,
        case.groups or "none",
        f"{found.of.nominal:.2f}",
        share if found.holds else f"**{share}**",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
