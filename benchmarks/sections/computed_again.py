"""What is computed again when a file has changed, when there is one more, after a kill half-way.

Pieces of work are counted, not seconds. Each way is a process that is run again and again on the
same store; a piece is a file, and what it gives is compared with what the file holds now.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peer import Peer, left_out, peers
from PIL import Image
from timing import Section

import headstart as hs
from headstart.extractors.runtime import keras
from headstart.registry import listing

COMMAND = (sys.executable, "-c", "from headstart.cli import main; main()")
SIDE = 8
SLOWLY = ("--batch-size", "1", "--commit-seconds", "0.2")
"""So that it is not done before it can be killed half-way."""


@dataclass(frozen=True)
class Counted:
    """What a run did: pieces of work, and rows that are not of what their files hold."""

    work: int
    wrong: int = 0

    def __str__(self) -> str:
        return f"{self.work:,}" + (f", {self.wrong:,} stale" if self.wrong else "")


class ByScript:
    """A script of `peers/changed`."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.peer, self._folder = peer, folder
        self._counts = folder / "counts"

    def run(self, source: Path, fatal: int = 0) -> Counted:
        """Run it; with `fatal` it kills itself after so many pieces."""
        self._counts.write_text("")
        words = [self.peer.python, self.peer.script, source, self._folder / "store"]
        done = subprocess.run(
            [*map(str, words), str(self._counts), str(fatal)],
            capture_output=True, text=True, check=not fatal,
        )  # fmt: skip
        work = len(self._counts.read_text().splitlines())
        return Counted(work, 0 if fatal else int(done.stdout.split()[-1]))


class Ours:
    """`headstart extract` with a backbone that gives the mean of a picture's colours."""

    def __init__(self, folder: Path, source: Path) -> None:
        k, self._root = keras(), folder / "zoo"
        given = k.Input((SIDE, SIDE, 3))
        mean = k.layers.GlobalAveragePooling2D(name="mean")(given)
        k.Model(given, k.layers.Dense(2)(mean)).save(folder / "net.keras")
        self._ws = hs.init(self._root)
        self._ws.backbones.add("net", folder / "net.keras", preprocess="raw")
        self._ws.datasets.add("files", source)
        self._words = [*COMMAND, "extract", "net@mean", "files", "--engine", "tensorflow"]
        self._words += ["--json", "--workspace", str(self._root)]

    def run(self, source: Path, fatal: int = 0) -> Counted:
        """Run it; with `fatal` it is killed once so many rows are committed."""
        if fatal:
            return self._killed(fatal)
        done = subprocess.run(self._words, capture_output=True, text=True, check=True)
        view = self._ws.features("net@mean", "files")
        colours = [np.asarray(Image.open(source / one.id)) for one in view.samples]
        right = np.stack([one.mean(axis=(0, 1)) for one in colours])
        wrong = int((np.abs(view.to_numpy() - right) > 1e-2).any(axis=1).sum())
        return Counted(json.loads(done.stdout)["computed"], wrong)

    def _killed(self, fatal: int) -> Counted:
        quiet = subprocess.DEVNULL
        with subprocess.Popen([*self._words, *SLOWLY], stdout=quiet, stderr=quiet) as process:
            while process.poll() is None and self._committed() < fatal:
                time.sleep(0.01)
            process.kill()
        return Counted(self._committed())

    def _committed(self) -> int:
        return sum(row["rows"] for row in listing.features(self._ws.config))


def section(folder: Path, files: int) -> Section:
    """All ways.

    Args:
        folder: for files and stores.
        files: how many there are.
    """
    rows = []
    taking_part = [one for one in peers("changed") if not one.problem]
    for peer in (*taking_part, None):
        own = folder / ("ours" if peer is None else peer.script.stem)
        source = own / "files"
        _draw(source, files)
        way = Ours(own, source) if peer is None else ByScript(peer, own)
        rows.append(("headstart" if peer is None else peer.name, *_cells(way, source, files)))
    return Section(
        "What is computed again",
        f"Pieces of work, of {files:,} small pictures, by whole processes on one store: at first; "
        "unchanged; after one file was written again with other content; with one file more; and "
        "again in an empty store, killed (SIGKILL) when half was done, and run again. `stale`: "
        "rows that are not of what the file holds now. What Headstart had not committed when it "
        f"was killed is computed again, here at most those of 0.2 s. {left_out(peers('changed'))}",
        ("way", ">at first", ">unchanged", ">one changed", ">one more", ">after a kill"),
        rows,
    )


def _cells(way: ByScript | Ours, source: Path, files: int) -> list[str]:
    told = [str(way.run(source)), str(way.run(source))]
    _draw_one(source / "c0" / "00000.png", 1_000_000)
    told.append(str(way.run(source)))
    _draw_one(source / "c0" / "one_more.png", 1_000_001)
    told.append(str(way.run(source)))
    return [*told, _after_a_kill(way, source, files)]


def _after_a_kill(way: ByScript | Ours, source: Path, files: int) -> str:
    own = source.parent / "killed"
    own.mkdir()
    other = own / "files"
    shutil.copytree(source, other)
    anew = Ours(own, other) if isinstance(way, Ours) else ByScript(way.peer, own)
    done = anew.run(other, fatal=files // 2).work
    again = anew.run(other)
    return f"{again}, {done:,} were done"


def _draw(source: Path, files: int) -> None:
    for number in range(files):
        _draw_one(source / f"c{number % 2}" / f"{number:05}.png", number)


def _draw_one(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(path)
