"""How a process of the command line ends: at once, with its code, and all of what it said."""

import subprocess
import sys

import click
import pytest

from headstart.cli import cli
from headstart.cli.process.program import MODULE_OF, Program

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


AT_ONCE = """
import atexit, os, sys
from headstart.cli import command, main
from headstart.cli.process import end

class Left:
    def __del__(self, write=os.write):
        write(2, b"taken apart")

prepare = end.prepare
def prepared():
    prepare()
    atexit.register(lambda: print("called", file=sys.stderr))
end.prepare, sys.left = prepared, Left()
"""


@pytest.mark.parametrize(("arguments", "status"), [(("glossary",), 0), (("nonsense",), 2)])
def test_all_is_done_before_the_end_but_for_taking_modules_apart(arguments, status):
    command = [sys.executable, "-c", AT_ONCE + "command()", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == status and ("backbone" in ran.stdout) == (status == 0)
    assert ran.stderr.endswith("called\n") and "taken apart" not in ran.stderr


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        (
            "try:\n    command()\nexcept SystemExit:\n    pass\nraise ValueError('later')",
            1,
            "later",
        ),
        ("end.done = lambda status: None\ncommand()", 0, "taken apart"),
        ("try:\n    main()\nexcept SystemExit:\n    sys.exit(4)", 4, "taken apart"),
        (
            "from headstart import plugins\nplugins._OTHERS.append('toy')\ncommand()",
            0,
            "taken apart",
        ),
    ],
)
def test_where_something_else_is_to_be_told_python_ends_it(code, status, said):
    command = [sys.executable, "-c", AT_ONCE + code, "glossary"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said in ran.stderr, ran.stderr
    assert ran.returncode == status


GARBAGE = """
import gc, sys, weakref
from headstart.cli.process import garbage

class Circle:
    def __init__(self):
        self.own = self

gc.disable()
before, gone, first = list(gc.callbacks), [], gc.get_freeze_count()
garbage.prepare()
for _ in range(garbage.LOADED):
    weakref.finalize(Circle(), gone.append, 1)
    gc.collect(0)
print(gone, gc.get_freeze_count() > first)
if sys.argv[1:]:
    weakref.finalize(Circle(), gone.append, 2)
    gc.collect(0)
    print(gone)
gc.collect()
print(sorted(gone), gc.get_freeze_count() <= first, gc.callbacks == before)
"""


@pytest.mark.parametrize("more", [[], ["once more"]])
def test_what_is_loaded_is_put_aside_and_garbage_of_then_is_found_later(more):
    ran = subprocess.run(
        [sys.executable, "-c", GARBAGE, *more], capture_output=True, text=True, check=True
    )
    first, *between, last = ran.stdout.splitlines()
    assert first == "[] True" and between == ["[2]"] * len(more)
    assert last == f"{[1] * 4 + [2] * len(more)} True True"


def test_each_command_is_found_without_the_modules_of_others():
    assert sorted(MODULE_OF) == sorted(cli.commands)
    for name in MODULE_OF:
        assert Program("cli").get_command(click.Context(cli), name).name == name
    assert Program("cli").get_command(click.Context(cli), "nonsense") is None
    code = (
        "import sys; from headstart.cli import main\n"
        "try:\n    main(['extract', '--help'])\nexcept SystemExit:\n"
        "    loaded = [name for name in sys.modules if name.startswith('headstart.cli.')]\n"
        "    print([name for name in loaded if name.endswith(('rank', 'head', 'features'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--batch-size" in ran.stdout and ran.stdout.endswith("[]\n")
