"""KerasHub models from preset folders: a BERT with its tokenizer, an image classifier."""

import io
import json
import shutil
import sys
import zipfile

import keras_hub
import numpy as np
import pytest

import headstart as hs
from conftest import draw, keras
from headstart.backbone_model import open_engine
from headstart.errors import BackboneError, ModelFileError, PreprocessingError, UnsafeModel
from headstart.extractors.backbones.sources import kerashub
from headstart.extractors.preprocessing.steps.hub import STEPS
from headstart.notices import HeadstartWarning

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "brown", "fox"]
WORDS += ["jumped", "over"]
TEXTS = ["the quick fox", "brown fox jumped over", "the the the", "over the fox", "quick"] * 6
TOLERANCE = 1e-5


def bert():
    keras.utils.set_random_seed(0)
    return keras_hub.models.BertBackbone(
        vocabulary_size=len(WORDS),
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
    )


def tokenizer():
    return keras_hub.tokenizers.BertTokenizer(vocabulary=WORDS, lowercase=True)


@pytest.fixture
def texts(ws, tmp_path):
    lines = [json.dumps({"text": f"{t} {n}", "label": "ab"[n % 2]}) for n, t in enumerate(TEXTS)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    ws.datasets.add("texts", tmp_path / "texts.jsonl")
    return [f"{t} {n}" for n, t in enumerate(TEXTS)]


@pytest.mark.slow
def test_a_text_classifier_is_added_with_its_preprocessor(ws, tmp_path, texts):
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer(), sequence_length=9)
    task = keras_hub.models.BertTextClassifier(bert(), 3, preprocessor=preprocessor)
    task.save_to_preset(str(tmp_path / "preset"))
    backbone = ws.backbones.add("bert", f"kerashub:{tmp_path / 'preset'}")
    shutil.rmtree(tmp_path / "preset")  # what is needed lies in the workspace
    assert backbone.default_cut.name == "bert_backbone/pooled_dense"
    assert "the input of logits (Dense)" in (backbone.default_cut.reason or "")
    assert {tensor["name"] for tensor in backbone.inputs} == {
        "token_ids",
        "padding_mask",
        "segment_ids",
    }
    _, cuts = ws.context.resolve("bert")
    engine = open_engine(ws.context, backbone, cuts)
    wrong = {t["name"]: np.full((1, 9), 99, np.int32) for t in backbone.inputs}
    with pytest.raises(ValueError, match="holds numbers from 99 to 99, its table has"):
        engine.run(wrong)
    given = preprocessor(texts)
    by_hand = task.backbone(given)
    view = ws.extract("bert", "texts")
    np.testing.assert_allclose(view.to_numpy(), by_hand["pooled_output"], atol=TOLERANCE)
    mask = np.asarray(given["padding_mask"])[..., None].astype("float32")
    mean = (np.asarray(by_hand["sequence_output"]) * mask).sum(1) / mask.sum(1)
    last = next(c.name for c in reversed(backbone.cuts) if c.mask == "padding_mask")
    pooled = ws.extract(f"bert@{last}|mean", "texts").to_numpy()
    np.testing.assert_allclose(pooled, mean, atol=TOLERANCE)
    assert [c for c in ws.backbones.verify("bert", dataset="texts") if not c.ok] == []
    ws.heads.train("ab", view, hs.Linear()).attach(tmp_path / "attached.keras")


def test_a_backbone_alone_gives_its_outputs(ws, tmp_path, texts):
    model = bert()
    model.save_to_preset(str(tmp_path / "preset"))
    tokenizer().save_to_preset(str(tmp_path / "preset"))
    added = ws.backbones.add("bert", f"kerashub:{tmp_path / 'preset'}")
    assert added.warnings == ()  # its table of segments has 2 rows, and tells nothing of words
    points = ws.backbones.cuts("bert")
    defaults = {name: point.name for point in points for name in point.default_of}
    assert len(defaults) == 2
    assert "the output of a model without a classifier" in [p.reason for p in points]
    given = keras_hub.models.TextClassifierPreprocessor.from_preset(
        str(tmp_path / "preset"), sequence_length=16
    )(texts)
    expected = np.asarray(model(given)["pooled_output"])
    np.testing.assert_allclose(ws.extract("bert", "texts").to_numpy(), expected, atol=TOLERANCE)


