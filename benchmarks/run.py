"""Everything against the plain way, both measured in one run on the same work.

`make bench` prints the tables and writes docs/benchmarks.md; `make bench-quick` runs less of the
same and writes nothing. Seconds are of this machine and this moment; ratios are what counts.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import end_to_end
import engines
import light_heads
import store
import whole_runs
from timing import COMPARED, Section

from headstart.cli.output import console, note, table
from headstart.extractors.engines import openvino_engine
from headstart.extractors.runtime import cores, keras, versions

REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`, on {when}: {machine}, {cores} cores ({processor}).
{versions}.

Ratios are above 1 where Headstart is faster. Figures are medians, with the smallest and the
largest in brackets; both sides of a row are measured in turn. Random weights stand for ImageNet's
where no network is at hand, which changes no time.

"""


def main() -> None:
    """Run all sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of the same, in minutes")
    is_quick = parser.parse_args().quick
    keras()
    found: list[Section] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        for section in _sections(Path(place), is_quick=is_quick):
            found.append(section)
            note(f"{section.title}: done after {time.monotonic() - started:,.0f} s")
            if not is_quick:
                _write(found)
    out = console()
    for section in found:
        out.print(table(section.title, section.columns, section.rows))
        out.print(f"[dim]{section.note}[/dim]\n")


def _write(found: list[Section]) -> None:
    """The report so far: an hour's work is not lost with its last row."""
    head = HEAD.format(
        when=datetime.date.today().isoformat(),
        machine=platform.machine(),
        cores=cores(),
        processor=openvino_engine.processor(),
        versions=", ".join(f"{name} {number}" for name, number in _versions().items()),
    )
    REPORT.write_text(head + "\n".join(one.to_markdown() for one in found), encoding="utf-8")


def _sections(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    repeats = 1 if is_quick else 3
    yield engines.section(_new(folder), repeats)
    yield end_to_end.section(_new(folder), repeats, 0.15 if is_quick else 1.0)
    yield light_heads.section(_new(folder), repeats, is_quick=is_quick)
    yield whole_runs.starting(_new(folder), repeats)
    yield whole_runs.growth(_new(folder), 50 if is_quick else 400)
    if not is_quick:
        rows = [row.cells() for row in store.rows(_new(folder))]
        about = f"{whole_runs.overhead(_new(folder))} {store.index_figures()}"
        yield Section("The store", about, COMPARED, rows)


def _new(folder: Path) -> Path:
    """An empty folder; what the section before left is gone."""
    for old in folder.iterdir():
        shutil.rmtree(old)
    made = folder / str(time.monotonic_ns())
    made.mkdir()
    return made


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **versions(),
        "openvino": openvino_engine.version(),
    }


if __name__ == "__main__":
    main()
