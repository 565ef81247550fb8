"""The command line. Commands parse, call and print; all they do can be done from Python.

Nothing here imports TensorFlow or SQLAlchemy before a command needs it, and nothing is imported at
all before `main` is called: from then on Ctrl-C is one line.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as of `typing`, which would be imported where Ctrl-C is a traceback
if TYPE_CHECKING:
    from typing import Any, NoReturn

    import click

    cli: click.Group


def __getattr__(name: str) -> Any:
    """`cli`, the group of all commands, made when it is asked for."""
    if name != "cli":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = _program()
    return made


def _program() -> click.Group:
    from pathlib import Path

    import click

    from headstart.cli.output import PROGRAM, Call
    from headstart.cli.process.program import Program
    from headstart.cli.workspace import said, version
    from headstart.values.variables import check_settings

    @click.group(
        name=PROGRAM,
        cls=Program,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help="Run a pretrained model over your data once; train any number of small "
        "classifiers on the result.",
        epilog="A backbone is a pretrained network. Its features at a layer (the cut) are "
        "computed once and kept; a head is a small model trained on them. `headstart "
        "glossary` explains all words.",
    )
    @click.option(
        "--workspace",
        type=click.Path(path_type=Path),
        help="The workspace's folder; default: $HEADSTART_HOME.",
    )
    @click.option("--json", "as_json", is_flag=True, is_eager=True, help="Print one JSON document.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @said.options
    @version.option
    @click.pass_context
    def program(
        context: click.Context,
        workspace: Path | None,
        as_json: bool,
        debug: bool,
        verbose: int,
        quiet: int,
        log_format: str | None,
    ) -> None:
        del debug  # looked for by `main`, which sees the errors
        said.ask(verbose, quiet, log_format)
        if context.invoked_subcommand not in DESPITE_ALL:
            check_settings()
        context.obj = Call(workspace, as_json or _is_set(JSON))

    return program


JSON, DEBUG = "HEADSTART_JSON", "HEADSTART_DEBUG"
"""Variables by which all commands do so."""
DESPITE_ALL = ("config", "doctor")
"""Commands that work whatever variables and the user's own file say, and say what is wrong there;
all others are refused."""
KEPT = "What was committed is kept; the same command continues from there."
INTERRUPTED = f"interrupted. {KEPT}"
INTERRUPTED_OBJECT = (
    f'{{"error": {{"code": "interrupted", "message": "interrupted", "hint": "{KEPT}"}}, '
    '"schema_version": 1}'
)
"""As `_tell` makes it, for when nothing is imported yet."""


def command() -> NoReturn:
    """The program `headstart`: as `main`, of a process that is for this alone."""
    _main(None, ends_here=True)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; exits with 0, with what `errors.EXITS` says after one line that says
    what to do, with 1 where a result says that something is wrong, or with 130 where it was
    interrupted."""
    _main(arguments, ends_here=False)


def _main(arguments: list[str] | None, *, ends_here: bool) -> NoReturn:
    # Libraries that are imported make what they like of an exception: an ImportError, a line of
    # "ignored" ones. Nothing is begun yet, so that the process may end where it stands.
    before = _when_interrupted(_end_at_once)
    from headstart.cli.process import end, garbage

    if arguments is None:  # a process of its own, which ends with the command
        if ends_here:  # and does nothing behind it
            end.prepare()
        garbage.prepare()
    from headstart.cli.output import note
    from headstart.cli.workspace.said import begin
    from headstart.extractors.runtime import before_loading

    group = sys.modules[__name__].cli
    before_loading(note)
    given = sys.argv[1:] if arguments is None else arguments
    begin(given)
    _refuse_closed_output(given)
    try:
        _run(group, given, before)
    except SystemExit as left:
        _end_if_threads_hang(left.code)
        end.done(left.code)
        raise
    finally:
        if before is not None:  # a process of its own may be interrupted until it is gone
            _when_interrupted(_end_at_once if arguments is None else before)


