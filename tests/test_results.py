"""Whatever is public, and what every command finds, knows its JSON, its table and its line."""

import ast
import importlib
import inspect
import json
import re
from pathlib import Path

import click
import jsonschema
import pytest

import headstart as hs
import json_schemas
from conftest import draw, draw_classes, network
from headstart.catalog.backbones import Backbones
from headstart.catalog.cache import Cache
from headstart.catalog.datasets import Datasets
from headstart.catalog.heads import Heads
from headstart.catalog.jobs import Jobs
from headstart.cli import cli, main, output
from headstart.values.showable import SCHEMA_VERSION, Showable
from json_schemas import names_of

COMMANDS = """
init --workspace {p}/fresh
db upgrade
db current
doctor
config show
stats
backup {p}/backup
restore {p}/backup --workspace {p}/restored
restore {p}/backup --check
log
glossary margin
zoo list VGG*
zoo show VGG16
backbone add other {p}/network.keras --preprocess unit --tag a=b
backbone list
backbone show other
backbone cuts net
backbone verify net --samples 4
backbone compile net pics
backbone alias best net
backbone tag net team=a
dataset add again {p}/pictures
dataset list
dataset tag again team=a
dataset show pics
dataset refresh pics
dataset move pics {p}/pictures
extract net pics --views 1
extract net@conv|gmp pics --detach
log --forget-before 9w
job list
job show 1
job cancel 1
job retry 1
worker 1
job remove 1
backbone preview net pics
features list
features show {key}
features verify net pics --rows 4
features explain net pics
features export net pics {p}/f.npz
features import net pics {p}/f.npz --check 2
features audit net pics --folds 3 -o {p}/suspects.csv --force
features plot net pics {p}/map.png --method pca
features map net pics
similar red/01.png pics --backbone net --n 2
features outliers net pics
features duplicates net pics
features cover net pics --n 3
features cluster net pics --n 3
features compact
features reindex
features sync {p}/fresh
features gc --unreachable
backbone export net {p}/net.zip --features
backbone import {p}/net.zip --name renamed
head train h net@conv|gap pics
head list
head tag h team=a
head show h
head alias production h
head reproduce h
head export h {p}/head.zip
head import {p}/head.zip --name travelled
head sweep pics net --folds 3 --strengths 0.1,1
head sweeps
head sweeps 1
head tag-sweep 1 team=a
head plot h {p}/h.png
head plot h {p}/c.png --show curve
head report h {p}/h.html
head attach h -o {p}/h.keras
head train t net pics
head compare h t
head evaluate h pics
head train s --from-sweep 1
head retrain h --as again
head remove s
prune heads --keep 1
dataset add pool {p}/unlabelled
features next pool --head again --n 2
dataset correct again {p}/suspects.csv
dataset exclude again red/01.png
dataset changes again
features drift net pics again
dataset forget-failures pics
head finetune t --from relu --epochs 1
head predict h {p}/pictures/red
head predict h {p}/pictures/red -o {p}/p.csv
head log h --to sqlite:///{p}/flow.db
rank pics net --folds 3
rank pics net --folds 3 --detach
worker
job result 2
auto pics net --minutes 0.01 --folds 3 --output {p}/auto.keras --page {p}/auto.html
dataset resplit again
dataset remove again --force
backbone remove other
"""
ELSEWHERE = {"demo", "ui"}
"""`demo` takes minutes, see tests/test_demo.py; `ui` ends when it is told to, see tests/ui."""


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> set[str]:
    found = set()
    for name, command in group.commands.items():
        inner = isinstance(command, click.Group)
        found |= every_command(command, (*path, name)) if inner else {" ".join((*path, name))}
    return found


def test_the_list_of_commands_is_whole():
    lines = COMMANDS.strip().splitlines()
    seen = {
        name for name in every_command(cli) if any(f"{x} ".startswith(f"{name} ") for x in lines)
    }
    assert every_command(cli) - seen == ELSEWHERE


def look_at(found: Showable) -> None:
    """What holds of everything that can be shown."""
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()
    line, html = repr(found), found._repr_html_()
    assert line and "\n" not in line and "object at 0x" not in line and len(line) < 4000, line
    assert html.startswith("<div>") and "<script" not in html


def document_of(line: str) -> str:
    """By what name `DOCUMENTS` has what a command line prints."""
    longest = max(
        (name for name in json_schemas.DOCUMENTS if f"{line} ".startswith(f"{name} ")), key=len
    )
    if line == "head sweeps 1":
        return "head sweeps ID"
    more = {
        "extract": "--detach",
        "rank": "--detach",
        "features audit": "--detach",
        "head train": "--detach",
        "log": "--forget-before",
        "restore": "--check",
        "head predict": "--output",
    }
    option = more.get(longest, "--none")
    is_given = option in line.replace(" -o ", " --output ").split()
    return f"{longest} {option}" if is_given else longest


def printed_is_as_written_down(line, printed, strict):
    """Nothing is missing, and nothing is there that the schema does not have."""
    for schemas in (strict, WRITTEN_DOWN):
        schema = json_schemas.of_command(schemas, document_of(line))
        jsonschema.Draft202012Validator(schema).validate(printed)


