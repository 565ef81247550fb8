"""Wrong arguments work, or one line says what is expected; nothing breaks deep inside."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.context import Context
from headstart.errors import HeadstartError
from headstart.values.arguments import checked

ODD = (None, 3, [], object(), "", b"x", 2.5)
VALID = {
    "backbone": "net",
    "backbones": "net",
    "dataset": "pics",
    "name": "h",
    "alias": "best",
    "source": "nowhere",
    "path": "nowhere/x.npz",
    "tags": {"a": "b"},
    "key": "0" * 64,
    "start": "bn",
    "corrections": {"red/00.jpg": "green"},
    "ids": ["red/00.jpg"],
    "sweep": 1,
    "level": 0.9,
    "count": 2,
    "folder": "nowhere",
    "to": "nowhere",
    "file": "nowhere.zip",
    "samples": [np.zeros((4, 4, 3), np.uint8)],
}
PUBLIC = ("headstart.workspace", "headstart.catalog", "headstart.storage.views")
LONG = {("ws.search", name) for name in ("backbones", "trials", "jobs")} | {("head.log", "uri")}
"""What is right as it is, and takes long."""
OF_COLLECTIONS = {"backbones": "net", "datasets": "pics", "heads": "h"}


def verbs(ws):
    """Each public method of what people have in hand, with valid arguments."""
    head, view = ws.heads["h"], ws.features("net", "pics")
    things = {
        "ws": ws,
        "backbones": ws.backbones,
        "datasets": ws.datasets,
        "heads": ws.heads,
        "cache": ws.cache,
        "head": head,
        "view": view,
    }
    for where, thing in things.items():
        own = {"features": view, "out": None, "reference": OF_COLLECTIONS.get(where, "net")}
        own |= {"given": OF_COLLECTIONS.get(where, "net"), "found": []}
        own |= {
            "one": "h",
            "other": "h",
            "others": [view],
            "scales": [1.0, 1.0],
            "rows": np.arange(2),
        }
        own_classes = (one for one in type(thing).__mro__ if one.__module__.startswith(PUBLIC))
        names = {name: member for one in own_classes for name, member in vars(one).items()}
        for name, member in names.items():
            if inspect.isfunction(member) and not name.startswith("_"):
                yield f"{where}.{name}", getattr(thing, name), {**VALID, **own}


def calls(verb, valid):
    """The verb's arguments with one of them odd."""
    parameters = inspect.signature(verb).parameters
    named = [one for one in parameters.values() if one.kind is not one.VAR_KEYWORD]
    needed = {one.name: valid[one.name] for one in named if one.default is one.empty}
    for one in named:
        allows_none = "None" in str(one.annotation)
        for odd in ODD:
            if not (odd is None and (allows_none or one.default is None)):
                yield one.name, {**needed, one.name: odd}


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_odd_arguments_of_every_verb_are_taken_or_refused_in_a_line(ready, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ready.heads.train("h", ready.extract("net", "pics"))
    tried, wrong = 0, []
    for where, verb, valid in verbs(ready):
        for name, given in calls(verb, valid):
            if (where, name) in LONG and isinstance(given[name], list | int | str):
                continue
            tried += 1
            try:
                verb(**given)
            except HeadstartError as error:
                if "\n" in str(error):
                    wrong.append((where, name, given[name], str(error)))
            except Exception as error:
                wrong.append((where, name, given[name], repr(error)))
    assert not wrong, "\n".join(map(str, wrong))
    assert tried > 500


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda ws: ws.heads.train("h", ws.features("net", "pics"), 3), "no kind of head"),
        (lambda ws: ws.heads.train("h", "net"), "does not know its backbone"),
        (lambda ws: ws.heads.train("h", ws.features("net", "pics"), seed="1"), "a whole number"),
        (lambda ws: ws.extract("net", "pics", on_eror="skip"), "Did you mean 'on_error'"),
        (lambda ws: ws.extract("net", "pics", on_error="skipp"), "Give fail or skip"),
        (lambda ws: ws.extract("net", "pics", batch_size="8"), "Give a whole number or None"),
        (lambda ws: ws.extract("net", "pics", settings=8), r"Give hs.Settings\(\) or None"),
        (lambda ws: ws.extract("net", []), "without any sample"),
        (lambda ws: ws.extract(["net"], "pics"), "names no backbone"),
        (lambda ws: ws.rank("pics", trying=5), r"Give hs.CrossValidation\(\) or None"),
        (lambda ws: ws.features("net", "pics").batches("8"), "batch_size of FeatureView.batches"),
        (lambda ws: hs.open(3), "root of open is 3, of type int. Give a text or a path or None"),
        (lambda ws: hs.init(hs), "Give a text or a path or None"),
    ],
)
def test_the_line_says_what_is_expected(ready, call, words):
    ready.extract("net", "pics")
    with pytest.raises(HeadstartError, match=words):
        call(ready)


def test_what_is_meant_works(ready):
    view = ready.extract(ready.backbones["net"], ready.datasets["pics"], on_error="skip")
    assert ready.extract("net", ["pics"]).report.dataset == "pics"
    assert ready.heads.train("h", view, "mlp", seed=np.int64(1)).record.kind == "mlp"
    assert ready.extract("net", "pics", precision="float32").report.computed == 0
    settings = hs.Settings(batch_size=4)
    assert ready.extract("net", "pics", settings=settings, commit_seconds=3).report.reused == 36
    assert hs.open(Path(ready.config.root)).heads["h"].record.seed == 1


def test_what_python_itself_says_stays(ready):
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'dataset'"):
        ready.extract("net")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        ready.heads.get("h", colour=1)


def test_a_parameter_of_another_kind_is_left_to_the_function():
    @checked
    def made(one: "int | Context", two: "int | None" = None, *more: int, **named: int):
        return one, two, more, named

    assert made("x", None, "y", z="z") == ("x", None, ("y",), {"z": "z"})
    with pytest.raises(
        HeadstartError, match=r"two of .*made is 'x', of type str. Give a whole num"
    ):
        made(1, "x")
    with pytest.raises(HeadstartError):
        made(1, True)
