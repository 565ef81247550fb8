"""Whatever a client asks for, it is refused with a word: nothing of it is a fault of the server."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headstart.registry import tables
from headstart.ui.app import LARGEST_BODY, create_app
from headstart.ui.routes.heads import LARGEST_SAMPLE
from page_client import HERE, TOKEN, client_of
from page_workspace import copied

ODD = (
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "http://169.254.169.254/latest",
    "s3://bucket/prefix",
    "zoo:efficientnet-lite0",
    "applications:VGG16",
    "x" * 5000,
    "-1",
    "0",
    "1e9",
    "99999999999999999999",
    "first:99999999999999999999999",
    "net:" + "9" * 5000,
    "net@top",
    "first:0",
    "first:99",
    "first:-1",
    "%00",
    "\u202e",
    "'; DROP TABLE heads; --",
    "{{7*7}}",
    "٣",
    "None",
)


@pytest.fixture(scope="module")
def workspace(page_folder, tmp_path_factory):
    """A copy for this file."""
    folder = tmp_path_factory.mktemp("hostile")
    return copied(page_folder / "zoo", folder / "zoo")


@pytest.fixture(scope="module")
def app(workspace):
    return create_app(workspace, TOKEN)


@pytest.fixture(autouse=True)
def nothing_is_written(workspace):
    """By any request of this file: none of them has a right to say something."""
    before = tables_of(workspace)
    yield
    assert tables_of(workspace) == before


def tables_of(workspace):
    """All that the registry holds, by table."""
    with workspace.database.reading() as connection:
        return {
            table.name: connection.execute(table.select()).all()
            for table in tables.metadata.sorted_tables
        }


def routes_of(app):
    for route in app.routes:
        if route.path != "/jobs/events":
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path


def quoted(text):
    return "".join(f"%{byte:02x}" for byte in text.encode())


def ask(app, method, path, **more):
    answer = client_of(app).request(method, path, headers={"origin": HERE}, **more)
    assert answer.status_code < 500, (method, path, more, answer.text)
    return answer


@pytest.mark.parametrize("odd", ODD, ids=lambda text: text[:20])
def test_odd_names_in_a_path_are_refused(app, odd):
    for method, path in routes_of(app):
        if "{" in path:
            asked = re.sub(r"\{[^}]+\}", lambda _: quoted(odd), path)
            assert ask(app, method, asked).status_code in (303, *range(400, 500)), asked


@settings(max_examples=25)
@given(text=st.text(max_size=40), place=st.integers(0, 100))
@example(text="\0", place=0)
def test_any_text_in_a_path_is_refused_or_answered(app, text, place):
    known = [one for one in routes_of(app) if "{" in one[1]]
    method, path = known[place % len(known)]
    with suppress(UnicodeEncodeError):  # no text: it cannot be sent
        ask(app, method, re.sub(r"\{[^}]+\}", lambda _: quoted(text), path))


QUERIES = ("label", "split", "start", "side", "truth", "guess", "a", "b", "features", "place")
QUERIES += ("pattern", "most", "least", "licence", "cost", "here", "token")


@settings(max_examples=25)
@given(text=st.text(max_size=40), place=st.integers(0, 1000))
@example(text="\0", place=0)
@example(text="-1", place=2)
@example(text="9" * 30, place=2)
@example(text="0", place=3)
def test_any_text_in_a_query_is_refused_or_answered(app, text, place):
    paths = ("/datasets/pics", "/heads/first/samples", "/compare", "/labels/pics", "/zoo")
    path, name = paths[place % len(paths)], QUERIES[place % len(QUERIES)]
    with suppress(UnicodeEncodeError):
        ask(app, "GET", f"{path}?{name}={quoted(text)}")
        ask(app, "GET", f"/datasets/pics?{name}={quoted(text)}")


FORMS = (
    "/retrain",
    "/labels/pics/say",
    "/labels/pics/begin",
    "/labels/pics/undo",
    "/rank/pics/train",
)
FIELDS = ("head", "sample", "action", "label", "other", "place", "features", "number", "name")


@settings(max_examples=25)
@given(
    fields=st.dictionaries(
        st.sampled_from(FIELDS), st.text(st.characters(codec="utf-8"), max_size=40)
    )
)
def test_any_form_is_refused_or_answered(app, fields):
    for path in FORMS:
        if not (path.endswith("begin") and fields.get("features") in ("net", "net@top")):
            ask(app, "POST", path, data=fields)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", json.dumps({"sample": 1}).encode()),
        ("application/json", b"{" * 1000),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * (1 << 20)),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 3000)),
        ("application/x-www-form-urlencoded", b"action=label&action=keep"),
        ("text/plain", b""),
    ],
)
def test_what_is_no_form_is_refused(app, kind, content):
    for path in FORMS:
        headers = {"origin": HERE, "content-type": kind}
        answer = client_of(app).post(path, content=content, headers=headers)
        assert 400 <= answer.status_code < 500, (path, answer.text)


def test_a_request_that_is_too_large_is_refused_before_it_is_read(app):
    headers = {"origin": HERE, "content-length": str(LARGEST_BODY + 1)}
    answer = client_of(app).post("/heads/first/predict", content=b"x", headers=headers)
    assert answer.status_code == 413
    content = b"x" * (LARGEST_SAMPLE + 1)
    assert (
        client_of(app)
        .post("/heads/first/predict", content=content, headers={"origin": HERE})
        .status_code
        == 413
    )


def test_a_name_that_no_file_can_have_is_refused(app):
    form = {"name": "n" * 300, "features": "net@top"}
    assert ask(app, "POST", "/rank/pics/train", data=form).status_code == 422


def test_the_signs_of_a_pattern_are_no_feature_key(app):
    for odd in ("%25", "_", "%25%25"):
        assert ask(app, "GET", f"/map?dataset=pics&set={odd}").status_code == 404


def test_a_dataset_is_not_found_by_its_source(app, workspace):
    source = workspace.datasets.get("pics").source
    assert ask(app, "GET", f"/datasets/{quoted(source)}").status_code == 404
    assert ask(app, "GET", f"/rank/{quoted(source)}").status_code == 404
    assert ask(app, "GET", "/backbones/net.keras").status_code == 404


def test_a_text_of_a_client_is_never_read_as_a_path(app, monkeypatch):
    """It would be predicted as a file, or as a dataset, of the server."""
    from headstart.catalog.head import Head

    given = []
    monkeypatch.setattr(Head, "predict", lambda self, samples: given.append(samples) or 1 / 0)
    for text in (b"/etc/passwd", b"pics", b"http://127.0.0.1/"):
        client_of(app).post("/heads/first/predict", content=text, headers={"origin": HERE})
    assert given and all(type(one) is bytes for one in given)


def test_a_single_word_that_is_written_down_would_be_noticed(own_workspace):
    before = tables_of(own_workspace)
    page = client_of(create_app(own_workspace, TOKEN))
    form = {"sample": "red/red-10.png", "action": "keep"}
    page.post("/labels/pics/say", data=form, headers={"origin": HERE})
    after = tables_of(own_workspace)
    assert [name for name in after if after[name] != before[name]] == ["corrections"]
