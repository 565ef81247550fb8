"""What a stranger stumbled over: dialects of spreadsheets, a bad cell, plurals, long names."""

import warnings

import numpy as np
import pytest

import headstart as hs
from headstart.errors import EXITS, HeadError
from headstart.notices import HeadstartWarning
from headstart.visible import in_number

ROWS = "text{0}label\n" + "".join(f'"wört {n}, {{0}}x"{{0}}k{n % 2}\n' for n in range(300))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_as_spreadsheets_of_any_country_write_it(ws, tmp_path, encoding, delimiter):
    """300 rows are more than a block, whose start is found again by its bytes."""
    content = ROWS.format(delimiter).encode(encoding)
    if encoding == "utf-16-be":
        content = b"\xfe\xff" + content
    (tmp_path / "t.csv").write_bytes(content)
    ws.datasets.add("d", tmp_path / "t.csv")
    plain = tmp_path / "plain.csv"
    plain.write_text(ROWS.format(",").replace(" ,x", f" {delimiter}x"), encoding="utf-8")
    ws.datasets.add("plain", plain)
    mine, other = (ws.context.manifest(name).samples for name in ("d", "plain"))
    assert [one.digest for one in mine] == [one.digest for one in other]
    assert [one.label for one in mine] == [f"k{n % 2}" for n in range(300)]


def numbers(path, cell="oops", rows=30):
    lines = [f"{n},{cell if n == 6 else n * 2},{'xy'[n % 2]}" for n in range(rows)]
    path.write_text("\n".join(["a,b,label", *lines]) + "\n")
    return path


def test_one_bad_cell_in_a_table_of_numbers_is_named(ws, fails, tmp_path):
    told = fails("dataset", "add", "d", numbers(tmp_path / "n.csv"))
    assert "n.csv, line 8: column 'b' holds 'oops', and numbers elsewhere. Fix the cell" in told
    told = fails("dataset", "add", "d", numbers(tmp_path / "n.csv", '"1,5"'))
    assert "holds '1,5', and numbers elsewhere. Write numbers with a point: 1.5" in told


def test_the_same_in_prediction_names_no_option_that_is_not_there(rows, fails, tmp_path):
    rows.heads.train("h", rows.features("flat@as_it_is", "rows"), hs.Linear(strengths=1.0))
    told = fails("head", "predict", "h", numbers(tmp_path / "n.csv"))
    assert "line 8: column 'b' holds 'oops'" in told and "--value" not in told
    (tmp_path / "m.csv").write_text("one,two\nx y,z\nu,v\n")
    told = fails("head", "predict", "h", tmp_path / "m.csv")
    assert "--path-column" not in told and "`headstart dataset add NAME" in told


def test_a_partly_labelled_table_names_the_way_to_take_no_labels(ws, fails, tmp_path):
    (tmp_path / "p.csv").write_text("text,label\na,x\nb,\nc,y\nd,x\n")
    told = fails("dataset", "add", "p", tmp_path / "p.csv")
    assert "p.csv, line 3: no label" in told and "--label-column none takes no labels" in told


def test_a_file_that_is_not_there_is_said_without_the_system_s_number(rows, run, tmp_path):
    ran = run("dataset", "correct", "rows", tmp_path / "none.csv")
    assert ran.err == f"error: no file {tmp_path / 'none.csv'}. Check the path.\n"
    assert ran.code == EXITS["not_found"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("1 samples skipped", "1 sample skipped"),
        ("x: 1 heads were trained on it", "x: 1 head was trained on it"),
        ("1 test samples are (1 rows)", "1 test sample is (1 row)"),
        ("a dict of 1 as labels", "a dict of 1 as labels"),
        ("21 samples, 0.1 samples, 1,001 samples", "21 samples, 0.1 samples, 1,001 samples"),
        ("in '1 samples' and /data/1 samples", "in '1 samples' and /data/1 samples"),
    ],
)
def test_one_is_one(given, said):
    assert in_number(given) == said
    assert HeadError(given).message == said


def test_a_name_is_only_told_to_come_first_where_a_place_was_given(rows, fails, tmp_path):
    assert "The name comes first" not in fails("dataset", "add", "my data!", "photos")
    assert "The name comes first: mine ./photos?" in fails("dataset", "add", "./photos", "mine")


def test_classes_with_long_names_are_drawn_without_a_warning(rows, run, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    y = np.array(
        [f"a class whose name is rather long and goes on and on {n % 3} " * 3 for n in range(60)]
    )
    np.savez(tmp_path / "long.npz", x=x, y=y)
    rows.datasets.add("long", tmp_path / "long.npz")
    features = rows.extract("flat@as_it_is", "long", settings=hs.Settings(engine="tensorflow"))
    rows.heads.train("long", features, hs.Linear(strengths=1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", HeadstartWarning)
        assert run("head", "plot", "long", tmp_path / "confusion.png").code == 0


def test_a_command_that_extracts_what_it_needs_says_what_was_damaged(rows, run):
    (shard,) = rows.config.features.rglob("*.h5")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    ran = run("head", "train", "h", "flat@as_it_is", "rows")
    assert ran.code == 0
    assert "warning: 1 damaged shard put aside" in ran.err


def test_features_that_are_missing_as_their_shard_was_damaged_are_said_to_be(rows, run):
    (shard,) = rows.config.features.rglob("*.h5")
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes()[:-1])
    ran = run("features", "export", "flat@as_it_is", "rows", rows.config.root / "x.npz")
    assert ran.code != 0
    assert "among them: 1 shard is missing or not what was committed" in ran.err
