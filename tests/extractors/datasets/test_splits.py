"""How samples come into their splits, and that they stay there."""

import json
import random
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from conftest import draw
from headstart.errors import EXITS, DatasetError
from headstart.extractors.datasets import split_rule
from headstart.jobs.datasets import correct, refresh, resplit
from headstart.notices import FewSamples, HeadstartWarning
from headstart.storage.keys import digest_of
from headstart.storage.manifest import split_of

SPLITS = ("train", "validation", "test")


@pytest.fixture
def table(tmp_path):
    """A function that writes a table of texts with labels, and gives its path."""

    def write(labels, name="t.jsonl", **columns):
        rows = [
            {"id": f"r{n}", "text": f"text {n}", "label": label}
            | {column: values[n] for column, values in columns.items()}
            for n, label in enumerate(labels)
        ]
        (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return tmp_path / name

    return write


def splits(ws, name="d"):
    return {s.id: s.split for s in ws.datasets.manifest(name).samples}


def counts(ws, name="d"):
    found = defaultdict(Counter)
    for sample in ws.datasets.manifest(name).samples:
        found[sample.label][sample.split] += 1
    return {label: tuple(count[split] for split in SPLITS) for label, count in found.items()}


def test_every_class_has_its_share_of_each_split(ws, table):
    """By hash a class of 17 had 1 to validate and 2 to test on, another none."""
    labels = ["a"] * 100 + ["b"] * 17 + ["c"] * 5 + ["d"] * 2 + ["e"]
    ws.datasets.add("d", table(labels))
    assert ws.datasets.get("d").options["deal"] == "stratified"
    assert counts(ws) == {
        "a": (70, 10, 20),
        "b": (12, 2, 3),
        "c": (4, 0, 1),
        "d": (1, 0, 1),
        "e": (1, 0, 0),
    }


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("50/25/25", (50, 25, 25)),
        ("80/20", (80, 0, 20)),
        ("stratified:8/1/1", (80, 10, 10)),
        ("stratified", (70, 10, 20)),
        ("kfold:4", (75, 0, 25)),
        ("none", (100, 0, 0)),
    ],
)
def test_any_ratio_can_be_had(ws, table, split, expected):
    ws.datasets.add("d", table(["a", "b"] * 100), split=split)
    assert counts(ws) == {"a": expected, "b": expected}


def test_splits_by_hash_are_those_that_they_always_were(ws, table):
    ws.datasets.add("d", table(["a", "b"] * 50), split="hash")
    assert all(s.split == split_of(s.digest) for s in ws.datasets.manifest("d").samples)
    ws.datasets.add("e", table(["a", "b"] * 500, "u.jsonl"), split="hash:50/0/50", seed=3)
    shares = Counter(splits(ws, "e").values())
    assert shares["validation"] == 0 and 440 < shares["test"] < 560


def test_splits_follow_from_content_and_seed_and_not_from_order_or_names(ws, table, tmp_path):
    path = table(["a", "b", "c"] * 30)
    ws.datasets.add("d", path)
    lines = path.read_text().splitlines()
    random.Random(1).shuffle(lines)
    (tmp_path / "u.jsonl").write_text("\n".join(lines).replace('"id": "r', '"id": "s'))
    ws.datasets.add("e", tmp_path / "u.jsonl")
    ws.datasets.add("f", path, seed=1)
    assert {f"s{id_[1:]}": split for id_, split in splits(ws).items()} == splits(ws, "e")
    assert splits(ws, "f") != splits(ws) and counts(ws, "f") == counts(ws)


@pytest.mark.filterwarnings("ignore:.*no sample of the class")
@pytest.mark.parametrize("split", [None, "hash", "kfold:3", "80/20"])
def test_a_sample_keeps_the_split_that_it_once_had(ws, table, split):
    labels = ["a", "b"] * 20
    ws.datasets.add("d", table(labels), split=split)
    before = splits(ws)
    ws.datasets.add("d", table(labels + ["a", "c"] * 30))
    ws.datasets.refresh("d")
    grown = splits(ws)
    assert len(grown) == 100 and grown | before == grown
    ws.datasets.add("d", table(["b", "a"] * 20), split=split)  # other labels: a correction
    assert splits(ws) == before
    table(labels[:7])
    ws.datasets.refresh("d")
    table(labels + ["a", "c"] * 30)
    ws.datasets.refresh("d")
    assert splits(ws) == grown  # those that had left, too


