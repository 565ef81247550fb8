"""Each screen shows what the workspace holds, as the command line has it."""

import html
import re
import shutil
import subprocess
import sys
from threading import Event
from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

import headstart as hs
import page_workspace as made
from conftest import clean_environment
from headstart.registry import listing
from page_client import finished, open_page, text_of


@pytest.fixture(scope="module")
def page(page_workspace):
    return open_page(page_workspace)


def test_an_empty_workspace_says_what_to_do_first(tmp_path):
    said = text_of(open_page(hs.init(tmp_path / "zoo")).get("/"))
    for command in ("headstart backbone add", "headstart dataset add", "headstart extract"):
        assert command in said
    assert "Nothing that is known of" in said


def test_empty_lists_say_how_something_comes_into_them(tmp_path):
    page = open_page(hs.init(tmp_path / "zoo"))
    for path, command in (
        ("/backbones", "headstart backbone add"),
        ("/datasets", "headstart dataset add"),
        ("/heads", "headstart head train"),
        ("/jobs", "headstart extract"),
        ("/rank", "headstart rank"),
        ("/labels", "No dataset"),
    ):
        assert command in text_of(page.get(path)), path


def test_the_overview_counts_what_is_here(page):
    said = text_of(page.get("/"))
    assert "Backbones 1" in said and "Datasets 2" in said and "102 samples" in said
    assert "Feature sets 1 90 rows" in said and "Heads 1" in said


def test_the_overview_names_what_is_wrong(own_workspace):
    (shard,) = own_workspace.context.feature_sets.find_all_shards()
    (own_workspace.config.features / shard.file).unlink()
    said = text_of(open_page(own_workspace).get("/"))
    assert "shards" in said and "missing" in said


def test_backbones_are_listed_with_their_default_cut(page):
    said = text_of(page.get("/backbones"))
    assert "net" in said and "top" in said and "1,234" in said


def test_a_backbone_shows_its_cuts_and_what_is_cached(page):
    answer = page.get("/backbones/net")
    said = text_of(answer)
    assert "conv" in said and "cached" in said and "decode" in said
    assert 'data-fold="' in answer.text
    assert page.get("/backbones/net:1").status_code == 200


def test_the_zoo_can_be_narrowed(page):
    everything = text_of(page.get("/zoo"))
    few = text_of(page.get("/zoo?pattern=lite&most=6&least=70"))
    assert "applications:VGG16" in everything and "applications:VGG16" not in few
    assert "zoo:efficientnet-lite0" in few
    assert "applications:" not in text_of(page.get("/zoo?licence=Apache-2.0"))


def test_datasets_are_listed(page):
    said = text_of(page.get("/datasets"))
    assert "pics folder 90 90 3" in said and "texts csv 12" in said


def test_a_dataset_shows_its_classes_by_split_and_opens_their_samples(page, page_workspace):
    answer = page.get("/datasets/pics")
    counts = page_workspace.datasets.details("pics").counts
    for name, (train, validation, test) in counts.items():
        assert f"{name} {train} {validation} {test} {train + validation + test}" in text_of(answer)
    assert answer.text.count("<img") == 48 and 'rel="next"' in answer.text
    assert page.get("/datasets/pics?start=48").text.count("<img") == 42
    one = page.get("/datasets/pics?label=red&split=test")
    assert one.text.count("<img") == counts["red"][2]
    assert "None." in text_of(page.get("/datasets/pics?label=nothing"))


def test_a_picture_is_made_anew_in_a_size_that_we_choose(page, page_workspace):
    sample = page_workspace.datasets.manifest("pics").samples[0]
    answer = page.get(f"/datasets/pics/samples/{sample.digest}/picture")
    assert (
        answer.headers["content-type"] == "image/png"
        and "immutable" in answer.headers["cache-control"]
    )
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n" and answer.content[16:24] == b"\0\0\0\xa0" * 2
    assert page.get(f"/datasets/pics/samples/{sample.digest}/picture?side=5000").status_code == 400
    assert sample.id in text_of(page.get(f"/datasets/pics/samples/{sample.digest}"))


def test_texts_are_shown_as_words_and_nothing_in_them_is_markup(page):
    answer = page.get("/datasets/texts")
    assert made.SIGNS not in answer.text and "<b>bold" not in answer.text
    assert made.SIGNS in text_of(answer) or "alert(1)" in text_of(answer)
    assert "spam" in text_of(answer)
    label = html.escape(made.SIGNS)
    chosen = page.get("/datasets/texts", params={"label": made.SIGNS})
    assert label in chosen.text and made.SIGNS not in chosen.text


def test_a_source_that_is_gone_leaves_the_rest_to_be_seen(own_workspace, page_folder, tmp_path):
    shutil.copytree(page_folder / "pictures", tmp_path / "pictures")
    own_workspace.datasets.move("pics", tmp_path / "pictures")
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    page = open_page(own_workspace)
    assert "green" in text_of(page.get("/datasets/pics"))
    assert text_of(page.get("/heads/first"))


def test_heads_are_listed_with_score_and_interval(page):
    said = text_of(page.get("/heads"))
    assert "first" in said and "95 %:" in said and "production" in said


def test_a_head_shows_scores_classes_matrix_and_mistakes(page, page_workspace):
    head = page_workspace.heads.get("first:1")
    answer = page.get("/heads/first:1")
    said = text_of(answer)
    assert "accuracy" in said and "95 %:" in said and "held out" in said
    assert (
        "What it confuses" in said and "Surest mistakes" in said and answer.text.count("<svg") == 2
    )
    matrix = re.findall(r"/samples\?truth=([^&]+)&amp;guess=([^\"]+)\">(\d+)<", answer.text)
    assert sum(int(count) for _, _, count in matrix) == head.metrics["n_test"]
    for truth, guess, count in matrix:
        shown = page.get(f"/heads/first:1/samples?truth={truth}&guess={guess}")
        assert shown.text.count("<img") == int(count)


