"""What the queue of labels is made of besides an audit: samples that a head is unsure of."""

import shutil

import numpy as np
import pytest

import headstart as hs
import page_workspace as made
from headstart.jobs.labels.journal import find_pending
from page_client import finished, open_page, text_of


@pytest.fixture
def page(own_workspace):
    return open_page(own_workspace)


@pytest.fixture
def pool(own_workspace, page_folder, tmp_path):
    """Pictures without labels, with features of the backbone of the heads of `pics`."""
    (tmp_path / "pool").mkdir()
    for one in sorted((page_folder / "pictures").rglob("*.png"))[::3]:
        shutil.copy(one, tmp_path / "pool" / one.name)
    own_workspace.datasets.add("pool", tmp_path / "pool")
    made.import_rows(own_workspace, "pool", tmp_path)
    return own_workspace


def begin(page, dataset, **form):
    return finished(page, str(page.post(f"/labels/{dataset}/begin", data=form).url))


def first_of(answer):
    return answer.text.split('name="sample" value="')[1].split('"')[0]


def test_test_samples_that_a_head_is_least_sure_of_are_looked_at(page, own_workspace):
    assert "samples without a label" not in text_of(page.get("/labels/pics"))
    answer = begin(page, "pics", head="first:1", of="held-out")
    found = own_workspace.heads.get("first:1").least_sure(100)
    assert [one.probability for one in found] == sorted(one.probability for one in found)
    assert {one.sample.split for one in found} == {"test"}
    assert first_of(answer) == found[0].sample.id
    assert f"0 of {len(found)} done" in text_of(answer)
    assert "corrections of these alone raise its score" in text_of(answer)
    asked = {"head": "first:1", "of": "held-out", "sample": found[0].sample.id, "action": "keep"}
    answer = page.post("/labels/pics/say", data=asked)
    assert first_of(answer) == found[1].sample.id
    assert first_of(page.post("/labels/pics/undo", data=asked)) == found[0].sample.id


def test_samples_without_a_label_are_labelled(page, pool):
    answer = begin(page, "pool", head="first:1", of="unlabelled")
    found = pool.heads.get("first:1").label_next("pool", 100)
    assert "Not labelled, looks like" in text_of(answer)
    for key in "ykxsu":
        assert f'data-key="{key}"' in answer.text
    assert first_of(answer) == found[0].sample.id
    asked = {"head": "first:1", "of": "unlabelled", "sample": found[0].sample.id}
    answer = page.post("/labels/pool/say", data={**asked, "action": "label", "label": "red"})
    assert first_of(answer) == found[1].sample.id
    (said,) = find_pending(pool.context, "pool")
    assert (said.before, said.after) == (None, "red")
    answer = page.post("/labels/pool/apply?head=first:1&of=unlabelled")
    assert first_of(answer) == found[1].sample.id and "1 label changed" in text_of(answer)
    failed = begin(page, "pool", head="first:1", of="held-out")
    assert "was tested on 'pics', not on 'pool'" in text_of(failed)


def test_samples_are_labelled_that_a_head_of_several_labels_chose(page, pool):
    pool.heads.train("tags", pool.features("net", "pics"), task=hs.MultiLabel())
    answer = begin(page, "pool", head="tags:1", of="unlabelled")
    found = pool.heads.get("tags:1").label_next("pool", 100)
    assert np.isnan([one.probability for one in found]).all()
    assert "Not labelled, looks like" in text_of(answer) and " sure)" not in text_of(answer)
    assert first_of(answer) == found[0].sample.id


def test_the_same_is_had_on_the_command_line_and_in_python(page, own_workspace):
    said = text_of(begin(page, "pics", head="first:1", of="held-out"))
    assert "headstart features next pics --head first:1 --held-out --n 100" in said
    assert "ws.heads.get('first:1').least_sure(100)" in said


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"head": "first:1"},
        {"head": "first:1", "of": "dreams"},
        {"head": "nobody", "of": "held-out"},
        {"features": "nothing"},
    ],
)
def test_what_chooses_no_samples_is_refused(page, own_workspace, form):
    before = own_workspace.jobs.find()  # other tests of this module may have begun some
    assert 400 <= page.post("/labels/pics/begin", data=form).status_code < 500
    assert own_workspace.jobs.find() == before


def test_only_features_of_the_dataset_are_offered_to_judge_its_labels(page):
    assert '<option value="net:1@top"' in page.get("/labels/pics").text
    said = page.get("/labels/texts")
    assert "net:1@top" not in said.text and "No features are cached" in text_of(said)


def test_a_head_without_the_samples_that_it_chooses_is_refused_in_words(page):
    said = page.get("/labels/pics?head=first:1&kind=next")
    assert said.status_code == 400 and "a head is named, and no samples of it" in said.text


def test_a_head_that_cannot_say_it_fails_with_a_word(page, own_workspace):
    answer = begin(page, "pics", head="first:1", of="unlabelled")
    assert "all samples of 'pics' have a label" in text_of(answer)


def test_what_a_job_found_is_shown_as_by_its_features_whatever_the_address_says(
    page, own_workspace
):
    job = own_workspace.jobs.audit("net@top", "pics", trying=hs.CrossValidation(folds=3))
    own_workspace.jobs.work(job.id)
    said = text_of(page.get(f"/labels/pics?features=other@cut&job={job.id}"))
    assert "labels that heads doubt, by net:1@top" in said and "other@cut" not in said
    assert f"headstart job result {job.id}" in said and "features audit" not in said
    ranked = own_workspace.jobs.rank("pics", trying=hs.CrossValidation(folds=3))
    own_workspace.jobs.work(ranked.id)
    said = text_of(page.get(f"/rank/pics?job={ranked.id}"))
    assert f"ws.jobs.result({ranked.id})" in said and "headstart rank pics" not in said
    assert "headstart rank pics" in text_of(page.get("/rank/pics"))
