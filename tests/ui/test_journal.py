"""What is said of labels holds of a sample's id and content, of each the latest word, and becomes a
version as a whole or not at all."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import event

from headstart.errors import DatasetChanged, DatasetError, NotFound
from headstart.jobs.labels import journal
from headstart.jobs.labels.journal import apply, find_pending, say, say_all, undo


@pytest.fixture
def array(own_workspace, tmp_path):
    """A dataset whose contents are changed by writing its file anew."""
    return write(own_workspace, tmp_path / "array.npz", shift=0)


def write(workspace, file, shift):
    np.savez(file, x=np.eye(8, 4, dtype=np.float32) + shift, y=np.array(["cat", "dog"] * 4))
    workspace.datasets.add("array", file)
    return file


def said(workspace, id_, action, label=None, dataset="array"):
    known = workspace.context.datasets.get(dataset)
    return say(workspace.context, known, workspace.datasets.manifest(dataset), id_, action, label)


def labels(workspace):
    return {one.id: one.label for one in workspace.datasets.manifest("array").samples}


def states(workspace, dataset="array"):
    """From the first word to the last."""
    found = workspace.context.corrections.find(dataset)
    return [one.state for one in reversed(found)]


def test_what_was_said_of_another_content_is_not_applied(own_workspace, array):
    said(own_workspace, "0", "label", "dog")
    said(own_workspace, "1", "exclude")
    write(own_workspace, array, shift=5)
    before = own_workspace.datasets.get("array")
    with pytest.raises(DatasetError, match=r"'0', '1' of 'array' has another content"):
        apply(own_workspace.context, "array")
    assert own_workspace.datasets.get("array") == before
    assert states(own_workspace) == ["pending", "pending"]


def test_what_is_pending_goes_with_its_dataset(own_workspace, array, tmp_path):
    said(own_workspace, "0", "label", "dog")
    with pytest.raises(ValueError, match="1 correction is not applied yet"):
        own_workspace.datasets.remove("array")
    own_workspace.datasets.remove("array", force=True)
    write(own_workspace, tmp_path / "other.npz", shift=5)
    assert not find_pending(own_workspace.context, "array")
    assert states(own_workspace) == ["undone"]


def test_what_is_taken_back_while_it_is_applied_is_not_applied(own_workspace, array, monkeypatch):
    said(own_workspace, "0", "label", "dog")
    said(own_workspace, "2", "label", "dog")
    before = own_workspace.datasets.get("array")
    correct = journal.correct

    def while_undone(*given, **more):
        undo(own_workspace.context, "array")
        return correct(*given, **more)

    monkeypatch.setattr(journal, "correct", while_undone)
    with pytest.raises(DatasetChanged, match="taken back or applied"):
        apply(own_workspace.context, "array")
    assert own_workspace.datasets.get("array") == before
    assert states(own_workspace) == ["pending", "undone"]
    monkeypatch.undo()
    assert set(apply(own_workspace.context, "array").labels) == {"0"}


def test_only_the_latest_word_on_a_sample_is_called_applied(own_workspace, array):
    said(own_workspace, "0", "label", "dog")
    said(own_workspace, "2", "label", "dog")
    said(own_workspace, "0", "keep")
    done = apply(own_workspace.context, "array")
    assert set(done.labels) == {"2"} and labels(own_workspace)["0"] == "cat"
    assert states(own_workspace) == ["superseded", "applied", "applied"]
    first, *others = reversed(own_workspace.context.corrections.find("array"))
    assert first.version is None
    assert {one.version for one in others} == {done.dataset.digest}


def test_what_holds_already_is_closed_without_a_new_version(own_workspace, array):
    said(own_workspace, "0", "label", "dog")
    own_workspace.datasets.correct("array", {"0": "dog"})
    before = own_workspace.datasets.get("array")
    assert not apply(own_workspace.context, "array").labels
    assert own_workspace.datasets.get("array") == before
    assert states(own_workspace) == ["applied"]


def test_several_samples_are_written_down_all_or_none(own_workspace, array):
    context, dataset = own_workspace.context, own_workspace.datasets.get("array")
    manifest = own_workspace.datasets.manifest("array")
    with pytest.raises(NotFound, match="no sample 'nothing'"):
        say_all(context, dataset, manifest, ["0", "2", "nothing"], "label", "dog")
    assert not states(own_workspace)
    made = say_all(context, dataset, manifest, ["2", "0", "2"], "label", "dog")
    assert [(one.sample, one.before, one.state) for one in made] == [
        ("2", "cat", "pending"),
        ("0", "cat", "pending"),
    ]
    assert made == context.corrections.find("array")[::-1]


def test_many_samples_are_one_insertion(own_workspace):
    context, dataset = own_workspace.context, own_workspace.datasets.get("pics")
    manifest = own_workspace.datasets.manifest("pics")
    commits = []
    event.listen(context.database.engine, "commit", commits.append)
    say_all(context, dataset, manifest, [one.id for one in manifest.samples], "keep")
    assert len(states(own_workspace, "pics")) == len(manifest.samples)
    written = [one for one in commits if one.get_execution_options().get("writing")]
    assert len(written) == 1


def test_a_version_is_computed_before_the_registry_is_locked(own_workspace, array, monkeypatch):
    from headstart.extractors.datasets.corrections import Wholes

    said(own_workspace, "0", "label", "dog")
    changed, locked = Wholes.changed, []

    def watched(self, *given):
        locked.append(own_workspace.database._joined() is not None)
        return changed(self, *given)

    monkeypatch.setattr(Wholes, "changed", watched)
    apply(own_workspace.context, "array")
    assert locked == [False]


def test_a_dataset_that_changes_meanwhile_leaves_the_journal_as_it_was(
    own_workspace, array, monkeypatch
):
    said(own_workspace, "0", "label", "dog")
    context = own_workspace.context
    update = type(context.datasets).update

    def first_another(self, made, before):
        return update(self, made, replace(before, digest="0" * 64))

    monkeypatch.setattr(type(context.datasets), "update", first_another)
    with pytest.raises(DatasetChanged, match="changed by somebody else"):
        apply(context, "array")
    assert states(own_workspace) == ["pending"]
