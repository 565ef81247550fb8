"""The demo: its data are what it says, and it keeps its promises."""

from collections import Counter
from pathlib import Path

import pytest

from headstart import demo


def test_the_emoji_are_1898_real_pictures_in_nine_categories():
    rows = demo.emoji_rows()
    counts = Counter(row["label"] for row in rows)
    assert len(rows) == 1898
    assert len(counts) == 9
    assert min(counts.values()) >= 20
    assert "Component" not in counts
    assert all(Path(row["path"]).exists() for row in rows)
    assert len({row["id"] for row in rows}) == 1898


def test_the_csv_is_written_only_if_it_is_not_there(tmp_path):
    file = demo.write_emoji_csv(tmp_path / "emoji.csv")
    before = file.stat().st_mtime_ns
    assert demo.write_emoji_csv(file).stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_demo_keeps_its_promises(tmp_path, run):
    result = run("demo", "--workspace", tmp_path / "demo", "--json").json
    assert result["first"]["computed"] == 1895
    assert (result["second"]["computed"], result["second"]["reused"]) == (0, 1895)
    scores = {(row["head"], row["features"]): row["accuracy"] for row in result["scores"]}
    linear = scores["linear", "avg_pool"]
    assert linear >= 0.72
    assert linear > scores["linear", "16 x 16 pixels (baseline)"]
    assert scores["mlp", "avg_pool"] > 0.6
    assert result["max_abs_diff"] <= 1e-4
    assert Path(result["saved"]).exists()
    assert len(result["predictions"]) == 5
