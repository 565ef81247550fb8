"""The command line: one JSON document, tables that fit, one line when something is wrong."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import headstart as hs
from conftest import clean_environment, draw_classes, network


@pytest.fixture(scope="module")
def with_head(tmp_path_factory, with_net):
    """A workspace with a head; only to be copied."""
    place = tmp_path_factory.mktemp("with_head")
    shutil.copytree(with_net[1], place / "zoo")
    ws = hs.open(place / "zoo")
    ws.datasets.add("pics", draw_classes(place / "pictures"))
    ws.heads.train("colours", ws.extract("net", "pics"))
    ws.database.close()
    return place / "zoo"


@pytest.fixture
def trained(with_head, tmp_path, temporary):
    shutil.copytree(with_head, tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


EVERY_COMMAND = [
    "init",
    "zoo list",
    "zoo show VGG16",
    "backbone list",
    "backbone show net",
    "backbone cuts net",
    "backbone verify net",
    "backbone verify net --dataset pics",
    "backbone alias best net",
    "backbone tag net team=a",
    "dataset list",
    "dataset show pics",
    "dataset refresh pics",
    "extract net@features,relu|gap pics",
    "features list",
    "features verify net pics",
    "head train again net pics",
    "head list",
    "head show colours",
    "db upgrade",
    "db current",
    "doctor",
]


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_prints_exactly_one_json_document_on_request(trained, run, command):
    ran = run(*command.split(), "--json")
    assert ran.code == 0, ran.err
    json.loads(ran.out)


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_fits_a_terminal_of_eighty_columns(trained, run, command):
    ran = run(*command.split())
    assert ran.code == 0
    assert ran.out.strip()
    free = ("ready.", "samples", "dataset", "pics:", "/")  # lines with paths are not broken
    for line in ran.out.splitlines():
        assert len(line) <= 80 or any(word in line for word in free), line


def test_the_fields_that_others_rely_on(ready, run):
    assert {
        "samples",
        "unique",
        "computed",
        "reused",
        "skipped",
        "seconds",
        "engine",
        "feature_key",
    } <= run("extract", "net", "pics", "--json").json.keys()
    cuts = run("backbone", "cuts", "net", "--json").json
    assert {"name", "shape", "params_below", "default"} <= cuts[0].keys()
    assert [cut["name"] for cut in cuts if cut["default"]] == ["features"]
    metrics = run("head", "train", "h", "net", "pics", "--json").json["metrics"]
    assert {"accuracy", "n_train", "n_test"} <= metrics.keys()
    verified = run("features", "verify", "net", "pics", "--json").json
    assert {"rows", "max_abs_diff", "corrupt"} <= verified.keys()


def test_options_of_the_whole_may_stand_before_or_behind_the_command(ready, run, monkeypatch):
    root = ready.config.root
    monkeypatch.delenv("HEADSTART_HOME")
    assert run("--workspace", root, "backbone", "list", "--json").json[0]["name"] == "net"
    assert run("backbone", "list", "--json", "--workspace", root).json[0]["name"] == "net"


def test_a_workspace_that_does_not_exist_is_an_error_for_every_command(run, tmp_path):
    for command in [*EVERY_COMMAND, "dataset add d .", "backbone add n n.keras"]:
        if command.startswith(("init", "zoo", "doctor")):
            continue
        ran = run(*command.split(), "--workspace", tmp_path / "none")
        assert ran.code == 3
        assert f"error: no workspace in {tmp_path / 'none'}. Make one with `headstart init`" in (
            ran.err
        )
        assert not (tmp_path / "none").exists()


def test_init_twice_is_harmless_and_another_database_is_refused(run, tmp_path):
    place = ("--workspace", tmp_path / "new")
    assert run("init", *place).code == 0
    assert run("init", *place).code == 0
    ran = run("init", *place, "--database-url", "postgresql+psycopg://nobody@127.0.0.1/none")
    assert "is a workspace already and uses another database" in ran.err
    assert run("backbone", "list", *place).code == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("postgresql+nodriver://x@127.0.0.1/y", "not a database URL"),
    ],
)
def test_a_database_url_that_cannot_be_is_explained(run, tmp_path, url, message):
    ran = run("init", "--workspace", tmp_path / "new", "--database-url", url)
    assert ran.code == 1
    assert message in ran.err


def test_a_damaged_settings_file_is_explained(ready, fails):
    (ready.config.root / "headstart.toml").write_text("version = ")
    assert "cannot read" in fails("backbone", "list")
    (ready.config.root / "headstart.toml").write_text("version = 99")
    assert "has workspace version 99; this code reads 1" in fails("backbone", "list")
    (ready.config.root / "headstart.toml").unlink()
    os.mkfifo(ready.config.root / "headstart.toml")
    assert "it is no regular file" in fails("backbone", "list")


def test_a_missing_database_is_explained(ready, fails):
    for file in ready.config.root.glob("headstart.db*"):
        file.unlink()
    assert "is missing" in fails("backbone", "list")
    assert "headstart db upgrade" in fails("backbone", "show", "net")


def test_a_file_that_is_no_database_is_explained(ready, fails):
    for file in ready.config.root.glob("headstart.db-*"):
        file.unlink()
    (ready.config.root / "headstart.db").write_bytes(b"this is no database" * 100)
    for command in ("backbone list", "backbone show net", "extract net pics"):
        assert "file is not a database" in fails(*command.split())


def test_the_traceback_is_shown_only_on_request(run):
    ran = run("backbone", "list", "--workspace", "/none")
    assert "Traceback" not in ran.err
    ran = run("backbone", "list", "--workspace", "/none", "--debug")
    assert ran.code == 3
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("error: no workspace in /none")


def test_an_error_nobody_foresaw_is_still_one_line(run, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr("headstart.jobs.backbones.zoo.find_entries", fails)
    ran = run("zoo", "list")
    assert ran.code == 1
    assert ran.err.strip().startswith("error: unexpected ZeroDivisionError: oh. This is a bug")
    assert len(ran.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["foo"], "No such command 'foo'"),
        (["extract", "net"], "Missing argument 'DATASET'. See `headstart extract --help`."),
        (["extract", "net", "pics", "--batch-size", "many"], "'many' is not a valid integer"),
        (["backbone", "tag", "net", "team"], "a tag is KEY=VALUE, received 'team'"),
        (["backbone", "list", "--jsn"], "No such option"),
    ],
)
def test_a_wrong_command_line_exits_with_one_and_says_where_to_look(
    ready, fails, arguments, message
):
    assert message in fails(*arguments)


def test_a_reader_that_stops_reading_is_no_error(trained):
    script = (
        f"{sys.executable} -c 'from headstart.cli import main; main()' zoo list --json | head -n 1"
    )
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


def test_what_libraries_print_does_not_reach_standard_output(ready, run, monkeypatch):
    from headstart.workspace import Workspace

    original = Workspace.extract

    def chatty(self, *arguments, **more):
        sys.stdout.write("Downloading data ...\n")
        return original(self, *arguments, **more)

    monkeypatch.setattr(Workspace, "extract", chatty)
    assert run("extract", "net", "pics", "--json").json["computed"] == 36


def test_the_standard_error_of_a_real_process_is_quiet(ready):
    """TensorFlow logs a dozen lines at import; people should see theirs."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "from headstart.cli import main; main()",
            "extract",
            "net",
            "pics",
            "--engine",
            "tensorflow",
            "--workspace",
            str(ready.config.root),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0
    assert "36 computed" in ran.stdout
    lines = ran.stderr.splitlines()
    assert lines[0] == "loading TensorFlow …"
    assert [line for line in lines[1:] if not line.startswith("extracting: ")] == []  # if slow


