"""Plug-ins: what another package brings is found, used end to end, listed; and can do no harm."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from typing import ClassVar, Protocol

import click
import pytest

from conftest import clean_environment
from headstart.cli.output import Result, command, with_options
from headstart.errors import DatasetError
from headstart.notices import HeadstartWarning
from headstart.plugins import Plugins
from headstart.values.showable import Showable
from toy_packages import TOYS, install_toys, write_package

DRIVER = """
import json, sys
from headstart.cli import main
for line in sys.stdin:
    try:
        main(json.loads(line))
    except SystemExit as done:
        sys.stdout.flush()
        print("\\n-- exit", done.code, flush=True)
"""


def commands(folder, home, *lines):
    """The outputs of some commands, run one after the other in one process that sees a package."""
    found = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input="".join(f"{json.dumps([str(word) for word in line])}\n" for line in lines),
        env=clean_environment(
            HEADSTART_HOME=str(home),
            PYTHONPATH=os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])),
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    *outs, _ = found.stdout.split("-- exit ")
    codes = [int(part.split()[0]) for part in found.stdout.split("-- exit ")[1:]]
    assert len(codes) == len(lines), found.stderr
    texts = [outs[0], *(part.partition("\n")[2] for part in outs[1:])]
    return codes, texts, found.stderr


@pytest.fixture
def archive(pictures, tmp_path):
    """The pictures in a zip archive, and a note that is none."""
    with zipfile.ZipFile(tmp_path / "pics.zip", "w") as file:
        for path in sorted(pictures.rglob("*.*")):
            file.write(path, f"photos/{path.relative_to(pictures)}")
        file.writestr("photos/notes.txt", "hello")
    return tmp_path / "pics.zip"


def test_toys_of_another_package_are_listed_and_used_end_to_end(ready, archive, tmp_path):
    folder = install_toys(tmp_path / "site")
    codes, outs, err = commands(
        folder,
        ready.config.root,
        ("doctor", "--json"),
        ("dataset", "add", "zipped", archive, "--below", "photos", "--json"),
        ("extract", "net", "zipped", "--engine", "graphdef", "--json"),
        ("extract", "net", "pics", "--json"),
        ("head", "train", "h", "net", "zipped", "--kind", "means", "--sharpness", "2", "--json"),
        ("head", "sweep", "zipped", "net", "--kinds", "means,prototype", "--sharpness", "1,2",
         "--folds", "3", "--json"),
        ("head", "sweep", "zipped", "net", "--kinds", "means", "--search", "2", "--folds", "2",
         "--json"),
        ("head", "predict", "h", archive, "--json"),
        ("head", "reproduce", "h", "--json"),
    )  # fmt: skip
    assert codes == [0] * 9, err
    checks, added, first, again, trained, swept, searched, predicted, redone = map(json.loads, outs)
    listed = {check["what"]: check["found"] for check in checks}
    assert listed["dataset kind zip"] == "from toys 0.1"
    assert listed["engine graphdef"] == listed["head kind means"] == "from toys 0.1"
    assert (added["kind"], added["samples"]) == ("zip", 36)
    assert "warning: " in err and "not used: member 'photos/notes.txt'" in err
    assert (first["engine"], first["computed"]) == ("graphdef", 36)
    assert (again["computed"], again["reused"]) == (0, 36)  # the same content, another source
    assert (trained["kind"], trained["settings"]["sharpness"]) == ("means", 2.0)
    assert [trial["sharpness"] for trial in swept["trials"] if trial["kind"] == "means"] != []
    assert len(swept["trials"]) == 3 and len(searched["trials"]) == 2
    assert len(predicted) == 36 and predicted[0]["name"].startswith("photos/blue/")
    assert redone["agrees"]


@pytest.mark.slow
def test_a_toy_engine_is_loaded_again_by_another_process_and_offered_in_the_help(
    ready, archive, tmp_path
):
    folder, home = install_toys(tmp_path / "site"), ready.config.root
    own = set(ready.config.compiled.iterdir())  # from when the backbone was added
    compile_ = ("extract", "net@pool", "pics", "--engine", "graphdef", "--json")
    codes, outs, err = commands(folder, home, compile_)
    assert codes == [0], err
    (kept,) = set(ready.config.compiled.iterdir()) - own
    before = kept.stat().st_mtime_ns
    with zipfile.ZipFile(archive, "a") as file:
        content = (tmp_path / "pictures" / "red" / "00.jpg").read_bytes()
        file.writestr("photos/red/new.jpg", content + b"\0")  # other bytes, the same picture
    codes, outs, err = commands(
        folder,
        home,
        ("dataset", "add", "zipped", archive, "--below", "photos"),
        ("extract", "net@pool", "zipped", "--engine", "graphdef", "--json"),
        ("dataset", "add", "--help"),
        ("head", "train", "--help"),
        ("extract", "--help"),
        ("dataset", "add", "other", tmp_path / "pictures", "--below", "photos"),
    )
    assert codes == [0, 0, 0, 0, 0, 1], err
    report = json.loads(outs[1])
    assert (report["engine"], report["computed"], report["reused"]) == ("graphdef", 1, 36)
    assert kept.stat().st_mtime_ns == before
    assert "zip: folder in the archive" in " ".join(outs[2].split())
    assert "means: what the scores are" in " ".join(outs[3].split())
    assert "graphdef" in outs[4]
    assert "does not know the option --below (below), which is for zip" in err


def test_without_the_package_what_was_made_with_it_says_what_is_missing(ready, archive, tmp_path):
    folder, home = install_toys(tmp_path / "site"), ready.config.root
    commands(folder, home, ("dataset", "add", "zipped", archive, "--below", "photos"))
    codes, _, err = commands(
        tmp_path / "nothing", home, ("dataset", "list"), ("dataset", "refresh", "zipped")
    )
    assert codes == [0, 1]
    assert "error: no dataset kind 'zip'" in err and "unexpected" not in err


@pytest.mark.slow
def test_pip_installs_the_toys_with_the_same_entry_points(tmp_path):
    by_hand, by_pip = install_toys(tmp_path / "by_hand"), tmp_path / "by_pip"
    shutil.copytree(TOYS, tmp_path / "source")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", by_pip]
    pip = [sys.executable, "-m", "pip", "install", *options, tmp_path / "source"]
    subprocess.run(pip, check=True)
    found = [
        {(entry.group, entry.name, entry.value) for entry in distribution.entry_points}
        for folder in (by_hand, by_pip)
        for distribution in importlib.metadata.distributions(path=[str(folder)])
    ]
    assert len(found) == 2 and found[0] == found[1] and len(found[0]) == 4
    assert (by_pip / "toys" / "zipped.py").exists()


# The mechanism itself.


class Seam(Protocol):
    kind: ClassVar[str]

    def work(self) -> int: ...


def plugins(ours=None):
    return Plugins(
        "headstart.of_tests", "toy", Seam, name="kind", ours=ours or {}, error=DatasetError
    )


MODULE = """
class Good:
    kind = "good"
    def work(self): return 1
