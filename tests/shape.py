"""The shape of the code: `python tests/shape.py` prints it, tests/test_shape.py bounds it."""

from __future__ import annotations

import ast
import io
import itertools
import statistics
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("headstart", "registry", "storage", "extractors", "heads")
PARAMETERS = 8
"""A public function has so many at most, besides keyword-only ones."""
FOR_TOOLS = ("# type:", "# noqa", "# fmt:", "# pyright:")


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        where: file and name.
        lines: of its body, without the docstring.
        parameters: by position.
        keywords: by name alone.
        is_public: whether others may call it.
    """

    where: str
    lines: int
    parameters: int
    keywords: int
    is_public: bool


def files() -> list[Path]:
    """Every module of the package."""
    return sorted(file for name in FOLDERS for file in (ROOT / name).rglob("*.py"))


def module_of(file: Path) -> str:
    """Its name, as it is imported."""
    dotted = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return dotted if dotted.split(".")[0] == "headstart" else f"headstart.{dotted}"


def imports() -> dict[str, set[str]]:
    """What each module imports of ours, inside functions and under TYPE_CHECKING, too."""
    modules = {module_of(file): file for file in files()}
    return {
        name: _imported(ast.parse(file.read_text(encoding="utf-8")), modules) - {name}
        for name, file in modules.items()
    }


def _imported(tree: ast.AST, modules: dict[str, Path]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(modules)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names that lead back to themselves, each sorted; empty where there are none.

    Two names are in one circle where each can be reached from the other.
    """
    reach = {name: _reached(graph, name) for name in graph}
    found = {
        tuple(sorted(other for other in reach[name] if name in reach[other]))
        for name in graph
        if name in reach[name]
    }
    return [list(circle) for circle in sorted(found)]


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += graph[name]
    return seen


def functions() -> Iterator[Function]:
    """Every function and method."""
    for file in files():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield _described(file, node)


def _described(file: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    lines = body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0
    names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
    count = len([name for name in names if name not in ("self", "cls")])
    is_public = node.name == "__init__" or not node.name.startswith("_")
    return Function(
        f"{file.relative_to(ROOT)}:{node.name}", lines, count, len(node.args.kwonlyargs), is_public
    )


def lengths() -> dict[str, int]:
    """Lines of each file."""
    return {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in files()
    }


def comments() -> float:
    """Lines with a comment, or of a text below a constant, a hundred lines.

    Docstrings of modules, classes and functions are none, nor what is said to tools.
    """
    found = total = 0
    for file in files():
        text = file.read_text(encoding="utf-8")
        total += len(text.splitlines())
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        said = (one.string for one in tokens if one.type == tokenize.COMMENT)
        found += sum(not one.startswith(FOR_TOOLS) for one in said)
        body = ast.parse(text).body
        found += sum(_reason(one, below) for one, below in itertools.pairwise(body))
    return 100 * found / total


def _reason(one: ast.stmt, below: ast.stmt) -> int:
    """The lines of a text below a constant that say what it is and why; 0 where there is none."""
    is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    if not (isinstance(one, ast.Assign | ast.AnnAssign) and is_text and below.end_lineno):
        return 0
    return below.end_lineno - below.lineno + 1


def modules_a_folder() -> dict[str, int]:
    """How many modules lie flat in each folder, `__init__.py` not counted."""
    found: dict[str, int] = {}
    for file in files():
        folder = str(file.parent.relative_to(ROOT))
        found[folder] = found.get(folder, 0) + (file.name != "__init__.py")
    return found


def show() -> None:
    """Print it all."""
    sizes = [count for name, count in lengths().items() if not name.endswith("__init__.py")]
    bodies = [function.lines for function in functions()]
    folders = modules_a_folder()
    longest = max(lengths().items(), key=lambda pair: pair[1])
    percentile = statistics.quantiles(bodies, n=10)[-1]
    largest = max(folders.items(), key=lambda pair: pair[1])
    wide = max((f for f in functions() if f.is_public), key=lambda f: f.parameters)
    print(f"files: {len(sizes)}, median {statistics.median(sizes):g} lines, longest {longest}")
    median = statistics.median(bodies)
    print(f"functions: {len(bodies)}, body median {median:g}, p90 {percentile:g}")
    print(f"modules in one folder: {largest}")
    print(f"positional parameters of a public function: {wide.parameters} ({wide.where})")
    print(f"comments: {comments():.1f} lines a hundred")
    print(f"circles of imports: {circles(imports()) or 'none'}")


if __name__ == "__main__":
    show()