def test_a_picture_that_was_saved_again_is_not_dealt_out_again(ws, pictures):
    ws.datasets.add("d", pictures)
    before = splits(ws)
    for number in range(12):
        draw(pictures / "red" / f"{number:02}{'.png' if number % 2 else '.jpg'}", 9000 + number)
    ws.datasets.refresh("d")
    assert splits(ws) == before


def test_new_samples_go_where_their_class_lacks_most(ws, table):
    ws.datasets.add("d", table(["a"] * 50 + ["b"] * 50))
    table(["a"] * 50 + ["b"] * 50 + ["a"] * 50 + ["c"] * 10)
    ws.datasets.refresh("d")
    assert counts(ws) == {"a": (70, 10, 20), "b": (35, 5, 10), "c": (7, 1, 2)}


@pytest.mark.parametrize("split", ["stratified", "hash", "kfold:5", "60/20/20"])
def test_groups_stand_in_one_split_whatever_way(ws, table, split):
    who = [f"w{n // 7}" for n in range(350)]
    path = table(["a", "b", "b"] * 116 + ["a", "b"], who=who)
    ws.datasets.add("d", path, group_column="who", split=split)
    found = defaultdict(set)
    for sample in ws.datasets.manifest("d").samples:
        found[sample.group].add(sample.split)
    assert len(found) == 50 and all(len(one) == 1 for one in found.values())
    if split != "hash":  # which leaves it to chance
        assert 0.17 < Counter(splits(ws).values())["test"] / 350 < 0.23


def test_copies_of_one_content_stand_in_one_split(ws, tmp_path):
    x = np.repeat(np.eye(20), 5, axis=0)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(100) % 2)
    ws.datasets.add("d", tmp_path / "x.npz", split="stratified")
    found = defaultdict(set)
    for sample in ws.datasets.manifest("d").samples:
        found[sample.digest].add(sample.split)
    assert all(len(one) == 1 for one in found.values())


def test_every_sample_is_tested_on_in_one_fold(ws, table):
    path = table(["a", "b", "b"] * 20)
    for fold in range(1, 6):
        ws.datasets.add(f"d{fold}", path, split=f"kfold:5:{fold}")
        assert counts(ws, f"d{fold}")["b"] == (32, 0, 8)
    table(["a", "b", "b"] * 25)
    tested = Counter()
    for fold in range(1, 6):
        ws.datasets.refresh(f"d{fold}")
        tested.update(id_ for id_, split in splits(ws, f"d{fold}").items() if split == "test")
    assert tested == dict.fromkeys((f"r{n}" for n in range(75)), 1)


def test_a_column_says_the_splits_or_is_named_as_not_used(ws, table):
    path = table(["a", "b"] * 10, part=["dev", "train"] * 10, split=["fold1", "fold2"] * 10)
    with pytest.warns(HeadstartWarning, match="not used: column 'split'$"):
        ws.datasets.add("d", path, split="column:part")
        ws.datasets.add("d", path)
    assert counts(ws) == {"a": (0, 10, 0), "b": (10, 0, 0)}
    with pytest.warns(HeadstartWarning, match="not used: column 'part', column 'split'$"):
        ws.datasets.add("e", path, split="stratified")
    assert counts(ws, "e")["a"] == (7, 1, 2)
    with pytest.raises(DatasetError, match=r"split is 'fold1'"):
        ws.datasets.add("f", path)
    with pytest.raises(DatasetError, match=r"--split column:part and --split-column split"):
        ws.datasets.add("f", path, split="column:part", split_column="split")


def test_samples_without_a_split_in_the_column_are_dealt_out_and_others_stay(ws, table):
    said = ["test"] * 10 + [""] * 90
    ws.datasets.add("d", table(["a"] * 50 + ["b"] * 50, split=said))
    assert counts(ws) == {"a": (28, 4, 18), "b": (35, 5, 10)}