def _when_interrupted(handler: Any) -> Any:
    """What becomes of Ctrl-C from now on; gives what it was, None where nothing was changed: it is
    ignored, as of a job in the background, or is somebody else's."""
    try:
        if signal.getsignal(signal.SIGINT) in (
            signal.default_int_handler,
            _end_at_once,
            _raise_and_remember,
        ):
            return signal.signal(signal.SIGINT, handler)
    except ValueError:  # not the main thread, to which it never comes
        pass
    return None


def _end_at_once(*_signal: object) -> None:
    if "--json" in sys.argv[1:]:
        os.write(2, f"{INTERRUPTED_OBJECT}\n".encode())
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(130)


_interrupts: list[bool] = []
"""Something, once Ctrl-C has come: libraries that are loading, and processes that were asked for
something, make other errors of it, which would be said as bugs."""


def _raise_and_remember(*_signal: object) -> None:
    _interrupts.append(True)
    raise KeyboardInterrupt


def _called(group: click.Group, given: list[str]) -> Any:
    """What the command gives; what fails after Ctrl-C has come was interrupted, whatever it says.

    Raises:
        KeyboardInterrupt: of it.
    """
    _interrupts.clear()
    try:
        return group.main(args=given, prog_name="headstart", standalone_mode=False)
    except Exception as error:
        if _interrupts:
            raise KeyboardInterrupt from error
        raise


def _run(group: click.Group, given: list[str], before: Any) -> NoReturn:
    import click

    from headstart.errors import EXITS, HeadstartError, Stalled, first_line
    from headstart.values.calls import called_as

    try:
        if before is not None:
            _when_interrupted(_raise_and_remember)
        with called_as(lambda: _in_words(given)):
            status = _called(group, given)
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _tell(given, "interrupted", "interrupted", KEPT)
        _leave(INTERRUPTED, status=EXITS["interrupted"])  # 128 + SIGINT, as shells have it
    except click.exceptions.NoArgsIsHelpError as error:  # `headstart head` asks what there is
        click.echo(error.format_message())
        sys.exit(0)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = f" See `{context.command_path} --help`." if context is not None else ""
        code = "usage" if isinstance(error, click.UsageError) else "failed"
        said = " ".join(error.format_message().split()) + _variable_of(error)
        if type(error) is not click.ClickException:  # which is of a result that was printed
            _tell(given, code, said, where.strip() or None)
        _fail(f"error: {_ended(said) if where else said}{where}", _debug(given), EXITS[code])
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except Stalled as error:
        _tell(given, error.code, error.message, error.hint)
        _leave(f"error: {error}", _debug(given), EXITS.get(error.code, EXITS["failed"]))
    except HeadstartError as error:
        _tell(given, error.code, error.message, error.hint)
        _fail(f"error: {error}", _debug(given), EXITS.get(error.code, EXITS["failed"]))
    except MemoryError as error:
        said, hint = f"there is not enough memory: {first_line(error)}", "Give smaller numbers."
        _tell(given, "failed", said, hint)
        _fail(f"error: {said}. {hint}", _debug(given))
    except OSError as error:
        _refused_by_system(given, error)
    except Exception as error:
        _fail_as_bug(given, error)


def _refuse_closed_output(given: list[str]) -> None:
    """Nothing is begun where nobody can see what comes of it, and where the first file that is
    opened would take the place of standard output."""
    from headstart.errors import EXITS

    if sys.stdout is None:
        said, hint = "standard output is closed", "Send it to a file, or to /dev/null."
        _tell(given, "storage", said, hint)
        _fail(f"error: {said}. {hint}", _debug(given), EXITS["storage"])


