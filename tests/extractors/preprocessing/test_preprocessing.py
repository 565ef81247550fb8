"""Preprocessing: the numbers that Keras' own functions give, recorded and checked."""

import importlib
import inspect
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from conftest import draw, keras
from headstart.errors import PreprocessingError, SampleUnreadable
from headstart.extractors.preprocessing import pipeline as pre
from headstart.extractors.preprocessing.defaults import array_pipeline, for_input, image_pipeline
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.registry.zoo import APPLICATIONS_MODES, find_entries
from headstart.storage.keys import digest_of_array

PACKAGES = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "Xception": "xception",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
}
FAMILIES = (
    ("MobileNetV3", "mobilenet_v3"),
    ("EfficientNetV2", "efficientnet_v2"),
    ("EfficientNet", "efficientnet"),
    ("ConvNeXt", "convnext"),
    ("DenseNet", "densenet"),
    ("NASNet", "nasnet"),
)


def package_of(name: str) -> str:
    if name in PACKAGES:
        return PACKAGES[name]
    if name.startswith("ResNet"):
        return "resnet_v2" if name.endswith("V2") else "resnet"
    return next(package for prefix, package in FAMILIES if name.startswith(prefix))


def steps(*given):
    return Preprocessing.from_json({"steps": list(given)})


def png(array, **options) -> bytes:
    file = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(file, "PNG", **options)
    return file.getvalue()


def test_all_forty_models_of_keras_applications_have_a_mode():
    known = {name for names in APPLICATIONS_MODES.values() for name in names.split()}
    theirs = {
        name
        for name in dir(keras.applications)
        if name[0].isupper() and callable(getattr(keras.applications, name))
    }
    assert known == theirs
    assert len(known) == 40


@pytest.mark.parametrize("mode", APPLICATIONS_MODES)
def test_pixels_equal_preprocess_input_to_the_last_bit(mode):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    ours = image_pipeline(mode, 9, 7).prepare(png(pixels))
    for name in APPLICATIONS_MODES[mode].split():
        module = importlib.import_module(f"keras.applications.{package_of(name)}")
        theirs = module.preprocess_input(pixels.astype(np.float32))
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        assert ours.dtype == theirs.dtype == np.float32


def test_sizes_in_the_zoo_are_the_models_own():
    for entry in find_entries():
        if entry.source.startswith("applications:") and entry.size != 224:
            code = inspect.getsource(getattr(keras.applications, entry.name))
            assert re.search(rf"\b{entry.size}\b", code), entry.name


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".gif"])
def test_decoding_and_resizing_equal_keras_load_img(tmp_path, method, suffix):
    file = draw(tmp_path / f"x{suffix}", 1, (37, 53))
    ours = image_pipeline("raw", 24, 32, method=method).prepare(file.read_bytes())
    image = keras.utils.load_img(file, target_size=(24, 32), interpolation=method)
    np.testing.assert_array_equal(ours, keras.utils.img_to_array(image))


def test_greyscale_equals_keras_load_img(tmp_path):
    file = draw(tmp_path / "x.png", 1, (37, 53))
    ours = image_pipeline("raw", 24, 32, channels=1).prepare(file.read_bytes())
    image = keras.utils.load_img(
        file, color_mode="grayscale", target_size=(24, 32), interpolation="bilinear"
    )
    np.testing.assert_array_equal(ours, keras.utils.img_to_array(image))


def test_transparency_is_composited_on_the_stated_colour():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2] = (200, 10, 20, 255)
    pixels[2] = (200, 10, 20, 0)
    pixels[3] = (0, 0, 0, 128)
    white = steps({"step": "decode_image"}).prepare(png(pixels))
    assert white[0, 0].tolist() == [200, 10, 20]
    assert white[2, 0].tolist() == [255, 255, 255]
    assert white[3, 0].tolist() == [127, 127, 127]
    blue = steps({"step": "decode_image", "background": [0, 0, 255]}).prepare(png(pixels))
    assert blue[2, 0].tolist() == [0, 0, 255]


def test_transparency_of_palettes_and_grey_pictures_counts_too():
    grey = np.zeros((2, 2, 2), np.uint8)
    grey[0, 0] = (100, 255)
    found = steps({"step": "decode_image"}).prepare(png(Image.fromarray(grey, "LA")))
    assert found[0, 0].tolist() == [100, 100, 100]
    assert found[1, 1].tolist() == [255, 255, 255]
    palette = Image.fromarray(np.zeros((2, 2), np.uint8)).convert("P")
    found = steps({"step": "decode_image"}).prepare(png(palette, transparency=0))
    assert found[0, 0].tolist() == [255, 255, 255]


def test_sixteen_bit_greyscale_keeps_its_shades():
    wide = np.array([[0, 255], [256 * 100, 65535]], np.uint16)
    found = steps({"step": "decode_image", "channels": 1}).prepare(png(Image.fromarray(wide)))
    assert found[..., 0].tolist() == [[0, 0], [100, 255]]


def test_exif_orientation_is_followed_only_if_asked_for():
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    exif = image.getexif()
    exif[0x0112] = 6
    content = png(image, exif=exif)
    assert steps({"step": "decode_image"}).prepare(content).shape == (2, 4, 3)
    turned = steps({"step": "decode_image", "orientation": "exif"}).prepare(content)
    assert turned.shape == (4, 2, 3)


def test_arrays_of_pixels_go_the_way_of_pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    pipeline = image_pipeline("tf", 5, 5)
    np.testing.assert_array_equal(pipeline.prepare(pixels), pipeline.prepare(png(pixels)))
    with pytest.raises(SampleUnreadable, match="float32 is not an image"):
        pipeline.prepare(pixels.astype(np.float32))


