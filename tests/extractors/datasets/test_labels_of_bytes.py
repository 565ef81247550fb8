"""Labels that come as bytes are texts, or nothing."""

import pyarrow as pa
import pytest

from headstart.errors import DatasetError
from headstart.extractors.datasets.rows import to_label
from headstart.notices import HeadstartWarning


def test_bytes_are_text_or_an_error():
    assert to_label("café".encode(), "row 1") == "café"
    with pytest.raises(DatasetError, match=r"row 1: the label b'caf\\xe9' is no UTF-8"):
        to_label(b"caf\xe9", "row 1")


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_labels_of_other_bytes_are_not_one_class_and_can_be_skipped(ws):
    labels = pa.array([b"cat", b"caf\xe9", b"caf\xea", b"cat"])
    frame = pa.table({"text": ["one", "two", "three", "four"], "label": labels})
    with pytest.raises(DatasetError, match=r"row 1: the label b'caf\\xe9' is no UTF-8"):
        ws.datasets.add("d", frame, text_column="text", label_column="label")
    with pytest.warns(HeadstartWarning, match=r"2 samples skipped: .*xe9"):
        ws.datasets.add("d", frame, text_column="text", label_column="label", on_error="skip")
    assert [one.label for one in ws.datasets.manifest("d").samples] == ["cat", "cat"]
