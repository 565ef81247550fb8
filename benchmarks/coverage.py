"""How often intervals hold the truth and stars are deserved, beside how often they say so.

Run it by hand: `python benchmarks/coverage.py --repeats 2000 [--seconds 5] [--only WORD]`. It
prints a table in Markdown; docs/statistics.md has it. It ends with 1 if chance does not explain how
far a share lies from what is claimed. `make test-all` runs the same with few repeats.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

import numpy as np
from simulations import Simulated, every_simulation, simulate

SIZES = (50, 350, 2000)
HEAD = (
    f"| claim | classes | candidates | in groups | {' | '.join(f'n = {n:,}' for n in SIZES)} |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)
LEGEND = """\
All are said to hold in 0.95. In brackets: repeats, the number of samples where it is not that of
the column, groups; repeats without an interval are left out of the share, and named.
The standard error of a share of .95 is .022 of 100 repeats, .015 of 200, .007 of 1,000. **Bold**:
further off than claimed; *italic*: so, but by less than two such errors."""


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
    found = []
    for one in simulate(chosen, given.repeats, given.seed, given.seconds):
        print(one.of.name, one.case, cell(one), file=sys.stderr, flush=True)
        found.append(one)
    print(f"{LEGEND} Seed {given.seed}.\n\n{table(found)}")
    sys.exit(any(one.is_refuted for one in found))


def table(found: Sequence[Simulated]) -> str:
    """Of a claim on data of one kind a line, with a column for each size."""
    lines: dict[tuple[str, int, int, str], list[str]] = {}
    for one in found:
        case = one.case
        grouped = "yes" if case.groups else "no"
        cells = lines.setdefault((one.of.name, case.classes, case.candidates, grouped), [""] * 3)
        place = int(np.abs(np.log(np.array(SIZES) / case.n)).argmin())
        cells[place] = ", ".join(filter(None, (cells[place], cell(one))))
    return "\n".join(
        [HEAD, *(f"| {' | '.join(map(str, (*kind, *cells)))} |" for kind, cells in lines.items())]
    )


def cell(found: Simulated) -> str:
    """The share, how many repeats it is of, and of how many samples and groups if that varies."""
    case, share = found.case, f"{found.share:.3f}"
    if not found.holds:
        share = f"**{share}**" if found.is_refuted else f"*{share}*"
    size = "" if case.n in SIZES else f", n {case.n:,}"
    groups = f", {case.groups} groups" if case.groups else ""
    without = f", {found.without:,} without" if found.without else ""
    return f"{share} ({found.repeats:,}{size}{groups}{without})"


if __name__ == "__main__":
    main()
