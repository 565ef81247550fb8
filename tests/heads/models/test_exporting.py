"""Attached models in every format: loaded by a process without headstart, on real files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment
from headstart.backbone_model import pipeline_of
from headstart.errors import AlreadyExists, HeadError, InvalidHeadSetting, ParityError
from headstart.heads.models import export

TOLERANCE = 1e-4
QUICK = {"net": True, "net.onnx": False, "net.tflite": True}
"""What is tried on every run, and whether with pixels."""
LOADERS = {
    "net.keras": "import keras; found = keras.models.load_model(path).predict(x, verbose=0)",
    "net": (
        "import tensorflow as tf; run = tf.saved_model.load(path).signatures['serving_default']\n"
        "(found,) = run(**{next(iter(run.structured_input_signature[1])): tf.constant(x)}).values()"
    ),
    "net.onnx": (
        "import onnxruntime; session = onnxruntime.InferenceSession(path)\n"
        "found = session.run(None, {session.get_inputs()[0].name: x})[0]"
    ),
    "net.tflite": (
        "from ai_edge_litert.interpreter import Interpreter\n"
        "run = Interpreter(path).get_signature_runner()\n"
        "name = next(iter(run.get_input_details()))\n"
        "found = np.concatenate([next(iter(run(**{name: row[None]}).values())) for row in x])"
    ),
}


STRANGER = """
import json, sys, traceback
for line in sys.stdin:
    try:
        exec(json.loads(line), {})
        assert "headstart" not in sys.modules
        answer = ""
    except BaseException:
        answer = traceback.format_exc()
    sys.stdout.write(json.dumps(answer) + "\\n")
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def stranger():
    """Runs code in a process without headstart; TensorFlow is loaded there once."""
    with subprocess.Popen(
        [sys.executable, "-c", STRANGER],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def run(code):
            process.stdin.write(json.dumps(code) + "\n")
            process.stdin.flush()
            answers = iter(process.stdout.readline, "")
            answer = next(json.loads(line) for line in answers if line.startswith('"'))
            assert not answer, answer

        yield run
        process.stdin.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained head, its files, and its probabilities by the cached path."""
    from conftest import draw, network

    folder = tmp_path_factory.mktemp("trained")
    for tint, name in enumerate(("red", "green", "blue")):
        for number in range(12):
            draw(folder / "pics" / name / f"{number:02}.png", 100 * tint + number, tint=tint)
    network().save(folder / "net.keras")
    ws = hs.init(folder / "zoo")
    ws.backbones.add("net", folder / "net.keras", preprocess="tf", licence="MIT")
    ws.datasets.add("pics", folder / "pics")
    view = ws.extract("net", "pics")
    head = ws.heads.train("h", view, hs.MLP(epochs=3))
    pipeline = pipeline_of(ws.context, ws.backbones.get("net"))
    raw = np.stack(
        [pipeline.pixels.prepare(Path(str(s.location)).read_bytes()) for s in view.samples]
    )
    return head, raw, pipeline.finish(raw), head.stack.predict_proba(view.to_numpy())


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        pytest.param(name, pixels, marks=[] if QUICK.get(name) == pixels else pytest.mark.slow)
        for name in LOADERS
        for pixels in (False, True)
    ],
)
def test_each_format_gives_the_cached_paths_probabilities_without_headstart(
    trained, stranger, tmp_path, name, pixels
):
    head, raw, finished, expected = trained
    _, difference = head.attach_checked(tmp_path / name, pixels=pixels)
    assert difference < TOLERANCE
    np.save(tmp_path / "x.npy", raw if pixels else finished)
    stranger(
        f"import numpy as np; path = {str(tmp_path / name)!r}\n"
        f"x = np.load({str(tmp_path / 'x.npy')!r})\n{LOADERS[name]}\n"
        f"np.save({str(tmp_path / 'found.npy')!r}, np.asarray(found))"
    )
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=TOLERANCE)


def test_what_lies_beside_a_model_says_what_it_is(trained, tmp_path):
    head, *_ = trained
    head.attach(tmp_path / "net.keras", pixels=True)
    facts = json.loads((tmp_path / "net.json").read_text())
    assert facts["classes"] == ["blue", "green", "red"]
    assert [step["step"] for step in facts["inside_the_model"]] == ["normalize", "cast"]
    card = (tmp_path / "net.md").read_text()
    _, front, body = card.split("---\n", 2)
    yaml = dict(line.split(": ", 1) for line in front.strip().splitlines())
    assert json.loads(yaml["license"]) == "mit"
    assert json.loads(yaml["datasets"]) == ["pics"]
    assert head.record.feature_key in body and "blue, green, red" in body


def test_an_export_again_replaces_what_was_there_if_that_is_asked_for(trained, tmp_path):
    head, *_ = trained
    head.attach(tmp_path / "net")
    with pytest.raises(AlreadyExists, match=r"net and .*net\.json and .*net\.md are there"):
        head.attach(tmp_path / "net")
    (tmp_path / "net").rename(tmp_path / "other")
    with pytest.raises(AlreadyExists, match=r"net\.json and .*overwrite=True"):
        head.attach(tmp_path / "net.keras")  # what is beside it is of the other
    (tmp_path / "other").rename(tmp_path / "net")
    head.attach(tmp_path / "net", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net", "net.json", "net.md"]


@pytest.mark.parametrize("name", ["net.keras", "net"])
def test_a_file_that_gives_other_probabilities_is_not_kept(trained, tmp_path, monkeypatch, name):
    head, *_ = trained
    chosen = export.FORMATS[Path(name).suffix]
    monkeypatch.setitem(export.RUNNERS, chosen, lambda path, x: np.full((16, 3), 1 / 3))
    with pytest.raises(ParityError, match="nothing was saved"):
        head.attach(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_names_that_cannot_be_written_are_refused_before_any_work(trained, tmp_path, monkeypatch):
    head, *_ = trained
    with pytest.raises(HeadError, match=r"Give a name that ends in \.keras"):
        head.attach(tmp_path / "net.pt")
    (tmp_path / "full").mkdir()
    with pytest.raises(HeadError, match="is there, and no SavedModel"):
        head.attach(tmp_path / "full")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        HeadError, match=r"onnxruntime is not installed. pip install 'headstart\[onnx\]'"
    ):
        head.attach(tmp_path / "net.onnx")


def test_only_the_head_can_be_trained_whatever_the_backbones_layers_are_called(ws, tmp_path):
    from conftest import draw, keras

    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="head_conv")(image)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = keras.layers.Dense(3, "softmax", name="out")(x)
    keras.Model(image, x).save(tmp_path / "m.keras")
    for number in range(40):
        draw(tmp_path / "pics" / f"c{number % 2}" / f"{number}.png", number, tint=number % 2)
    ws.backbones.add("m", tmp_path / "m.keras", preprocess="unit")
    ws.datasets.add("pics", tmp_path / "pics")
    model = ws.heads.train("h", ws.extract("m", "pics"), hs.MLP(epochs=1)).attach(pixels=False)
    trained = [layer.name for layer in model.layers if layer.trainable and layer.weights]
    assert trained == ["head_dense_1", "head_probabilities"]


NAMED = {
    "net.keras": "import keras; out = keras.models.load_model(path).predict(x, verbose=0)",
    "net": (
        "import tensorflow as tf; run = tf.saved_model.load(path).signatures['serving_default']\n"
        "out = run(**{next(iter(run.structured_input_signature[1])): tf.constant(x)})\n"
        "out = {name: value.numpy() for name, value in out.items()}"
    ),
}


@pytest.mark.parametrize("name", list(NAMED))
def test_names_come_out_of_a_model_without_headstart(trained, stranger, tmp_path, name):
    head, raw, _, expected = trained
    _, difference = head.attach_checked(tmp_path / name, pixels=True, labels=True)
    assert difference < TOLERANCE
    np.save(tmp_path / "x.npy", raw)
    stranger(
        f"import numpy as np; path = {str(tmp_path / name)!r}\n"
        f"x = np.load({str(tmp_path / 'x.npy')!r})\n{NAMED[name]}\n"
        f"np.savez({str(tmp_path / 'out.npz')!r}, probabilities=out['probabilities'],\n"
        "         names=np.asarray(out['label']).astype('U'))"
    )
    with np.load(tmp_path / "out.npz") as found:
        names, probabilities = found["names"].tolist(), found["probabilities"]
    np.testing.assert_allclose(probabilities, expected, atol=TOLERANCE)
    assert names == [head.record.classes[best] for best in expected.argmax(axis=1)]


def test_onnx_carries_its_classes_and_gives_no_names(trained, tmp_path):
    import onnxruntime

    head, *_ = trained
    head.attach(tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == ["blue", "green", "red"]
    with pytest.raises(HeadError, match="a model as onnx cannot give names"):
        head.attach(tmp_path / "other.onnx", labels=True)
    assert not (tmp_path / "other.onnx").exists()


def test_a_form_that_is_none_of_those_is_a_wrong_use():
    with pytest.raises(InvalidHeadSetting, match=r"cannot save as x\.h5") as caught:
        export.format_of(Path("x.h5"))
    assert caught.value.code == "usage"
