"""Plain words: what docs/words.toml lists stands in no page, help text or message.

`python tests/words.py` prints file, line, what was found and what to write, and ends with 1 where
anything was found; `make check` runs it, and codespell on the same pages.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("headstart", "registry", "storage", "extractors", "heads")
GENERATED = {"docs/benchmarks.md", "docs/coverage.md"}
"""Written by programs, from tables that are measured."""
NO_PROSE = re.compile(r"`[^`]*`|\]\([^)]*\)|https?:\S+|\S*::\S+|[\w./-]+\.(?:py|md|toml|csv)\b")


@dataclass(frozen=True)
class Found:
    """A phrase in a text.

    Attributes:
        where: file and line.
        phrase: as it stands there.
        plain: what to write.
    """

    where: str
    phrase: str
    plain: str

    def __str__(self) -> str:
        return f"{self.where}: {self.phrase!r}: {self.plain}"


@functools.cache
def house() -> list[tuple[re.Pattern[str], str]]:
    """The house vocabulary."""
    phrases = tomllib.loads((ROOT / "docs/words.toml").read_text(encoding="utf-8"))["phrases"]
    return [(re.compile(phrase, re.IGNORECASE), plain) for phrase, plain in phrases.items()]


def find(where: str, line: str) -> Iterator[Found]:
    """Phrases of the house's list in a line of prose."""
    prose = NO_PROSE.sub(lambda match: "`" * len(match[0]), line)
    for pattern, plain in house():
        for match in pattern.finditer(prose):
            yield Found(where, match[0], plain)


def pages() -> list[Path]:
    """What people read."""
    every = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
    return [page for page in every if str(page.relative_to(ROOT)) not in GENERATED]


def in_page(page: Path) -> Iterator[Found]:
    """Phrases outside of blocks of code; a line goes on in the next one."""
    is_code, before = False, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            is_code, before = not is_code, ""
        elif not is_code:
            known = {(one.phrase, one.plain) for one in find("", before)}
            both = find(f"{page.relative_to(ROOT)}:{number}", f"{before} {line}".strip())
            alone = {(one.phrase, one.plain) for one in find("", line)}
            for one in both:
                if (one.phrase, one.plain) in alone or (one.phrase, one.plain) not in known:
                    yield one
            before = line


def told(node: ast.AST) -> str:
    """The text of a literal; what is put into it stands as …."""
    if isinstance(node, ast.JoinedStr):
        parts = [getattr(part, "value", None) for part in node.values]
        return "".join(one if isinstance(one, str) else "…" for one in parts)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def in_code(file: Path) -> Iterator[Found]:
    """Phrases in messages and help texts: in all texts but docstrings of what is no command."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    quiet -= {id(node.body[0].value) for node in ast.walk(tree) if is_command(node)}
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if id(node) not in quiet | inside and " " in (text := " ".join(told(node).split())):
            yield from find(f"{file.relative_to(ROOT)}:{node.lineno}", text)


def is_command(node: ast.AST) -> bool:
    """Whether it is a function of the command line, whose docstring `-h` shows."""
    return (
        isinstance(node, ast.FunctionDef)
        and any(argument.arg == "call" for argument in node.args.args)
        and isinstance(node.body[0], ast.Expr)
    )


def everything() -> Iterator[Found]:
    """All that is found."""
    for page in pages():
        yield from in_page(page)
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield from in_code(file)


if __name__ == "__main__":
    found = list(everything())
    sys.stdout.writelines(f"{one}\n" for one in found)
    sys.exit(bool(found))
