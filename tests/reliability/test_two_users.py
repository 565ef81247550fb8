"""Two users of one machine extract into one workspace that belongs to their group."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import direct, draw, rows_in

GROUP, ANN, BEN = 12000, 12001, 12002
SAMPLES = 240


@pytest.fixture
def shared():
    """A folder that a group may write to; pytest's own may be entered by its owner alone."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root may become other users")
    folder = Path(tempfile.mkdtemp(prefix="shared"))
    yield folder
    shutil.rmtree(folder)


def give_to_group(folder):
    for path in (folder, *folder.rglob("*")):
        os.chown(path, ANN, GROUP)
        path.chmod(0o2770 if path.is_dir() else 0o660)


def test_two_users_share_a_workspace_and_one_goes_on_when_the_other_is_killed(
    shared, zygotes, model
):
    for number in range(SAMPLES):
        draw(shared / "many" / "c" / f"{number}.png", number, (12, 12))
    model.save(shared / "network.keras")
    ws = hs.init(shared / "zoo")
    ws.backbones.add("net", shared / "network.keras", preprocess="unit")
    ws.datasets.add("many", shared / "many")
    ws.database.close()
    give_to_group(shared)
    arguments = ["--workspace", ws.config.root, "extract", "net", "many",
                 "--batch-size", "4", "--commit-seconds", "0"]  # fmt: skip
    zygotes[0].start(arguments, ("after the rename", 5), user=(ANN, GROUP))
    assert zygotes[0].wait() == signal.SIGKILL  # her claims and a file without a row are left
    assert rows_in(ws) == 16
    zygotes[1].start(arguments, user=(BEN, GROUP))
    assert zygotes[1].wait() == 0
    assert owners(ws) == {ANN, BEN}  # each wrote some, into the other's folders
    assert rows_in(ws) == SAMPLES
    zygotes[0].start(arguments, user=(ANN, GROUP))  # and may use what the other has left behind
    assert zygotes[0].wait() == 0
    assert rows_in(ws) == SAMPLES
    view = ws.features("net", "many")
    np.testing.assert_allclose(view.to_numpy(), direct(ws, view, model), atol=1e-5)
    del view
    ws.store.collect(ws.store.find_garbage())
    shards = ws.feature_sets.find_all_shards()
    assert len(list(ws.config.features.rglob("*.h5"))) == len(shards)


def owners(ws):
    found = set()
    for path in ws.config.features.rglob("*.h5"):
        found.add(path.stat().st_uid)
    return found
