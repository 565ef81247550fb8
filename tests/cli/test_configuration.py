"""Where an option is taken from: the command line, variables, the workspace's file, the user's."""

import os
import re
from pathlib import Path

import click
import pytest

import headstart as hs
from headstart.cli import cli
from headstart.cli.workspace.defaults import ASKED_EACH_TIME, DELETING
from headstart.cli.workspace.said import VARIABLE as LOG_FORMAT
from headstart.errors import EXITS, HeadstartError, InvalidValue
from headstart.values.defaults import DEFAULTS, VARIABLES


@pytest.fixture(autouse=True)
def own_file(tmp_path, monkeypatch):
    """A user's configuration of this test's own, and no variables."""
    for name in [name for name in os.environ if name.startswith("HEADSTART_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "config.toml"
    file.write_text("")
    monkeypatch.setenv("HEADSTART_CONFIG", str(file))
    return file


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "texts.csv"
    file.write_text("text,label\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(40)))
    return file


def say(root, line):
    file = root / "headstart.toml"
    file.write_text(f"{file.read_text()}\n[defaults]\n{line}\n")


def origins(ran):
    return {one["name"]: (one["value"], one["origin"], one["place"]) for one in ran.json}


def split_of(run, name):
    return run("dataset", "show", name, "--json").json["splits"]["test"]


def test_the_nearest_place_decides_and_config_show_says_which(
    ws, run, table, own_file, monkeypatch
):
    root = ws.config.root
    add = ("dataset", "add")

    def shown():
        return origins(run("config", "show", "--json"))["split"]

    assert shown() == (None, "default", None)
    own_file.write_text('[defaults]\nsplit = "80/10/10"\n')
    assert shown() == ("80/10/10", "user", str(own_file))
    assert run(*add, "a", table).code == 0 and split_of(run, "a") == 4
    say(root, 'split = "60/20/20"')
    assert shown() == ("60/20/20", "workspace", str(root / "headstart.toml"))
    assert run(*add, "b", table).code == 0 and split_of(run, "b") == 8
    monkeypatch.setenv("HEADSTART_SPLIT", "40/30/30")
    assert shown() == ("40/30/30", "environment", "$HEADSTART_SPLIT")
    assert run(*add, "c", table).code == 0 and split_of(run, "c") == 12
    monkeypatch.setenv("HEADSTART_DATASET_ADD_SPLIT", "20/40/40")
    assert run(*add, "d", table).code == 0 and split_of(run, "d") == 16
    listed = origins(run("config", "show", "--json"))
    assert listed["HEADSTART_DATASET_ADD_SPLIT"][:2] == ("20/40/40", "environment")
    assert run(*add, "e", table, "--split", "50/0/50").code == 0 and split_of(run, "e") == 20


def test_a_workspace_that_is_named_behind_the_command_has_its_own_defaults(
    ws, run, table, tmp_path, empty
):
    other = hs.init(tmp_path / "other").config.root
    say(other, 'split = "60/20/20"\nseed = 7')
    assert run("dataset", "add", "d", table, "--workspace", other).code == 0
    assert hs.open(other).datasets.get("d").options["seed"] == 7
    shown = origins(run("config", "show", "--workspace", other, "--json"))
    assert shown["seed"] == (7, "workspace", str(other / "headstart.toml"))
    assert shown["workspace"][1:] == ("option", "--workspace")
    assert origins(run("config", "show", "--json"))["workspace"][1:] == (
        "environment",
        "$HEADSTART_HOME",
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sede = 1", "[defaults] in {file}: no setting is called 'sede'. Did you mean 'seed'?"),
        ("lims = 1", "no setting is called 'lims'. There are engine, precision"),
    ],
)
def test_an_unknown_default_is_an_error_that_names_it(ws, fails, run, own_file, line, said):
    own_file.write_text(f"[defaults]\n{line}\n")
    assert said.format(file=own_file) in fails("backbone", "list")
    shown = run("config", "show")
    assert said.format(file=own_file) in shown.err and shown.code == 1 and "engine" in shown.out
    own_file.write_text("")
    say(ws.config.root, line)
    file = ws.config.root / "headstart.toml"
    ran = run("backbone", "list", "--json")
    assert said.format(file=file) in ran.err and ran.code == EXITS["usage"]
    shown = run("config", "show", "--json")
    assert said.format(file=file) in shown.err and shown.code == 1
    assert (
        said.format(file=file)
        in {one["name"]: one for one in shown.json}["workspace's file"]["problem"]
    )
    with pytest.raises(InvalidValue):
        hs.open(ws.config.root)


def test_an_unknown_setting_beside_the_defaults_is_named_too(ws, fails, own_file):
    own_file.write_text("[default]\nseed = 1\n")
    assert f"{own_file}: no setting is called 'default'. Did you mean 'defaults'?" in fails(
        "glossary"
    )
    own_file.write_text("")
    file = ws.config.root / "headstart.toml"
    file.write_text(file.read_text() + 'databas_url = "x"\n')
    assert f"{file}: no setting is called 'databas_url'" in fails("backbone", "list")


def test_a_default_of_the_wrong_kind_is_named_with_its_place(ready, fails, own_file, monkeypatch):
    own_file.write_text('[defaults]\nprecision = "float23"\n')
    told = fails("features", "explain", "net", "pics")
    assert f"precision in {own_file}: 'float23' is not one of 'float32'" in told
    monkeypatch.setenv("HEADSTART_PRECISION", "float1")
    assert "precision in $HEADSTART_PRECISION: 'float1'" in fails(
        "features", "explain", "net", "pics"
    )


def test_a_variable_that_means_nothing_is_said(ws, run, monkeypatch):
    monkeypatch.setenv("HEADSTART_SEDE", "1")
    ran = run("config", "show")
    assert ran.code == 0
    assert "warning: $HEADSTART_SEDE means nothing. Did you mean 'HEADSTART_SEED'" in ran.err


def test_json_and_tracebacks_can_be_asked_for_by_variables(ws, run, monkeypatch):
    monkeypatch.setenv("HEADSTART_JSON", "1")
    assert run("backbone", "list").json == []
    assert '"code": "not_found"' in run("backbone", "show", "x").err
    monkeypatch.setenv("HEADSTART_DEBUG", "yes")
    assert "Traceback" in run("backbone", "show", "x").err


def test_every_variable_that_is_read_anywhere_is_known():
    root = Path(__file__).parents[2]
    files = [p for n in ("headstart", "storage", "extractors") for p in (root / n).rglob("*.py")]
    read = {found for p in files for found in re.findall(r'"(HEADSTART_[A-Z_]+)"', p.read_text())}
    assert read <= VARIABLES.keys() and "HEADSTART_CORES" in read


def every_option(group, words=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_option(command, (*words, name))
        else:
            for one in command.get_params(
                click.Context(command, help_option_names=["-h", "--help"])
            ):
                if isinstance(one, click.Option) and not one.is_eager:
                    yield " ".join((*words, name)), one


def test_every_option_has_a_variable_but_those_that_are_asked_each_time():
    found = {}
    for command, one in every_option(cli):
        is_asked = one.name in ASKED_EACH_TIME or command.split()[-1] in DELETING
        assert (one.envvar in (None, LOG_FORMAT)) == is_asked, (command, one)
        if not is_asked:
            assert found.setdefault(one.envvar, command) == command
    assert found["HEADSTART_EXTRACT_ENGINE"] == "extract"
    assert found["HEADSTART_HEAD_TRAIN_LEARNING_RATE"] == "head train"  # known late
    assert not {f"HEADSTART_{name.upper()}" for name in DEFAULTS} & set(found)


def test_every_default_is_an_option_somewhere():
    known = [(command, one.name) for command, one in every_option(cli)]
    for name, default in DEFAULTS.items():
        assert any(one == name and default.is_for(command) for command, one in known), name


def test_defaults_reach_an_extraction_and_leave_a_row_of_a_sweep_alone(ready, run, own_file):
    own_file.write_text('[defaults]\nengine = "tensorflow"\nstorage = "float16"\nfolds = 3\n')
    done = run("extract", "net", "pics", "--json").json
    assert done["engine"] == "tensorflow"
    (row,) = ready.context.feature_sets.find_sets()
    assert row.storage == "float16"
    swept = run("head", "sweep", "pics", "--strengths", "1", "--json").json
    assert swept["folds"] == 3
    own_file.write_text('[defaults]\nprecision = "bfloat16"\nseed = 3\n')
    head = run("head", "train", "h", "--from-sweep", "1", "--json").json
    assert (head["seed"], head["feature_key"]) == (0, done["feature_key"])


def test_a_default_deals_only_new_datasets_whose_source_says_no_splits(
    ws, run, table, tmp_path, own_file
):
    official = tmp_path / "official.csv"
    rows = [f"text {n},{'ab'[n % 2]},{'train' if n < 30 else 'test'}\n" for n in range(40)]
    official.write_text("text,label,split\n" + "".join(rows))

    def added(name, file, *more):
        ran = run("dataset", "add", name, file, *more)
        assert ran.code == 0, ran.err
        return [one.split for one in ws.context.manifest(name).samples], ran.err

    plain, _ = added("plain", table)
    asked, _ = added("asked", table, "--split", "20/40/40", "--seed", "7")
    own, _ = added("own", official)
    own_file.write_text('[defaults]\nsplit = "20/40/40"\nseed = 7\n')
    again, said = added("plain", table)
    assert again == plain and "'plain' is there: its samples keep their splits" in said
    assert added("own", official)[0] == own
    found, said = added("new_own", official)
    assert found == own and "the source says splits, which hold" in said
    assert added("new", table)[0] == asked  # as if it had been typed
    assert ws.datasets.get("new").options == ws.datasets.get("asked").options
    assert run("dataset", "resplit", "plain", "--json").json["moved"] == 0
    typed, _ = added("own", official, "--split", "20/40/40", "--seed", "7")
    assert typed != own


def test_no_variable_widens_what_is_deleted(ws, run, monkeypatch):
    deleting = {"gc", "prune", "remove", "upgrade"}
    found = {
        (command, one.name): one.envvar
        for command, one in every_option(cli)
        if command.split()[-1] in deleting and one.envvar not in (None, LOG_FORMAT)
    }
    assert found == {}
    names = {(command, one.name) for command, one in every_option(cli)}
    assert names >= {
        ("features gc", "unknown"),
        ("head remove", "keep"),
        ("prune", "keep"),
        ("db upgrade", "no_copy"),
    }
    shard = ws.config.features / "aa" / ("a" * 64) / f"{'b' * 64}.h5"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(b"x")
    os.utime(shard, (0, 0))
    monkeypatch.setenv("HEADSTART_FEATURES_GC_UNKNOWN", "1")
    assert run("features", "gc", "--apply").code == 0 and shard.exists()
    assert "$HEADSTART_FEATURES_GC_UNKNOWN means nothing" in run("config", "show").err


def test_no_secret_is_shown(ws, run, monkeypatch):
    secret = "TOPSECRET"
    url = f"postgresql://u:{secret}@host/db"
    for name, value in {
        "HEADSTART_DATASET_ADD_STORE_OPTION": f"secret_access_key={secret} anon={secret}",
        "HEADSTART_DATABASE_URL": url,
        "HEADSTART_RESTORE_DATABASE_URL_FILE": url,
        "HEADSTART_BACKBONE_ADD_TAG": f"api-token={secret}",
    }.items():
        monkeypatch.setenv(name, value)
    ran = run("config", "show", "--json")
    assert secret not in ran.out + ran.err
    found = origins(ran)
    assert found["HEADSTART_DATASET_ADD_STORE_OPTION"][0] == "secret_access_key=*** anon=***"
    assert found["HEADSTART_DATABASE_URL"][0] == "postgresql://u:***@host/db"
    whats = {one["name"]: one["what"] for one in ran.json}
    assert whats["HEADSTART_DATABASE_URL"] == "not used by this workspace"
    file = ws.config.root / "headstart.toml"
    file.write_text(f'{file.read_text()}store = "s3://bucket/x"\n')
    assert origins(run("config", "show", "--json"))["store"][:2] == ("s3://bucket/x", "workspace")


WRONG = {
    "HEADSTART_JSON": ("maybe", "'maybe' is not 1 or 0"),
    "HEADSTART_DEBUG": ("x", "'x' is not 1 or 0"),
    "HEADSTART_LOG_FORMAT": ("xml", "'xml' is not text or json"),
    "HEADSTART_CORES": ("-2", "'-2' is not a number of cores, 1 or more"),
    "HEADSTART_CACHE_SIZE": ("much", "'much' is not a size such as 20GB"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_variable_stops_all_commands_but_those_that_show_it(
    ws, run, fails, monkeypatch, name
):
    value, problem = WRONG[name]
    monkeypatch.setenv(name, value)
    for words in (("backbone", "list"), ("glossary",), ("head", "list", "--json")):
        ran = run(*words)
        assert ran.code == EXITS["usage"] and f"${name} is wrong: {problem}" in ran.err
    shown = run("config", "show", "--json")
    assert shown.code == 1 and problem in shown.err
    found = {one["name"]: one for one in shown.json}[name]
    assert (found["value"], found["problem"], found["place"]) == (value, problem, f"${name}")
    looked = run("doctor", "--json")
    assert looked.code == 1
    assert {"what": f"${name}", "found": problem, "ok": False} in looked.json


def test_a_broken_file_of_the_users_own_stops_all_commands_but_those_that_show_it(
    ws, run, fails, own_file, monkeypatch, tmp_path
):
    own_file.write_text("[defaults\n")
    for words in (("backbone", "list"), ("glossary",), ("extract", "net", "pics")):
        assert f"cannot read {own_file}" in fails(*words)
    shown = run("config", "show", "--json")
    assert (
        f"cannot read {own_file}"
        in {one["name"]: one for one in shown.json}["user's file"]["problem"]
    )
    looked = {one["what"]: one for one in run("doctor", "--json").json}["config"]
    assert shown.code == 1 and not looked["ok"] and f"cannot read {own_file}" in looked["found"]
    monkeypatch.setenv("HEADSTART_CONFIG", str(tmp_path / "nowhere.toml"))
    assert "$HEADSTART_CONFIG names" in fails("backbone", "list")
    assert "$HEADSTART_CONFIG names" in run("config", "show").err


def test_an_error_about_a_default_names_the_file_where_it_stands(ready, fails, own_file):
    own_file.write_text("[defaults]\nbatch_size = -5\n")
    told = fails("extract", "net", "pics")
    assert "batch_size is -5" in told and f"batch_size stands in {own_file}." in told
    typed = fails("extract", "net", "pics", "--batch-size", "-4")
    assert "batch_size is -4" in typed and str(own_file) not in typed


def test_a_bad_variable_is_named(ws, fails, monkeypatch):
    monkeypatch.setenv("HEADSTART_LOG_LIMIT", "abc")
    assert "$HEADSTART_LOG_LIMIT" in fails("log")
    monkeypatch.setenv("HEADSTART_JSON", "maybe")
    assert "$HEADSTART_JSON" in fails("backbone", "list")


def test_a_code_of_a_plug_in_is_a_failure(ws, run, monkeypatch):
    class Theirs(HeadstartError):
        code = "theirs"

    def fail(*_):
        raise Theirs("it went wrong", hint="Mend it.")

    monkeypatch.setattr("headstart.registry.listing.backbones", fail)
    ran = run("backbone", "list")
    assert ran.code == 1 and ran.err.strip() == "error: it went wrong. Mend it."


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('database-url = "x"', "no setting is called 'database-url'. Did you mean 'database_url'?"),
        ("database_url = 5", "database_url in {file} is 5, not text"),
        ("database_url_file = 5", "database_url_file in {file} is 5, not text"),
        (
            'database_url_from_environment = "false"',
            "database_url_from_environment in {file} is 'false', not true or false",
        ),
    ],
)
def test_a_setting_of_another_kind_is_named(ws, fails, line, said):
    file = ws.config.root / "headstart.toml"
    file.write_text(f"{file.read_text()}{line}\n")
    assert said.format(file=file) in fails("backbone", "list")


@pytest.mark.parametrize("value", ["3.9", "true", '"x"'])
def test_a_seed_is_a_whole_number(ws, fails, table, own_file, value):
    own_file.write_text(f"[defaults]\nseed = {value}\n")
    told = fails("dataset", "add", "d", table)
    assert f"seed in {own_file}: " in told and "is not a valid integer" in told


def test_a_file_of_a_user_that_is_not_there_is_named(ws, fails, monkeypatch):
    monkeypatch.setenv("HEADSTART_CONFIG", "~nobody-of-that-name/x")
    told = fails("backbone", "list")
    assert "$HEADSTART_CONFIG is '~nobody-of-that-name/x'" in told and "bug" not in told
