"""Twins are found however many samples have one, and nothing else."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from headstart.extractors.preprocessing.preview import difference_hash
from headstart.heads.evaluation.near_duplicates import find_alike, find_near_duplicates, nearest


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    return found.data.astype(np.float32), found.target


def isotropic(rng, count):
    return rng.normal(size=(count, 32))


def in_clusters(rng, count):
    centres = rng.normal(size=(10, 64))
    return centres[rng.integers(0, 10, count)] + 0.3 * rng.normal(size=(count, 64))


def in_clusters_of_all_widths(rng, count):
    """Some are a tenth as wide as others."""
    centres, widths = rng.normal(size=(20, 64)), 0.2 * np.exp(rng.normal(size=20))
    of = rng.integers(0, 20, count)
    return centres[of] + widths[of][:, None] * rng.normal(size=(count, 64))


def of_few_dimensions(rng, count):
    """Eight, folded into 128 numbers as a network does."""
    inside = np.maximum(rng.normal(size=(count, 8)) @ rng.normal(size=(8, 128)), 0)
    return inside @ rng.normal(size=(128, 128))


KINDS = [isotropic, in_clusters, in_clusters_of_all_widths, of_few_dimensions]
SHARES = [(0, 2), (0.1, 2), (0.5, 2), (1, 2), (1, 3), (0.5, 4)]
"""Of the samples, which share has copies, and how many there are then of each."""


def with_twins(x, share, of_each, rng, near=0.1):
    """Rows with others as near as `near` of the distance to the nearest, and which are pairs."""
    chosen = rng.permutation(len(x))[: round(share * len(x))]
    reach = np.sqrt(2 * nearest(x.astype(np.float32), 1)[0][chosen, 0])
    reach *= near * np.linalg.norm(x[chosen], axis=1) / np.sqrt(x.shape[1])
    groups = [[int(row)] for row in chosen]
    rows = [x]
    for number in range(of_each - 1):
        rows.append(x[chosen] + reach[:, None] * rng.normal(size=(len(chosen), x.shape[1])))
        for place, group in enumerate(groups):
            group.append(len(x) + number * len(chosen) + place)
    pairs = {(a, b) for group in groups for a in group for b in group if a < b}
    return np.concatenate(rows), pairs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("share", "of_each"), SHARES)
def test_twins_are_found_however_many_samples_have_one(kind, share, of_each):
    rng = np.random.default_rng(0)
    x, pairs = with_twins(kind(rng, 600), share, of_each, rng)
    found = {(one.first, one.second) for one in find_near_duplicates(x)}
    assert len(found & pairs) >= 0.98 * len(pairs)
    assert len(found - pairs) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_twins_are_found_among_the_rows_of_the_cells_around(kind, monkeypatch):
    monkeypatch.setattr("headstart.heads.evaluation.near_duplicates.EXACT", 1_000)
    rng = np.random.default_rng(0)
    x, pairs = with_twins(kind(rng, 1_500), 0.1, 2, rng)
    found = {(one.first, one.second) for one in find_near_duplicates(x)}
    assert len(found & pairs) >= 0.98 * len(pairs)
    assert len(found - pairs) <= 4


def test_where_all_have_a_twin_a_quarter_of_the_distance_is_near():
    rng = np.random.default_rng(1)
    x, pairs = with_twins(in_clusters(rng, 300), 1, 2, rng, near=0.25)
    found = {(one.first, one.second) for one in find_near_duplicates(x)}
    assert len(pairs) == 300 and found == pairs


def test_in_few_dimensions_samples_are_near_each_other_by_chance():
    x = np.random.default_rng(0).normal(size=(2000, 3))
    assert len(find_near_duplicates(x)) <= 4
    assert len(find_near_duplicates(np.concatenate([x, x[:5]]))) >= 5  # equal ones are no chance


def test_copies_with_a_little_noise_are_found_and_nothing_else(digits):
    x, _ = digits
    rng = np.random.default_rng(0)
    originals = rng.choice(len(x), 40, replace=False)
    copies = x[originals] + rng.normal(0, 0.05, (40, 64)).astype(np.float32)
    found = find_near_duplicates(np.concatenate([x, copies]))
    pairs = {(pair.first, pair.second) for pair in found}
    expected = {(int(one), len(x) + n) for n, one in enumerate(originals)}
    assert expected <= pairs
    assert len(pairs) <= len(expected) + 3
    assert all(0 <= pair.distance < 0.05 for pair in found)


@pytest.mark.parametrize("count", [0, 1])
def test_one_row_has_no_duplicate(count):
    assert find_near_duplicates(np.ones((count, 3), np.float32)) == []


def test_the_nearest_are_those_of_scikit_learn(digits, monkeypatch):
    monkeypatch.setattr("headstart.heads.evaluation.near_duplicates.AT_ONCE", 100_000)
    rows = digits[0][:500]
    distances, found = nearest(rows, 6)
    theirs, _ = NearestNeighbors(n_neighbors=6, metric="cosine").fit(rows).kneighbors()
    np.testing.assert_allclose(distances, theirs, atol=1e-6)
    assert (found != np.arange(500)[:, None]).all()


def test_a_picture_of_another_size_quality_and_brightness_looks_alike_and_others_do_not(tmp_path):
    rng = np.random.default_rng(0)
    hashes = []
    for _ in range(60):
        small = rng.integers(0, 200, (6, 6, 3), dtype=np.uint8)
        one = Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC)
        one.resize((61, 61)).point(lambda value: value + 20).save(tmp_path / "a.jpg", quality=60)
        with Image.open(tmp_path / "a.jpg") as other:
            hashes += [difference_hash(np.asarray(one)), difference_hash(np.asarray(other))]
    hashes += [difference_hash(np.full((50, 50, 3), tone, np.uint8)) for tone in (0, 9, 255)]
    found = find_alike(np.array(hashes, np.uint64))
    expected = {(n, n + 1) for n in range(0, 120, 2)}
    assert set(found) <= expected and len(found) >= 0.9 * len(expected)


def copy_of(picture, side, how):
    file = io.BytesIO()
    picture.resize((side, side), how).save(file, "JPEG")
    return Image.open(file)


def test_copies_of_drawings_on_an_even_ground_look_alike_and_other_drawings_do_not():
    """Noise of the JPEG on the ground must set no bits."""
    rng = np.random.default_rng(1)
    ways = [Image.Resampling.LANCZOS, Image.Resampling.BOX, Image.Resampling.NEAREST]
    hashes, expected = [], set()
    for number in range(60):
        one = Image.new("RGB", (72, 72), (250, 250, 250))
        pen = ImageDraw.Draw(one)
        for _ in range(4):
            x, y, width, height = rng.integers((5, 5, 15, 15), (45, 45, 35, 35)).tolist()
            pen.ellipse((x, y, x + width, y + height), tuple(rng.integers(0, 230, 3).tolist()))
        copies = [copy_of(one, 80, how) for how in ways]
        hashes += [difference_hash(np.asarray(picture)) for picture in (one, *copies)]
        expected |= {(4 * number, 4 * number + place) for place in (1, 2, 3)}
    found = set(find_alike(np.array(hashes, np.uint64)))
    assert len(found & expected) >= 0.9 * len(expected)
    assert all(first // 4 == second // 4 for first, second in found)


@pytest.mark.parametrize("by", [2.0**14, 2.0**20])
def test_twins_are_found_far_from_zero(by):
    rng = np.random.default_rng(0)
    x, pairs = with_twins(in_clusters(rng, 600), 0.1, 2, rng)
    x = np.round(x * 64) / 64  # with the offset, float32 tells them apart to a sixteenth
    near = {(one.first, one.second) for one in find_near_duplicates(x)}
    far = {(one.first, one.second) for one in find_near_duplicates(x + by)}
    assert len(near & pairs) >= 0.9 * len(pairs)
    assert len(far & pairs) >= 0.9 * len(near & pairs) and len(far - pairs) <= 2


def test_pictures_that_look_alike_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 3000, dtype=np.uint64)
    for number in range(0, 300, 2):  # up to five bits of the next one's differ
        bits = rng.choice(64, number % 6, replace=False)
        hashes[number] = hashes[number + 1] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    hashes[500:560] &= np.uint64(0xFFFF0000FFFF)  # many share a piece
    apart = np.bitwise_count(hashes[:, None] ^ hashes)
    plain = [(a, b) for a, b in np.argwhere(apart <= 3).tolist() if a < b]
    assert len(plain) > 50 and find_alike(hashes) == plain


def test_many_pictures_are_compared_in_a_moment(monkeypatch):
    """No array of all pairs: of 60,000 those would be 3.6e9."""
    hashes = np.random.default_rng(0).integers(0, 2**63, 60_000, dtype=np.uint64)
    hashes[-1] = hashes[0] ^ np.uint64(5)
    compared = []
    count = np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda x: compared.append(x.size) or count(x))
    assert find_alike(hashes) == [(0, 59_999)]
    assert sum(compared) < 10_000_000
