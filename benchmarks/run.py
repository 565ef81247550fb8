"""Everything against the plain way, both measured in one run on the same work.

Each section has a process of its own, so that none finds what another left in TensorFlow. How busy
others kept the machine meanwhile is measured, and stands in the section's note.

`make bench` prints the tables and writes docs/benchmarks.md; `make bench-quick` runs less of the
same and writes nothing. Seconds are of this machine and this moment; ratios are what counts.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peer
from material import MODELS, Model
from sections import (
    all_rows,
    automatic,
    bucket,
    claims,
    computed_again,
    end_to_end,
    engines,
    fine_tuning,
    first_runs,
    kinds,
    light_heads,
    limits,
    many_samples,
    page,
    peer_runs,
    precisions,
    similar,
    store,
    whole_runs,
    workers,
)
from timing import COMPARED, Others, Section

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
    """Run all sections, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of the same, in minutes")
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="only these")
    parser.add_argument("--write", action="store_true", help="those named take their old place")
    parser.add_argument(
        "--kept",
        type=Path,
        help="where sections that go on where they were ended have material and results",
    )
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.into is not None:
        (name,) = arguments.sections
        peer.may_install = not arguments.quick
        with _folder(arguments.kept, name) as folder:
            keras()
            section = SECTIONS[name](folder, is_quick=arguments.quick)
        arguments.into.write_text(json.dumps(dataclasses.asdict(section)), encoding="utf-8")
        return
    names = arguments.sections or (QUICK if arguments.quick else SECTIONS)
    found: list[Section] = []
    started = time.monotonic()
    for name in names:
        found.append(_apart(name, arguments.kept, is_quick=arguments.quick))
        note(f"{found[-1].title}: done after {time.monotonic() - started:,.0f} s")
        if not arguments.quick and not arguments.sections:
            _write(found)
    if arguments.write and arguments.sections:
        _replace(found)
    out = console()
    for section in found:
        out.print(table(section.title, section.columns, section.rows))
        out.print(f"{section.note}\n", style="dim")


