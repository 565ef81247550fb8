"""A head of emoji knows photos for what it has never seen."""

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart import demo


def photos(folder, count):
    """Parts of scikit-learn's two photographs, of several sizes."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    folder.mkdir()
    originals = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    for number in range(count):
        original, side = originals[number % 2], int(rng.integers(72, 320))
        left = int(rng.integers(0, original.width - side + 1))
        top = int(rng.integers(0, original.height - side + 1))
        picture = original.crop((left, top, left + side, top + side))
        picture.save(folder / f"{number:03}.png")
    return folder


@pytest.mark.slow
def test_photos_are_new_to_a_head_of_emoji(ws, tmp_path):
    from scipy.stats import betabinom
    from sklearn.metrics import roc_auc_score

    ws.backbones.add("lite0", "zoo:efficientnet-lite0", preprocess=demo.preprocessing())
    ws.datasets.add("emoji", demo.write_emoji_csv(tmp_path / "emoji.csv"))
    head = ws.heads.train("h", ws.extract("lite0", "emoji"), hs.Linear((0.01,)))
    told = head.novelty()
    own = told.of(head.features().split("test").to_numpy())
    others = head.predict(photos(tmp_path / "photos", 100), novelty=True)
    new = [one.novelty for one in others]
    truth = [0] * len(own) + [1] * len(new)
    auroc = roc_auc_score(truth, [*own, *new])
    assert auroc >= 0.95, auroc
    # Of the test split as many count as new as chance allows, which drew both splits.
    count = told.calibrated_on + 1
    rank = int(np.ceil(told.level * count))
    low, high = betabinom(told.tested_on, count - rank, rank).interval(0.999)
    assert low <= told.false_alarms * told.tested_on <= high
