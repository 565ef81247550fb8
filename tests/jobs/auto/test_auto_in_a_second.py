"""What `auto` does where there is a second: which trials are made at all, and of what."""

from types import SimpleNamespace

import numpy as np
import pytest

import headstart as hs
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.kind import Part, fits_of
from headstart.heads.trials.subsample import Nested
from headstart.jobs.auto.attempts import Attempts
from headstart.jobs.auto.budget import Budget, OutOfTime
from headstart.jobs.auto.costs import Stopwatch
from headstart.jobs.auto.entrants import Entrant
from headstart.jobs.auto.found import Wanted
from headstart.jobs.auto.kinds import BEHIND_LEADER, UNTRIED, KindTrials
from headstart.jobs.auto.largest_part import _Whole
from headstart.jobs.auto.on_a_part import Partial
from headstart.jobs.auto.opened import of_numbers, open_entrant
from headstart.jobs.auto.pool import Pool
from headstart.jobs.auto.race import Race
from headstart.jobs.auto.search import Search
from headstart.origins.blocks import blocks_of

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartNote")
SAID = lambda _now: None  # noqa: E731


@pytest.fixture(scope="module")
def crossed_out(tmp_path_factory):
    """Rows of two classes that no line tells apart."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    place = tmp_path_factory.mktemp("crossed")
    np.savez(place / "crossed.npz", x=x, y=y)
    return place / "crossed.npz", Part(x, y)


def test_a_sketch_gives_the_same_answers_without_calibration(crossed_out):
    _, rows = crossed_out
    kind = hs.MLP(epochs=8)
    folds = split_into_folds(rows.targets, 2, classes=["0", "1"], seed=0)
    (whole,), (sketch,) = (cross([one], rows, folds, jobs=1) for one in (kind, kind.sketched()))
    np.testing.assert_array_equal(whole.outputs.argmax(axis=1), sketch.outputs.argmax(axis=1))
    assert np.abs(whole.outputs - sketch.outputs).max() > 1e-4
    assert sketch.settings == whole.settings


def test_how_many_networks_a_fit_trains_is_known_before():
    assert fits_of(hs.MLP(), 100) == 5 and fits_of(hs.MLP(), 1000) == pytest.approx(1.8)
    assert fits_of(hs.MLP(), 1000, 200) == 1 == fits_of(hs.MLP().sketched(), 100)
    assert fits_of(hs.Ridge(), 100) == 1


def test_on_a_part_heads_are_sketches_and_it_is_said(rows, crossed_out):
    dataset = rows.datasets.add("crossed", crossed_out[0])
    backbone = open_entrant(rows.context, of_numbers(4), "float32")[0]
    pool = Pool(rows.context, dataset, Wanted(), Budget(60), SAID)
    pool.compute(Entrant(backbone.label, None, backbone.reference), None)
    features = blocks_of(rows.context, backbone.reference)
    attempts = Attempts(pool, Budget(60), SAID)
    attempts.make(features, [hs.Linear((1.0,))], None)
    learnt = np.flatnonzero([one != "test" for one in pool.samples.splits])
    attempts.make(features, [hs.MLP(epochs=3)], learnt[:200])
    attempts.make(features, [hs.MLP(epochs=3)], None)
    _, part, whole = attempts.tried
    assert part.head.endswith(", not calibrated") and "not calibrated" not in whole.head
    assert attempts.partials[0].is_sketch and part.heads == 2


def race_of(rows, attempts=None, budget=None, sizes=(100, 300, 900)):
    race = Race.__new__(Race)
    race.sizes, race.attempts, race.budget = list(sizes), attempts, budget or Budget(60)
    race.pool = SimpleNamespace(
        task=hs.Classification(), default_kind=hs.Linear(), trying=hs.CrossValidation()
    )
    race.rows = lambda size: None if size == race.sizes[-1] else np.arange(size)
    return race


def test_small_parts_that_all_pass_anyway_are_left_out():
    race = race_of(None, sizes=(111, 333, 1000, 3000, 9000))
    assert race.sizes_for(3) == race.sizes
    assert race.sizes_for(2) == [1000, 3000, 9000]
    race.sizes = [456]
    assert race.sizes_for(1) == [456]


class Made(Attempts):
    """Takes note of what is tried; nothing is fitted."""

    def __init__(self, said):
        self._said, self.made, self.partials = said, [], []
        self.dropped, self.tried, self._ranks, self._is_settled = [], [], [], False

    def make(self, blocks, kinds, rows, seconds=None):
        name = kinds[0].kind
        count = 900 if rows is None else len(rows)
        self.made.append((name, count))
        right = self._said[name]
        self._ranks.append((-right, 0.0))
        self.tried.append(SimpleNamespace(seconds=1.0, rows=count))
        return len(self.tried) - 1

    def judge(self, number, verdict):
        pass

    def keep_back_leader(self):
        pass

    def forecast(self, kind, blocks, rows):
        return 1000.0

    def is_behind(self, number):
        return False


SHARES = {"neighbours": 0.7, "mlp": 0.9, "svm": 0.6, "ridge": 0.6, "prototype": 0.5}
NET = SimpleNamespace(name="net@cut")


def test_what_sees_beyond_lines_is_tried_through_all_parts_first():
    attempts = Made(SHARES)
    KindTrials(race_of(None, attempts), tuple(SHARES)).run([NET])
    assert attempts.made[:2] == [("neighbours", 300), ("mlp", 300)]
    assert {name for name, _ in attempts.made[2:5]} == {"svm", "ridge", "prototype"}


def test_the_last_seconds_are_for_what_is_ahead_of_all_others_on_the_largest_part(monkeypatch):
    attempts = Made(SHARES)
    leader = Partial(NET, SimpleNamespace(settings={"kind": "mlp"}, targets=range(300)), 1.0)
    monkeypatch.setattr(Attempts, "leader", leader)
    KindTrials(race_of(None, attempts), tuple(SHARES)).run([NET])
    assert all(count < 900 for _, count in attempts.made)
    told = {one.what: one.why for one in attempts.dropped}
    assert told["mlp on net@cut"] == UNTRIED
    assert {told[f"{name} on net@cut"] for name in SHARES if name != "mlp"} == {BEHIND_LEADER}


def test_a_backbone_that_cannot_be_computed_whole_is_not_begun_on_a_part():
    search = Search.__new__(Search)
    search._budget, dropped = Budget(100), {}
    search._attempts = SimpleNamespace(drop=dropped.__setitem__)
    search.pool = SimpleNamespace(
        is_measured=lambda _one: True,
        missing=lambda _one, rows: 1000 if rows is None else len(rows),
        forecast=lambda _one, missing: 0.2 * missing,
        compute_in=lambda *_: pytest.fail("computed"),
    )
    assert not search._is_ready(Entrant("slow"), np.arange(100))
    assert dropped["slow"].startswith("all samples take about 200 s, ")


def whole_of(seconds, fewest=64):
    """All samples of a backbone, of which so many have to be computed first, after 10 s of 60."""
    pool = SimpleNamespace(samples=np.arange(6400), missing=lambda _one, rows: len(rows))
    budget = Budget(60, clock=iter(range(0, 10_000, seconds)).__next__)
    return _Whole(pool, Entrant("net"), budget, Nested(np.arange(6400)[::-1], fewest))


def test_that_all_samples_take_too_long_is_said_once_their_pace_is_known():
    whole, watch = whole_of(1), Stopwatch(began=0.0)
    assert whole.rows[:64].tolist() == list(range(6399, 6335, -1))
    assert sorted(whole.rows) == list(range(6400)) and whole.rows[64:66].tolist() == [0, 1]
    watch.marks = [(1.0, 32), (2.0, 64)]
    whole.see(watch, 64, 6400)  # too early to tell
    watch.marks = [(1.0, 32), (11.0, 132)]
    with (
        pytest.warns(hs.notices.HeadstartNote, match=r"net take about 627 s for 6,400") as told,
        pytest.raises(OutOfTime),
    ):
        whole.see(watch, 132, 6400)
    (message,) = (str(one.message) for one in told)
    assert "of the 60 s that were given" in message and "16 minutes would do for all" in message
    with pytest.raises(OutOfTime):
        whole.see(watch, 132, 6400)
    whole.see(watch, 132, 200)
    whole.see(watch, 132, 132)


def test_what_has_some_of_each_class_is_computed_however_long_it_takes():
    whole, watch = whole_of(1, fewest=200), Stopwatch(began=0.0)
    watch.marks = [(1.0, 32), (11.0, 132)]
    with pytest.warns(hs.notices.HeadstartNote):
        whole.see(watch, 132, 6400)
    watch.marks = [(1.0, 32), (21.0, 232)]
    with pytest.raises(OutOfTime):
        whole.see(watch, 232, 6400)


def test_a_backbone_of_rows_of_another_width_is_not_tried(rows, tmp_path):
    open_entrant(rows.context, of_numbers(9), "float32")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 5)).astype(np.float32)
    np.savez(tmp_path / "five.npz", x=x, y=(x[:, 0] > 0).astype(int))
    found = rows.auto(tmp_path / "five.npz", minutes=60, kinds="prototype")
    names = [one.what for one in found.dropped] + [one.features for one in found.tried]
    assert not any("numbers-9" in one for one in names)


def test_where_no_sample_fits_to_go_on_without_one_is_no_advice(rows):
    open_entrant(rows.context, of_numbers(9), "float32")
    found = rows.auto("rows", ("numbers-9", "flat@as_it_is"), minutes=60, kinds="prototype")
    (dropped,) = [one for one in found.dropped if one.what.startswith("numbers-9")]
    assert dropped.why.startswith("it takes none of the first samples: ")
    assert "on-error" not in dropped.why and "(9,)" in dropped.why


def test_a_table_whose_columns_have_to_be_named_says_where_they_are(rows, tmp_path):
    lines = ["a,b,c,label,target", *(f"{n},{n % 7},{n % 5},x{n % 2},y{n % 3}" for n in range(60))]
    (tmp_path / "two.csv").write_text("\n".join(lines))
    with pytest.raises(hs.errors.DatasetError, match=r"dataset add two .*two\.csv`; then give"):
        rows.auto(tmp_path / "two.csv", minutes=1)