def sentence_preset(folder, mode="pooling_mode_mean_tokens", path="1_Pooling", more=()):
    """A preset as Sentence Transformers has it, with what says how it pools."""
    bert().save_to_preset(str(folder))
    tokenizer().save_to_preset(str(folder))
    kinds = [("Transformer", ""), ("Pooling", path), ("Normalize", "2_Normalize"), *more]
    modules = [
        {"idx": n, "name": str(n), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, place) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False, mode: True}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 8, **modes})
    )
    return folder


def test_a_sentence_model_is_pooled_as_its_folder_says(ws, tmp_path, texts, run):
    folder = sentence_preset(tmp_path / "preset")
    backbone = ws.backbones.add("bert", f"kerashub:{folder}")
    assert backbone.default_name.endswith("|mean")
    assert "modules.json" in (backbone.default_cut.reason or "")
    given = keras_hub.models.TextClassifierPreprocessor.from_preset(
        str(folder), sequence_length=16
    )(texts)
    sequence = np.asarray(bert()(given)["sequence_output"])
    mask = np.asarray(given["padding_mask"])[..., None].astype("float32")
    expected = (sequence * mask).sum(1) / mask.sum(1)
    view = ws.extract("bert", "texts")
    np.testing.assert_allclose(view.to_numpy(), expected, atol=TOLERANCE)
    np.testing.assert_array_equal(
        ws.features(f"bert@{backbone.default_name}", "texts").to_numpy(), view.to_numpy()
    )
    (row,) = run("backbone", "list", "--json").json
    assert (row["cut"], row["cut_shape"]) == (backbone.default_name, [8])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "pooling_mode_weightedmean_tokens"}, "states the poolings pooling_mode_weighted"),
        ({"mode": "pooling_mode_max_tokens", "path": "../preset/1_Pooling"}, "cannot be the name"),
        ({"path": "nowhere"}, "cannot be read"),
    ],
)
def test_a_pooling_that_cannot_be_followed_is_refused(ws, tmp_path, fails, given, message):
    folder = sentence_preset(tmp_path / "preset", **given)
    assert message in fails("backbone", "add", "bert", f"kerashub:{folder}")


def test_settings_of_a_pooling_that_are_no_table_are_refused(ws, tmp_path, fails):
    folder = sentence_preset(tmp_path / "preset")
    (folder / "1_Pooling" / "config.json").write_text("[]")
    assert "is not a table of settings" in fails("backbone", "add", "bert", f"kerashub:{folder}")


def test_a_module_that_is_not_applied_is_named(ws, tmp_path):
    folder = sentence_preset(tmp_path / "preset", more=[("Dense", "3_Dense")])
    with pytest.warns(HeadstartWarning, match=r"modules\.json: not used: Dense"):
        ws.backbones.add("bert", f"kerashub:{folder}")


