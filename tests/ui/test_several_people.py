"""Several people at the labels of one dataset, each in a tab of their own, all with one token."""

import re

import pytest

from headstart.jobs.labels.journal import find_pending
from page_client import finished, open_page, text_of

QUEUE = "/labels/pics?features=net@top"


class Tab:
    """What one of them sees, who sends what stands in the forms of the page."""

    def __init__(self, page, answer):
        self.page, self.answer = page, answer

    @property
    def fields(self):
        said = self.answer.text
        form = said[said.index('action="/labels/pics/say"') :].partition("</form>")[0]
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))

    @property
    def sample(self):
        return self.fields["sample"]

    @property
    def undo(self):
        said = self.answer.text
        return said[said.index('action="/labels/pics/undo"') :].partition("</form>")[0]

    def say(self, action, label=""):
        self.answer = self.page.post(
            "/labels/pics/say", data={**self.fields, "label": label, "action": action}
        )
        return text_of(self.answer)

    def take_back(self):
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.undo))
        self.answer = self.page.post("/labels/pics/undo", data=fields)
        return text_of(self.answer)


@pytest.fixture
def page(own_workspace):
    page = open_page(own_workspace)
    page.post("/labels/pics/begin", data={"features": "net@top"})
    finished(page, QUEUE)
    return page


@pytest.fixture
def both(page):
    return [Tab(page, page.get(QUEUE)) for _ in range(2)]


def pending(workspace):
    return {one.sample: (one.action, one.after) for one in find_pending(workspace.context, "pics")}


def test_each_takes_back_what_they_said_themselves(own_workspace, both):
    ada, bob = both
    first = bob.sample
    bob.say("keep")
    second = bob.sample
    ada.answer = bob.page.get(QUEUE)
    ada.say("label", "red")
    third = ada.sample
    ada.say("label", "red")
    assert bob.sample == second and "disabled" not in bob.undo and first in bob.undo
    bob.take_back()
    assert pending(own_workspace) == {second: ("label", "red"), third: ("label", "red")}
    assert bob.sample == first and "disabled" in bob.undo
    ada.take_back()
    assert ada.sample == third
    ada.take_back()
    assert not pending(own_workspace) and ada.sample == second and "disabled" in ada.undo


def test_an_answer_that_takes_the_place_of_anothers_says_so(own_workspace, both):
    ada, bob = both
    sample = ada.sample
    assert "What you said counts now" not in ada.say("label", "red")
    said = bob.say("keep")
    assert f"had said of {sample} that it is red . What you said counts now" in said.replace(
        "red.", "red ."
    )
    assert pending(own_workspace)[sample] == ("keep", None)
    assert "What you said counts now" not in bob.say("exclude"), "it is told once"
    bob.take_back()
    bob.take_back()
    assert pending(own_workspace) == {sample: ("label", "red")}


def test_the_same_answer_of_two_takes_nobodys_place(both):
    ada, bob = both
    ada.say("label", "red")
    assert "counts now" not in bob.say("label", "red")


def test_what_was_meant_for_another_version_is_not_written_down_and_asked_again(
    own_workspace, both
):
    ada, bob = both
    ada.say("label", "red")
    bob.answer = ada.page.get(QUEUE)
    sample = bob.sample
    own_workspace.datasets.correct("pics", {sample: "blue"})
    said = bob.say("keep")  # as `green`, which the page showed
    assert "was changed by somebody else" in said and "not written down" in said
    assert sample not in pending(own_workspace)
    assert "not written down" not in bob.say("keep")


def test_a_script_is_told_as_much(own_workspace, page):
    form = {"sample": ["red/red-10.png", "red/red-11.png"], "action": "label", "label": "blue"}
    form["version"] = own_workspace.datasets.get("pics").digest
    asked = {"data": form, "headers": {"accept": "application/json"}}
    assert page.post("/labels/pics/say", **asked).json() == {"said": 2, "over": 0}
    asked["data"] = {**form, "label": "green"}
    assert page.post("/labels/pics/say", **asked).json() == {"said": 2, "over": 2}
    own_workspace.datasets.correct("pics", {"red/red-12.png": "blue"})
    refused = page.post("/labels/pics/say", **asked)
    assert refused.status_code == 503
    assert "has changed since this page was opened" in refused.json()["error"]["message"]


def test_what_is_no_number_of_an_answer_is_refused(page):
    for query in ("said=1,x", "said=,", "over=-1", "said=99999999999"):
        assert page.get(f"{QUEUE}&{query}").status_code == 400, query
    assert page.get(f"{QUEUE}&said={','.join(['7'] * 999)}&over=7").status_code == 200
