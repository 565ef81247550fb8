"""An extraction that was complete is not made again while nothing it follows from has changed; and
whatever does change, it is made, and reports what it always did."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

import headstart as hs
from conftest import draw, network
from headstart.extractors.cache.gc import COMPLETE, Choice
from headstart.extractors.datasets import FETCHED
from headstart.extractors.run.report import Report
from headstart.jobs.features import unchanged
from headstart.registry.listing import OF_CHANNELS
from headstart.storage import manifest
from headstart.storage.manifest_parts import OF_BEFORE, SUFFIX, parts_folder

EXTRACT = ("extract", "net", "pics", "--json")
HEAVY = {"numpy", "pyarrow", "sqlalchemy", "h5py", "tensorflow", "openvino"}
LIGHT = {
    EXTRACT[:-1]: {"rich", *HEAVY},
    **{(one, "list"): HEAVY for one in ("backbone", "dataset", "features", "head")},
}
"""Commands that answer at once, and what each is to import nothing of."""


@pytest.fixture(autouse=True)
def looks(monkeypatch, tmp_path):
    """What each look found, whether a report or none; where nothing is called as a name is."""
    found, real = [], unchanged.look

    def look(*given):
        looked = real(*given)
        found.append(None if looked is None else looked.report)
        return looked

    monkeypatch.setattr(unchanged, "look", look)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return found


@pytest.fixture
def complete(ready, run, looks):
    """The workspace, when an extraction would not be made again."""
    first, second = (run(*EXTRACT) for _ in range(2))
    assert (first.json["computed"], second.json["computed"]) == (36, 0), second.err
    assert looks[0] is None and isinstance(looks[1], Report)
    return ready


def timeless(ran):
    return {name: value for name, value in ran.json.items() if name != "seconds"}


def test_what_is_reported_is_what_the_plain_way_reports(complete, run, looks, monkeypatch):
    short = run(*EXTRACT)
    assert isinstance(looks[-1], Report)
    lines = run(*EXTRACT[:-1]), run(*EXTRACT[:-1], "-v")
    with monkeypatch.context() as patch:
        patch.setattr(unchanged, "look", lambda *_: None)
        plain = run(*EXTRACT)
        assert timeless(short) == timeless(plain)
        assert (short.err, plain.err) == ("", "")
        assert lines[0].out.partition(", in ")[0] == run(*EXTRACT[:-1]).out.partition(", in ")[0]
    assert "nothing has changed" in lines[1].err


def test_a_process_of_its_own_imports_next_to_nothing(complete, tmp_path):
    for words, heavy in LIGHT.items():
        code = (
            "import sys\nfrom headstart.cli import main\ntry:\n    main()\nfinally:\n"
            f"    print(sorted({heavy!r} & sys.modules.keys()), file=sys.stderr)"
        )
        command = [sys.executable, "-c", code, *words, "--workspace", complete.config.root]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=tmp_path / "here"
        )
        assert ran.stderr == "[]\n", words
        told = "pics: 36 samples, 36 different: 0 computed, 36 reused"
        assert ran.stdout.startswith(told) == (words == EXTRACT[:-1])


def shards(ws):
    """Those that count of the features that are asked for, the largest first."""
    index = ws.context.cache().open_index(ws.features("net", "pics").key)
    files = [ws.config.features / shard.file.name for shard in index.living]
    return sorted(files, key=lambda one: -one.stat().st_size)


def written_again(ws, pictures):
    """The same content at another time, as a checkout writes it."""
    file = pictures / "red" / "01.png"
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))


def replaced(ws, pictures):
    """Another file of the same size and time."""
    file = pictures / "red" / "01.png"
    before, other = file.stat(), pictures / "other.png"
    shutil.copy(file, other)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)


def damaged(ws, pictures):
    shard = shards(ws)[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)


def another_version(ws, pictures):
    network(1).save(pictures.parent / "other.keras")
    ws.backbones.add("net", pictures.parent / "other.keras", preprocess="unit")


def copied(ws, pictures):
    shard = shards(ws)[0]
    shutil.copy(shard, shard.with_name("other"))
    shard.with_name("other").replace(shard)


CHANGES = {
    "a file more": (lambda ws, at: draw(at / "green" / "new.png", 999), 1),
    "a file less": (lambda ws, at: (at / "green" / "01.png").unlink(), 0),
    "a file in the place of another": (replaced, 0),
    "a file touched": (written_again, 0),
    "a file drawn anew": (lambda ws, at: draw(at / "red" / "01.png", 998), 1),
    "a label corrected": (
        lambda ws, at: ws.datasets.correct("pics", {"red/03.png": "blue"}),
        0,
    ),
    "a class called otherwise": (lambda ws, at: (at / "green").rename(at / "pink"), 0),
    "a shard copied": (copied, 0),
    "features forgotten": (
        lambda ws, at: ws.cache.gc(Choice(sets=(ws.features("net", "pics").key,)), apply=True),
        36,
    ),
    "a shard damaged": (damaged, 36),
    "a shard deleted": (lambda ws, at: shards(ws)[0].unlink(), 36),
    "another version of the backbone": (another_version, 36),
    "an empty class": (lambda ws, at: (at / "grey").mkdir(), None),
    "the dataset removed": (lambda ws, at: ws.datasets.remove("pics", force=True), None),
}


def test_whatever_changes_is_seen(complete, run, looks, pictures):
    """One change after the other, each of a workspace of which nothing would be made again."""
    for what, (change, computed) in CHANGES.items():
        change(complete, pictures)
        ran = run(*EXTRACT)
        assert looks[-1] is None, what
        if computed is None:
            assert ran.code != 0 and ran.out == "", what
            continue
        assert ran.json["computed"] == computed, (what, ran.err)
        counts = ran.json["samples"], ran.json["unique"]
        again = run(*EXTRACT)
        assert (again.json["samples"], again.json["unique"]) == counts, what
        assert again.json["computed"] == 0
        run(*EXTRACT)
        assert isinstance(looks[-1], Report), what


def test_what_it_does_not_follow_from_changes_nothing(complete, run, looks, pictures):
    complete.datasets.add("others", draw(pictures.parent / "others" / "a" / "1.png", 5).parents[1])
    complete.heads.train("h", complete.extract("net", "pics"))
    (pictures / ".hidden").write_text("x")
    assert run(*EXTRACT).json["reused"] == 36
    assert isinstance(looks[-1], Report)


@pytest.mark.parametrize(
    "asked",
    [
        ("net@pool", "pics"),
        ("net", "pics", "--precision", "bfloat16"),
        ("net", "pics", "--on-error", "skip"),
    ],
)
def test_what_is_asked_for_otherwise_is_another_thing(complete, run, looks, asked):
    run("extract", *asked)
    assert looks[-1] is None


def test_several_cuts_versions_and_aliases_are_looked_up_each(complete, run, looks):
    complete.backbones.alias("best", "net")
    for reference in ("net@features,relu|gap", "net:1", "best@pool"):
        for is_kept in (False, True):
            ran = run("extract", reference, "pics", "--json")
            assert isinstance(looks[-1], Report) == is_kept, ran.err


def test_the_hour_of_last_use_is_written_as_ever(complete, run, looks):
    early = datetime.now(UTC) - timedelta(hours=2)
    with complete.database.writing() as connection:
        connection.execute(
            text("UPDATE feature_sets SET used_at = :early"), {"early": f"{early:%F %T.%f}"}
        )
    assert run(*EXTRACT).json["reused"] == 36
    assert looks[-1] is None
    (feature_set,) = complete.context.feature_sets.find_sets()
    assert feature_set.used_at > early
    run(*EXTRACT)
    assert isinstance(looks[-1], Report)


def test_what_people_are_told_they_are_told_each_time(ready, run, looks, pictures):
    """A link leads elsewhere; what cannot be read is skipped; a file is called as the dataset."""
    (pictures / "red" / "broken.png").write_bytes(b"no picture")
    for _ in range(3):
        ran = run("extract", "net", "pics", "--on-error", "skip")
        assert "skipped red/broken.png" in ran.err and looks[-1] is None
    (pictures / "red" / "broken.png").unlink()
    (pictures.parent / "here" / "pics").mkdir()
    for _ in range(3):
        run(*EXTRACT)
        assert looks[-1] is None


def test_behind_links_is_looked_each_time(ready, run, looks, pictures):
    (pictures / "red").rename(pictures.parent / "elsewhere")
    (pictures / "red").symlink_to(pictures.parent / "elsewhere")
    for _ in range(3):
        assert run(*EXTRACT).code == 0
        assert looks[-1] is None
    draw(pictures.parent / "elsewhere" / "01.png", 997)
    assert run(*EXTRACT).json["computed"] == 1


@pytest.mark.parametrize("when", ["look", "keep"])
def test_what_changes_while_it_is_extracted_is_seen_by_the_next(
    ready, run, looks, pictures, monkeypatch, when
):
    """A file that is written behind the first look, or behind the extraction's own."""
    real = getattr(unchanged, when)

    def meanwhile(*given):
        if when == "keep":
            draw(pictures / "red" / "01.png", 996)
        looked = real(*given)
        if when == "look":
            draw(pictures / "red" / "01.png", 996)
        return looked

    with monkeypatch.context() as patch:
        patch.setattr(unchanged, when, meanwhile)
        run(*EXTRACT)
    assert run(*EXTRACT).json["computed"] == (1 if when == "keep" else 0)
    assert looks[-1] is None


