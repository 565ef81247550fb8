"""Arguments of the wrong kind are refused where they are given, in one line."""

from __future__ import annotations

import ast
import functools
import inspect
import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from headstart.database_urls import without_passwords
from headstart.errors import HeadstartError, InvalidValue
from headstart.values.calls import called_as
from headstart.values.seeds import check_seed
from headstart.values.showable import brief

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)
Check = Callable[[Any], bool]


def _is_whole(given: Any) -> bool:
    if isinstance(given, bool):
        return False
    try:
        operator.index(given)
    except TypeError:
        return False
    return True


def _is_number(given: Any) -> bool:
    return _is_whole(given) or isinstance(given, float) or hasattr(given, "is_integer")


def _is_sequence(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


KINDS: dict[str, tuple[Check, str]] = {
    "None": (lambda given: given is None, "None"),
    "str": (lambda given: isinstance(given, str), "a text"),
    "Path": (lambda given: isinstance(given, os.PathLike), "a path"),
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "bool": (lambda given: type(given).__name__ in ("bool", "bool_"), "True or False"),
    "dict": (lambda given: isinstance(given, Mapping), "a dictionary"),
    "Sequence": (_is_sequence, "a list"),
    "np.ndarray": (lambda given: hasattr(given, "shape") and hasattr(given, "dtype"), "an array"),
    "Callable": (callable, "a function"),
    "Progress": (callable, "a function of (done, total)"),
    "Watch": (callable, "a function"),
    "Executor": (lambda given: hasattr(given, "run"), "an executor"),
    "TrialExecutor": (lambda given: hasattr(given, "run"), "an executor of trials"),
    "Task": (lambda given: hasattr(given, "evaluate"), "a task, such as hs.Regression()"),
}
"""By the name of an annotation: whether something is of it, and what is said of it."""
SETTINGS = ("Settings", "CrossValidation", "FineTuning", "Choice")
"""Classes that are told by their name: this lies below them."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function refuse arguments that are not of the kinds that it declares.

    Parameters whose annotation names anything that is not in `KINDS` and `SETTINGS` are left to
    the function. Which arguments there are is left to Python.
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **given: P.kwargs) -> R:
        signature, kinds = _kinds_of(function)
        try:
            bound = signature.bind(*arguments, **given)
        except TypeError:
            return function(*arguments, **given)  # Python says it as it always does
        for name, value in bound.arguments.items():
            if name in kinds:
                what = f"{name} of {function.__qualname__}"
                with _order_of(signature, value, bound.arguments):
                    bound.arguments[name] = _taken(value, kinds[name], what)
                if name == "seed" and value is not None:
                    check_seed(bound.arguments[name], what)
        with called_as(lambda: _in_words(function, bound)):
            return function(*bound.args, **bound.kwargs)

    return call


@contextmanager
def _order_of(signature: inspect.Signature, value: Any, given: Mapping[str, Any]) -> Iterator[None]:
    """An error of a value that stands where a text is wanted, and a text behind it, says which
    argument comes when."""
    try:
        yield
    except HeadstartError as error:
        names = [name for name in signature.parameters if name != "self"]
        is_first = bool(names) and given.get(names[0]) is value
        second = given.get(names[1]) if len(names) > 1 else None
        if is_first and isinstance(second, str) and error.hint:
            error.hint += f" The order is {', '.join(names[:2])}."
        raise


def _in_words(function: Callable[..., Any], bound: inspect.BoundArguments) -> str:
    """A call as it could be written, its arguments cut short."""
    given = [
        f"{name}={brief(without_passwords(value) if isinstance(value, str) else value)}"
        for name, value in bound.arguments.items()
        if name != "self"
    ]
    return f"{function.__qualname__}({', '.join(given)})"


def _taken(value: Any, kinds: list[tuple[Check, str]], what: str) -> Any:
    """A value of one of the kinds; a number of numpy becomes Python's, which SQL and JSON know.

    Raises:
        HeadstartError: it is of none.
    """
    if not any(is_of(value) for is_of, _ in kinds):
        raise InvalidValue(
            f"{what} is {brief(value)}, of type {type(value).__name__}",
            hint=f"Give {' or '.join(words for _, words in kinds)}.",
        )
    is_numpy = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_numpy else value


def checks_arguments(cls: C) -> C:
    """A class whose public methods are `checked`."""
    for name, member in list(vars(cls).items()):
        if not name.startswith("_") and inspect.isfunction(member):
            setattr(cls, name, checked(member))
    return cls


@functools.cache
def _kinds_of(
    function: Callable[..., Any],
) -> tuple[inspect.Signature, dict[str, list[tuple[Check, str]]]]:
    signature = inspect.signature(function)
    found = {
        name: _alternatives(str(one.annotation))
        for name, one in signature.parameters.items()
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and one.annotation is not one.empty
    }
    return signature, {name: kinds for name, kinds in found.items() if kinds}


def _alternatives(annotation: str) -> list[tuple[Check, str]]:
    """What an annotation allows; nothing if it names what is not known here."""
    names = _names(ast.parse(annotation, mode="eval").body)
    if not all(name in KINDS or name in SETTINGS for name in names):
        return []
    return [KINDS.get(name) or _of_class(name) for name in names]


def _names(node: ast.expr) -> list[str]:
    if isinstance(node, ast.BinOp):
        return [*_names(node.left), *_names(node.right)]
    if isinstance(node, ast.Subscript):
        return _names(node.value)
    return [ast.unparse(node)]


def _of_class(name: str) -> tuple[Check, str]:
    return lambda given: any(base.__name__ == name for base in type(given).__mro__), f"hs.{name}()"