def test_rows_to_validate_on_are_dealt_out_of_the_train_rows_of_every_class(ws, tmp_path):
    x = np.arange(400.0).reshape(200, 2)
    y = np.array([0] * 80 + [1] * 80)
    np.savez(tmp_path / "k.npz", x_train=x[:160], y_train=y, x_test=x[160:], y_test=y[60:100])
    ws.datasets.add("d", tmp_path / "k.npz")
    assert counts(ws) == {0: (70, 10, 20), 1: (70, 10, 20)}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("stratifid", "Did you mean 'stratified'"),
        ("kfold:1", "there is no fold 1 of 1"),
        ("kfold:3:4", "there is no fold 4 of 3"),
        ("0/50/50", "leaves nothing to train on"),
        ("70", "no way to split is called '70'"),
        ("column:nope", "has no column 'nope'"),
        ("folders", "has no folders that could be splits"),
    ],
)
def test_a_way_to_split_that_there_is_not_is_an_error(ws, table, split, message):
    with pytest.raises(DatasetError, match=message):
        ws.datasets.add("d", table(["a", "b"] * 10), split=split)
    assert ws.datasets.list() == []


def test_labels_that_are_numbers_and_large_sets_are_split_by_hash(ws, table, monkeypatch):
    path = table([n / 7 for n in range(1, 40)])
    ws.datasets.add("d", path)
    assert ws.datasets.get("d").options["deal"] == "hash"
    with pytest.raises(DatasetError, match="labels that are numbers cannot be split stratified"):
        ws.datasets.add("e", path, split="stratified")
    monkeypatch.setattr(split_rule, "MANY", 100)
    ws.datasets.add("f", table(["a", "b"] * 50))
    assert ws.datasets.get("f").options["deal"] == "hash"


def test_a_dataset_of_before_keeps_its_splits(ws, table):
    labels = ["a", "b"] * 50
    ws.datasets.add("d", table(labels), split="hash")
    before = splits(ws)
    old = ws.datasets.get("d")
    ws.context.datasets.update(replace(old, options={}), old)
    table([*labels, "a"])
    ws.datasets.refresh("d")
    assert splits(ws) | before == splits(ws)
    ws.datasets.add("d", table([*labels, "b", "b"]))
    assert all(s.split == split_of(s.digest) for s in ws.datasets.manifest("d").samples)


def test_classes_with_few_samples_are_named_when_the_dataset_is_added(ws, table, run):
    path = table(["a"] * 40 + ["b"] * 5 + ["c"])
    message = r"'b' has 4 to train on and 1 to test on, 'c' has 1 to train on and none to test on$"
    with pytest.warns(FewSamples, match=message):
        ws.datasets.add("d", path)
    ran = run("dataset", "add", "e", path)
    assert ran.code == 0 and "warning: " in ran.err and "'c' has 1 to train on" in ran.err


def test_dealing_anew_says_how_many_moved_and_which_heads_it_voids(ready, run):
    features = ready.extract("net", "pics")
    ready.heads.train("h", features)
    before = splits(ready, "pics")
    ran = run("dataset", "resplit", "pics", "--split", "50/0/50", "--seed", "7")
    assert ran.code == 0 and "train again: h:1" in ran.out
    after = splits(ready, "pics")
    moved = sum(before[id_] != split for id_, split in after.items())
    assert f"{moved} samples moved" in ran.out and moved > 5
    assert counts(ready, "pics")["red"] == (6, 0, 6)
    assert ready.extract("net", "pics").key == features.key
    assert ready.extract("net", "pics").report.computed == 0
    done = ready.datasets.resplit("pics")
    assert (done.moved, done.voided) == (0, ["h:1"])
    assert run("dataset", "resplit", "pics", "--json").json["voided"] == ["h:1"]


def test_adding_a_dataset_again_with_another_way_to_split_names_the_heads(ready, pictures):
    ready.heads.train("h", ready.extract("net", "pics"))
    with pytest.warns(HeadstartWarning, match="dealt again: .*trained on it before.*: h:1$"):
        ready.datasets.add("pics", pictures, split="60/20/20")


