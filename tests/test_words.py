"""The pages, help texts and messages use plain words, and spell them right."""

import subprocess
import sys
from pathlib import Path

import pytest

import words

ROOT = Path(__file__).parent.parent


def test_no_text_has_a_phrase_that_the_house_avoids():
    assert [str(one) for one in words.everything()] == []


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("train as many heads as you like", "any number of"),
        ("Saved models of every make are read", "of every format"),
        ("dealt out anew", "again"),
        ("nothing is dropped in silence", "silently"),
        ("samples a second", "… per …"),
    ],
)
def test_a_phrase_that_the_house_avoids_is_found_in_pages_and_in_messages(tmp_path, text, plain):
    half = len(text) // 2 + text[len(text) // 2 :].index(" ")
    (found,) = words.find("faq.md:1", f"Here, {text}.")
    assert found.plain == plain
    assert list(words.find("", f"Here, `{text}`.")) == []
    file = tmp_path / "page.md"
    file.write_text(
        f"# A page\n\nHere, {text[:half]}\n{text[half + 1 :]}.\n\n```text\n{text}\n```\n"
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(words, "ROOT", tmp_path)
        words_of_page = [one.plain for one in words.in_page(file)]
        (tmp_path / "code.py").write_text(
            f'"""{text}"""\n\ndef f(x):\n    """{text}"""\n    raise ValueError(f"{{x}}: {text}")\n'
        )
        words_of_code = [one.plain for one in words.in_code(tmp_path / "code.py")]
    assert (words_of_page, words_of_code) == ([plain], [plain])


def test_words_are_spelled_as_the_dictionary_says():
    command = [sys.executable, "-m", "codespell_lib", *map(str, words.pages()), *words.FOLDERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_word_that_is_misspelt_is_found(tmp_path):
    (tmp_path / "page.md").write_text("Teh features.\n")
    command = [sys.executable, "-m", "codespell_lib", str(tmp_path / "page.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "Teh ==> The" in done.stdout
