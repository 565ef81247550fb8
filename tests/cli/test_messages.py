"""What single lines say: full stops, one and many, what was meant, the same for people and
programs."""

import json

import pytest

import headstart as hs
from headstart import cli, errors


@pytest.mark.parametrize(
    ("said", "ended"),
    [("not so", "not so."), ("so.", "so."), ("99…", "99…"), ("so..", "so."), ("ab?", "ab?")],
)
def test_a_sentence_before_another_ends_once(said, ended):
    assert cli._ended(said) == ended


def test_a_usage_error_is_a_sentence_of_its_own(ws, fails):
    assert "is not the number of a job. `headstart job list` lists them. See `headstart" in fails(
        "job", "show", "x"
    )
    told = fails("head", "train", "h", "--from-sweep", "ab")
    assert "received 'ab'. " in told or "'ab'. See" in told


def test_a_bug_is_told_with_one_full_stop(ws, run, monkeypatch):
    def broken(*_):
        raise RuntimeError("9" * 300)

    monkeypatch.setattr("headstart.registry.listing.heads", broken)
    assert "9…. This" not in (told := run("head", "list").err) and "9… This is a bug" in told


def test_a_swap_is_only_proposed_where_it_makes_sense(ws, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").mkdir()
    assert "comes first" not in fails("dataset", "add", "../x", "bad")
    assert "comes first" not in fails("dataset", "add", "", "mine")


def test_a_folder_without_samples_has_its_hint_apart(rows, run, tmp_path):
    rows.heads.train("h", rows.features("flat@as_it_is", "rows"), hs.Linear(strengths=1.0))
    (tmp_path / "nopic").mkdir()
    ran = run("head", "predict", "h", tmp_path / "nopic", "--json")
    told = json.loads(ran.err.splitlines()[0])["error"]
    assert told["message"].endswith("holds no images, sounds, texts or videos")
    assert told["hint"].startswith("Name one with files such as .bmp")


def test_one_damaged_shard_is_one(rows, run):
    (shard,) = rows.config.features.rglob("*.h5")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    assert "1 damaged shard put aside" in run("features", "verify", "flat@as_it_is", "rows").out


@pytest.mark.parametrize("line", [("--version", "--json"), ("--json", "--version")])
def test_the_version_is_a_document_too(run, line):
    told = json.loads(run(*line).out)
    assert told == {"schema_version": 1, "version": hs.__version__}
    assert run("--version").out == f"headstart, version {hs.__version__}\n"


def test_an_interrupt_has_an_error_object(ws, run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.registry.listing.heads", interrupted)
    ran = run("head", "list", "--json")
    assert ran.code == errors.EXITS["interrupted"] == 130
    told, line = ran.err.splitlines()
    assert json.loads(told)["error"] == {
        "code": "interrupted",
        "message": "interrupted",
        "hint": cli.KEPT,
    }
    assert (told, line) == (cli.INTERRUPTED_OBJECT, cli.INTERRUPTED)


def test_prometheus_and_json_are_two_formats(ws, run, fails):
    assert "Give --prometheus or --json, not both." in run("stats", "--prometheus", "--json").err
    assert run("--json", "stats", "--prometheus").code == errors.EXITS["usage"]
    assert run("stats", "--prometheus").code == 0


def test_the_log_tells_what_never_was_from_what_did_nothing_such(rows, run):
    assert "Nothing called 'nix' is in the log" in run("log", "nix").out
    told = " ".join(run("log", "rows", "--action", "remove").out.split())
    assert "No such events of 'rows'. There are others" in told
    assert "Did you mean 'rows'?" in " ".join(run("log", "row").out.split())


def test_the_log_takes_an_object_as_its_table_names_it(rows, run):
    assert run("log", "dataset rows", "--json").json == run("log", "rows", "--json").json
    assert run("log", "dataset rows", "--kind", "head", "--json").json == []
    assert "dataset rows" in run("log", "dataset rows").out


def test_the_time_of_a_job_has_room_on_80_columns(rows, run):
    run("extract", "flat@as_it_is", "noisy", "--detach")
    told = run("job", "list").out
    assert "when (UTC)" in told
    assert run("log", "job 1", "--json").json[0]["kind"] == "job"


def test_no_header_of_the_cuts_is_cut(ready, run):
    told = run("backbone", "cuts", "net").out
    assert "compute" in told.splitlines()[0] or "No room for" in told


def test_the_doctor_says_how_to_begin(run, tmp_path):
    ran = run("doctor")
    assert "no workspace yet: `headstart init`" in ran.err.splitlines()[-1]
