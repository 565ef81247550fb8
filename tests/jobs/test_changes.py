"""What differs between two versions of a dataset: a file that was moved is no new sample."""

import shutil

from conftest import draw


def test_a_file_that_was_moved_is_told_with_its_label_before_and_now(ready, run, pictures):
    (pictures / "red" / "00.jpg").rename(pictures / "blue" / "was-red.jpg")
    (pictures / "red" / "01.png").rename(pictures / "red" / "other-name.png")
    shutil.copy(pictures / "green" / "03.png", pictures / "green" / "copy.png")
    draw(pictures / "red" / "new.png", 777, tint=0)
    ready.datasets.refresh("pics")
    found = ready.datasets.changes("pics")
    assert found.moved.first == (
        {"id": "red/00.jpg", "now": "blue/was-red.jpg", "before": "red", "after": "blue"},
        {"id": "red/01.png", "now": "red/other-name.png", "before": "red", "after": "red"},
    )
    assert [one["id"] for one in found.added.first] == ["green/copy.png", "red/new.png"]
    assert (found.added.count, found.removed.count, found.moved.count) == (2, 0, 2)
    said = run("dataset", "changes", "pics").out
    assert "red/00.jpg -> blue/was-red.jpg" in said and "label red -> blue" in said
    assert "red/01.png -> red/other-name.png" in said and "red -> red" not in said


def test_what_was_moved_is_told_with_another_split_and_weight_too(ws, tmp_path):
    def write(named, split, weight):
        rows = [f"text {n},ab,train,1,{n}" for n in range(3)]
        (tmp_path / "t.csv").write_text(
            "\n".join(["text,label,split,w,name", *rows, f"other,ab,{split},{weight},{named}"])
        )

    write("old", "train", 1)
    ws.datasets.add("d", tmp_path / "t.csv", id_column="name", weight_column="w")
    write("new", "test", 2)
    ws.datasets.refresh("d")
    found = ws.datasets.changes("d")
    assert [(one["id"], one["now"]) for one in found.moved.first] == [("old", "new")]
    assert found.splits.first == ({"id": "new", "before": "train", "after": "test"},)
    assert found.weights.first == ({"id": "new", "before": 1.0, "after": 2.0},)


def test_of_equal_contents_each_is_one_other(ready, pictures):
    for name in ("a.png", "b.png"):
        shutil.copy(pictures / "green" / "03.png", pictures / "green" / name)
    ready.datasets.refresh("pics")
    (pictures / "green" / "a.png").rename(pictures / "green" / "c.png")
    (pictures / "green" / "b.png").unlink()
    ready.datasets.refresh("pics")
    found = ready.datasets.changes("pics")
    assert [(one["id"], one["now"]) for one in found.moved.first] == [
        ("green/a.png", "green/c.png")
    ]
    assert [one["id"] for one in found.removed.first] == ["green/b.png"]
