"""A head answers for what somebody drops on its page."""

import io

import numpy as np
import pytest
from PIL import Image

from page_client import open_page


@pytest.fixture
def page(ready):
    ready.heads.train("colours", ready.extract("net", "pics"))
    return open_page(ready)


def ask(page, content):
    headers = {"accept": "application/json"}
    return page.post("/heads/colours/predict", content=content, headers=headers)


def test_a_dropped_picture_is_answered_as_the_command_line_would(page, ready, pictures):
    file = pictures / "red" / "01.png"
    (told,) = ask(page, file.read_bytes()).json()
    (found,) = ready.heads.get("colours").predict(file)
    assert told["label"] == found.label
    assert told["probability"] == pytest.approx(found.probability, abs=1e-5)
    assert [one["label"] for one in told["top"]] == [label for label, _ in found.top(3)]
    assert "held-out samples" in told["trust"]
    other = io.BytesIO()
    Image.fromarray(np.zeros((9, 7, 3), np.uint8)).save(other, "WEBP")
    assert ask(page, other.getvalue()).status_code == 200, "one that is nowhere cached is computed"
    for content in (b"no picture at all", b"\x89PNG\r\n\x1a\nand no more", b"/etc/passwd"):
        answer = ask(page, content)
        assert answer.status_code == 422 and answer.json()["error"]["code"] == "unreadable"
