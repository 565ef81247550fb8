"""Labels that are numbers are told as numbers, with their range."""

import numpy as np
import pytest

from headstart.values.quantities import range_of


@pytest.mark.parametrize(
    ("labels", "samples", "told"),
    [
        (["0.5", "2", "-1"], 40, (-1.0, 2.0)),
        ([*map(str, range(30))], 40, (0.0, 29.0)),
        ([*map(str, range(30))], 60, None),
        ([*map(str, range(29))], 29, None),
        (["1.5", "cat"], 4, None),
        (["nan", "1.5"], 4, None),
        (["1|2.5"], 4, None),
        ([], 4, None),
    ],
)
def test_labels_are_numbers_or_classes(labels, samples, told):
    assert range_of(labels, samples) == told


@pytest.mark.parametrize("are_whole", [False, True])
def test_a_dataset_of_numbers_says_their_range_and_what_learns_them(ws, run, tmp_path, are_whole):
    y = np.arange(40) * (1 if are_whole else 0.25)
    np.savez(tmp_path / "ages.npz", x=np.ones((40, 3), np.float32) * y[:, None], y=y)
    ran = run("dataset", "add", "ages", tmp_path / "ages.npz")
    end = "39" if are_whole else "9.75"
    assert f"from 0 to {end}" in ran.err and "class" not in ran.out
    assert "headstart head train NAME BACKBONE ages --task regression" in ran.out
    assert f"numbers from 0 to {end}" in repr(ws.datasets.get("ages"))
    assert "numbers" in run("dataset", "list").out