@pytest.mark.parametrize("back", ["before it is kept", "afterwards"])
@pytest.mark.parametrize("what", ["a file", "a folder", "an empty folder"])
def test_what_was_away_while_the_files_were_listed_is_there_for_the_next(
    complete, run, looks, pictures, monkeypatch, what, back
):
    """It is there when first looked at, away while the manifest is made, and back, as it was."""
    place = pictures / {"a file": "red/01.png", "a folder": "red", "an empty folder": "grey"}[what]
    draw(pictures / "green" / "new.png", 995)
    if what == "an empty folder":
        place.mkdir()
    away, look, keep = pictures.parent / "away", unchanged.look, unchanged.keep

    def look_first(*given):
        looked = look(*given)
        place.rename(away)
        return looked

    def keep_then(*given):
        if back == "before it is kept":
            away.rename(place)
        keep(*given)

    with monkeypatch.context() as patch:
        patch.setattr(unchanged, "look", look_first)
        patch.setattr(unchanged, "keep", keep_then)
        without = {"a file": 36, "a folder": 25, "an empty folder": 37}[what]
        assert run(*EXTRACT).json["samples"] == without
    if away.exists():  # where samples are gone, that is said, and nothing is kept
        away.rename(place)
    for is_kept in (False, False, True):  # a manifest that was new is first kept when read again
        ran = run(*EXTRACT)
        if what == "an empty folder":
            assert ran.code != 0 and "holds no images" in ran.err
        else:
            assert (ran.json["samples"], isinstance(looks[-1], Report)) == (37, is_kept)


