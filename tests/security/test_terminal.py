"""Texts from outside do nothing to a terminal, a page or a picture: they are shown as they are."""

import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from conftest import draw
from headstart.errors import NotFound
from headstart.heads.models.cards import model_card
from headstart.visible import visible, visible_json, visible_lines

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj\u2066\x7f[red]x[/red]:smile: |`<b>\r"
RAW = [chr(code) for code in (0x1B, 0x07, 0x9B, 0x202E, 0x2066, 0x7F, 0x0D)]


def is_clean(text):
    return not [letter for letter in RAW if letter in text]


@pytest.fixture
def imported(ready, run, tmp_path):
    """A workspace with a backbone whose source, licence and tags came from a hostile bundle."""
    bundle = ready.backbones.export("net", tmp_path / "net.zip")
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(tmp_path / "evil.zip", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "bundle.json":
                head = json.loads(content)
                head["backbone"] |= {"source": EVIL, "licence": EVIL, "tags": {EVIL: EVIL + "\n2"}}
                content = json.dumps(head).encode()
            new.writestr(name, content)
    assert run("backbone", "import", tmp_path / "evil.zip", "--name", "evil").code == 0
    return ready


def test_tables_show_control_characters_and_read_no_markup(imported, run):
    for command in (("backbone", "list"), ("backbone", "show", "evil")):
        ran = run(*command)
        assert ran.code == 0
        assert is_clean(ran.out + ran.err)
        joined = "".join(ran.out.split())
        assert r"\x1b]0;owned\x07" in joined or command[1] == "list"
    joined = "".join(run("backbone", "show", "evil").out.split())
    assert "[red]x[/red]:smile:" in joined
    assert r"\u202egpj\u2066\x7f" in joined
    assert r"\x0a2" in joined


def test_json_keeps_the_value_and_holds_no_raw_control_character(imported, run):
    ran = run("backbone", "show", "evil", "--json")
    assert is_clean(ran.out)
    assert ran.json["licence"] == EVIL
    assert ran.json["tags"] == {EVIL: EVIL + "\n2"}


def test_errors_show_control_characters(ready, run, fails):
    assert is_clean(fails("backbone", "show", EVIL))
    assert r"\x1b" in fails("backbone", "show", EVIL)
    assert is_clean(fails("head", "list", f"--{EVIL}"))
    assert is_clean(fails("dataset", "add", "x", f"/no/{EVIL}"))
    ran = run("backbone", "show", EVIL, "--debug")
    assert "Traceback" in ran.err
    assert is_clean(ran.err)
    assert is_clean(str(NotFound(EVIL, hint=EVIL)))


@pytest.fixture
def judged(ready, tmp_path):
    """A head on labels that are escapes, formulas of matplotlib's and HTML."""
    labels = [f"{EVIL}a", r"$\frac{", "<script>alert(1)</script>"]
    rows = ["path,label"]
    for number in range(45):
        file = draw(tmp_path / "evil" / f"{number}.png", number, tint=number % 3)
        label = labels[(number // 3 if number % 5 == 0 else number) % 3].replace("\r", "")
        rows.append(f'{file},"{label}"')
    (tmp_path / "evil.csv").write_text("\n".join(rows), encoding="utf-8")
    ready.datasets.add("evil", tmp_path / "evil.csv")
    ready.heads.train("judge", ready.extract("net", "evil"))
    return ready


def test_labels_are_shown_in_tables_pages_pictures_and_cards(judged, run, tmp_path):
    for command in (
        ("dataset", "show", "evil"),
        ("head", "show", "judge"),
        ("head", "predict", "judge", tmp_path / "evil" / "0.png"),
    ):
        ran = run(*command)
        assert ran.code == 0, ran.err
        assert is_clean(ran.out + ran.err), command
    page = tmp_path / "report.html"
    assert run("head", "report", "judge", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert is_clean(text)
    assert "<script>alert(1)" not in text
    assert r"\x1b]0;owned" in text
    picture = tmp_path / "judge.svg"
    assert run("head", "plot", "judge", picture).code == 0
    assert is_clean(picture.read_text(encoding="utf-8"))
    backbone = replace(judged.backbones.get("net"), source=EVIL, licence=EVIL)
    card = model_card(judged.heads.get("judge").record, backbone)
    assert is_clean(card)
    (row,) = [line for line in card.splitlines() if line.startswith("| backbone |")]
    assert row.count("`") == 4
    assert "<b>" not in row


def test_nothing_that_a_file_names_is_markup_in_a_card(judged):
    head = judged.heads.get("judge").record
    backbone = judged.backbones.get("net")
    labels = (
        "[x](https://evil/)",
        "![y](//evil/p.png)",
        "<img src=x>",
        "a|b",
        "`c",
        "www.evil.org",
    )
    named = replace(head, classes=labels, dataset="[d](javascript:alert(1))", cut="a`|[b](c)")
    card = model_card(named, replace(backbone, source="`</code>[s](http://evil)|"))
    rows = [line for line in card.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows), rows
    plain = re.sub(r"`[^`]*`", "", "\n".join(rows))  # what is code is no markup
    assert "`" not in plain.replace(r"\`", "")
    assert not re.search(r"(?<!\\)[\[\]!]|<|https?://|www\.", plain)
    assert r"\[x\](https\://evil/)" in plain


def test_every_control_character_is_shown_and_every_other_stays():
    every = "".join(chr(code) for code in range(0x3000))
    assert visible(every).isprintable() or not any(letter in visible(every) for letter in RAW)
    assert visible("größe 猫 👩‍🔬 שלום") == "größe 猫 👩‍🔬 שלום"
    assert visible_lines("a\n\tb\x1b") == "a\n\tb\\x1b"
    document = json.dumps({EVIL: ["\udce9", every]}, ensure_ascii=False, indent=1)
    assert json.loads(visible_json(document)) == json.loads(document)
    visible_json(document).encode()
    assert np.array_equal(visible("\udce9"), r"\udce9")
