"""What makers of known backbones publish of them; nothing here was measured or guessed by us."""

from __future__ import annotations

from dataclasses import dataclass

KERAS = "https://keras.io/api/applications/"
LITE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"


@dataclass(frozen=True)
class Published:
    """Figures of one backbone, as rounded by its makers.

    Attributes:
        parameters: with its classifier; None where nothing is published.
        top1: accuracy on the validation images of ImageNet, one guess each; None if unknown.
        top5: the same with five guesses.
        size_mb: of the weights in a file, MB.
        source: the page.
    """

    parameters: int | None = None
    top1: float | None = None
    top5: float | None = None
    size_mb: float | None = None
    source: str | None = None


# name, MB of weights, top-1 and top-5 accuracy in %, parameters in millions; - where the page has
# no figure. MobileNetV3 does not stand in it.
KERAS_TABLE = """
Xception 88 79.0 94.5 22.9
VGG16 528 71.3 90.1 138.4
VGG19 549 71.3 90.0 143.7
ResNet50 98 74.9 92.1 25.6
ResNet50V2 98 76.0 93.0 25.6
ResNet101 171 76.4 92.8 44.7
ResNet101V2 171 77.2 93.8 44.7
ResNet152 232 76.6 93.1 60.4
ResNet152V2 232 78.0 94.2 60.4
InceptionV3 92 77.9 93.7 23.9
InceptionResNetV2 215 80.3 95.3 55.9
MobileNet 16 70.4 89.5 4.3
MobileNetV2 14 71.3 90.1 3.5
DenseNet121 33 75.0 92.3 8.1
DenseNet169 57 76.2 93.2 14.3
DenseNet201 80 77.3 93.6 20.2
NASNetMobile 23 74.4 91.9 5.3
NASNetLarge 343 82.5 96.0 88.9
EfficientNetB0 29 77.1 93.3 5.3
EfficientNetB1 31 79.1 94.4 7.9
EfficientNetB2 36 80.1 94.9 9.2
EfficientNetB3 48 81.6 95.7 12.3
EfficientNetB4 75 82.9 96.4 19.5
EfficientNetB5 118 83.6 96.7 30.6
EfficientNetB6 166 84.0 96.8 43.3
EfficientNetB7 256 84.3 97.0 66.7
EfficientNetV2B0 29 78.7 94.3 7.2
EfficientNetV2B1 34 79.8 95.0 8.2
EfficientNetV2B2 42 80.5 95.1 10.2
EfficientNetV2B3 59 82.0 95.8 14.5
EfficientNetV2S 88 83.9 96.7 21.6
EfficientNetV2M 220 85.3 97.4 54.4
EfficientNetV2L 479 85.7 97.5 119.0
ConvNeXtTiny 109.42 81.3 - 28.6
ConvNeXtSmall 192.29 82.3 - 50.2
ConvNeXtBase 338.58 85.3 - 88.5
ConvNeXtLarge 755.07 86.3 - 197.7
ConvNeXtXLarge 1310 86.7 - 350.1
"""
LITE_TABLE = """
efficientnet-lite0 - 75.1 - 4.7
efficientnet-lite1 - 76.7 - 5.4
efficientnet-lite2 - 77.6 - 6.1
efficientnet-lite3 - 79.8 - 8.2
efficientnet-lite4 - 81.5 - 13.0
"""


def _read(table: str, source: str) -> dict[str, Published]:
    found = {}
    for line in table.split("\n"):
        if line:
            name, *cells = line.split()
            size, top1, top5, millions = (None if cell == "-" else float(cell) for cell in cells)
            assert millions is not None
            parameters = round(millions * 1e6)
            found[name] = Published(parameters, _share(top1), _share(top5), size, source)
    return found


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 4)


PUBLISHED = {**_read(KERAS_TABLE, KERAS), **_read(LITE_TABLE, LITE)}