def test_dealing_anew_finds_the_split_folders_of_a_dataset_of_before(ws, tmp_path):
    for place in ("train/a", "train/b", "test/a", "test/b"):
        draw(tmp_path / "d" / place / "0.png", hash(place) % 1000, (4, 4))
    ws.datasets.add("d", tmp_path / "d", split="hash")
    old = ws.datasets.get("d")
    ws.context.datasets.update(replace(old, options={}), old)
    ws.datasets.resplit("d")
    assert ws.datasets.get("d").classes == ["a", "b"]
    assert set(splits(ws).values()) == {"train", "test"}


def test_classes_with_few_samples_stand_in_every_score(ready, pictures, run):
    for number in range(3, 12):
        (pictures / "red" / f"{number:02}{'.png' if number % 2 else '.jpg'}").unlink()
    ran = run("head", "train", "h", "net", "pics")
    assert ran.code == 0 and "'red' (2) has few samples to train on" in ran.err
    assert ready.heads.get("h").metrics["few"] == [["red", 2]]
    assert "few samples" in run("head", "show", "h").out


def test_copies_of_what_is_tested_on_are_not_trained_on_whatever_the_way(ws, table):
    """Half of a table says its splits; the other half holds the same texts again. Numbers are
    dealt by hash, classes are not."""
    for name, label in (("hash", lambda n: n + 0.5), ("stratified", lambda n: "ab"[n % 2])):
        rows = [
            {"id": f"{half}{n}", "text": f"text {n}", "label": label(n)}
            | ({"split": "test"} if half == "said" else {})
            for half in ("said", "open")
            for n in range(40)
        ]
        file = table(["a"], f"{name}.jsonl")
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        ws.datasets.add(name, file)
        assert set(splits(ws, name).values()) == {"test"}, name


def test_a_class_keeps_one_sample_to_train_on_where_others_have_the_larger_shares(ws, table):
    with pytest.warns(FewSamples):
        ws.datasets.add("d", table(["a"] * 20 + ["b"] * 2), split="10/80/10")
    assert counts(ws)["b"] == (1, 0, 1)


def test_copies_that_a_source_puts_into_two_splits_are_counted(ws, tmp_path):
    for split in ("train", "test"):
        for number in range(6):
            draw(tmp_path / "d" / split / "a" / f"{number}.png", number)
            draw(
                tmp_path / "d" / split / "b" / f"{number}.png",
                10 + number + 100 * (split == "test"),
            )
    with pytest.warns(HeadstartWarning, match=r"6 samples .* copies of samples to test .*'train/a"):
        ws.datasets.add("d", tmp_path / "d")


