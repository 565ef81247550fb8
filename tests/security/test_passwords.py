"""Passwords of databases: where they may stand, and that nothing shows them."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import headstart as hs
from conftest import clean_environment
from headstart.config import create_config
from headstart.database_urls import has_password, without_passwords
from headstart.errors import EXITS
from headstart.group_access import share

SECRET = "s3cr3t-pa55"
URL = f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/zoo?connect_timeout=2"


def mode_of(file):
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"postgresql://user:{SECRET}@h/db",
        f"postgresql://user:{SECRET}@with@h/db",
        f"postgresql://user:{SECRET}@h:bad/db",
        f"postgresql://:{SECRET}@h/db",
        f"postgresql://h/db?user=u&password={SECRET}",
        f"postgresql://h/db?password={SECRET}&sslmode=require",
    ],
)
def test_a_password_is_put_out_of_sight(url):
    assert has_password(url)
    shown = without_passwords(f"before {url} behind")
    assert SECRET not in shown
    assert shown.startswith("before postgresql")
    assert shown.endswith("behind")


@pytest.mark.parametrize("url", ["postgresql+psycopg://user@h:5432/db", "sqlite:////tmp/a:b@c"])
def test_a_url_without_a_password_stays(url):
    assert not has_password(url)
    assert without_passwords(url) == url


BAD = [
    URL,
    f"postgresql+psycopg://user:{SECRET}@127.0.0.1:notaport/zoo",
    f"postgresql+psycopg://user:{SECRET}@127.0.0.1:99999999/zoo?connect_timeout=2",
    f"postgresql+nodriver://user:{SECRET}@127.0.0.1/zoo",
    f"nonsense:{SECRET}@x",
    f"postgresql+psycopg://user:{SECRET}/with@127.0.0.1/zoo",
    f"postgresql+psycopg://127.0.0.1:1/zoo?user=u&password={SECRET}&connect_timeout=2",
    f"postgresql+psycopg://127.0.0.1:1/zoo?password={SECRET}&nosuchoption=1",
]


@pytest.mark.parametrize("url", BAD)
def test_no_message_and_no_traceback_shows_a_password(run, tmp_path, url):
    place = ("--workspace", tmp_path / "zoo")
    made = run("init", *place, "--database-url", url)
    assert made.code in (EXITS["failed"], EXITS["busy"])
    ran = [made]
    for command in (("db", "current"), ("doctor",), ("backbone", "list"), ("db", "upgrade")):
        for more in ((), ("--json",), ("--debug",)):
            ran.append(run(*command, *place, *more))
    for one in ran:
        assert SECRET not in one.out + one.err, one
        assert "unexpected" not in one.out + one.err, one
        assert one.code in (EXITS["failed"], EXITS["not_found"]) or one is made


def test_a_bad_port_is_named_in_one_line(run, tmp_path):
    ran = run("init", "--workspace", tmp_path / "z", "--database-url", "postgresql://h:port/db")
    assert ran.code == 1
    assert "not a database URL: postgresql://h:port/db" in ran.err


def test_the_settings_are_private_from_the_first_byte_if_they_hold_a_password(tmp_path):
    """Watched through the system calls: the file is opened with that mode, not changed to it."""
    code = (
        "import os, sys\n"
        "seen = []\n"
        "def hook(event, arguments):\n"
        "    if event == 'open' and 'headstart.toml' in str(arguments[0]):\n"
        "        seen.append(arguments)\n"
        "    if event == 'os.chmod' and 'headstart.toml' in str(arguments[0]):\n"
        "        seen.append('chmod')\n"
        "os.umask(0)\n"
        "sys.addaudithook(hook)\n"
        "from pathlib import Path\n"
        "from headstart.config import create_config\n"
        f"create_config(Path({str(tmp_path / 'secret')!r}), {URL!r})\n"
        f"create_config(Path({str(tmp_path / 'open')!r}))\n"
        "assert 'chmod' not in seen, seen\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=clean_environment())
    assert mode_of(tmp_path / "secret" / "headstart.toml") == 0o600
    assert mode_of(tmp_path / "open" / "headstart.toml") == 0o666


def test_a_url_in_a_file_is_read_each_time_and_not_copied(run, tmp_path, own_database):
    file = tmp_path / "url"
    file.write_text(f"{own_database}\n")
    root = tmp_path / "zoo"
    assert run("init", "--workspace", root, "--database-url-file", file).code == 0
    assert own_database not in (root / "headstart.toml").read_text()
    assert run("db", "current", "--workspace", root, "--json").json["current"] is not None
    file.write_text(URL)
    file.chmod(0o644)
    ran = run("db", "current", "--workspace", root)
    assert ran.code == 1
    assert f"chmod 600 {file}" in ran.err
    assert SECRET not in ran.err
    file.chmod(0o600)
    assert "does not answer" in run("db", "current", "--workspace", root).err
    file.write_text("")
    assert "holds no database URL" in run("db", "current", "--workspace", root).err
    file.unlink()
    assert "cannot read the database's URL" in run("db", "current", "--workspace", root).err


def test_a_url_in_the_environment_is_read_each_time_and_not_copied(
    run, tmp_path, own_database, monkeypatch
):
    root = tmp_path / "zoo"
    monkeypatch.setenv("HEADSTART_DATABASE_URL", own_database)
    assert run("init", "--workspace", root).code == 0
    assert own_database not in (root / "headstart.toml").read_text()
    assert not (root / "headstart.db").exists()
    assert run("backbone", "list", "--workspace", root, "--json").json == []
    monkeypatch.delenv("HEADSTART_DATABASE_URL")
    ran = run("backbone", "list", "--workspace", root)
    assert ran.code == 1
    assert "$HEADSTART_DATABASE_URL, which is not set" in ran.err


def test_the_environment_does_not_move_a_workspace_that_is_there(run, tmp_path, monkeypatch):
    root = tmp_path / "zoo"
    hs.init(root)
    monkeypatch.setenv("HEADSTART_DATABASE_URL", URL)
    assert run("init", "--workspace", root).code == 0
    assert run("backbone", "list", "--workspace", root).code == 0


def test_one_way_to_name_a_database_at_a_time(run, tmp_path):
    ran = run(
        "init", "--workspace", tmp_path / "z", "--database-url", URL, "--database-url-file", "x"
    )
    assert ran.code == 2
    assert "not both" in ran.err
    assert SECRET not in ran.err


def test_a_url_without_a_password_takes_it_from_the_users_own_file(
    tmp_path, own_database, monkeypatch
):
    """libpq reads ~/.pgpass or $PGPASSFILE; the server here asks for no password, so that the
    one that was found is seen in the connection only."""
    import psycopg

    parts = urlsplit(own_database.replace("+psycopg", ""))
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:{parts.username}:{SECRET}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with psycopg.connect(own_database.replace("+psycopg", "")) as connection:
        assert connection.info.password == SECRET
    ws = hs.init(tmp_path / "zoo", own_database)
    with ws.database.reading() as connection:
        assert connection.connection.dbapi_connection.info.password == SECRET
    assert SECRET not in (ws.config.root / "headstart.toml").read_text()
    assert repr(ws.config).count("postgresql") == 0


# Two users of one workspace, with real user and group numbers.

ALICE, BOB, TEAM = 61_001, 61_002, 61_100

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become other users"
)


WRITE = """
import numpy as np
from headstart.extractors.cache.feature_cache import Rows
from headstart.registry.entities import FeatureSet
from headstart.storage.keys import feature_key
def write(ws, digest):
    key = feature_key('ab' * 32, 'cd' * 32, 'float32', 0)
    one = FeatureSet(key=key, backbone='net', cut='c', cut_fingerprint='ab' * 32,
        trunk_fingerprint='ab' * 32, preprocessing={}, preprocessing_fingerprint='cd' * 32,
        precision='float32', view=0, shape=(4,), dtype='float32')
    one = ws.context.feature_sets.ensure_set(one)
    cache = ws.context.cache()
    with cache.hold(key):
        cache.commit([Rows(one, [digest * 32], np.ones((1, 4), np.float32))], 'test', {})
        cache.save()
    return len(list(ws.context.cache().open_index(key).living))
