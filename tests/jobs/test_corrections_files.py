"""Files of corrections as spreadsheets and people write them."""

import unicodedata

import numpy as np
import pytest

from headstart.errors import DatasetError
from headstart.jobs.datasets.correct import correct
from headstart.jobs.datasets.corrections_file import (
    Wanted,
    check_new,
    find_alike,
    read_corrections,
    wanted_of,
)

ROWS = (("id", "label", "new_label", "exclude"), ("a,b.png", "x", "y", ""), ("c", "x", "", "x"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(tmp_path, sign, encoding):
    cells = [[f'"{cell}"' if sign in cell else cell for cell in row] for row in ROWS]
    text = "\r\n".join(sign.join(row) for row in cells) + "\r\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "c.csv").write_bytes((mark + text).encode(encoding))
    wanted = read_corrections(tmp_path / "c.csv")
    assert wanted.labels == {"a,b.png": ("y", "x")}
    assert wanted.excluded == ("c",)


def test_a_first_line_that_names_what_is_between_cells_is_no_header(tmp_path):
    (tmp_path / "c.csv").write_text("sep=;\nid;new_label\na;y\n")
    assert read_corrections(tmp_path / "c.csv").labels == {"a": ("y", None)}


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "c.csv").write_text("id,new_label,new_label\na,x,\n")
    with pytest.raises(DatasetError, match="has 2 columns 'new_label'"):
        read_corrections(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("word", "leaves"),
    [("FALSCH", False), ("nein", False), ("0,0", False), ("WAHR", True), ("x", True)],
)
def test_what_spreadsheets_of_other_languages_say_is_understood(tmp_path, word, leaves):
    (tmp_path / "c.csv").write_text(f"id;exclude\na;{word}\n")
    assert read_corrections(tmp_path / "c.csv").excluded == (("a",) if leaves else ())


@pytest.mark.parametrize("word", ["-", "?", "maybe", "blurred"])
def test_a_word_that_may_mean_either_is_asked_about(tmp_path, word):
    (tmp_path / "c.csv").write_text(f"id,exclude\na,{word}\n")
    with pytest.raises(DatasetError, match=r"line 2: exclude is .* Write x"):
        read_corrections(tmp_path / "c.csv")


def test_another_encoding_is_refused_in_a_line(tmp_path):
    (tmp_path / "c.csv").write_bytes("id,new_label\né,a\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="UTF-8"):
        read_corrections(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("nan", "where there is no label"),
        ("NULL", "where there is no label"),
        ("N/A", "where there is no label"),
        ("a\0b", "control characters"),
        ("\x1b[2J", "control characters"),
        ("\u200b", "no sign that can be seen"),
        ("cl\u200bass", "signs that cannot be seen"),
        ("\u202egpj", "signs that cannot be seen"),
        ("a" * 100_000, "has 100,000 letters"),
    ],
)
def test_what_can_be_no_class_is_refused(rows, label, why):
    before = rows.datasets["noisy"]
    with pytest.raises(DatasetError, match=why) as caught:
        rows.datasets.correct("noisy", {"0": label})
    assert len(str(caught.value)) < 400
    assert rows.datasets["noisy"] == before


def test_emoji_and_joined_letters_are_classes():
    for label in ("👩‍🔬", "می‌خواهم", "smileys & people", 7):
        check_new("0", label)


@pytest.mark.parametrize(
    ("new", "known", "near"),
    [
        ("Square", "square", True),
        ("sqaure", "square", True),
        ("red_light", "red light", True),
        ("\uff53quare", "square", True),
        ("squares", "square", True),
        ("circle", "square", False),
        ("class 2", "class 1", False),
        ("female", "male", False),
    ],
)
def test_a_class_that_is_spelled_nearly_like_another_is_noticed(new, known, near):
    assert (find_alike(new, {known: known}) == known) is near


def test_it_is_named_with_what_to_do(rows):
    with pytest.warns(
        UserWarning, match=r"'B' is a new class, and 'b' is.* 'b' as their new_label"
    ):
        rows.datasets.correct("noisy", {"0": "B"})


def test_ids_are_found_however_their_accents_are_written(rows, tmp_path):
    names = ["é.png", "ü.png", "plain.png", *(f"{n}.png" for n in range(9))]
    table = "\n".join(
        f"{unicodedata.normalize('NFD', name)},text {name},{'ab'[place % 2]}"
        for place, name in enumerate(names)
    )
    source = tmp_path / "t.csv"
    source.write_text(f"id,text,label\n{table}\n", encoding="utf-8")
    rows.datasets.add("t", source, split="none", id_column="id")
    own = {one.id for one in rows.datasets.manifest("t").samples}
    nfd, nfc = (unicodedata.normalize(form, "é.png") for form in ("NFD", "NFC"))
    assert nfd in own and nfc not in own
    done = rows.datasets.correct("t", {nfc: "b"})
    assert done.labels == {nfd: ("a", "b")}
    umlaut = unicodedata.normalize("NFC", "ü.png")
    assert rows.datasets.exclude("t", [umlaut]).excluded == (unicodedata.normalize("NFD", umlaut),)
    rows.datasets.exclude("t", [umlaut], undo=True)
    with pytest.raises(DatasetError, match="named twice"):
        rows.datasets.correct("t", {nfc: "a", nfd: "a"})


def test_what_was_left_out_is_listed(rows, run):
    said = run("dataset", "exclude", "noisy", "7", "8").out
    assert said.count("left out") == 3
    assert run("dataset", "exclude", "noisy", "7", "--undo").out.count("taken back") == 2


def test_labels_from_python_are_wanted_as_given():
    assert wanted_of({1: np.int64(3)}).labels == {"1": (3, None)}


def test_a_label_with_spaces_around_it_is_still_what_the_file_says(ws, tmp_path):
    for label in (" a ", "b"):
        for number in range(4):
            file = tmp_path / "texts" / label / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{label} {number}")
    ws.datasets.add("texts", tmp_path / "texts")
    (first,) = [s for s in ws.datasets.manifest("texts").samples if s.id.endswith("a /0.txt")]
    assert first.label == " a "
    wanted = Wanted({first.id: ("b", " a ")})
    done = correct(ws.context, "texts", wanted)
    assert list(done.labels.values()) == [(" a ", "b")]