def test_an_image_classifier_is_added_with_its_preprocessor(ws, tmp_path):
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.VGGBackbone(
        stackwise_num_repeats=[1, 1], stackwise_num_filters=[4, 8], image_shape=(None, None, 3)
    )
    converter = keras_hub.layers.VGGImageConverter(image_size=(32, 32), scale=1 / 255)
    preprocessor = keras_hub.models.VGGImageClassifierPreprocessor(image_converter=converter)
    task = keras_hub.models.VGGImageClassifier(
        backbone=backbone,
        num_classes=3,
        preprocessor=preprocessor,
        pooling="avg",
        pooling_hidden_dim=6,
    )
    task.save_to_preset(str(tmp_path / "preset"))
    for number in range(8):
        draw(tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png", number, (40, 50))
    ws.datasets.add("pictures", tmp_path / "pictures")
    added = ws.backbones.add("vgg", f"kerashub:{tmp_path / 'preset'}")
    assert [step["step"] for step in added.preprocessing["steps"]] == ["decode_image", "kerashub"]
    view = ws.extract("vgg", "pictures")
    pixels = np.stack(
        [keras.utils.img_to_array(keras.utils.load_img(s.location)) for s in view.samples]
    )
    whole = task.predict(pixels, verbose=0)
    output = ws.extract(f"vgg@{added.cuts[-1].name}", "pictures").to_numpy()
    np.testing.assert_allclose(output, whole, atol=TOLERANCE)
    assert added.default_cut.is_bottleneck
    assert [c for c in ws.backbones.verify("vgg", dataset="pictures") if not c.ok] == []


def test_a_keras_file_with_layers_of_kerashub_is_taken(ws, tmp_path):
    model = bert()
    model.save(tmp_path / "bert.keras")
    cuts = ws.backbones.add("file", tmp_path / "bert.keras").cuts
    assert [c.fingerprint for c in cuts] == [
        c.fingerprint for c in ws.backbones.add("memory", model).cuts
    ]


def test_a_preset_that_names_something_else_is_refused(ws, tmp_path):
    bert().save_to_preset(str(tmp_path / "preset"))
    file = tmp_path / "preset" / "config.json"
    config = json.loads(file.read_text())
    file.write_text(
        json.dumps({**config, "registered_name": "keras_hub>Evil", "class_name": "Evil"})
    )
    with pytest.raises(UnsafeModel, match="Evil is not one of the installed KerasHub's classes"):
        ws.backbones.add("x", f"kerashub:{tmp_path / 'preset'}")
    file.write_text(json.dumps({**config, "module": "os", "registered_name": "system"}))
    with pytest.raises(UnsafeModel, match="os>BertBackbone"):
        ws.backbones.add("x", f"kerashub:{tmp_path / 'preset'}")


def test_a_tokenizer_that_reads_a_file_is_refused(ws, tmp_path):
    bert().save_to_preset(str(tmp_path / "preset"))
    tokenizer().save_to_preset(str(tmp_path / "preset"))
    file = tmp_path / "preset" / "tokenizer.json"
    config = json.loads(file.read_text())
    config["config"]["vocabulary"] = "/etc/passwd"
    file.write_text(json.dumps(config))
    with pytest.raises(UnsafeModel, match="reads the file '/etc/passwd'"):
        ws.backbones.add("x", f"kerashub:{tmp_path / 'preset'}")


@pytest.mark.parametrize(
    ("name", "argument", "text"),
    [
        ("WhisperTokenizer", "special_tokens", "/etc/passwd"),
        ("WhisperTokenizer", "special_tokens", "secret"),
        ("BytePairTokenizer", "merges", "../../merges.txt"),
        ("SentencePieceTokenizer", "proto", "https://example.org/x"),
        ("BertTokenizer", "config_file", "../../tokenizer.json"),
        ("BertTokenizer", "preset", "hf://somebody/something"),
    ],
)
def test_text_that_a_class_of_kerashub_would_open_is_refused(ws, tmp_path, name, argument, text):
    bert().save_to_preset(str(tmp_path / "preset"))
    tokenizer().save_to_preset(str(tmp_path / "preset"))
    file = tmp_path / "preset" / "tokenizer.json"
    config = json.loads(file.read_text())
    config.update(class_name=name, registered_name=f"keras_hub>{name}")
    config["config"] = {"name": "tokenizer", argument: text}
    file.write_text(json.dumps(config))
    with pytest.raises(UnsafeModel, match=rf"{name} reads the file '{text}' \({argument}=\)"):
        ws.backbones.add("x", f"kerashub:{tmp_path / 'preset'}")


def stored(members):
    """A stored preset, as a bundle may bring it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def whisper(tmp_path):
    canary = tmp_path / "secret.json"
    canary.write_text("{}")
    config = {
        "module": "keras_hub.src.models.whisper.whisper_tokenizer",
        "class_name": "WhisperTokenizer",
        "registered_name": "keras_hub>WhisperTokenizer",
        "config": {"name": "tokenizer", "special_tokens": str(canary)},
    }
    return {"tokenizer.json": json.dumps(config)}


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        (whisper, "WhisperTokenizer reads the file"),
        (lambda _: {"../outside": b"x"}, "has a member outside itself"),
        (lambda _: {"zeros": bytes((1 << 30) + 1)}, "unpacks to 1,073,741,825 bytes"),
    ],
)
def test_a_stored_preset_is_looked_at_before_it_is_used(tmp_path, members, problem):
    content = stored(members(tmp_path))
    with pytest.raises(UnsafeModel, match=problem):
        STEPS["kerashub"].open(content, inputs=[], sequence_length=0)


def test_a_stored_preprocessor_that_keras_cannot_build_is_one_clear_line(tmp_path):
    made = keras_hub.models.BertTextClassifierPreprocessor(tokenizer(), sequence_length=9)
    keras_hub.models.BertTextClassifier(bert(), 2, preprocessor=made).save_to_preset(str(tmp_path))
    members = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.suffix != ".h5"
    }
    known = json.loads(members["preprocessor.json"])
    known["config"]["dtype"]["config"] = 1.5
    members["preprocessor.json"] = json.dumps(known).encode()
    with pytest.raises(PreprocessingError, match="cannot read the backbone's preprocessor"):
        STEPS["kerashub"].open(stored(members), inputs=[], sequence_length=0)


UNKNOWN = '{"registered_name": "keras_hub>Unheard"}'


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("preprocessor.json", "[]", "is not a table of settings"),
        ("preprocessor.json", "null", "is not a table of settings"),
        ("preprocessor.json", "{}", "names no preprocessor"),
        ("preprocessor.json", UNKNOWN, "names 'keras_hub>Unheard', which the installed KerasHub"),
        ("tokenizer.json", "[]", "is not a table of settings"),
        ("image_converter.json", "{", "cannot be read"),
    ],
)
def test_a_preprocessor_that_is_none_is_refused_when_the_preset_is_added(
    ws, tmp_path, name, content, problem
):
    (tmp_path / name).write_text(content)
    known = {"inputs": [["token_ids", 2]], "longest": 16}
    with pytest.raises(ModelFileError, match=rf"{name} {problem}"):
        kerashub._preprocessing(tmp_path, known, ws.context.artifacts, 0)


def test_a_preset_with_a_link_out_of_its_folder_is_refused(ws, tmp_path):
    bert().save_to_preset(str(tmp_path / "preset"))
    tokenizer().save_to_preset(str(tmp_path / "preset"))
    (tmp_path / "preset" / "more.txt").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeModel, match="is a link to /etc/passwd, outside of the preset"):
        ws.backbones.add("x", f"kerashub:{tmp_path / 'preset'}")


def test_a_folder_that_is_no_preset_is_refused(ws, fails, tmp_path):
    assert "is not a KerasHub preset" in fails("backbone", "add", "x", f"kerashub:{tmp_path}")
    (tmp_path / "config.json").write_text("{")
    said = fails("backbone", "add", "x", f"kerashub:{tmp_path}")
    assert "is damaged" in said and "Copy or save it again" in said and "--trust" not in said


def test_a_preset_without_weights_is_refused(ws, tmp_path):
    bert().save_to_preset(str(tmp_path / "preset"))
    (tmp_path / "preset" / "model.weights.h5").unlink()
    with pytest.raises(ModelFileError, match="KerasHub cannot load"):
        ws.backbones.add("x", f"kerashub:{tmp_path / 'preset'}")


def test_without_kerashub_the_errors_say_what_to_install(ws, tmp_path, monkeypatch):
    model = bert()
    model.save(tmp_path / "bert.keras")
    model.save_to_preset(str(tmp_path / "preset"))
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    for source in (tmp_path / "bert.keras", f"kerashub:{tmp_path / 'preset'}"):
        with pytest.raises(UnsafeModel, match=r"pip install 'headstart\[hub\]'"):
            ws.backbones.add("x", source)
        with pytest.raises(BackboneError, match=r"pip install 'headstart\[hub\]'"):
            ws.backbones.add("x", source, trust=True)