class Other:
    kind = "another"
    def work(self): return 1
class Lacking:
    kind = "lacking"
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that installs a package with entry points for toys."""
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")

    def install(name, **entries):
        module = f"module_of_{tmp_path.name}_{name}".replace("-", "_")
        (tmp_path / "site" / f"{module}.py").write_text(MODULE)
        (tmp_path / "site" / f"{module}_broken.py").write_text("import no_such_module")
        (tmp_path / "site" / f"{module}_leaving.py").write_text("raise SystemExit(3)")
        found = {key: value.replace("MODULE", module) for key, value in entries.items()}
        write_package(tmp_path / "site", name, {"headstart.of_tests": found})

    return install


OURS = {"json": "json:JSONDecoder"}


def test_our_own_come_first_and_are_imported_when_they_are_asked_for(package):
    package("toys", good="MODULE:Good")
    made = plugins({"never": "no.such.module:Thing"})
    assert made["good"]().work() == 1
    with pytest.raises(ModuleNotFoundError):
        list(made)
    assert list(plugins(OURS)) == ["json", "good"]
    assert plugins(OURS).get("none") is None and "none" not in plugins(OURS)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("broken", "MODULE_broken:Thing", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("leaving", "MODULE_leaving:Thing", "SystemExit: 3"),
        ("absent", "MODULE:Absent", "has no attribute 'Absent'"),
        ("lacking", "MODULE:Lacking", "it has no work"),
        ("renamed", "MODULE:Good", "it calls itself 'good'"),
        ("a/b", "MODULE:Good", "its name is not of letters"),
    ],
)
def test_one_that_cannot_be_used_is_left_out_with_one_warning(package, name, value, why):
    package("bad", **{name: value})
    made = plugins(OURS)
    with pytest.warns(HeadstartWarning, match=f"the toy '{name}' of bad 1.0 cannot be used: ") as w:
        assert list(made) == ["json"]
    assert len(w) == 1 and why in str(w[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert name not in made
    with pytest.raises(DatasetError, match="cannot be used"):
        made[name]
    (plugin,) = [one for one in made.found() if not one.is_ours]
    assert (plugin.name, plugin.package) == (name, "bad 1.0") and why in plugin.problem


def test_a_name_that_two_packages_claim_is_an_error_that_names_both(package):
    package("one", good="MODULE:Good")
    package("two", good="MODULE:Good")
    with pytest.raises(DatasetError) as error:
        list(plugins())
    assert "two packages bring a toy 'good'" in str(error.value)
    assert "one 1.0" in str(error.value) and "two 1.0" in str(error.value)


def test_a_name_of_ours_cannot_be_taken(package):
    package("toys", json="MODULE:Good")
    with pytest.raises(DatasetError, match=r"two packages bring a toy 'json': headstart .* toys"):
        plugins(OURS)["json"]


def test_doctor_says_what_is_wrong_with_a_plug_in_and_everything_else_works(ready, tmp_path):
    folder = tmp_path / "site"
    write_package(folder, "bad", {"headstart.heads": {"worse": "no_such_module:Thing"}})
    write_package(folder, "clash", {"headstart.sources": {"csv": "no_such_module:Thing"}})
    codes, outs, err = commands(
        folder,
        ready.config.root,
        ("doctor", "--json"),
        ("dataset", "list"),
        ("head", "train", "--help"),
        ("dataset", "add", "x", tmp_path / "pictures"),
    )
    assert codes == [1, 0, 0, 1]
    checks = {check["what"]: check for check in json.loads(outs[0])}
    assert checks["head kind worse"]["found"].startswith("from bad 1.0: ModuleNotFoundError")
    assert not checks["head kind worse"]["ok"] and checks["engines"]["ok"]
    assert "two packages bring a dataset kind 'csv': headstart" in checks["dataset kinds"]["found"]
    assert "Traceback" not in err and "unexpected" not in err
    assert "error: two packages bring a dataset kind 'csv'" in err


def test_an_option_that_a_command_has_itself_is_left_out_and_said(capsys):
    class Given(Showable):
        def __init__(self, given):
            self.given = given

        def _facts(self):
            return self.given

    def work(call, **given):
        return Result(Given(given), lambda out: None)

    def more():
        return [click.Option(["--seed"], help="S."), click.Option(["--new"], help="N.")]

    group = click.Group("g")
    command(group, "do", more=more)(with_options(work, click.option("--seed", type=int)))
    group.main(["do", "--seed", "3", "--new", "x", "--json"], standalone_mode=False)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"schema_version": 1, "seed": 3, "new": "x"}
    assert "warning: the option --seed of a plug-in is left out" in shown.err
