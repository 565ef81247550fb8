"""The commands of the how-to pages on heads are run, one page after the other, as they stand."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest
from test_docs import blocks

import headstart as hs
from conftest import draw, keras

PAGES = (
    *("look-around", "choose-a-head", "clean-labels", "heads", "predict-and-ship", "scores"),
    "fine-tune",
)
NOT_HERE = {
    "headstart head log flowers --to http://server": "tests/heads/evaluation/test_judging.py"
}
"""Commands that need a server, and where they are run with one."""
CLASSES = ("daisy", "rose", "tulip")


def backbone(seed: int, *names: str):
    """A small network with layers of the names that the pages use."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu", name=names[0])(image)
    x = keras.layers.Conv2D(8, 3, activation="relu", name=names[1])(x)
    x = keras.layers.GlobalAveragePooling2D(name=names[2])(x)
    x = keras.layers.Dense(8, activation="relu", name="top_gap")(x)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))


def photos(folder: Path, start: int, *, each: int = 15) -> Path:
    for tint, name in enumerate(CLASSES):
        for number in range(each):
            # some look like another class, so that there is something to find
            seen = tint + (number % 5 == 0)
            draw(
                folder / name / f"patient_{number}.jpg", start + 100 * tint + number, (20, 16), seen
            )
    return folder


@pytest.fixture
def workspace(tmp_path, temporary, monkeypatch):
    """What the pages take for granted: two backbones, photos, a head of three versions."""
    monkeypatch.chdir(tmp_path)
    ws = hs.init(tmp_path / "zoo")
    made = backbone(0, "block9_add", "block14_add", "block6_gap")
    ws.backbones.add("lite0", made, preprocess="unit")
    ws.backbones.add("resnet50", backbone(1, "conv1", "conv2", "avg_pool"), preprocess="unit")
    ws.datasets.add("photos", photos(tmp_path / "photos", 0))
    ws.datasets.add("emoji", photos(tmp_path / "emoji", 1_000))
    ws.datasets.add("photos-of-june", photos(tmp_path / "june", 2_000, each=5))
    for number in range(40):
        draw(tmp_path / "pool" / f"{number}.jpg", 3_000 + number, (20, 16), number)
    ws.datasets.add("pool", tmp_path / "pool")
    photos(tmp_path / "scans", 4_000, each=6)
    files = sorted((tmp_path / "scans").rglob("*.jpg"))
    rows = [f"{file},{file.parent.name},{file.stem}\n" for file in files]
    (tmp_path / "scans.csv").write_text("path,label,patient\n" + "".join(rows))
    pictures = sorted((tmp_path / "photos").rglob("*.jpg"))
    rated = [f"{file},{number % 7 / 2}\n" for number, file in enumerate(pictures)]
    (tmp_path / "ratings.csv").write_text("path,label\n" + "".join(rated))
    ws.datasets.add("ratings", tmp_path / "ratings.csv")
    features = ws.extract("lite0", "photos")
    for strength in (0.1, 1.0, 10.0):
        ws.heads.train("flowers", features, hs.Linear(strengths=strength))
    ws.heads.train("faces", ws.extract("lite0", "emoji"), hs.Linear(strengths=1.0))
    return ws


def commands(page: str) -> list[str]:
    lines = [line for block in blocks(f"docs/{page}.md", "console") for line in block.splitlines()]
    return [line.removeprefix("$ ").partition("   #")[0].strip() for line in lines]


@pytest.mark.slow  # a minute or two: forty commands
def test_every_command_of_the_pages_on_heads_works(workspace, run):
    pytest.importorskip("tf2onnx")
    done = 0
    for page in PAGES:
        for line in commands(page):
            if line in NOT_HERE:
                continue
            again = (
                ["--force"] if re.search(r"--output|features plot|head (plot|report)", line) else []
            )
            if line.startswith("headstart dataset add scans"):
                with contextlib.suppress(hs.HeadstartError):
                    workspace.datasets.remove("scans")
            ran = run(*shlex.split(line)[1:], *again)
            assert ran.code == 0, f"{page}: {line}\n{ran.err}"
            done += 1
    assert done > 35
