"""What an extraction would compute, and why."""

from cache_read import rows_of, shard_files

import headstart as hs
from conftest import draw, network
from headstart.registry.features import QUARANTINED
from headstart.registry.rates import cost_of

# Explain


def reasons(explanation, cut=0):
    return {reason.why: reason.samples for reason in explanation.cuts[cut].reasons}


def test_explain_says_what_is_new_and_forecasts_by_measured_rates(ready, pictures, run):
    before = ready.cache.explain("net", "pics")
    assert (before.to_compute, before.seconds, before.bytes) == (36, None, 36 * (8 * 4 + 32))
    assert "no run has been measured" in run("features", "explain", "net", "pics").out
    ready.extract("net", "pics")
    after = ready.cache.explain("net", "pics")
    assert (after.to_compute, after.cuts[0].present) == (0, 36)
    draw(pictures / "red" / "new.png", 999)
    ready.datasets.refresh("pics")
    found = ready.cache.explain("net@features,relu|gap", "pics")
    assert reasons(found) == {"new sample: its content was never seen at this cut": 1}
    assert found.cuts[0].reasons[0].example == "red/new.png"
    assert reasons(found, 1) == {"new sample: its content was never seen at this cut": 37}
    assert found.to_compute == 37
    cost = cost_of((run.counts, run.seconds) for run in ready.runs.find_latest())
    assert cost is not None and found.seconds == round(cost.of(37), 1)
    assert found.rate == round(1 / cost.each, 1)
    shown = run("features", "explain", "net@features,relu|gap", "pics").out
    assert "37 of 37 contents to compute" in shown
    assert "red/new.png" in shown


def test_explain_names_the_field_of_the_preprocessing_that_differs(ready, model_file, tmp_path):
    ready.extract("net", "pics")
    steps = ready.backbones.get("net").preprocessing["steps"]
    changed = [
        {**step, "method": "nearest"} if step["step"] == "resize" else step for step in steps
    ]
    assert changed != steps
    pipeline = {"steps": changed}
    (tmp_path / "p.json").write_text(__import__("json").dumps(pipeline))
    ready.backbones.add("net", model_file, preprocess=str(tmp_path / "p.json"))
    (why,) = reasons(ready.cache.explain("net", "pics"))
    assert why.startswith("other preprocessing: steps[resize].method")
    assert "→ nearest" in why


def test_explain_tells_other_weights_and_other_poolings(ready, tmp_path):
    ready.extract("net@relu|gap", "pics")
    network(seed=1).save(tmp_path / "other.keras")
    assert reasons(ready.cache.explain("net@relu|gmp", "pics")) == {
        "other pooling: it was computed for relu|gap": 36
    }
    ready.backbones.add("net", tmp_path / "other.keras", preprocess="unit")
    assert reasons(ready.cache.explain("net@relu|gap", "pics")) == {
        "other weights: it was computed by net": 36
    }


def test_explain_counts_damaged_shards_and_unreadable_samples(ready, pictures):
    (pictures / "red" / "00.jpg").write_bytes(b"no picture")
    ready.extract("net", "pics", settings=hs.Settings(4, "skip", 0))
    # One without the unreadable sample: names are hashes, so which is first is chance.
    damaged = next(file for file in shard_files(ready) if rows_of(file) == 4)
    damaged.write_bytes(b"x")
    for _ in range(2):  # it puts nothing aside
        found = ready.cache.explain("net", "pics")
        (cut,) = found.cuts
        assert (found.to_compute, cut.damaged_shards, cut.unreadable, cut.missing) == (4, 1, 1, 4)
        assert reasons(found) == {"its row was in a shard that is missing or damaged": 4}
    assert ready.context.feature_sets.find_shards(1, QUARANTINED) == []
    damaged.unlink()
    for file in damaged.parent.glob("*.index"):  # nobody knows any more what it held
        file.unlink()
    why = "new sample, or one of 4 in shards that are missing or damaged"
    assert reasons(ready.cache.explain("net", "pics")) == {why: 4}
    assert ready.extract("net", "pics", settings=hs.Settings(4, "skip", 0)).report.computed == 4
