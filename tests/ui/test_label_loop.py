"""What the screen of labels shows after each answer: what was undone, what was done."""

import pytest

from page_client import finished, open_page, text_of

FORM = {"features": "net@top"}


@pytest.fixture
def page(own_workspace):
    return open_page(own_workspace)


def begin(page):
    page.post("/labels/pics/begin", data=FORM)
    return finished(page, "/labels/pics?features=net@top")


def first_of(answer):
    """The sample that is asked about, as the form has it."""
    return answer.text.split('name="sample" value="')[1].split('"')[0]


def say(page, sample, place=0, **said):
    return page.post(
        "/labels/pics/say", data={**FORM, "sample": sample, "place": str(place), **said}
    )


def test_what_was_undone_is_on_screen_again_also_after_others_were_skipped(page):
    skipped = first_of(begin(page))
    answered = first_of(page.get("/labels/pics?features=net@top&place=1"))
    shown = first_of(say(page, answered, place=1, action="keep"))
    assert shown not in (skipped, answered)
    assert first_of(page.post("/labels/pics/undo", data=FORM)) == answered


def test_a_new_class_that_may_be_a_slip_is_doubted_at_once_and_before_it_is_applied(page):
    sample = first_of(begin(page))
    said = text_of(say(page, sample, action="label", other="grene"))
    few = "pics: new classes with too few samples to learn: 'grene' with 1 sample"
    assert said.index(f"{few} (did you mean 'green'?)") < said.index("done,")
    assert said.rindex("(did you mean 'green'?)") < said.index("Apply: make it")
    assert said.count(few) == 2
    assert few not in text_of(page.post("/labels/pics/undo", data=FORM))


def test_a_head_that_knows_a_new_class_was_trained_though_it_cannot_be_compared(
    page, own_workspace
):
    blue = [f"blue/blue-{number:02}.png" for number in (0, 1, 2)]
    own_workspace.datasets.correct("pics", dict.fromkeys(blue, "sky"))
    begun = page.post("/retrain", data={"head": "first:1"})
    answer = finished(page, str(begun.url))
    assert answer.status_code == 422 and '<a href="/heads/first%3A3">first:3</a>' in answer.text
    assert "was trained" in answer.text and "is none of head" in answer.text
    assert page.get(answer.url, headers={"accept": "application/json"}).status_code == 422


def test_a_dataset_says_when_its_version_was_made_apart_from_when_it_was_added(page, own_workspace):
    assert "added 20" not in text_of(page.get("/datasets/pics"))
    own_workspace.datasets.correct("pics", {"red/red-10.png": "blue"})
    (run,) = own_workspace.runs.find_latest("correct", "pics", 1)
    said = text_of(page.get("/datasets/pics"))
    version = own_workspace.datasets.get("pics").digest[:12]
    assert f"version {version} , {run.created_at:%Y-%m-%d %H:%M} added 20" in said


def test_after_apply_the_page_says_what_was_done_and_keeps_the_rest_of_the_queue(
    page, own_workspace
):
    sample = first_of(begin(page))
    rest = first_of(say(page, sample, action="label", label="red"))
    answer = page.post("/labels/pics/apply?features=net@top")
    version = own_workspace.datasets.get("pics").digest[:12]
    said = text_of(answer)
    assert "Applied: 1 label changed, 0 samples left out." in said and version in said
    assert first_of(answer) == rest and f'value="{sample}"' not in answer.text


def test_a_head_of_pictures_offers_a_file_to_be_tried_and_no_text(page):
    answer = page.get("/heads/first:1").text
    assert 'name="file"' in answer and 'name="text"' not in answer
