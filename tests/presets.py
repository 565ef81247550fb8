"""Small models of pictures and texts as KerasHub's presets."""

import io

import keras_hub
import sentencepiece

from conftest import keras

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