@contextmanager
def _folder(kept: Path | None, name: str) -> Iterator[Path]:
    """Where a section works: a folder that is kept for those that go on from it."""
    if kept is not None and name in RESUMED:
        (kept / name).mkdir(parents=True, exist_ok=True)
        yield kept / name
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _apart(name: str, kept: Path | None, *, is_quick: bool) -> Section:
    """One section, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "section.json"
        command = [sys.executable, __file__, name, "--into", str(into)]
        command += [] if kept is None else ["--kept", str(kept)]
        others = Others()
        subprocess.run([*command, *["--quick"] * is_quick], check=True)
        section = Section(**json.loads(into.read_text(encoding="utf-8")))
        return dataclasses.replace(section, note=f"{section.note.strip()} {others.told()}")


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


def _replace(found: list[Section]) -> None:
    """Put sections that were run by themselves into the report, in the place of what it had."""
    told = REPORT.read_text(encoding="utf-8")
    for section in found:
        alone = f"{section.note} Measured by itself, on {datetime.date.today().isoformat()}."
        made = dataclasses.replace(section, note=alone).to_markdown()
        start = told.find(f"## {section.title}\n")
        if start < 0:
            told = f"{told.rstrip()}\n\n{made}"
            continue
        after = told.find("\n## ", start)
        told = told[:start] + made + ("" if after < 0 else told[after:])
    REPORT.write_text(told, encoding="utf-8")


def _repeats(*, is_quick: bool) -> int:
    return 1 if is_quick else 3


def _models(*, is_quick: bool) -> tuple[Model, ...]:
    return tuple(model for model in MODELS if not is_quick or model.name in QUICK_MODELS)


def _engines(folder: Path, *, is_quick: bool) -> Section:
    return engines.section(folder, _repeats(is_quick=is_quick), _models(is_quick=is_quick))


def _precisions(folder: Path, *, is_quick: bool) -> Section:
    assert not is_quick
    return precisions.accuracies(folder)


def _precision_speeds(folder: Path, *, is_quick: bool) -> Section:
    return precisions.speeds(folder, 1 if is_quick else 5)


def _first_runs(folder: Path, *, is_quick: bool) -> Section:
    if is_quick:
        return first_runs.section(folder, 1, 0.2, first_runs.MODELS[:1])
    return first_runs.section(folder, 5, 1.0)


def _again(folder: Path, *, is_quick: bool) -> Section:
    return peer_runs.again(folder, 1 if is_quick else 5, 1_000 if is_quick else 8_000)


def _computed_again(folder: Path, *, is_quick: bool) -> Section:
    return computed_again.section(folder, 200 if is_quick else 4_000)


def _fits(folder: Path, *, is_quick: bool) -> Section:
    return peer_runs.fits(folder, 1 if is_quick else 3, 0.05 if is_quick else 1.0)


def _reading(folder: Path, *, is_quick: bool) -> Section:
    return peer_runs.reading(folder, 5_000 if is_quick else 64_000)


def _limits(folder: Path, *, is_quick: bool) -> Section:
    return limits.section(folder, is_quick=is_quick)


def _end_to_end(folder: Path, *, is_quick: bool) -> Section:
    repeats, models = _repeats(is_quick=is_quick), _models(is_quick=is_quick)
    return end_to_end.section(folder, repeats, models, 0.25 if is_quick else 1.0)


def _heads(folder: Path, *, is_quick: bool) -> Section:
    return light_heads.section(folder, _repeats(is_quick=is_quick), is_quick=is_quick)


def _kinds(folder: Path, *, is_quick: bool) -> Section:
    return kinds.section(folder, ("tables",) if is_quick else ())


def _automatic(folder: Path, *, is_quick: bool) -> Section:
    assert not is_quick
    return automatic.section(folder)


def _fine_tuning(folder: Path, *, is_quick: bool) -> Section:
    return fine_tuning.section(folder, 1 if is_quick else 8)


def _starting(folder: Path, *, is_quick: bool) -> Section:
    return whole_runs.starting(folder, _repeats(is_quick=is_quick))


def _growth(folder: Path, *, is_quick: bool) -> Section:
    return whole_runs.growth(folder, 50 if is_quick else 400)


def _store(folder: Path, *, is_quick: bool) -> Section:
    assert not is_quick
    rows = [row.cells() for row in store.rows(folder)]
    about = f"{whole_runs.overhead(folder)} {store.index_figures()}"
    return Section("The store", about, COMPARED, rows)


def _bucket(folder: Path, *, is_quick: bool) -> Section:
    return bucket.section(folder, 1 if is_quick else 5, 2 if is_quick else 8)


def _datasets(folder: Path, *, is_quick: bool) -> Section:
    return many_samples.section(folder, is_quick=is_quick)


def _claims(folder: Path, *, is_quick: bool) -> Section:
    assert not is_quick
    return claims.section(folder)


def _rows(folder: Path, *, is_quick: bool) -> Section:
    assert not is_quick
    return all_rows.section(folder)


def _similar(folder: Path, *, is_quick: bool) -> Section:
    return similar.section(folder, 20_000 if is_quick else 1_000_000)


def _workers(folder: Path, *, is_quick: bool) -> Section:
    return workers.section(folder, 1 if is_quick else 3)


def _page(folder: Path, *, is_quick: bool) -> Section:
    return page.section(folder, page.SIZES[:1] if is_quick else page.SIZES)


SECTIONS = {
    "first-runs": _first_runs,
    "again": _again,
    "computed-again": _computed_again,
    "limits": _limits,
    "engines": _engines,
    "precisions": _precisions,
    "precision-speeds": _precision_speeds,
    "end-to-end": _end_to_end,
    "heads": _heads,
    "kinds": _kinds,
    "auto": _automatic,
    "fits": _fits,
    "reading": _reading,
    "fine-tuning": _fine_tuning,
    "starting": _starting,
    "growth": _growth,
    "store": _store,
    "bucket": _bucket,
    "datasets": _datasets,
    "rows": _rows,
    "similar": _similar,
    "workers": _workers,
    "claims": _claims,
    "page": _page,
}
RESUMED = ("rows", "page")
"""Sections that go on where they were ended, in the same folder."""
QUICK_MODELS = ("lite0",)
QUICK = ("first-runs", "again", "limits", "engines", "fits", "reading", "starting")
"""Sections of a quick run."""


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **versions(),
        "openvino": openvino_engine.version(),
    }


if __name__ == "__main__":
    main()
