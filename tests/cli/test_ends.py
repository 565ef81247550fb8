"""How a process of the command line ends: at once, with its code, and all of what it said."""

import subprocess
import sys

import pytest

ENDING = """
import atexit, gc, sys
from headstart.cli import main
# What is registered first is called last.
atexit.register(lambda: print(f"frozen: {gc.get_freeze_count() > 0}", file=sys.stderr))
"""


def ended(code, *arguments):
    command = [sys.executable, "-c", ENDING + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "out"),
    [
        (("glossary",), 0, "backbone"),
        (("glossary", "--json"), 0, '"term"'),
        (("nonsense",), 2, ""),
        (("backbone", "show", "net", "--workspace", "/nowhere"), 3, ""),
    ],
)
def test_garbage_is_not_looked_for_at_the_end_and_the_code_is_the_commands(arguments, status, out):
    ran = ended("main()", *arguments)
    assert ran.returncode == status, ran.stderr
    assert out in ran.stdout and (ran.stdout == "") == (out == "")
    assert ran.stderr.endswith("frozen: True\n")


def test_whoever_calls_it_with_arguments_keeps_a_collector_that_works():
    code = "try:\n    main(['glossary'])\nexcept SystemExit:\n    pass"
    ran = ended(code)
    assert ran.returncode == 0 and ran.stderr.endswith("frozen: False\n")
