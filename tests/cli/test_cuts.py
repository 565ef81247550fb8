"""`backbone cuts`: of many cut points those that are worth a look first; all on request."""

import pytest

from conftest import keras
from headstart.extractors.backbones.candidates import block_ends
from headstart.extractors.backbones.cuts import list_cuts
from headstart.extractors.backbones.keras_graph import read_graph

layers = keras.layers


def ends(model):
    points = list_cuts(read_graph(model))
    return [point.name for point in points if point.name in block_ends(points)]


def deep(blocks=8, width=1280):
    """A network of inverted residual blocks, as MobileNetV2 is, with wide features."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="stem")(image)
    for number in range(blocks):
        y = layers.Conv2D(32, 1, name=f"block_{number}_expand")(x)
        y = layers.ReLU(6.0, name=f"block_{number}_expand_relu")(y)
        y = layers.DepthwiseConv2D(3, padding="same", name=f"block_{number}_depthwise")(y)
        y = layers.Conv2D(8, 1, name=f"block_{number}_project")(y)
        x = layers.Add(name=f"block_{number}_add")([x, y])
    x = layers.Conv2D(width, 1, name="last")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(1000, activation="softmax", name="classes")(x))


@pytest.fixture
def with_deep(ready):
    ready.backbones.add("deep", deep(), preprocess="unit")
    ready.extract("deep@block_3_expand_relu|gap", "pics")
    return ready


def test_blocks_end_where_paths_part_and_where_it_grows_wider():
    assert ends(deep(3)) == [
        "stem", "block_0_add", "block_1_add", "block_2_add", "last"
    ]  # fmt: skip
    image = x = keras.Input((16, 16, 3))
    for number, width in enumerate((4, 8), start=1):
        for second in (1, 2):
            x = layers.Conv2D(width, 3, padding="same", name=f"block{number}_conv{second}")(x)
        x = layers.MaxPooling2D(name=f"block{number}_pool")(x)
    x = layers.Dense(6, name="fc")(layers.Flatten(name="flatten")(x))
    plain = keras.Model(image, layers.Dense(3, activation="softmax", name="classes")(x))
    assert ends(plain) == ["block1_pool", "block2_pool"]


def test_of_many_the_candidates_are_listed_and_said_how_to_see_the_rest(with_deep, run):
    ran = run("backbone", "cuts", "deep")
    names = [line.split()[0] for line in ran.out.splitlines()[2:] if line[:1].isalpha()]
    expected = ["stem"]
    for number in range(8):
        expected += [f"block_{number}_add"]
        expected += ["block_3_expand_relu"] if number == 2 else []
    assert names[: len(expected) + 2] == [*expected, "last", "pool"], ran.out
    told = " ".join(ran.out.split())
    assert "12 of 45 cut points: ends of blocks, the default, what is cached. --all lists" in told
    found = run("backbone", "cuts", "deep", "--json").json
    assert len(found) == 45
    assert [cut["name"] for cut in found if cut["cached"]] == ["block_3_expand_relu"]
    assert [cut["cached"] for cut in found if cut["cached"]] == [["block_3_expand_relu|gap"]]


def test_all_of_them_and_those_called_like_a_pattern(with_deep, run):
    shown = run("backbone", "cuts", "deep", "--all").out
    for cut in (every := run("backbone", "cuts", "deep", "--json").json):
        assert cut["name"] in shown and f"{cut['params_below']:,}" in shown
        assert "x".join(map(str, cut["shape"])) in shown
    assert "16x16x1280" in shown and len(every) == 45
    for pattern in ("*_add", "_ADD"):
        called = run("backbone", "cuts", "deep", pattern, "--json").json
        assert [cut["name"] for cut in called] == [f"block_{number}_add" for number in range(8)]
    assert run("backbone", "cuts", "deep", "*_add").out.count("_add") == 8
    assert (
        "No cut point of deep is called like 'zzz'." in run("backbone", "cuts", "deep", "zzz").out
    )


def test_python_knows_the_candidates_too(with_deep):
    cuts = with_deep.backbones.cuts("deep")
    assert len([cut for cut in cuts if cut.is_candidate]) == 12
    assert [cut.name for cut in with_deep.backbones.cuts("deep", "po*")] == ["pool"]
