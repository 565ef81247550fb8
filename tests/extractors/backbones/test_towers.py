"""The towers of CLIP and SigLIP, each a backbone, give what the whole model gives."""

import io

import keras_hub
import numpy as np
import pytest
import sentencepiece

import headstart as hs
from conftest import draw, keras
from headstart.errors import BackboneError
from headstart.jobs.backbones.text_tower import get_text_tower
from headstart.notices import HeadstartNote

TOLERANCE = 1e-5
TEXTS = ["a cat", "a photo", "to a cat"]


def clip_preset(folder):
    keras.utils.set_random_seed(0)
    small = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    pictures = keras_hub.models.CLIPVisionEncoder(patch_size=8, image_shape=(16, 16, 3), **small)
    words = ["c", "a", "t", "o", "p", "h", "ca", "to", "ph"]
    vocabulary = [f"{word}{end}" for end in ("", "</w>") for word in words]
    vocabulary += ["cat</w>", "<|startoftext|>", "<|endoftext|>"]
    texts = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=len(vocabulary), embedding_dim=8, max_sequence_length=12, **small
    )
    model = keras_hub.models.CLIPBackbone(pictures, texts, projection_dim=6)
    tokenizer = keras_hub.models.CLIPTokenizer(
        vocabulary={word: number for number, word in enumerate(vocabulary)},
        merges=["c a", "ca t</w>", "t o</w>", "p h"],
    )
    converter = keras_hub.layers.CLIPImageConverter(
        image_size=(16, 16), scale=[1 / 60, 1 / 70, 1 / 80], offset=[-1.7, -1.6, -1.5]
    )
    preprocessor = keras_hub.models.CLIPPreprocessor(
        tokenizer, image_converter=converter, sequence_length=12
    )
    model.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))
    return model, preprocessor


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip") / "preset"
    return (folder, *clip_preset(folder))


@pytest.fixture(scope="module")
def added(clip, tmp_path_factory):
    place = tmp_path_factory.mktemp("added")
    for number in range(6):
        draw(place / "pictures" / ("cat", "photo")[number % 2] / f"{number}.png", number)
    ws = hs.init(place / "zoo")
    ws.datasets.add("pictures", place / "pictures")
    with pytest.warns(HeadstartNote, match="its texts are the backbone 'clip-text'"):
        ws.backbones.add("clip", f"kerashub:{clip[0]}")
    return ws


def pixels(view):
    return [keras.utils.img_to_array(keras.utils.load_img(s.location)) for s in view.samples]


def cosines_by(model, preprocessor, view, texts):
    """Of each picture and text, by KerasHub's own layers from end to end."""
    images = np.concatenate([preprocessor.image_converter(one[None]) for one in pixels(view)])
    tokens = preprocessor({"prompts": texts, "images": None})["token_ids"]
    both = model.get_vision_embeddings(images), model.get_text_embeddings(tokens)
    logits, _ = model.clip_head(*both)
    return np.asarray(logits) / np.exp(float(np.asarray(model.clip_head.logit_scale)))


def test_a_model_of_two_towers_is_two_backbones_that_are_linked(added, clip):
    _, model, preprocessor = clip
    pictures, texts = added.backbones.get("clip"), added.backbones.get("clip-text")
    assert pictures.tags["text-backbone"] == texts.reference
    assert [one["name"] for one in pictures.inputs] == ["images"]
    assert [one["name"] for one in texts.inputs] == ["token_ids"]
    view = added.extract("clip", "pictures")
    images = np.concatenate([preprocessor.image_converter(one[None]) for one in pixels(view)])
    by_hand = np.asarray(model.get_vision_embeddings(images))
    assert view.shape == (6, 6)
    np.testing.assert_allclose(view.to_numpy(), by_hand, atol=TOLERANCE)
    tower = get_text_tower(added.context, pictures)
    tokens = preprocessor({"prompts": TEXTS, "images": None})["token_ids"]
    spoken = np.asarray(model.get_text_embeddings(tokens))
    np.testing.assert_allclose(tower.rows(TEXTS, 6), spoken, atol=TOLERANCE)