def test_doctor_names_what_is_wrong(trained, run):
    assert all(check["ok"] for check in run("doctor", "--json").json)
    next(trained.config.features.rglob("*.h5")).unlink()
    ran = run("doctor", "--json")
    assert (ran.code, ran.err.strip()) == (1, "error: something is wrong, see above")
    wrong = [check for check in ran.json if not check["ok"]]
    assert [check["what"] for check in wrong] == ["shards"]
    ran = run("doctor", "--workspace", "/none")
    assert "WRONG workspace" in " ".join(ran.out.split())


def test_features_show_takes_the_first_letters_of_a_key(trained, run):
    key = run("features", "list", "--json").json[0]["feature_key"]
    shown = run("features", "show", key[:8], "--json").json
    assert shown["key"] == key
    assert shown["rows"] == 36


def test_the_zoo_can_be_searched(run):
    names = [entry["name"] for entry in run("zoo", "list", "vgg", "--json").json]
    assert names == ["VGG16", "VGG19"]
    assert len(run("zoo", "list", "--json").json) == 45
    assert len(run("zoo", "list", "ResNet*V2", "--json").json) == 3
    assert "Nothing of that name" in run("zoo", "list", "zzz").out


def test_a_group_alone_prints_its_help(run):
    for group in ("head", "backbone", "dataset", "features"):
        ran = run(group)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"Usage: headstart {group} [OPTIONS] COMMAND")
        assert len(ran.out.splitlines()) > 10


def test_json_may_stand_in_front_of_the_command(ready, run):
    assert run("--json", "backbone", "list").json == run("backbone", "list", "--json").json
    assert run("--json", "head", "list").json == run("head", "list", "--json").json == []


def test_different_contents_have_one_name_in_all_json(ready, run):
    shown = run("dataset", "show", "pics", "--json").json["unique_samples"]
    (listed,) = run("dataset", "list", "--json").json
    explained = run("features", "explain", "net", "pics", "--json").json["unique_samples"]
    extracted = run("extract", "net", "pics", "--json").json
    named = {shown, listed["unique_samples"], explained, extracted["unique_samples"]}
    assert named == {36} == {extracted["unique"]}  # by which name scripts of before know it


def test_a_name_stands_beside_the_version_that_it_means(trained, run, tmp_path):
    assert "net " in run("backbone", "list").out
    network(5).save(tmp_path / "new.keras")
    run("backbone", "add", "net", tmp_path / "new.keras", "--preprocess", "unit")
    listed = run("backbone", "list").out
    assert "net:2 = net" in listed and "net:1 " in listed
    assert run("backbone", "show", "net", "--json").json["version"] == 2