def _refused_by_system(given: list[str], error: OSError) -> NoReturn:
    """The end of a command that the system refused something; what names no file was being
    printed."""
    from headstart.errors import EXITS
    from headstart.values.refusals import FULL, is_denied

    if not is_denied(error) and error.errno not in FULL:
        _fail_as_bug(given, error)
    target = error.filename or "standard output"
    if error.filename is None:  # what is still to be printed would be refused as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    said, code = (
        f"the system refuses {target}: {error.strerror}",
        "denied" if is_denied(error) else "storage",
    )
    hint = "Let somebody do it who may." if code == "denied" else "Free some space."
    _tell(given, code, said, hint)
    _fail(f"error: {said}. {hint}", _debug(given), EXITS[code])


def _fail_as_bug(given: list[str], error: Exception) -> NoReturn:
    from headstart.errors import first_line

    _tell(given, "bug", first_line(error), "Please report it with what --debug shows.")
    _fail(
        f"error: unexpected {_ended(first_line(error))} This is a bug in headstart: please "
        "report it with what --debug shows.",
        _debug(given),
    )


def _ended(sentence: str) -> str:
    """A sentence with one full stop, before another."""
    plain = sentence.rstrip(".")
    return plain if plain.endswith(("!", "?", "…")) else f"{plain}."


def _variable_of(error: click.ClickException) -> str:
    """Behind an error about an option that a variable says: which one."""
    import click
    from click.core import ParameterSource

    parameter, context = getattr(error, "param", None), getattr(error, "ctx", None)
    if parameter is None or context is None or not isinstance(error, click.BadParameter):
        return ""
    is_variable = context.get_parameter_source(parameter.name) is ParameterSource.ENVIRONMENT
    return f" It comes from ${parameter.envvar}." if is_variable else ""


def _in_words(given: list[str]) -> str:
    """The command line, as it could be typed."""
    import shlex

    from headstart.database_urls import without_passwords

    return shlex.join(["headstart", *map(without_passwords, given)])


def _leave(message: str, debug: bool = False, status: int = 1) -> NoReturn:
    """End the process at once: a thread that hangs could make a proper end hang, or crash."""
    if debug:
        import faulthandler

        faulthandler.dump_traceback(all_threads=True)
    try:
        _fail(message, debug, status)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if _has_hanging_threads():
            os._exit(status)


def _end_if_threads_hang(status: Any) -> None:
    """End at once where a thread was given up, as by a command that went on without it."""
    daemons = sys.modules.get("headstart.extractors.daemons")
    if daemons is not None and daemons.are_hanging():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1 if status else 0)


def _has_hanging_threads() -> bool:
    from headstart.extractors.daemons import are_left

    return are_left()


def _debug(given: list[str]) -> bool:
    return "--debug" in given or _is_set(DEBUG)


def _is_set(variable: str) -> bool:
    """Whether a variable says yes."""
    from headstart.values.variables import truth_in

    return truth_in(os.environ.get(variable) or "no") or False


def _tell(given: list[str], code: str, message: str, hint: str | None) -> None:
    """With `--json`, say for programs what went wrong: an object in a line of standard error,
    before the line for people."""
    if "--json" not in given and not _is_set(JSON):
        return
    import json

    import click

    from headstart.database_urls import without_passwords
    from headstart.values.showable import SCHEMA_VERSION
    from headstart.visible import visible_json

    # Before it is JSON: a quote that is escaped there would end a password too early, or too late.
    said = without_passwords(" ".join(message.split()))
    facts = {"code": code, "message": said, "hint": hint and without_passwords(hint)}
    told = json.dumps({"error": facts, "schema_version": SCHEMA_VERSION}, ensure_ascii=False)
    click.echo(visible_json(told), err=True)


def _fail(message: str, debug: bool = False, status: int = 1) -> NoReturn:
    import logging

    import click

    from headstart.cli.workspace.said import said, say
    from headstart.database_urls import without_passwords
    from headstart.visible import visible_lines

    if debug:
        import traceback

        click.echo(visible_lines(without_passwords(traceback.format_exc())), err=True, nl=False)
    say(message.removeprefix("error: ") if said.as_json else message, logging.ERROR)
    sys.exit(status)