def test_files_that_are_not_used_are_no_reason_to_look_again(ready, run, looks, pictures):
    (pictures / "README.md").write_text("x")
    (pictures / "red" / "notes.doc").write_text("x")
    told = [run(*EXTRACT).err, run(*EXTRACT).err, run(*EXTRACT).err]
    assert "notes.doc" in told[0] and told[2] == ""
    assert isinstance(looks[-1], Report)
    (pictures / "red" / "notes.doc").unlink()
    assert run(*EXTRACT).json["samples"] == 36
    assert looks[-1] is None


def spoilt(file):
    file.write_bytes(b"x" * file.stat().st_size)


@pytest.mark.parametrize("spoil", [os.remove, spoilt])
@pytest.mark.parametrize("folder", ["manifests", unchanged.PARTS])
def test_a_manifest_that_is_gone_or_damaged_is_told_of(
    ready, run, looks, pictures, monkeypatch, spoil, folder
):
    if folder == unchanged.PARTS:
        monkeypatch.setattr(manifest, "LARGEST_WHOLE", 4)
        ready.datasets.remove("pics")
        ready.datasets.add("pics", pictures)
    run(*EXTRACT)
    run(*EXTRACT)
    assert isinstance(looks[-1], Report)
    name = ready.datasets.get("pics").manifest
    names = {name} if folder == "manifests" else ready.context.manifests.part_names(name)
    assert names
    for file in [ready.config.root / folder / one for one in names]:
        content = file.read_bytes()
        spoil(file)
        failed = run(*EXTRACT)
        assert failed.code != 0 and failed.out == "" and looks[-1] is None
        file.write_bytes(content)
    assert run(*EXTRACT).json["reused"] == 36
    run(*EXTRACT)
    assert isinstance(looks[-1], Report)