def test_a_text_is_as_similar_to_a_picture_as_the_whole_model_says(added, clip):
    _, model, preprocessor = clip
    view = added.extract("clip", "pictures")
    cosines = cosines_by(model, preprocessor, view, TEXTS)
    found = added.similar("clip", "pictures", texts=TEXTS, count=6)
    for row, one in zip(cosines.T, found, strict=True):
        expected = dict(zip(view.ids, row.tolist(), strict=True))
        said = {match.sample.id: match.similarity for match in one.matches}
        assert said == pytest.approx(expected, abs=TOLERANCE)


def test_its_head_of_class_names_is_the_models_own_softmax(added, clip):
    _, model, preprocessor = clip
    view = added.extract("clip", "pictures")
    head = added.heads.train("names", view, hs.ZeroShot(prompt="a {}", logit_scale=14.0))
    cosines = cosines_by(model, preprocessor, view, ["a cat", "a photo"])
    expected = np.asarray(keras.ops.softmax(14 * cosines))
    np.testing.assert_allclose(head.stack.predict_proba(view.to_numpy()), expected, atol=1e-4)


def test_a_tower_is_named_of_models_that_have_two(ws, clip, tmp_path):
    with pytest.raises(BackboneError, match="tower is 'both'"):
        ws.backbones.add("clip", f"kerashub:{clip[0]}?tower=both")
    (tmp_path / "config.json").write_text('{"registered_name": "keras_hub>BertBackbone"}')
    with pytest.raises(BackboneError, match="no model of pictures and texts"):
        ws.backbones.add("bert", f"kerashub:{tmp_path}?tower=text")


def siglip_preset(folder):
    """With a tokenizer of the few words in `TEXTS`."""
    keras.utils.set_random_seed(0)
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20),
        model_writer=pieces,
        vocab_size=24,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="</s>",
        hard_vocab_limit=False,
    )
    small = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    pictures = keras_hub.models.SigLIPVisionEncoder(patch_size=8, image_shape=(16, 16, 3), **small)
    texts = keras_hub.models.SigLIPTextEncoder(
        vocabulary_size=24, embedding_dim=8, max_sequence_length=8, projection_dim=8, **small
    )
    model = keras_hub.models.SigLIPBackbone(pictures, texts)
    preprocessor = keras_hub.models.SigLIPPreprocessor(
        keras_hub.models.SigLIPTokenizer(pieces.getvalue()),
        image_converter=keras_hub.layers.SigLIPImageConverter(image_size=(16, 16), scale=1 / 255),
        sequence_length=8,
    )
    model.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))
    return model, preprocessor


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # KerasHub leaves it open
def test_siglip_has_towers_too(ws, tmp_path):
    model, preprocessor = siglip_preset(tmp_path / "preset")
    for number in range(4):
        draw(tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png", number, (16, 16))
    ws.datasets.add("pictures", tmp_path / "pictures")
    with pytest.warns(HeadstartNote, match="its texts are the backbone 'siglip-text'"):
        ws.backbones.add("siglip", f"kerashub:{tmp_path / 'preset'}")
    view = ws.extract("siglip", "pictures")
    by_hand = model.get_vision_embeddings(np.stack(pixels(view)) / 255)
    np.testing.assert_allclose(view.to_numpy(), np.asarray(by_hand), atol=TOLERANCE)
    tokens = preprocessor({"prompts": TEXTS, "images": np.zeros((3, 16, 16, 3))})["token_ids"]
    spoken = np.asarray(model.get_text_embeddings(tokens))
    tower = get_text_tower(ws.context, ws.backbones.get("siglip"))
    np.testing.assert_allclose(tower.rows(TEXTS, 8), spoken, atol=TOLERANCE)
    assert np.ptp(spoken, axis=0).max() > 100 * TOLERANCE  # texts are told apart
