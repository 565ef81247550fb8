"""Only new contents are computed, however files are added, moved, shuffled or doubled."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from conftest import direct, draw
from headstart.extractors.datasets import SampleReader

SIZES = [300, pytest.param(10_000, marks=pytest.mark.slow)]


def write_csv(file, paths):
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["path", "label"])
        writer.writerows((path, path.parent.name) for path in paths)
    return file


def paint(folder, numbers):
    return [draw(folder / f"c{n % 3}" / f"{n}.png", n, (12, 12)) for n in numbers]


@pytest.mark.parametrize("size", SIZES)
def test_computed_is_the_number_of_new_contents(ws, model, model_file, tmp_path, size, monkeypatch):
    ws.backbones.add("net", model_file, preprocess="unit")
    photos = tmp_path / "photos"
    paths = paint(photos, range(size))
    ws.datasets.add("photos", photos)
    computed = []

    def extract(name):
        report = ws.extract("net", name).report
        assert report.computed + report.reused == report.unique
        computed.append(report.computed)
        return report

    extract("photos")
    paint(photos, range(size, size + size // 100))  # a hundredth more
    extract("photos")
    total = size + size // 100

    shutil.move(photos, tmp_path / "renamed")
    ws.datasets.add("renamed", tmp_path / "renamed")
    extract("renamed")

    paths = sorted((tmp_path / "renamed").rglob("*.png"))
    order = np.random.default_rng(0).permutation(len(paths))
    table = write_csv(tmp_path / "t.csv", paths)
    ws.datasets.add("table", table)
    extract("table")
    write_csv(table, [paths[n] for n in order])
    extract("table")

    for path in paths:
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    report = extract("renamed")
    assert (report.samples, report.unique) == (2 * total, total)

    half = [*paths[: total // 2], *paint(tmp_path / "others", range(10**6, 10**6 + total // 2))]
    ws.datasets.add("half", write_csv(tmp_path / "half.csv", half))
    extract("half")
    assert computed == [size, size // 100, 0, 0, 0, 0, total // 2]
    view = ws.features("net", "half")
    assert [Path(one).name for one in view.ids] == [path.name for path in half]
    np.testing.assert_allclose(view.to_numpy(), direct(ws, view, model), atol=1e-5)

    # Again: nothing is computed, and no file's content is read.
    opened = []
    real = Path.open

    def watched(path, mode="r", *more, **named):
        opened.append(path.suffix)
        return real(path, mode, *more, **named)

    monkeypatch.setattr(Path, "open", watched)
    system = os.open
    monkeypatch.setattr(
        os,
        "open",
        lambda path, *more, **named: (
            opened.append(Path(path).suffix),
            system(path, *more, **named),
        )[1],
    )
    read_bytes = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: (opened.append(path.suffix), read_bytes(path))[1]
    )
    monkeypatch.setattr(SampleReader, "read", lambda *_: pytest.fail("a sample was read"))
    extract("half")
    assert computed[-1] == 0
    assert ".png" not in opened