def test_the_centre_is_cropped():
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[1:9, 6:14] = 255
    found = steps({"step": "decode_image"}, {"step": "centre_crop", "fraction": 0.8}).prepare(
        png(pixels)
    )
    assert found.shape == (8, 8, 3)
    assert found.min() == 255


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_an_error(content):
    with pytest.raises(SampleUnreadable, match="not a readable image"):
        image_pipeline("raw", 8, 8).prepare(content)


def test_a_truncated_picture_is_an_error_not_half_a_picture(tmp_path):
    for name in ("x.png", "x.jpg"):
        content = draw(tmp_path / name, 1, (60, 60)).read_bytes()
        for length in range(10, len(content) - 20, 200):
            with pytest.raises(SampleUnreadable):
                image_pipeline("raw", 8, 8).prepare(content[:length])


def test_arrays_are_taken_as_they_are_after_their_shape_was_checked():
    pipeline = array_pipeline((None, 3), "int32")
    row = np.arange(6).reshape(2, 3)
    assert pipeline.prepare(row).dtype == np.int32
    np.testing.assert_array_equal(pipeline.prepare(row), row)
    with pytest.raises(SampleUnreadable, match=r"shape \(2, 4\), the backbone takes \(None, 3\)"):
        pipeline.prepare(np.zeros((2, 4)))
    with pytest.raises(SampleUnreadable, match="the dataset holds files"):
        pipeline.prepare(b"bytes")


def test_the_fingerprint_is_of_the_whole_specification():
    one = image_pipeline("tf", 9, 7)
    assert Preprocessing.from_json(one.to_json()) == one
    assert Preprocessing.from_json(json.loads(json.dumps(one.to_json()))).fingerprint == (
        one.fingerprint
    )
    others = [
        image_pipeline("torch", 9, 7),
        image_pipeline("tf", 7, 9),
        image_pipeline("tf", 9, 7, 1),
        image_pipeline("tf", 9, 7, method="bicubic"),
    ]
    assert len({pipeline.fingerprint for pipeline in [one, *others]}) == 5


def test_fixed_pixels_tell_when_a_library_changes_the_numbers(tmp_path):
    """If this fails after an upgrade of Pillow, a step's version must be raised."""
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    found = {
        method: digest_of_array(image_pipeline("raw", 24, 32, method=method).prepare(png(pixels)))
        for method in ("nearest", "bilinear", "bicubic", "lanczos")
    }
    assert {method: digest[:16] for method, digest in found.items()} == KNOWN_PIXELS


KNOWN_PIXELS = {
    "nearest": "ea59a44939dc0139",
    "bilinear": "37db7068d235b80a",
    "bicubic": "e1466938bd69c6fc",
    "lanczos": "060632bff2f1e243",
}


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ([], "has no list of steps"),
        ({"steps": [], "extra": 1}, "unknown field 'extra'"),
        ({"format": "other/1", "steps": []}, "has format 'other/1'"),
        ({"steps": [{"step": "resise"}]}, "step 1: no step 'resise'. Did you mean 'resize'"),
        ({"steps": ["resize"]}, "step 1: no step None"),
        ({"steps": [{"step": "resize", "heigth": 3}]}, "Did you mean 'height'"),
        ({"steps": [{"step": "resize", "height": 0}]}, "height is 0, it must be a number of"),
        ({"steps": [{"step": "resize", "method": "best"}]}, "method is 'best', it must be one of"),
        ({"steps": [{"step": "normalize"}]}, "mode is None, it must be caffe, tf or torch"),
        ({"steps": [{"step": "normalize", "mode": []}]}, "mode is [], it must be"),
        ({"steps": [{"step": "decode_image", "channels": 4}]}, "channels is 4"),
        ({"steps": [{"step": "decode_image", "background": "white"}]}, "background is 'white'"),
        ({"steps": [{"step": "standardize", "std": 0}]}, "std is 0"),
        ({"steps": [{"step": "resize", "version": 9}]}, "resize version 9; this code has"),
    ],
)
def test_a_wrong_specification_is_explained(specification, message):
    with pytest.raises(PreprocessingError) as error:
        Preprocessing.from_json(specification)
    assert message in str(error.value)


def test_a_specification_can_be_given_as_json_or_toml(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(image_pipeline("tf", 9, 7).to_json()))
    (tmp_path / "p.toml").write_text(
        """
        [[steps]]
        step = "decode_image"
        [[steps]]
        step = "resize"
        height = 9
        width = 7
        [[steps]]
        step = "normalize"
        mode = "tf"
        [[steps]]
        step = "cast"
        """
    )
    assert pre.read_file(tmp_path / "p.json") == pre.read_file(tmp_path / "p.toml")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(PreprocessingError, match="cannot read"):
        pre.read_file(tmp_path / "bad.json")
    with pytest.raises(PreprocessingError, match="no preprocessing file"):
        pre.read_file(tmp_path / "none.json")


def test_a_mode_must_fit_the_input():
    with pytest.raises(PreprocessingError, match="no preprocessing mode or file 'cafe'"):
        for_input((8, 8, 3), "float32", "cafe")
    with pytest.raises(PreprocessingError, match="is for images"):
        for_input((100,), "int32", "tf")
    with pytest.raises(PreprocessingError, match="needs 3 channels"):
        for_input((8, 8, 1), "float32", "caffe")
    assert for_input((None, None, 3), "float32", "tf").output_size == (224, 224, 3)
    assert for_input((8, 8, 3), "float32", "array").output_size is None


def test_a_pipeline_is_described_in_words():
    lines = image_pipeline("caffe", 224, 224).describe()
    assert lines[1] == "resize to 224 x 224, bilinear with antialiasing (Pillow)"
    assert len(lines) == 4
