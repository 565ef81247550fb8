"""Ctrl-C as soon as the command has begun is one line, or a silent death; never a traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import clean_environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
START = "import os, sys; from headstart.cli import main; os.write(1, b'x'); main(sys.argv[1:])"
ODD = ("Traceback", "KeyboardInterrupt", "Exception ignored", "unexpected", "File ")


def begun(ws, *words, start=START):
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", heard + start, "--workspace", str(ws.config.root), *words]
    running = subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None and running.stdout.read(1) == "x"
    return running


@pytest.mark.parametrize("words", [("head", "list"), ("extract", "net", "pics")], ids=" ".join)
@pytest.mark.parametrize("seconds", [0.02, 0.06, 0.12, 0.25])
def test_an_early_interrupt_is_never_a_traceback(ws, words, seconds):
    running = begun(ws, *words)
    time.sleep(seconds)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=240)
    assert not any(word in told for word in ODD), told
    assert running.returncode in (0, 1, 130, -signal.SIGINT)
    if running.returncode == 130:
        assert told.strip().startswith("interrupted.") and told.count("\n") <= 2


def test_while_nothing_is_imported_yet_it_is_the_line(ws):
    start = (
        "import os, time; from headstart import cli; os.write(1, b'x')\n"
        "cli._program = lambda: (os.write(1, b'y'), time.sleep(60)); cli.main()"
    )
    running = begun(ws, "head", "list", start=start)
    assert running.stdout.read(1) == "y"
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=240)
    assert (running.returncode, told.count("\n")) == (130, 1) and told.startswith("interrupted.")


def test_a_library_that_makes_another_error_of_it_is_no_bug(monkeypatch, capsys, request):
    import click

    from headstart import cli

    @click.command()
    def loading():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt as interrupt:
            raise ImportError("numpy.core.multiarray failed to import") from interrupt

    monkeypatch.setattr(cli, "cli", loading, raising=False)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background has none
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    was = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    told = capsys.readouterr().err
    assert ended.value.code == 130 and told.count("\n") == 1, told
    assert told.startswith("interrupted.")
    assert signal.getsignal(signal.SIGINT) is was


def test_an_interrupt_that_is_ignored_stays_so(ws):
    start = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {START}"
    running = begun(ws, "head", "list", start=start)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=240)
    assert running.returncode == 0


def test_hardly_anything_is_imported_before_the_command_is_called():
    said = "import sys; b = set(sys.modules); import headstart.cli; print(*set(sys.modules) - b)"
    done = subprocess.run(
        [sys.executable, "-c", said], env=clean_environment(), capture_output=True, text=True
    )
    loaded = done.stdout.split()
    assert [one for one in loaded if one.startswith("headstart")] in (
        ["headstart", "headstart.cli"],
        ["headstart.cli", "headstart"],
    )
    assert not {"click", "numpy", "pathlib", "re", "typing"} & set(loaded), loaded


def test_the_names_of_before_are_there():
    import headstart
    from headstart import HeadstartError
    from headstart.cli import cli

    assert headstart.errors.HeadstartError is HeadstartError
    assert "extract" in cli.commands
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = headstart.cli.other


def test_the_command_is_there_as_a_module_too():
    ran = subprocess.run(
        [sys.executable, "-m", "headstart", "--version"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("headstart, version")
