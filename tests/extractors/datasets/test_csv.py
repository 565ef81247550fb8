"""Tables of files as datasets: what a CSV says, or exactly where it is wrong."""

from pathlib import Path

import pytest

from conftest import draw


@pytest.fixture
def csv(tmp_path):
    """A function that writes a CSV over four pictures, and gives its path."""
    for number in range(4):
        draw(tmp_path / "img" / f"{number}.png", number)

    def write(text: str, name: str = "d.csv") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


GOOD = "path,label\nimg/0.png,a\nimg/1.png,b\nimg/2.png,a\nimg/3.png,b\n"


# CSV


def test_a_csv_is_read_in_its_order_with_paths_relative_to_it(ws, csv):
    dataset = ws.datasets.add("d", csv(GOOD))
    assert [sample.id for sample in ws.datasets.manifest("d").samples] == [
        f"img/{n}.png" for n in range(4)
    ]
    assert dataset.classes == ["a", "b"]


def test_columns_are_found_by_usual_names_or_as_told(ws, csv):
    ws.datasets.add("d", csv("\ufeffFilename;x,Class\n".replace(";x", "") + "img/0.png,a\n"))
    file = csv("key,where,what,part\nk1,img/0.png,a,val\nk2,img/1.png,b,test\n", "e.csv")
    ws.datasets.add(
        "e", file, path_column="where", label_column="what", split_column="part", id_column="key"
    )
    samples = ws.datasets.manifest("e").samples
    assert [(s.id, s.label, s.split) for s in samples] == [
        ("k1", "a", "validation"),
        ("k2", "b", "test"),
    ]


def test_a_tsv_is_read_too(ws, csv):
    assert ws.datasets.add("d", csv(GOOD.replace(",", "\t"), "d.tsv")).samples == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "img/9.png,a\n", "line 6: no file"),
        (GOOD + "img/0.png,a\n", "the id 'img/0.png' occurs 2 times"),
        (GOOD.replace("img/2.png,a", "img/2.png,"), "line 4: no label"),
        (GOOD.replace("img/2.png,a", "img/2.png"), "line 4: no label"),
        (GOOD.replace("img/2.png,a", ",a"), "line 4: no path"),
        (GOOD.replace("label", "colour"), "has no label column; its columns are path, colour"),
        (GOOD.replace("path", "place"), "has no path or text column"),
        ("x,z,who,label\n1,2,ann,a\n3,4,bob,b\n", "and who holds no numbers, as the other"),
        ("path,label\n", "lists no samples"),
        ("x,z,label\n", "lists no samples"),
        ("x,z,label\n1,2,a\n3,-1e300,b\n", "line 3: z is '-1e300', more than a float32 holds"),
        ("", "has no label column; its columns are none"),
        ("path,label,split\nimg/0.png,a,holdout\n", "line 2: split is 'holdout'"),
    ],
)
def test_a_wrong_csv_is_an_error_that_names_the_place(ws, csv, fails, text, message, files_of):
    file = csv(text)
    before = files_of(ws.config.root)
    said = fails("dataset", "add", "d", file)
    assert str(file) in said
    assert message in said
    assert ws.datasets.list() == []
    assert len(files_of(ws.config.root) - before) == 0 or all(
        "headstart.db" in name for name in files_of(ws.config.root) - before
    )


def test_a_csv_of_another_encoding_is_an_error(ws, tmp_path, fails):
    (tmp_path / "d.csv").write_bytes("path,label\nimg/é.png,é\n".encode("latin-1"))
    assert "not a readable CSV file" in fails("dataset", "add", "d", tmp_path / "d.csv")


def test_a_column_that_is_not_there_is_an_error(ws, csv, fails):
    said = fails("dataset", "add", "d", csv(GOOD), "--label-column", "labl")
    assert "has no column 'labl'" in said
    assert "Did you mean 'label'?" in said


def test_an_error_at_refresh_leaves_the_dataset_as_it_was(ws, csv, fails):
    before = ws.datasets.add("d", csv(GOOD))
    csv(GOOD + "img/9.png,a\n")
    assert "no file" in fails("dataset", "refresh", "d")
    assert ws.datasets.get("d") == before
    assert len(ws.datasets.manifest("d").samples) == 4
