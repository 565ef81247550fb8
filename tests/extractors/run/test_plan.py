"""An extraction is plain data: it can be stored, sent, and run by another process."""

import json
import pickle
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment, direct, draw
from headstart.errors import BackboneError, Cancelled, DatasetError, FeatureError, NotFound
from headstart.extractors.run.plan import ExtractionPlan
from headstart.jobs.features.executor import Executor
from headstart.jobs.features.extract import extract, plan_extraction
from headstart.jobs.features.local_executor import LocalExecutor
from headstart.storage.manifest import Manifest

TOLERANCE = 1e-5
ELSEWHERE = """
import json, pickle, sys
from pathlib import Path
import headstart as hs
from headstart.extractors.run.plan import ExtractionPlan
from headstart.jobs.features.local_executor import LocalExecutor

root, file = sys.argv[1:]
text = Path(file).read_bytes()
plan = pickle.loads(text) if file.endswith(".pickle") else ExtractionPlan.loads(text.decode())
report = LocalExecutor(hs.open(root).context).run(plan)
print(json.dumps(report.to_json()))
"""


@pytest.fixture
def plan(ready):
    return plan_extraction(
        ready.context, "net@features,relu|gap", "pics", hs.Settings(batch_size=5)
    )


def run_elsewhere(ready, file):
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(ready.config.root), str(file)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_plan_is_the_same_after_json_and_pickle(plan):
    assert ExtractionPlan.loads(plan.dumps()) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert ExtractionPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_made_here_and_run_in_other_processes_gives_the_rows_once(
    ready, plan, model, tmp_path
):
    (tmp_path / "plan.json").write_text(plan.dumps())
    (tmp_path / "plan.pickle").write_bytes(pickle.dumps(plan))
    first = run_elsewhere(ready, tmp_path / "plan.json")
    second = run_elsewhere(ready, tmp_path / "plan.pickle")
    assert (first["computed"], second["computed"], second["reused"]) == (36, 0, 36)
    assert ready.extract("net@features,relu|gap", "pics").report.computed == 0
    view = ready.features("net", "pics")
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=TOLERANCE)


def test_an_extraction_reads_the_samples_once(ready, monkeypatch):
    ready.extract("net", "pics")
    read, paths = Manifest.read, []
    monkeypatch.setattr(Manifest, "read", lambda path: paths.append(path) or read(path))
    assert len(ready.extract("net", "pics").to_numpy()) == 36
    assert len(paths) == 1


def test_a_plan_is_of_the_samples_as_they_were(ready, plan, pictures):
    draw(pictures / "red" / "later.png", 4711)
    ready.datasets.refresh("pics")
    report = LocalExecutor(ready.context).run(plan)
    assert (report.samples, report.computed) == (36, 36)
    assert ready.extract("net@features,relu|gap", "pics").report.computed == 1


def test_the_view_is_of_the_plan_whatever_became_of_the_dataset_meanwhile(ready, pictures):
    class Slow(LocalExecutor):
        def run(self, plan, progress=lambda *_: None):
            report = super().run(plan, progress)
            draw(pictures / "red" / "later.png", 4711)
            ready.datasets.refresh("pics")
            return report

    view = extract(ready.context, "net", "pics", executor=Slow(ready.context))
    assert len(view) == 36
    assert view.origin.dataset.digest != ready.datasets.get("pics").digest


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"backbone": "other:1"}, NotFound, "other"),
        ({"dataset": "other"}, NotFound, "other"),
        ({"dataset_digest": "0" * 64}, DatasetError, "the plan wants samples 000000000000"),
        ({"feature_keys": {"features": "0" * 64}}, BackboneError, "wants features 000000000000"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_before_anything_is_computed(
    ready, plan, change, error, message
):
    with pytest.raises(error, match=message):
        LocalExecutor(ready.context).run(replace(plan, **change))
    assert ready.context.feature_sets.find_sets() == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data | {"version": 2}, "a plan of version 2, this code runs version 1"),
        (lambda data: data | {"more": 1}, "unknown fields: more"),
        (lambda data: {k: v for k, v in data.items() if k != "cuts"}, "unknown fields: cuts"),
        (lambda data: data | {"settings": {"speed": 9}}, "odd settings"),
        (lambda data: [], "a plan of version None"),
    ],
)
def test_what_is_no_plan_is_refused(plan, spoil, message):
    with pytest.raises(FeatureError, match=message):
        ExtractionPlan.from_json(spoil(plan.to_json()))
    with pytest.raises(FeatureError, match="no JSON"):
        ExtractionPlan.loads("{")


EXECUTORS = [LocalExecutor]


@pytest.mark.parametrize("make", EXECUTORS, ids=lambda made: made.name)
class TestExecutors:
    """What every executor does; see `Executor`."""

    def test_it_computes_each_sample_once_and_again_nothing(self, ready, plan, model, make):
        executor: Executor = make(ready.context)
        seen = []
        report = executor.run(plan, lambda done, total: seen.append((done, total)))
        assert (report.samples, report.computed) == (36, 36)
        assert seen[-1] == (36, 36)
        assert executor.run(plan).computed == 0
        view = ready.features("net", "pics")
        np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=TOLERANCE)

    def test_two_at_once_share_the_work(self, ready, plan, make):
        reports = {}

        def work(number):
            reports[number] = make(hs.open(ready.config.root).context).run(plan)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(report.computed for report in reports.values()) == 36
        assert len(ready.features("net", "pics")) == 36

    def test_cancelled_it_keeps_what_was_computed(self, ready, plan, make):
        executor: Executor = make(ready.context)

        def cancel(done, _total):
            if done:
                executor.cancel()

        with pytest.raises(Cancelled, match="of 36 samples done"):
            executor.run(plan, cancel)
        (run,) = ready.runs.find_latest("extract", None, 10)
        assert run.status == "failed: Cancelled"
        rest = executor.run(plan).computed
        assert 0 < rest < 36

    def test_an_error_is_recorded_and_leaves_no_state(self, ready, plan, pictures, make):
        executor: Executor = make(ready.context)
        content = (pictures / "red" / "00.jpg").read_bytes()
        (pictures / "red" / "00.jpg").write_bytes(content[:-9] + b"otherwise")
        with pytest.raises(hs.HeadstartError, match=r"red/00\.jpg"):
            executor.run(plan)
        (run,) = ready.runs.find_latest("extract", None, 10)
        assert run.status.startswith("failed: Sample")
        (pictures / "red" / "00.jpg").unlink()
        view = ready.extract("net@features,relu|gap", "pics")
        assert len(view) == 35
