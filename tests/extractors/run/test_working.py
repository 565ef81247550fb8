"""Workers: all samples, in order, whatever the size of tasks; texts of like length together."""

import threading

import numpy as np
import pytest

import headstart as hs
from conftest import draw, keras
from headstart.extractors.engines.buckets import Buckets
from headstart.extractors.run.worker import _TaskSize
from headstart.extractors.run.writer import Writer

layers = keras.layers


@pytest.mark.parametrize("batch_size", [None, 1, 7, 100])
def test_rows_lie_in_the_datasets_order_whatever_the_size_of_tasks(ready, batch_size):
    settings = hs.Settings(batch_size=batch_size)
    view = ready.extract("net", "pics", settings=settings)
    (found,) = ready.context.feature_sets.find_sets()
    (shard,) = ready.context.feature_sets.find_shards(found.id)
    cache = ready.context.cache()
    digests = cache.digests_of(cache.file_of(shard, found.key))
    assert [bytes(d).hex() for d in digests] == [sample.digest for sample in view.samples]


def test_unreadable_samples_among_others_are_skipped_and_named(ready, pictures):
    for name in ("00.jpg", "05.png"):
        (pictures / "blue" / name).write_bytes(name.encode())
    report = ready.extract("net", "pics", settings=hs.Settings(on_error="skip")).report
    assert (report.computed, report.skipped) == (34, 2)
    assert [one["id"] for one in report.skipped_samples] == ["blue/00.jpg", "blue/05.png"]


def test_the_size_of_tasks_follows_the_time_they_take():
    size = _TaskSize(None, 4)
    assert size.samples == 4
    for _ in range(6):
        size.saw(size.samples, size.samples * 0.001, size.samples * 100)
    assert size.samples == 200  # a fifth of a second
    size.saw(200, 20.0, 20_000)
    assert size.samples == 4
    size.saw(4, 0.0001, 4 << 24)  # 16 MiB a sample
    assert size.samples == 4
    fixed = _TaskSize(9, 4)
    fixed.saw(9, 10.0, 9)
    assert fixed.samples == 9


def test_a_commit_does_not_hold_up_the_rows_behind_it():
    release, committed = threading.Event(), []

    def commit(digests, outputs):
        release.wait(120)
        committed.append((digests, [len(output) for output in outputs]))

    with Writer(1, commit, lambda size, since: True) as writer:
        writer.add(["a"], [np.zeros((1, 2))])
        assert committed == []  # or it had waited for the commit
        release.set()
        writer.add(["b"], [np.zeros((1, 2))])
    assert committed == [(["a"], [1]), (["b"], [1])]


def test_what_a_commit_raises_is_raised_and_nothing_is_committed_twice():
    calls = []

    def commit(digests, outputs):
        calls.append(digests)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"), Writer(1, commit, lambda *_: True) as writer:
        writer.add(["a"], [np.zeros((1, 2))])
        writer.add(["b"], [np.zeros((1, 2))])
    assert calls[0] == ["a"]
    assert calls.count(["a"]) == 1


class Recorded:
    """An engine that averages what the mask lets through, and knows what it was given."""

    name, precision, lanes, call_size = "recorded", "float32", 1, 4

    def __init__(self, *, believes_padding=False):
        self.lengths = []
        self.believes_padding = believes_padding

    def run(self, batch):
        ids, mask = batch["ids"].astype(np.float32), batch["mask"]
        self.lengths.append(ids.shape[1])
        if self.believes_padding:
            return [ids.mean(axis=1, keepdims=True)]
        return [(ids * mask).sum(axis=1, keepdims=True) / mask.sum(axis=1, keepdims=True)]


def texts(count=32, steps=128):
    rng = np.random.default_rng(0)
    used = rng.integers(1, steps + 1, count)
    mask = (np.arange(steps) < used[:, None]).astype(np.int32)
    return {"ids": rng.integers(1, 50, (count, steps)).astype(np.int32) * mask, "mask": mask}


def test_texts_of_like_length_go_in_together_and_come_out_in_order():
    engine = Recorded()
    expected = Recorded().run(texts())[0]
    (found,) = Buckets(engine, "mask").run(texts())
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    sizes = engine.lengths[2:]
    assert sum(sizes) < 0.7 * 128 * len(sizes)
    assert all(size % 16 == 0 for size in sizes)


def test_a_model_that_counts_padding_gets_all_of_it():
    engine = Recorded(believes_padding=True)
    expected = Recorded(believes_padding=True).run(texts())[0]
    (found,) = Buckets(engine, "mask").run(texts())
    np.testing.assert_array_equal(found, expected)
    assert engine.lengths[2:] == [128]


def test_large_jpegs_can_be_decoded_at_a_fraction(tmp_path):
    from PIL import Image

    from headstart.extractors.preprocessing.pipeline import Preprocessing

    draw(tmp_path / "large.jpg", 0, size=(900, 1200))
    raw = (tmp_path / "large.jpg").read_bytes()

    def prepared(*steps):
        return Preprocessing.from_json({"steps": list(steps)}).prepare(raw)

    assert prepared({"step": "decode_reduced", "side": 200}).shape == (225, 300, 3)
    assert prepared({"step": "decode_reduced", "side": 901}).shape == (900, 1200, 3)
    resize = {"step": "resize", "height": 100, "width": 100}
    reduced = prepared({"step": "decode_reduced", "side": 200}, resize)
    image = Image.open(tmp_path / "large.jpg")
    image.draft(None, (200, 200))
    expected = image.resize((100, 100), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(reduced, np.asarray(expected))
    whole = prepared({"step": "decode_image"}, resize)
    assert np.abs(whole.astype(int) - reduced).mean() < 12


@pytest.mark.parametrize("crop", [[], [{"step": "centre_crop", "fraction": 0.8}]])
@pytest.mark.parametrize("channels", [1, 3])
def test_decoding_and_resizing_at_once_gives_the_pixels_of_the_steps(tmp_path, crop, channels):
    from headstart.extractors.preprocessing.pipeline import Preprocessing
    from headstart.extractors.preprocessing.steps import STEPS

    draw(tmp_path / "p.png", 0, size=(37, 53))
    raw = (tmp_path / "p.png").read_bytes()
    decode = {"step": "decode_image", "channels": channels}
    pipeline = Preprocessing.from_json(
        {"steps": [decode, *crop, {"step": "resize", "height": 20, "width": 24}]}
    )
    value = raw
    for step in pipeline.steps:
        settings = {k: v for k, v in step.items() if k not in ("step", "version")}
        value = STEPS[step["step"]].run(value, **settings)
    np.testing.assert_array_equal(pipeline.prepare(raw), value)