"""


def as_user(user, root, code, umask=0o022):
    """Run code as a user of the team on the workspace `ws`; gives what it printed, as JSON.

    Python itself may lie where only root reads: all that is needed is loaded, by doing the same in
    a workspace of root's own, before the process becomes that user.
    """
    program = f"""
import json, os, tempfile
import headstart as hs
from headstart.errors import EXITS
from headstart.errors import HeadstartError
{WRITE}
with tempfile.TemporaryDirectory() as folder:
    own = hs.init(folder)
    write(own, "ee")
    write(own, "dd")
    own.cache.find_garbage()
    try:
        own.backbones.tag("x", {{}})
    except HeadstartError:
        pass
    own.database.close()
os.setgroups([{TEAM}]); os.setgid({user}); os.setuid({user}); os.umask({umask})
root = {str(root)!r}
try:
    found = {code}
except HeadstartError as error:
    found = str(error)
print(json.dumps(found))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=clean_environment(HOME="/nonexistent", USER="u", LOGNAME="u"),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def given_to(user, root, mode=None):
    """Make all that root made in a workspace a user's, with the group that it has."""
    for path in (root, *root.rglob("*")):
        os.chown(path, user, -1)
        if mode is not None:
            path.chmod(mode | (0o111 if path.is_dir() and mode & 0o044 else 0o100))


@pytest.fixture
def shared():
    """A folder of the team's that both may enter; pytest's own folders are root's alone."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o711)  # noqa: PTH101
        folder = Path(place) / "team"
        folder.mkdir()
        os.chown(folder, ALICE, TEAM)
        folder.chmod(0o2770)
        yield folder


@as_root
def test_two_users_share_a_workspace_that_was_made_for_it(shared):
    root = shared / "zoo"
    hs.init(root, shared=True).database.close()
    given_to(ALICE, root)
    assert root.stat().st_gid == TEAM
    for number, (user, digest) in enumerate(((ALICE, "aa"), (BOB, "bb"), (ALICE, "cc")), start=1):
        assert as_user(user, root, f"write(hs.open(root), {digest!r})") == number
    assert as_user(BOB, root, "len(hs.open(root).cache.find_garbage())") == 0


@as_root
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_who_may_not_read_or_write_is_told_what_to_do_in_one_line(shared, mode):
    root = shared / "zoo"
    hs.init(root).database.close()
    given_to(ALICE, root, mode)
    line = as_user(BOB, root, "write(hs.open(root), 'aa')")
    assert "headstart init --shared" in line
    assert "\n" not in line


@as_root
def test_a_password_stays_its_owners_in_a_shared_workspace(shared):
    config = create_config(shared / "zoo", URL)
    share(config)
    given_to(ALICE, config.root)
    assert mode_of(config.root / "headstart.toml") == 0o600
    assert mode_of(config.features) & 0o2070 == 0o2070
    assert ".pgpass" in as_user(BOB, config.root, "hs.open(root)")
