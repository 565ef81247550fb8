"""What a screen offers as "the same in Python" runs as it stands there, names filled in."""

import ast
import html
import inspect
import re

import pytest

from page_client import open_page

SCREENS = (
    "/", "/backbones", "/backbones/net", "/zoo", "/zoo?pattern=lite", "/datasets", "/datasets/pics",
    "/map", "/map?dataset=pics", "/rank", "/rank/pics", "/sweeps/1", "/heads", "/heads/first:1",
    "/compare?a=first:1&b=first:2", "/labels", "/labels/pics", "/jobs",
)  # fmt: skip
NAMES = {one: one for one in ("NAME", "SOURCE", "BACKBONE", "DATASET", "FILE")}
"""What one fills in; calls with them need a model, a file or a name: they are bound, not made."""


def offered(page, path):
    """The Python of a screen; every second block, the first is how the workspace is opened."""
    answer = page.get(path)
    assert answer.status_code == 200, path
    _, _, same = answer.text.partition('<details class="same">')
    blocks = re.findall(r"<pre><code>(.*?)</code></pre>", same, re.DOTALL)
    return [html.unescape(one) for one in (blocks[0], *blocks[2::2])] if blocks else []


@pytest.mark.parametrize("path", SCREENS)
def test_the_same_in_python_runs(path, own_workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics-corrections.csv").write_text("id,new_label\nred/red-10.png,blue\n")
    opening, *lines = offered(open_page(own_workspace), path)
    assert lines, path
    known = dict(NAMES)
    exec(opening, known)
    for line in lines:
        if not any(re.search(rf"\b{name}\b", line) for name in NAMES):
            exec(line, known)
            continue
        call = ast.parse(line, mode="eval").body
        assert isinstance(call, ast.Call)
        made = eval(ast.unparse(call.func), known)
        inspect.signature(made).bind(*[ast.unparse(one) for one in call.args])
