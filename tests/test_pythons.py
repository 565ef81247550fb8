"""`make` and CI on each Python that is promised, with stand-ins for those that are not here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def checkout(tmp_path):
    """What `make` and CI look at, and a `.venv` of this Python."""
    for name in ("Makefile", "pyproject.toml", ".ci"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def pretend(path, version):
    """A Python of a version, as far as that is asked for; without one, a shim that cannot run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{f'echo {version}' if version else 'exit 127'}\n")
    path.chmod(0o755)
    return path


def call(checkout, *command, path=""):
    return subprocess.run(
        command,
        cwd=checkout,
        env={"PATH": f"{path}:/usr/bin:/bin", "HOME": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_another_python_gets_an_environment_of_its_own(checkout):
    other = pretend(checkout / "other", "3.99")
    done = call(checkout, "make", "-n", "test", f"PYTHON={other}")
    assert f"{other} -m venv .venv-3.99" in done
    assert ".venv-3.99/bin/pip install" in done
    assert ".venv-3.99/bin/python -m pytest" in done
    assert ".venv/bin" not in done


def test_the_python_that_is_there_already_keeps_its_environment(checkout):
    for more in ((), (f"PYTHON={pretend(checkout / 'own', OWN)}",)):
        assert ".venv/bin/python -m pytest" in call(checkout, "make", "-n", "quick", *more)


def test_ci_runs_the_quick_tests_on_the_newest_python_that_really_runs(checkout):
    makes = checkout / "bin"
    pretend(makes / "python3.13", None)  # a shim for a version that is not there
    found = pretend(checkout / ".pyenv" / "versions" / "3.13.7" / "bin" / "python3", "3.13")
    pretend(makes / "make", None).write_text('#!/bin/sh\necho made "$@"\n')
    (checkout / ".venv" / "bin" / "python").unlink()
    pretend(checkout / ".venv" / "bin" / "python", "3.11")
    said = call(checkout, ".ci/newest", path=makes)
    assert said.splitlines()[-1] == f"made quick PYTHON={found}"


def test_ci_says_so_where_there_is_no_newer_python(checkout):
    (checkout / ".venv" / "bin" / "python").unlink()
    pretend(checkout / ".venv" / "bin" / "python", "3.13")
    said = call(checkout, ".ci/newest")
    assert said == "This machine has no newer Python than 3.13: the tests run on that alone.\n"
