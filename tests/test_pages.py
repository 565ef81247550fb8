"""The pages for people who are new here: their commands exist, their errors are real ones."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from test_docs import blocks

from conftest import draw
from headstart import errors
from headstart.cli import cli
from headstart.errors import HeadstartError

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("docs/*/*.md"))]
PLACEHOLDERS = re.compile(r"…|\.\.\.")


def command_lines(page: Path) -> list[list[str]]:
    """All `headstart` calls in the page's blocks of shell, as words."""
    lines = []
    for language in ("bash", "console", "sh", "shell"):
        for block in blocks(str(page.relative_to(ROOT)), language):
            for line in block.replace("\\\n", " ").splitlines():
                line = line.removeprefix("$ ")
                if line.startswith("headstart "):  # what is printed stands in such blocks as well
                    lines.append(shlex.split(line, comments=True)[1:])
    return lines


def parse(words: list[str]) -> None:
    """Raises click.UsageError where a command or an option is not one that there is."""
    command: click.Command = cli
    context = click.Context(cli, info_name="headstart", help_option_names=["-h", "--help"])
    while isinstance(command, click.Group):
        _, words, _ = command.make_parser(context).parse_args(list(words))
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        context = click.Context(found, info_name=name, parent=context)
        command = found
    command.make_parser(context).parse_args(list(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_one_that_there_is(page):
    for words in command_lines(page):
        parse([word for word in words if not PLACEHOLDERS.search(word)])


def test_a_command_that_there_is_not_is_found():
    for words in (["extracts", "a", "b"], ["extract", "a", "b", "--precission", "int8"]):
        with pytest.raises(click.UsageError):
            parse(words)


def messages() -> list[str]:
    """All text literals of the code but docstrings; what is put into them stands as …."""
    found = []
    for folder in ("headstart", "registry", "storage", "extractors", "heads"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    parts = [getattr(part, "value", None) for part in node.values]
                    found.append("".join(one if isinstance(one, str) else "…" for one in parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found += [node.value] * (id(node) not in alone)
    return found


def test_every_error_of_the_page_on_errors_is_one_that_the_code_says():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    told = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert len(told) > 15
    known = messages()
    missing = [heading for heading in told if not any(heading in one for one in known)]
    assert not missing


def kinds_of_errors() -> dict[str, type[HeadstartError]]:
    return {
        name: one
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, HeadstartError)
    }


def test_every_kind_of_error_has_an_address_with_its_code_and_exit_code():
    """Those that only gather others are looked up as one of these; each code has a row as well."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    kinds = kinds_of_errors()
    told = re.findall(r"^### .+\n\n`(\w+)`, `(\w+)`, exit (\d+)\n\n\S", page, re.MULTILINE)
    for name, code, status in told:
        assert (code, int(status)) == (kinds[name].code, errors.EXITS[code]), name
    gathering = {"HeadstartError", "RegistryError", "SampleError"}
    assert {name for name, _, _ in told} == kinds.keys() - gathering
    rows = re.findall(r"^\| (`.+?) \| (\d+) \|", page, re.MULTILINE)
    codes = {code: int(row[1]) for row in rows for code in re.findall(r"`(\w+)`", row[0])}
    assert codes == errors.EXITS


def test_the_tutorial_on_texts_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "tutorial"}
    for program in blocks("docs/tutorials/texts.md", "python"):
        exec(program, names)
    said = capsys.readouterr().out
    assert "(80, 16) " in said and "is 'spam'" in said
    assert names["head"].metrics["accuracy"] > 0.7
    assert (tmp_path / "kind.keras").exists()


@pytest.mark.slow  # a minute; most of its commands are the README's, which are run by default
def test_the_tutorial_on_photos_works(tmp_path, monkeypatch, run):
    for tint, name in enumerate(("daisy", "rose", "tulip")):
        for number in range(15):
            place = tmp_path / "photos" / name / f"{number}.jpg"
            draw(place, 100 * tint + number, (40, 50), tint + (number % 3 == 0))  # some are wrong
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "zoo"))
    for block in blocks("docs/tutorials/photos.md", "bash"):
        for line in block.strip().splitlines():
            if line.startswith("headstart "):
                done = run(*shlex.split(line)[1:])
                assert done.code == 0, (line, done.err)
    for program in blocks("docs/tutorials/photos.md", "python"):
        exec(program, {"__name__": "tutorial"})
    assert (tmp_path / "mistakes.png").exists() and (tmp_path / "suspects.csv").exists()