@pytest.mark.parametrize("said", [("0", "1"), ("train", "test")])
def test_a_split_column_that_is_not_used_is_no_number_of_the_samples(ws, tmp_path, said):
    rows = [f"{n}.5,{n}.25,{'ab'[n % 2]},{said[n % 2]}" for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y,label,split", *rows]))
    with pytest.warns(HeadstartWarning, match="not used: column 'split'"):
        ws.datasets.add("d", tmp_path / "t.csv", split="stratified")
    assert ws.datasets.manifest("d").samples[0].digest == digest_of(np.array([0.5, 0.25], "f4"))


def test_who_looks_again_does_not_undo_what_another_deals_meanwhile(ws, table, monkeypatch):
    """A refresh that began first and ended last put the old splits and options back."""
    file = table(["a", "b"] * 30)
    ws.datasets.add("d", file)
    file.write_text(file.read_text() + json.dumps({"id": "new", "text": "new", "label": "a"}))
    scan, met = refresh.sources.rescan, []

    def slow(*given, **more):
        found = scan(*given, **more)
        if not met:
            met.append(ws.datasets.resplit("d", "none"))
        return found

    monkeypatch.setattr(refresh.sources, "rescan", slow)
    assert ws.datasets.refresh("d").options["split"] == "none"
    assert set(splits(ws).values()) == {"train"}
    assert "new" in splits(ws)


def test_what_was_dealt_from_what_is_no_more_is_not_stored(ws, table, monkeypatch):
    file = table(["a", "b"] * 30)
    ws.datasets.add("d", file)
    scan = resplit.sources.scan

    def slow(*given, **more):
        found = scan(*given, **more)
        monkeypatch.setattr(resplit.sources, "scan", scan)
        ws.datasets.resplit("d", "none")
        return found

    monkeypatch.setattr(resplit.sources, "scan", slow)
    with pytest.raises(DatasetError, match="changed by somebody else"):
        ws.datasets.resplit("d", "80/20")
    assert set(splits(ws).values()) == {"train"}


def test_more_folds_than_samples_are_refused_as_some_would_be_empty(ws, table, run):
    file = table(["a", "b"] * 3)
    ran = run("dataset", "add", "d", file, "--split", "kfold:7")
    assert (ran.code, "there are 7 folds for 6 samples" in ran.err) == (EXITS["usage"], True)
    assert run("dataset", "add", "d", file, "--split", "kfold:6").code == 0
    assert sorted(splits(ws).values()) == ["test", *["train"] * 5]
    for folds in ("7", "100000", "1000000000000"):
        ran = run("dataset", "resplit", "d", "--split", f"kfold:{folds}")
        assert ran.code == EXITS["usage"] and "Give fewer folds" in ran.err
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert run("dataset", "refresh", "d").code == 0  # what shrinks later keeps its folds


def test_of_two_who_exclude_at_once_the_second_is_told_that_it_is_busy(ws, table, run, monkeypatch):
    ws.datasets.add("d", table(["a", "b"] * 6))
    described = correct.described

    def slow(*given):
        monkeypatch.setattr(correct, "described", described)
        ws.datasets.exclude("d", "r0")
        return described(*given)

    monkeypatch.setattr(correct, "described", slow)
    ran = run("dataset", "exclude", "d", "r1")
    assert ran.code == EXITS["busy"] and "changed by somebody else meanwhile" in ran.err
    assert "r1" in splits(ws) and "r0" not in splits(ws)
    assert run("dataset", "exclude", "d", "r1").code == 0


def several(rows=300):
    """Labels of which many combinations are on one sample alone: of `a` to `h`, and one rare."""
    rng = random.Random(0)
    found = ["|".join(one for one in "abcdefgh" if rng.random() < 0.4) or "a" for _ in range(rows)]
    for row in (7, 77, 177):
        found[row] += "|rare"
    return found


@pytest.mark.parametrize(
    ("split", "shares"),
    [
        ("stratified", (0.7, 0.1, 0.2)),
        ("60/20/20", (0.6, 0.2, 0.2)),
        ("kfold:4:2", (0.75, 0, 0.25)),
    ],
)
def test_of_several_labels_each_has_its_share_of_each_split(ws, table, split, shares):
    """By value most combinations were on one sample alone, and these were all to train on."""
    labels = several()
    ws.datasets.add("d", table(labels), split=split)
    samples = ws.datasets.manifest("d").samples
    for name, share in zip(SPLITS, shares, strict=True):
        own = [sample for sample in samples if sample.split == name]
        assert len(own) == pytest.approx(share * len(labels), abs=2)
        for label in "abcdefgh":
            having = sum(label in (one or "").split("|") for one in labels)
            found = sum(label in str(one.label or "").split("|") for one in own)
            assert found == pytest.approx(share * having, abs=2), (name, label)
    assert {s.split for s in samples if "rare" in str(s.label)} >= {"train", "test"}


def test_of_several_labels_who_has_a_split_keeps_it_and_new_ones_go_where_labels_lack(ws, table):
    labels = several()
    ws.datasets.add("d", table(labels[:200]))
    before = splits(ws)
    table(labels)
    ws.datasets.refresh("d")
    after = splits(ws)
    assert {id_: after[id_] for id_ in before} == before
    shares = Counter(after.values())
    assert [shares[name] / 300 for name in SPLITS] == pytest.approx([0.7, 0.1, 0.2], abs=0.01)


def test_of_several_labels_the_rare_ones_are_named_and_no_combination(ws, table):
    labels = ["a|b", "a", "b"] * 40 + ["a|b|rare"] * 2 + ["b|c"] * 12
    with pytest.warns(FewSamples) as told:
        ws.datasets.add("d", table(labels))
    (said,) = [str(one.message) for one in told if one.category is FewSamples]
    assert "scores will say little: 'rare' has 1 to train on and 1 to test on" in said
    assert "|" not in said.partition("scores will")[2]
