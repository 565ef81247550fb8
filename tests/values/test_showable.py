"""What can be shown: the spelling of values, the table, the line."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.values.notebook import table_of
from headstart.values.showable import BRIEF, Results, Showable, spelled


@dataclass(frozen=True)
class Inner:
    where: Path


@dataclass(frozen=True)
class Found(Showable):
    name: str
    value: Any = None


class Pair(NamedTuple):
    first: int
    second: int


class Shown(Showable, Pair):
    """A named tuple that can be shown."""


class Broken(Showable):
    def _facts(self):
        return {}

    def _line(self):
        return self.nothing  # as of an object that is only half made


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (math.nan, None),
        (-math.inf, None),
        (Path("a/b"), "a/b"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        ((1, (2,)), [1, [2]]),
        ({"b", "a"}, ["a", "b"]),
        ({1: {"x": np.float64(2)}}, {"1": {"x": 2.0}}),
        (Inner(Path("x")), {"where": "x"}),
        (Found("a", Found("b")), {"name": "a", "value": {"name": "b", "value": None}}),
        (Shown(1, 2), {"first": 1, "second": 2}),
        (Results([Found("a")]), [{"name": "a", "value": None}]),
    ],
)
def test_every_value_has_one_spelling(value, wanted):
    assert spelled(value) == wanted
    assert json.loads(json.dumps(spelled(value), allow_nan=False)) == wanted


@pytest.mark.parametrize("value", [object(), b"bytes", 1j, Found])
def test_what_has_no_spelling_is_an_error_that_names_its_type(value):
    with pytest.raises(TypeError, match=r"nothing says how .*\.\w+ is spelled"):
        spelled({"x": [value]})


HOSTILE = "<script>alert('x')</script>&\x1b[2J\u202e\n\x00\ud800"


@given(st.text())
def test_nothing_in_a_table_is_read_as_html(text):
    found = Found(text + HOSTILE, {text + HOSTILE: [text], "rows": [{HOSTILE: text}]})
    html = found._repr_html_()
    inside = html.replace("<div>", "").replace("</div>", "")
    for tag in ("b", "table", "tr", "td", "th", "p"):
        inside = inside.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in inside and ">" not in inside
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in html)
    assert "\u202e" not in html and "\ud800" not in html


def test_long_lists_and_texts_are_cut_and_it_is_said():
    html = table_of("x", [{"n": number, "text": "y" * 1000} for number in range(1234)])
    assert "1,234 in all" in html and len(html) < 20_000
    assert table_of("x", []) == "<div><b>x</b></div>"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (Found("a"), "Found(name='a', value=None)"),
        (Found("a\x1b[2J\u202e"), "Found(name='a\\x1b[2J\\u202e', value=None)"),
        (Found("a", np.zeros((3, 4), np.float32)), "Found(name='a', value=<float32 of 3x4>)"),
        (Found("a", list(range(100))), "Found(name='a', value=<list of 100>)"),
        (Found("a", 1 / 3), "Found(name='a', value=0.3333)"),
        (Shown(1, 2), "Shown(first=1, second=2)"),
        (Broken(), "Broken(… AttributeError)"),
        (Results([Found("a")]), "[Found(name='a', value=None)]"),
    ],
)
def test_the_line_of_an_object(value, line):
    assert repr(value) == line


def test_the_line_of_long_things_is_short():
    assert len(repr(Found("x" * 10_000, {"y" * 100: "z" * 100}))) < 3 * BRIEF
    assert repr(Results([Found("a")] * 1000)).endswith(", … 1,000 in all]")


def test_results_are_a_list():
    assert Results([1, 2]) == [1, 2] and Results([3])[0] == 3 and isinstance(Results(), list)
    assert tuple(Shown(1, 2)) == (1, 2) and Shown(1, 2) == (1, 2)
