"""Heads that take features of several backbones side by side colour a map as others do."""

import re

import numpy as np
import pytest
from sqlalchemy import text

import headstart as hs
import page_workspace as made
from headstart.jobs.exploration import map_columns
from page_client import open_page, text_of


@pytest.fixture
def joined(own_workspace, tmp_path):
    """A head on the features of two backbones."""
    ws = own_workspace
    made.add_backbone(ws, "other", trunk="other")
    made.import_rows(ws, "pics", tmp_path, "other")
    features = hs.join([ws.features("net", "pics"), ws.features("other", "pics")])
    return ws, ws.heads.train("both", features), features


def test_a_joined_head_colours_a_map_by_what_it_says(joined):
    ws, head, features = joined
    found = ws.map("net", "pics")
    page, at = open_page(ws), f"/map/{found.kept.key}"
    colour = f"prediction:{head.record.id}"
    answer = page.get(f"{at}/legend?colour={colour}")
    assert answer.status_code == 200, answer.text
    legend = answer.json()
    codes = np.frombuffer(page.get(f"{at}/values?colour={colour}").content, "<u2")
    said = dict(zip(features.ids, head.judge.predict(features.to_numpy()), strict=True))
    assert [legend["names"][code] for code in codes] == [said[id_] for id_ in found.samples.ids]


def test_a_joined_head_is_shown_on_the_page(joined):
    page = open_page(joined[0])
    shown = page.get("/heads/both:1")
    assert "net:1@top + other:1@top" in text_of(shown)
    assert re.findall(r'href="/backbones/(\w+)\W', shown.text)[-2:] == ["net", "other"]
    assert "net@top + other@top" in text_of(page.get("/heads"))
    assert "first:2 and both:1" in text_of(page.get("/compare?a=first:2&b=both:1"))


def test_a_map_is_coloured_by_no_head_that_reads_more_than_one_waits_for(joined, monkeypatch):
    ws, head, _ = joined
    monkeypatch.setattr(map_columns, "MOST_JUDGED", 90 * 16 - 1)
    page, at = open_page(ws), f"/map/{ws.map('net', 'pics').kept.key}"
    answer = page.get(f"{at}/legend?colour=error:{head.record.id}")
    assert answer.status_code == 422 and "1,440 numbers of 90 samples" in answer.text
    first = ws.heads.get("first:1").record.id
    assert page.get(f"{at}/legend?colour=error:{first}").status_code == 200


def test_a_map_is_coloured_by_no_head_that_was_fine_tuned(joined):
    ws = joined[0]
    with ws.database.writing() as connection:
        connection.execute(text("UPDATE heads SET kind = 'finetuned' WHERE name = 'both'"))
    assert {one.name for one in map_columns.heads_of(ws.context, "pics")} == {"first"}
