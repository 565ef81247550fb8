"""Labels are corrected on the page: queue, journal, a new version, a head trained again."""

import csv
import io
import shutil

import pytest

import page_workspace as made
from headstart.jobs.labels.journal import apply, find_pending, say, undo
from page_client import finished, open_page, text_of


@pytest.fixture
def page(own_workspace):
    return open_page(own_workspace)


def doubted(workspace):
    """The ids of the samples whose labels are doubted, the surest first."""
    found = [one.sample.id for one in workspace.audit("net@top", "pics").suspects]
    assert 3 < len(found) <= made.WRONG and all("green/red-" in one for one in found)
    return found


def begin(page):
    page.post("/labels/pics/begin", data={"features": "net@top"})
    return finished(page, "/labels/pics?features=net@top")


def first_of(answer):
    """The sample that is asked about, as the form has it."""
    return answer.text.split('name="sample" value="')[1].split('"')[0]


def test_labels_are_judged_once_somebody_asks_for_it(page, own_workspace):
    assert "Find labels worth a look" in text_of(page.get("/labels/pics"))
    said, count = text_of(begin(page)), len(doubted(own_workspace))
    assert "Labelled green , looks like red" in said
    assert f"0 of {count} done, {count} left" in said


def test_what_is_said_is_written_down_and_becomes_a_version(page, own_workspace):
    before = own_workspace.datasets.get("pics")
    answer, wrong = begin(page), doubted(own_workspace)
    form = {"features": "net@top", "action": "label", "label": "red"}
    for number, sample in enumerate(wrong, start=1):
        assert first_of(answer) == sample
        answer = page.post("/labels/pics/say", data={**form, "sample": sample})
        assert f"{number} of {len(wrong)} done" in text_of(
            answer
        ) or f"All {len(wrong)} labels" in text_of(answer)
    assert own_workspace.datasets.get("pics").digest == before.digest, "nothing is applied yet"
    rows = list(csv.DictReader(io.StringIO(page.get("/labels/pics/corrections.csv").text)))
    assert [(row["label"], row["new_label"]) for row in rows] == [("green", "red")] * len(wrong)
    page.post("/labels/pics/apply")
    now = {one.id: one.label for one in own_workspace.datasets.manifest("pics").samples}
    assert {now[id_] for id_ in wrong} == {"red"}
    assert sum(now[id_] != id_.split("/")[0] for id_ in now) == len(wrong)
    assert {one.state for one in own_workspace.context.corrections.find("pics")} == {"applied"}
    assert own_workspace.datasets.get("pics").digest != before.digest
    assert f"corrected {len(wrong)} labels changed" in text_of(page.get("/datasets/pics"))


def test_the_exported_file_is_taken_by_the_command_line(page, own_workspace, tmp_path):
    answer = begin(page)
    sample = first_of(answer)
    page.post("/labels/pics/say", data={"sample": sample, "action": "exclude"})
    file = tmp_path / "corrections.csv"
    file.write_text(page.get("/labels/pics/corrections.csv").text, encoding="utf-8")
    done = own_workspace.datasets.correct("pics", file)
    assert done.excluded == (sample,) and not done.labels


def test_undo_takes_back_the_latest_or_what_is_named(page, own_workspace):
    answer = begin(page)
    samples = doubted(own_workspace)
    assert first_of(answer) == samples[0]
    for sample in samples[:2]:
        page.post("/labels/pics/say", data={"sample": sample, "action": "keep"})
    first = own_workspace.context.corrections.find("pics")[1]
    page.post("/labels/pics/undo", data={"number": str(first.id)})
    assert [one.sample for one in find_pending(own_workspace.context, "pics")] == samples[1:2]
    page.post("/labels/pics/undo", data={"number": ""})
    assert not find_pending(own_workspace.context, "pics")
    assert page.post("/labels/pics/undo", data={"number": ""}).status_code == 400


def test_a_label_that_is_right_is_not_asked_about_again(page, own_workspace):
    answer = begin(page)
    page.post("/labels/pics/say", data={"sample": first_of(answer), "action": "keep"})
    next_one = first_of(page.get("/labels/pics?features=net@top"))
    page.post("/labels/pics/say", data={"sample": next_one, "action": "label", "label": "red"})
    page.post("/labels/pics/apply")
    left = len(doubted(own_workspace))
    assert f"1 of {left} done, {left - 1} left" in text_of(begin(page))


def test_the_last_word_on_a_sample_counts(own_workspace):
    context = own_workspace.context
    dataset, manifest = context.datasets.get("pics"), own_workspace.datasets.manifest("pics")
    sample = manifest.samples[0]
    for label in ("red", "blue"):
        say(context, dataset, manifest, sample.id, "label", label)
    (pending,) = find_pending(context, "pics")
    assert pending.after == "blue"
    undo(context, "pics")
    done = apply(context, "pics")
    assert done.labels == {sample.id: (sample.label, "red")}


def test_a_correction_of_what_has_changed_meanwhile_changes_nothing(own_workspace):
    context = own_workspace.context
    dataset, manifest = context.datasets.get("pics"), own_workspace.datasets.manifest("pics")
    sample = next(one for one in manifest.samples if one.label == "green")
    say(context, dataset, manifest, sample.id, "label", "red")
    own_workspace.datasets.correct("pics", {sample.id: "blue"})
    with pytest.raises(ValueError, match="is labelled 'blue'"):
        apply(context, "pics")
    assert [one.state for one in context.corrections.find("pics")] == ["pending"]


def test_what_cannot_be_said_is_refused(page):
    begin(page)
    for form in (
        {"sample": "nothing", "action": "keep"},
        {"sample": "red/red-10.png", "action": "burn"},
        {"sample": "red/red-10.png", "action": "label"},
        {"sample": "red/red-10.png", "action": "label", "label": "nan"},
        {"sample": "red/red-10.png", "action": "label", "label": "x" * 300},
    ):
        assert 400 <= page.post("/labels/pics/say", data=form).status_code < 500, form
    assert page.post("/labels/pics/apply").status_code == 422


def test_a_head_is_trained_again_and_compared_with_what_it_was(page, own_workspace):
    samples = own_workspace.datasets.manifest("pics").samples
    own_workspace.datasets.correct(
        "pics", {one.id: "red" for one in samples if "green/red-" in one.id}
    )
    begun = page.post("/retrain", data={"head": "first:1"})
    answer = finished(page, str(begun.url))
    assert answer.url.path == "/compare" and "first:1 and first:3" in text_of(answer)


def test_the_queue_is_worked_by_keyboard(page):
    answer = begin(page)
    for key in "ykxsu":
        assert f'data-key="{key}"' in answer.text
    assert "addEventListener" not in answer.text, "scripts stand in files"


def test_near_duplicates_are_shown_in_pairs_and_one_of_them_is_left_out(
    page, own_workspace, page_folder, tmp_path
):
    folder = shutil.copytree(page_folder / "pictures", tmp_path / "pictures")
    own_workspace.datasets.move("pics", folder)
    shutil.copy(folder / "blue/blue-00.png", folder / "blue/copy.png")
    own_workspace.datasets.refresh("pics")
    answer = begin(page)
    (pair,) = own_workspace.audit("net@top", "pics").twins
    assert "Near duplicates: 1" in text_of(answer) and "same content" in text_of(answer)
    for one in (pair.first, pair.second):
        assert f'aria-label="Leave out {one.id}"' in answer.text
    page.post("/labels/pics/say", data={"sample": pair.second.id, "action": "exclude"})
    (pending,) = find_pending(own_workspace.context, "pics")
    assert (pending.sample, pending.action) == (pair.second.id, "exclude")
