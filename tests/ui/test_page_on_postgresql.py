"""The page over a registry in PostgreSQL: every screen and every action, and what a reader may."""

import html
import re
import shutil

import pytest
from sqlalchemy import create_engine, text

import headstart as hs
import page_workspace as made
from page_client import finished, open_page, text_of

SENT = (
    (
        "/labels/pics/begin",
        {"features": "net@top"},
        "/labels/pics?features=net@top",
        "looks like red",
    ),
    ("/rank/pics/begin", {}, "/rank/pics", "Accuracy of linear heads"),
    ("/rank/pics/train", {"name": "second", "features": "net@top"}, "", "second:1"),
    ("/heads/first:1/curve", {"a": "form"}, "", "heads per point"),
    ("/retrain", {"head": "first:1"}, "", "first:1 and first:3"),
)
"""What is begun, where that is shown (where it leads, without a word), and a part of it."""


pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path, own_database):
    workspace = made.make(tmp_path, own_database)
    yield workspace
    workspace.database.close()


def links_in(answer):
    return [html.unescape(one) for one in re.findall(r'(?:href|src)="(/[^"#]*)', answer.text)]


def kind_of(path):
    """The same of addresses that differ in a digest, or a place, alone."""
    return re.sub(r"[0-9a-f]{64}|(start|place)=\d+", "*", path)


def every_screen(page):
    """The status of each address that a link leads to, by the kind of it."""
    seen, ahead = {}, ["/"]
    while ahead:
        path = ahead.pop()
        if kind_of(path) not in seen:
            answer = page.get(path)
            seen[kind_of(path)] = answer.status_code
            ahead += links_in(answer)
    return seen


def test_every_screen_is_there_and_everything_that_is_begun_is_done(workspace):
    assert workspace.database.engine.dialect.name == "postgresql"
    page = open_page(workspace)
    workspace.map("net", "pics")
    for path, form, shown, words in SENT:
        begun = page.post(path, data=form)
        assert words in text_of(finished(page, shown or str(begun.url))), path
    sample = "green/red-00.png"
    page.post("/labels/pics/say", data={"sample": sample, "action": "label", "label": "red"})
    assert "1 label changed" in text_of(page.post("/labels/pics/apply"))
    labels = {one.id: one.label for one in workspace.datasets.manifest("pics").samples}
    assert labels[sample] == "red"
    seen = every_screen(page)
    assert len(seen) > 60 and {*seen.values()} == {200}, seen


def test_a_reader_sees_every_screen_and_is_told_what_it_may_not(workspace, tmp_path):
    engine = create_engine(workspace.config.database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            "DROP ROLE IF EXISTS page_reader",
            "CREATE ROLE page_reader LOGIN",
            "GRANT USAGE ON SCHEMA public TO page_reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO page_reader",
        ):
            connection.execute(text(statement))
    copy = shutil.copytree(tmp_path / "zoo", tmp_path / "reader")
    file = copy / "headstart.toml"
    file.write_text(re.sub(r"//[^@/]*@", "//page_reader@", file.read_text()))
    page = open_page(hs.open(copy))
    assert {*every_screen(page).values()} == {200}
    sample = {"sample": "green/red-00.png", "action": "keep"}
    for path, form in (*(one[:2] for one in SENT), ("/labels/pics/say", sample)):
        refused = page.post(path, data=form)
        assert refused.status_code == 403, (path, refused.text)
        assert "refuses this user" in refused.text and "docs/team.md" in refused.text, path
    with engine.connect() as connection:
        connection.execute(text("DROP OWNED BY page_reader"))
        connection.execute(text("DROP ROLE page_reader"))
    engine.dispose()
