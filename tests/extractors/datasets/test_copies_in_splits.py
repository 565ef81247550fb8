"""Copies of one content and groups are joined: what either connects stands in one split."""

import json
from collections import defaultdict

import numpy as np
import pytest

from headstart.notices import HeadstartWarning

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
WAYS = ["stratified", "hash", "60/20/20", "kfold:3"]


def rows_of(count=160, seed=0):
    """Rows in groups of two; some texts stand in several groups."""
    rng = np.random.default_rng(seed)
    return [
        {
            "text": f"t{rng.integers(0, count // 3)}" if n % 4 == 0 else f"own {n}",
            "label": n % 2,
            "who": f"w{n // 2}",
        }
        for n in range(count)
    ]


def table_of(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def parted(ws, name="d"):
    """Texts and groups that stand in several splits."""
    found = defaultdict(set)
    for sample in ws.datasets.manifest(name).samples:
        found[sample.digest].add(sample.split)
        if sample.group is not None:
            found[sample.group].add(sample.split)
    return sorted(key for key, splits in found.items() if len(splits) > 1)


def splits(ws, name="d"):
    return [sample.split for sample in ws.datasets.manifest(name).samples]


@pytest.mark.parametrize("split", WAYS)
def test_copies_in_several_groups_stand_in_one_split_whatever_way(ws, tmp_path, split):
    ws.datasets.add("d", table_of(tmp_path / "t.jsonl", rows_of()), group_column="who", split=split)
    assert parted(ws) == [] and len(set(splits(ws))) > 1


@pytest.mark.parametrize("split", WAYS)
def test_new_samples_join_what_their_copies_have_and_others_stay(ws, tmp_path, split):
    rows, table = rows_of(), tmp_path / "t.jsonl"
    ws.datasets.add("d", table_of(table, rows), group_column="who", split=split)
    before = splits(ws)
    more = [{**row, "who": f"new {n // 3}"} for n, row in enumerate(rows[::40])]
    more += [{"text": f"fresh {n}", "label": 0, "who": f"new {n}"} for n in range(2)]
    alone = [{**row, "who": f"alone {n}"} for n, row in enumerate(rows[1::40])]
    table_of(table, rows + alone)
    ws.datasets.refresh("d")
    assert parted(ws) == [] and splits(ws)[: len(rows)] == before
    table_of(table, rows + alone + more[:1] + more[4:5])
    ws.datasets.refresh("d")
    assert parted(ws) == [] and splits(ws)[: len(rows)] == before
    ws.datasets.resplit("d", "stratified", seed=1)
    assert parted(ws) == []


def test_what_a_new_sample_connects_from_two_splits_is_counted_and_stays(ws, tmp_path):
    rows, table = rows_of(), tmp_path / "t.jsonl"
    ws.datasets.add("d", table_of(table, rows), group_column="who")
    before = splits(ws)
    one, other = (
        rows[next(n for n, split in enumerate(before) if n % 4 and split == name)]
        for name in ("train", "test")
    )
    bridge = [{**one, "who": "bridge"}, {**other, "who": "bridge"}]
    table_of(table, rows + bridge)
    with pytest.warns(HeadstartWarning, match="1 sample.* copies of samples to test on"):
        ws.datasets.refresh("d")
    after = splits(ws)
    assert after[: len(rows)] == before and after[-1] == after[-2]
    ws.datasets.resplit("d")
    assert parted(ws) == []


def test_rows_without_a_split_join_the_copies_of_which_the_source_says_it(ws, tmp_path):
    """Also by way of a group: b is a copy of a, and c of the group of b."""
    rows = [{"text": f"t{n}", "label": n % 2, "split": "train", "who": f"w{n}"} for n in range(40)]
    for number in range(10):
        rows.append({"text": f"x{number}", "label": 0, "split": "test", "who": f"a{number}"})
        rows.append({"text": f"x{number}", "label": 0, "split": "", "who": f"b{number}"})
        rows.append({"text": f"y{number}", "label": 1, "split": "", "who": f"b{number}"})
    ws.datasets.add("d", table_of(tmp_path / "t.jsonl", rows), group_column="who")
    assert set(splits(ws)[40:]) == {"test"} and parted(ws) == []


def test_copies_among_train_and_validation_that_a_source_parts_are_counted_too(ws, tmp_path):
    names = ["train", "validation", "test"]
    rows = [{"text": f"t{n}", "label": n % 2, "split": names[n % 3]} for n in range(60)]
    rows += [{**rows[n], "split": "validation"} for n in range(0, 12, 3)]
    with pytest.warns(HeadstartWarning, match="4 samples to train on are copies of samples to val"):
        ws.datasets.add("d", table_of(tmp_path / "t.jsonl", rows))
