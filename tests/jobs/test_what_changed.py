"""What a source lost, gained and changed is said, whoever looks at it again."""

import shutil
import warnings

import pytest

from headstart.notices import FewSamples, HeadstartNote, HeadstartWarning
from tests.conftest import draw


def told_by(call, *given):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call(*given)
    return [(one.category, str(one.message)) for one in found]


def changed(pictures):
    shutil.rmtree(pictures / "green")
    (pictures / "red" / "00.jpg").unlink()
    draw(pictures / "red" / "new.png", 777, tint=0)
    draw(pictures / "red" / "01.png", 778, tint=0)


SAID = "13 samples are gone, 1 is new, 1 is changed"
GONE = "no sample of the class 'green' is left"


def test_a_refresh_says_how_many_samples_went_and_came(ready, run, pictures):
    changed(pictures)
    ran = run("dataset", "refresh", "pics")
    assert f"note: pics: {SAID}: 24 now, 36 before\n" in ran.err
    assert f"warning: pics: {GONE}" in ran.err
    assert run("dataset", "refresh", "pics").err == ""


def test_so_does_adding_it_again(ready, pictures):
    changed(pictures)
    told = told_by(ready.datasets.add, "pics", pictures)
    assert (HeadstartNote, f"pics: {SAID}: 24 now, 36 before") in told
    assert any(GONE in said for _, said in told)


def test_so_does_an_extraction(ready, pictures):
    changed(pictures)
    told = told_by(ready.extract, "net", "pics")
    assert any(SAID in said for _, said in told) and any(GONE in said for _, said in told)


def test_of_rows_that_only_went_nothing_else_is_said(ws, tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    source = tmp_path / "long.npz"
    x = rng.normal(size=(30, 3)).astype(np.float32)
    np.savez(source, x=x, y=np.arange(30) % 2)
    ws.datasets.add("plain", source)
    np.savez(source, x=x[:28], y=np.arange(28) % 2)
    told = told_by(ws.datasets.refresh, "plain")
    assert (HeadstartNote, "plain: 2 samples are gone: 28 now, 30 before") in told


def test_a_class_of_one_sample_may_be_a_typing_error(ready, run, tmp_path):
    (tmp_path / "c.csv").write_text("id,new_label\nred/00.jpg,gren\n")
    ran = run("dataset", "correct", "pics", tmp_path / "c.csv")
    assert "warning: pics: 'gren' is a new class" in ran.err
    assert "too few samples to learn: 'gren' with 1 sample" in ran.err
    with pytest.warns(FewSamples, match=r"'lbue' with 1 sample \(did you mean 'blue'\?\)"):
        ready.datasets.correct("pics", {"blue/00.jpg": "lbue"})


def test_a_new_class_of_many_samples_is_none(rows):
    ids = [one.id for one in rows.datasets.manifest("rows").samples[:8]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", HeadstartWarning)
        warnings.simplefilter("ignore", HeadstartNote)
        rows.datasets.correct("rows", dict.fromkeys(ids, "zebra"))
