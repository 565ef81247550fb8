"""Many workers on one job, simulated: the real ledger, with a clock and processes of its own.

    python benchmarks/simulate.py [--samples N] [--workers W] [--rate R] [--mtbf S] ...
    python benchmarks/simulate.py --forecast

Leases, claims, tries, blocks and commits are the code that workers run (`registry/leases.py`,
`registry/jobs.py`, `registry/features.py`, `extractors/run/writer.py`, `suspects.py`), on SQLite;
what is simulated is the time, the computing, and the processes: they die, freeze and are started
again at the rates that are given. Prints what happened beside what the model of docs/scaling.md
says (`expected`), and with --forecast what that model says of jobs that do not run here.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import fields, replace
from pathlib import Path

from scaling_model import FORECASTS, Farm, expected, forecast
from simulated_farm import Happened, Simulation


def simulate(farm: Farm) -> Happened:
    """Run a job to its end."""
    with tempfile.TemporaryDirectory() as folder:
        return Simulation(farm, Path(folder)).run()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forecast", action="store_true")
    for field in fields(Farm):
        kind = float if isinstance(field.default, float) else int
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    given = vars(parser.parse_args())
    if given.pop("forecast"):
        for farm in FORECASTS:
            print(f"{farm.samples:,} samples, {farm.workers} workers of {farm.rate:g}/s")
            for name, value in forecast(farm).items():
                print(f"  {name}: {value:,.4g}")
        return
    farm = replace(Farm(), **given)
    happened, model = simulate(farm), expected(farm)
    for name, value in vars(happened).items():
        told = f" (model: {model[name]:,.0f})" if name in model else ""
        print(f"{name}: {value:,.0f}{told}")


if __name__ == "__main__":
    main()
