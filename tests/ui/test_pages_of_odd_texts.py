"""Texts with signs that nobody sees: shown written out, and posted back as they are."""

import re
from html import unescape

from headstart.ui.pages import Pages, _templates, escape

ODD = 'cat\u200f"<\u2028'


def test_what_a_form_sends_back_is_exact_and_what_is_shown_is_written_out():
    made = (
        Pages()
        ._environment.from_string('<b>{{ text }}</b><input value="{{ text | exact }}">')
        .render(text=ODD)
    )
    ((shown, value),) = re.findall('^<b>(.*)</b><input value="(.*)">$', made, re.DOTALL)
    assert unescape(value) == ODD and value == escape(ODD)
    assert unescape(shown) == 'cat\\u200f"<\\u2028'


def test_no_value_of_a_form_is_written_out():
    texts = r"(sample|second)\.id$|^features$|guess$|label$|\.reference$|pattern.*\)$"
    for name, source in _templates().items():
        for value in re.findall(r' value="\{\{ (.*?) \}\}"', source):
            assert not re.search(texts, value), (name, value)
