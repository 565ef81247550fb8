"""Other people's ways, which the benchmarks measure ours against."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def peer(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import peer

    monkeypatch.setattr(peer, "ENVIRONMENTS", tmp_path)
    peer._python_with.cache_clear()
    yield peer
    peer._python_with.cache_clear()


@pytest.mark.parametrize("contest", ["features", "again", "changed", "heads", "reading"])
def test_every_script_says_its_name_and_what_it_needs(peer, contest):
    found = peer.peers(contest)
    assert len({one.name for one in found}) == len(found) >= 3
    assert all(one.wanted and one.ways for one in found)


def test_no_script_hides_the_package_that_it_is_about(peer):
    """The folder of a script is the first that Python looks for modules in."""
    for contest in ("features", "again", "changed", "heads", "reading"):
        for one in peer.peers(contest):
            names = [name.split("=")[0].replace("-", "_") for name in one.wanted]
            assert one.script.stem not in names


def test_what_is_here_is_run_by_this_python(peer):
    ours = next(one for one in peer.peers("reading") if one.name == "headstart")
    assert (ours.python, ours.problem) == (Path(sys.executable), "")


def test_what_cannot_be_installed_is_left_out_with_a_word(peer, monkeypatch):
    def refuse(command, **_):
        raise subprocess.CalledProcessError(1, command, stderr=b"no such package")

    monkeypatch.setattr(peer.venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(subprocess, "run", refuse)
    one = peer.Peer("Another way", Path("x.py"), ("not-a-package-at-all",), ("",))
    told = peer.left_out([one])
    assert told == (
        "Another way is left out: not-a-package-at-all cannot be installed (no such package)."
    )


def test_a_quick_run_installs_nothing(peer, monkeypatch):
    monkeypatch.setattr(peer, "may_install", False)
    one = peer.Peer("Another way", Path("x.py"), ("not-a-package-at-all",), ("",))
    assert "not installed, which `make bench` does" in one.problem


def test_a_busy_machine_is_said(peer, monkeypatch):
    import timing

    others = timing.Others()
    monkeypatch.setattr(timing.Others, "share", 0.4)
    assert "others took 40% of the processors meanwhile. **Go by" in others.told()
    monkeypatch.setattr(timing.Others, "share", 0.02)
    assert "**" not in others.told()


def test_pairs_that_are_far_apart_are_told(peer):
    from timing import Ratio

    assert Ratio.of([2.0, 2.1, 1.9], [1.0, 1.0, 1.0]).told() == "2.00x"
    assert Ratio.of([2.0, 3.0, 1.9], [1.0, 1.0, 1.0]).told() == "2.00x (1.90 to 3.00)"