WRITTEN_DOWN = json.loads(json_schemas.FILE.read_text(encoding="utf-8"))


def test_the_schemas_are_as_the_classes_would_make_them():
    assert json_schemas.made() == WRITTEN_DOWN, "make schemas"
    jsonschema.Draft202012Validator.check_schema({"$defs": WRITTEN_DOWN["$defs"]})
    for schema in WRITTEN_DOWN["commands"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_there_is_a_schema_for_every_command():
    written = {re.sub(r" (--.*|ID)$", "", name) for name in WRITTEN_DOWN["commands"]}
    assert written == every_command(cli) | {"--version"}


def test_an_error_object_is_as_its_schema_says(run, tmp_path):
    ran = run("backbone", "list", "--json")
    jsonschema.validate(json.loads(ran.err.splitlines()[0]), WRITTEN_DOWN["error"])
    assert WRITTEN_DOWN["schema_version"] == SCHEMA_VERSION


@pytest.mark.timeout(600)
def test_every_command_prints_the_json_of_its_result(tmp_path, temporary, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow's artifacts lie below it
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "zoo"))
    network().save(tmp_path / "network.keras")
    ws = hs.init(tmp_path / "zoo")
    ws.backbones.add("net", tmp_path / "network.keras", preprocess="unit")
    ws.datasets.add("pics", draw_classes(tmp_path / "pictures"))
    for number in range(3):
        draw(tmp_path / "unlabelled" / f"{number}.png", 900 + number)
    key = ws.extract("net", "pics").key
    strict = json_schemas.made(is_strict=True)
    seen: list[Showable] = []
    made = output.document_of
    monkeypatch.setattr(output, "document_of", lambda found: seen.append(found) or made(found))
    for line in COMMANDS.strip().splitlines():
        with pytest.raises(SystemExit) as done:
            main([word.format(p=tmp_path, key=key) for word in [*line.split(), "--json"]])
        printed = capsys.readouterr()
        assert done.value.code == 0, (line, printed.err[-500:])
        (found,) = seen
        seen.clear()
        assert isinstance(found, Showable), line
        told = json.loads(printed.out)
        if isinstance(told, dict):
            assert told.pop("schema_version") == SCHEMA_VERSION
        assert told == json.loads(json.dumps(found.to_json())), line
        printed_is_as_written_down(line, json.loads(printed.out), strict)
        look_at(found)


# Public objects.

INTERNAL = {
    "Head.blocks",
    "Head.stack",
    "Head.tuned_top",
    "Head.judge",
    "Head.task",
    "Head.origin",
    "Head.reader",
}
"""Of heads: what the verbs take for a head's arithmetic, no results."""
FOREIGN = {"Workspace.transformer"}
"""What others show: scikit-learn has a line and a table for its estimators."""
CLASSES = [hs.Workspace, Backbones, Datasets, Heads, Cache, Jobs, hs.Head]


def returned() -> list[tuple[str, type]]:
    """The classes that public methods of public classes give."""
    found = []
    for cls in CLASSES:
        for name, method in inspect.getmembers(cls):
            if name.startswith("_") or name == "store":
                continue
            of = method.fget if isinstance(method, property) else method
            hint = getattr(of, "__annotations__", {}).get("return")
            if hint is not None and of.__module__.startswith("headstart"):
                known = names_of(next(one for one in cls.__mro__ if name in vars(one)))
                words = re.findall(r"[A-Za-z_][\w.]*", str(hint))
                found += [(f"{cls.__name__}.{name}", known.get(word)) for word in words]
    ours = [(name, made) for name, made in found if isinstance(made, type)]
    return [(name, made) for name, made in ours if made.__module__.startswith("headstart")]


@pytest.mark.parametrize(("name", "made"), returned(), ids=lambda one: str(one))
def test_what_a_public_method_gives_can_be_shown(name, made):
    assert issubclass(made, Showable) or name in INTERNAL | FOREIGN, made


def test_the_walk_sees_the_results():
    seen = {made.__name__ for _, made in returned()}
    wanted = "Backbone Dataset Head FeatureView Results Audit Sweep Verified Compiled Compacted"
    assert set(wanted.split()) <= seen
    assert {"FineTuned", "Predicted", "Reproduced", "Attached", "Imported", "Run"} <= seen
    assert {"Job", "JobProgress", "Work"} <= seen


@pytest.mark.parametrize(
    "name", sorted(set(hs.__all__) - {"__version__", "init", "join", "open", "restore"})
)
def test_every_public_class_can_be_shown(name):
    made = getattr(hs, name)
    if not issubclass(made, BaseException):
        assert issubclass(made, Showable)
        assert made.__repr__ is not object.__repr__


def test_a_verb_gives_what_can_be_shown():
    """The functions of `headstart.jobs` that have a command: what they are annotated to give."""
    verbs = 0
    for path in sorted((Path(str(hs.__file__)).parent / "jobs").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == path.stem and node.returns:
                given = ast.unparse(node.returns).split("[")[0]
                module = ".".join(("headstart", *path.parts[path.parts.index("jobs") : -1]))
                made = getattr(importlib.import_module(f"{module}.{path.stem}"), given)
                assert issubclass(made, Showable | Path), path  # a path says all of itself
                verbs += 1
    assert verbs > 15