def test_a_head_is_found_by_name_version_and_alias(page):
    for reference in ("first", "first:1", "first:2", "production"):
        assert page.get(f"/heads/{reference}").status_code == 200
    assert page.get("/heads/first:3").status_code == 404


def test_a_head_whose_features_are_gone_still_shows_its_scores(own_workspace):
    for one in own_workspace.context.feature_sets.find_sets():
        own_workspace.context.feature_sets.remove_set(one)
    said = text_of(open_page(own_workspace).get("/heads/first"))
    assert "accuracy" in said and "extract" in said


def test_two_heads_are_compared_as_the_command_line_does_it(page, page_workspace):
    found = page_workspace.heads.compare("first:1", "first:2")
    said = text_of(page.get("/compare?a=first:1&b=first:2"))
    assert f"Fixed: {len(found.fixed)}" in said and f"Broken: {len(found.broken)}" in said
    (both, broke), (fix, neither) = found.outcomes
    assert both + broke + fix + neither == found.samples
    assert page.get("/compare", follow_redirects=False).headers["location"] == "/heads"


def test_features_are_ranked_in_the_background_and_a_head_is_trained_from_there(own_workspace):
    page = open_page(own_workspace)
    assert "Try linear heads" in text_of(page.get("/rank/pics"))
    page.post("/rank/pics/begin")
    said = text_of(finished(page, "/rank/pics"))
    assert "net@top" in said and "★" in said and "bytes per sample" in said
    assert "<svg" in page.get("/rank/pics?cost=bytes").text
    begun = page.post("/rank/pics/train", data={"name": "second", "features": "net@top"})
    assert finished(page, str(begun.url)).url.path == "/heads/second:1"


def test_a_head_on_other_features_is_trained_though_one_of_its_name_waits(own_workspace):
    page, gate = open_page(own_workspace), Event()
    worker = cast(Starlette, page.app).state.site.worker
    worker.work_at(0)  # there is no such job: it makes the thread
    worker._pool.submit(gate.wait)
    shown = [
        page.post("/rank/pics/train", data={"name": "third", "features": features}).url
        for features in ("net@top", "net", "net")
    ]
    gate.set()
    found = [finished(page, str(address)).url.path for address in shown]
    assert found == ["/heads/third:1", "/heads/third:2", "/heads/third:2"]


def test_sweeps_are_shown_with_the_command_that_trains_each_again(page):
    assert "1 pics" in text_of(page.get("/rank"))
    answer = page.get("/sweeps/1")
    assert "headstart head train NAME --from-sweep 1:2" in text_of(answer) and "<svg" in answer.text


def test_every_screen_says_the_same_on_the_command_line_and_in_python(page):
    apart = ("/jobs/events", "/retrain")  # no screens
    paths = [one.path for one in cast(Starlette, page.app).routes if isinstance(one, Route)]
    screens = [path for path in paths if "{" not in path and path not in apart]
    screens += ["/backbones/net", "/datasets/pics", "/datasets/pics/changes", "/heads/first"]
    screens += ["/rank/pics", "/labels/pics", "/sweeps/1", "/compare?a=first:1&b=first:2"]
    screens += ["/heads/first:1/samples?truth=red&guess=red"]
    assert len(screens) > 15
    for path in screens:
        said = text_of(page.get(path))
        assert "The same on the command line" in said and "headstart " in said and "ws" in said, (
            path
        )


def test_who_accepts_json_alone_gets_what_the_command_line_prints(page, page_workspace):
    answer = page.get("/heads/first", headers={"accept": "application/json"}).json()
    assert answer.pop("schema_version") and answer == page_workspace.heads.get("first").to_json()
    rows = page.get("/datasets", headers={"accept": "application/json"}).json()
    assert rows == listing.datasets(page_workspace.config)


def test_a_refusal_is_a_page_for_people_and_an_object_for_programs(page):
    answer = page.get("/heads/nobody")
    assert answer.status_code == 404 and "nobody" in answer.text and "<h1>" in answer.text
    told = page.get("/heads/nobody", headers={"accept": "*/*"}).json()
    assert told["error"]["code"] == "not_found" and told["error"]["message"]


def test_the_files_of_the_page_are_served_by_their_names_alone(page):
    answer = page.get("/static/page.css")
    assert answer.headers["content-type"].startswith("text/css")
    again = page.get("/static/page.css", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304 and not again.content
    for name in (
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "nothing.css",
        "",
        "/etc/passwd",
    ):
        assert page.get(f"/static/{name}").status_code == 404, name


def test_lists_load_neither_tensorflow_nor_keras(page_workspace):
    code = (
        "import sys, headstart as hs\n"
        "from starlette.testclient import TestClient\n"
        "from headstart.ui.app import create_app\n"
        "from headstart.ui.safety import cookie_of\n"
        f"ws = hs.open({str(page_workspace.config.root)!r})\n"
        "page = TestClient(create_app(ws, 't'), base_url='http://localhost')\n"
        "page.cookies.set(cookie_of('t'), 't')\n"
        "paths = ('/', '/backbones', '/backbones/net', '/zoo', '/datasets', '/datasets/pics',"
        " '/rank', '/heads', '/heads/first', '/labels', '/jobs')\n"
        "assert all(page.get(path).status_code == 200 for path in paths)\n"
        "print([name for name in ('tensorflow', 'keras', 'matplotlib') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment()
    )
    assert ran.stdout.strip() == "[]", ran.stderr