def test_other_code_looks_again(ready, run, looks, monkeypatch, tmp_path):
    """A module of a checkout changes while the version stays."""
    module = tmp_path / "code" / "inner" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text("1")
    monkeypatch.setattr(unchanged, "CODE", {"code": tmp_path / "code"})
    for change in (lambda: None, lambda: module.write_text("22"), module.unlink):
        change()
        for is_kept in (False, True):
            run(*EXTRACT)
            assert isinstance(looks[-1], Report) == is_kept


def test_the_code_is_that_by_which_an_extraction_is_made():
    names = {name for name, *_ in unchanged._code()}
    modules = ("jobs/features/unchanged", "extractors/run/plan", "storage/manifest", "/context")
    assert {f"{one}.py" for one in modules} <= names


def test_what_is_too_long_to_be_read_is_not_kept(tmp_path):
    place = tmp_path / "complete" / "x.json"
    unchanged._Kept("state", ["key"], {"name": "x" * unchanged.LARGEST}).write(place)
    assert not place.exists()
    short = unchanged._Kept("state", ["key"], {"name": "x"})
    short.write(place)
    assert unchanged._Kept.read(place) == short


def test_what_was_kept_long_ago_is_collected(complete, run):
    (file,) = (complete.config.root / unchanged.FOLDER).iterdir()
    assert complete.cache.find_garbage() == []
    old = file.stat().st_mtime - 31 * 24 * 3600
    os.utime(file, (old, old))
    (found,) = run("features", "gc", "--json").json["found"]
    assert (found["kind"], found["what"]) == ("temporary", str(file)) and file.exists()
    assert "1 of 1 deleted" in run("features", "gc", "--apply").out
    assert not file.exists()
    assert run(*EXTRACT).json["reused"] == 36


SHAPES = (
    b"",
    b"\xff",
    b"{" * 70_000,
    b'{"feature_keys": 5}',
    b'{"state": "x", "feature_keys": {"a": 1}, "report": {}}',
    b'{"feature_keys": "abc"}',
    b'{"feature_keys": [5]}',
    b'{"feature_keys": ["a"], "report": [1]}',
    b'{"state": {}, "feature_keys": ["a"]}',
)


@pytest.mark.parametrize("content", SHAPES)
def test_a_file_that_is_none_of_ours_is_written_anew(complete, run, looks, content):
    (file,) = (complete.config.root / unchanged.FOLDER).iterdir()
    file.write_bytes(content)
    assert run(*EXTRACT).json["reused"] == 36
    assert looks[-1] is None
    assert run(*EXTRACT).json["reused"] == 36
    assert isinstance(looks[-1], Report)
    assert json.loads(file.read_bytes())["report"]["reused"] == 36


def test_names_that_stand_elsewhere_are_the_same(ready):
    assert unchanged.FETCHED == FETCHED
    assert {*unchanged.POOLINGS} == OF_CHANNELS | {"flatten"}
    assert hs.Settings().precision in unchanged.PRECISIONS
    own = {manifest.IN_PARTS_OF_JSON: OF_BEFORE, manifest.IN_PARTS: SUFFIX}
    assert own == unchanged.SUFFIXES
    assert parts_folder(ready.config.manifests) == ready.config.root / unchanged.PARTS
    assert unchanged.FOLDER == COMPLETE
