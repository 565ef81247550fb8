"""Columns of Arrow by their buffers: equal to those that pyarrow makes, and without pandas."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.storage.columns.buffers import (
    are_there,
    lists_array,
    numbers_array,
    numbers_in,
    texts_array,
    texts_in,
)

TEXTS = st.text(st.characters(codec="utf-8"))


@given(st.lists(st.none() | TEXTS), st.integers(0, 4), st.integers(0, 4))
def test_texts_are_those_of_pyarrow(texts, start, cut):
    array = texts_array(texts)
    array.validate(full=True)
    assert array.equals(pa.array(texts, pa.string()))
    part = slice(start, max(start, len(texts) - cut))
    assert texts_in(array.slice(start, part.stop - start)) == texts[part]
    assert texts_in(pa.nulls(len(texts), pa.string())) == [None] * len(texts)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), st.integers(0, 4))
def test_numbers_are_those_of_pyarrow(numbers, start):
    is_there = np.array([one is not None for one in numbers], bool)
    array = numbers_array(np.array([one or 0 for one in numbers], np.int64), is_there)
    array.validate(full=True)
    assert array.equals(pa.array(numbers, pa.int64()))
    part = array.slice(start)
    assert are_there(part).tolist() == is_there[start:].tolist()
    assert numbers_in(part, null=-7).tolist() == [-7 if n is None else n for n in numbers[start:]]


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1))))
def test_lists_are_those_of_pyarrow(lists):
    array = lists_array(lists)
    array.validate(full=True)
    assert array.equals(pa.array(lists, pa.list_(pa.int64())))


def test_what_no_column_can_hold_is_an_error():
    with pytest.raises(OverflowError):
        lists_array([[2**63]])
    with pytest.raises(UnicodeEncodeError):
        texts_array(["\ud800"])


@pytest.mark.skipif(sys.platform != "linux", reason="wants pandas, which other systems may lack")
def test_a_manifest_is_read_without_pandas(ready):
    pytest.importorskip("pandas", reason="only where it is installed it could be imported")
    root = str(ready.config.root)
    code = (
        "import sys, headstart as hs\n"
        f"manifest = hs.open({root!r}).datasets.manifest('pics')\n"
        "assert manifest.samples[0].label and manifest.digest and manifest.classes\n"
        "print('pandas' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_buffers_may_be_longer_than_what_is_in_them():
    """As a file of anyone's may have them; Arrow itself pads them."""
    long = pa.py_buffer(np.arange(5, dtype=np.int64).tobytes() + b"xyz")
    assert numbers_in(pa.Array.from_buffers(pa.int64(), 2, [None, long])).tolist() == [0, 1]
    ends = pa.py_buffer(np.array([0, 1, 2, 9], np.int32).tobytes() + b"z")
    assert texts_in(pa.StringArray.from_buffers(2, ends, pa.py_buffer(b"abc"))) == ["a", "b"]
