"""How often intervals hold the truth and stars are deserved, beside how often they say so.

Run it by hand: `python benchmarks/coverage.py --repeats 400 --results FILE`. It writes each cell to
the file as it is done, and does not run anew what stands there: so it can be ended and started
again. What takes long has a half or a quarter of the repeats, and ten times as many what lies below
the claim by so little that chance may be all of it. Then it prints a table in Markdown of
all that is in the file; docs/coverage.md has it. After a change of some procedure: `--only WORD
--anew`. It ends with 1 if chance does not explain how far a share lies from what is claimed. `make
test-all` runs the same with few repeats.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from simulations import Simulated, Simulation, cells_of, every_simulation, settle

SIZES = (50, 350, 2000)
HEAD = (
    f"| claim | classes | candidates | in groups | {' | '.join(f'n = {n:,}' for n in SIZES)} |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)
LEGEND = """\
All are said to hold in 0.95. In brackets: repeats, the number of samples where it is not that of
the column, groups; repeats without an interval are left out of the share, and named.
The standard error of a share of .95 is .022 of 100 repeats, .015 of 200, .007 of 1,000. **Bold**:
further off than claimed; *italic*: so, but by less than two such errors, with ten times the repeats
of the others."""

Key = tuple[str, int]
"""Of a cell: the claim's name and its case's number."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--repeats", type=int, default=300)
    asked.add_argument(
        "--seconds",
        type=float,
        default=math.inf,
        help="Of a processor, after which a case ends with fewer repeats, 100 at least.",
    )
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="", help="Claims whose name has this in it.")
    asked.add_argument("--results", type=Path, help="Lines of JSON, one for each cell.")
    asked.add_argument("--anew", action="store_true", help="Also what stands there already.")
    given = asked.parse_args()
    kept = Kept(given.results, given.seed, given.repeats)
    every = every_simulation()
    for one, number in cells_of([one for one in every if given.only in one.name]):
        known = None if given.anew else kept.find(one, number)
        repeats = one.repeats(one.cases[number], given.repeats)
        found = settle(one, number, repeats, given.seed, given.seconds, known)
        if found is not known:
            print(one.name, found.case, cell(found), file=sys.stderr, flush=True)
            kept.add(number, found)
    cells = list(cells_of(every))
    found = [one for one in (kept.find(*key) for key in cells) if one is not None]
    print(f"{LEGEND} Seed {given.seed}; {len(found):,} of {len(cells):,} cells.\n\n{table(found)}")
    sys.exit(any(one.is_refuted for one in found))


class Kept:
    """What was simulated before, and is kept; of one cell the last line counts.

    Args:
        path: of the lines; None to keep nothing beyond this run.
        seed: of the draws: those of others are left alone.
        repeats: likewise.
    """

    def __init__(self, path: Path | None, seed: int, repeats: int) -> None:
        self._path, self._run = path, {"seed": seed, "asked": repeats}
        self._cells: dict[Key, dict[str, Any]] = {}
        if path is not None and path.exists():
            self._cells = {
                (line["claim"], line["number"]): line
                for line in map(json.loads, path.read_text(encoding="utf-8").splitlines())
                if self._run.items() <= line.items()
            }

    def find(self, one: Simulation, number: int) -> Simulated | None:
        """What came of a cell; None of one that was not run, or of other data than now."""
        line = self._cells.get((one.name, number))
        if line is None or line["case"] != repr(one.cases[number]):
            return None
        share = math.nan if line["share"] is None else line["share"]
        return Simulated(one, one.cases[number], share, line["repeats"], line["without"])

    def add(self, number: int, found: Simulated) -> None:
        """Keep a cell, written before the next one is begun."""
        line = {
            "claim": found.of.name,
            "number": number,
            "case": repr(found.case),
            "share": None if math.isnan(found.share) else found.share,
            "repeats": found.repeats,
            "without": found.without,
            **self._run,
        }
        self._cells[found.of.name, number] = line
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


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
