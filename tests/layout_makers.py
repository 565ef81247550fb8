"""The pictures of a folder of class folders, packed as others pack them."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def labelled(folder: Path) -> list[tuple[Path, str]]:
    """The files below class folders with their classes, in order."""
    return [(one, one.parent.name) for one in sorted(folder.glob("*/*"))]


def put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a plain file to a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def write_tar(path: Path, samples: Iterable[tuple[str, dict[str, bytes]]]) -> Path:
    """A tar of samples: a key, and the content of each extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for key, members in samples:
            for extension, content in members.items():
                put(tar, f"{key}.{extension}", content)
    return path


def members(folder: Path) -> list[tuple[str, dict[str, bytes]]]:
    """A sample a picture: the picture, and its class."""
    return [
        (f"{label}_{file.stem}", {file.suffix[1:]: file.read_bytes(), "cls": label.encode()})
        for file, label in labelled(folder)
    ]


def webdataset(folder: Path, target: Path) -> Path:
    """One tar."""
    return write_tar(target / "pictures.tar", members(folder))


def webdataset_shards(folder: Path, target: Path) -> str:
    """Several tars, by a pattern."""
    found = members(folder)
    for number in range(3):
        write_tar(target / f"shard-{number:03}.tar", found[number::3])
    return str(target / "shard-{000..002}.tar")


def example(features: Mapping[str, Any]) -> bytes:
    """A serialized `tf.train.Example`, as TensorFlow makes it."""
    import tensorflow as tf

    made = {}
    for name, given in features.items():
        values = given if isinstance(given, list) else [given]
        if values and isinstance(values[0], bytes):
            made[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        elif values and isinstance(values[0], float):
            made[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            made[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write_records(path: Path, records: Iterable[bytes], packing: str = "") -> Path:
    """A TFRecord file, as TensorFlow writes it."""
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), packing) as writer:
        for record in records:
            writer.write(record)
    return path


def tfrecord(folder: Path, target: Path) -> Path:
    """One file, with the names of TF-Slim."""
    return write_records(
        target / "pictures.tfrecord",
        (
            example({"image/encoded": file.read_bytes(), "image/class/text": label.encode()})
            for file, label in labelled(folder)
        ),
    )


BOX = [2, 3, 8, 6]
"""Left, top, width and height in pictures of 20 x 16 or more."""


def coco(folder: Path, target: Path) -> Path:
    """Annotations beside a copy of the pictures: a box in each, of the picture's class."""
    found, names = labelled(folder), sorted({label for _, label in labelled(folder)})
    images, boxes = [], []
    for number, (file, label) in enumerate(found):
        name = f"{label}_{file.name}"
        place = target / "coco" / "images" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
        images.append({"id": number, "file_name": name})
        category = names.index(label) + 1
        boxes.append({"id": number, "image_id": number, "category_id": category, "bbox": BOX})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    made = {"images": images, "annotations": boxes, "categories": categories}
    (target / "coco" / "labels.json").write_text(json.dumps(made))
    return target / "coco" / "labels.json"


def yolo(folder: Path, target: Path) -> Path:
    """A folder with a `data.yaml`: a box in each picture, of the picture's class."""
    names = sorted({label for _, label in labelled(folder)})
    for file, label in labelled(folder):
        picture = target / "yolo" / "images" / f"{label}_{file.name}"
        text = target / "yolo" / "labels" / f"{picture.stem}.txt"
        for place in (picture, text):
            place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, picture)
        text.write_text(f"{names.index(label)} 0.5 0.5 0.25 0.5\n")
    lines = ["train: images", "names:", *(f"  {n}: {name}" for n, name in enumerate(names))]
    (target / "yolo" / "data.yaml").write_text("\n".join(lines))
    return target / "yolo"


def imagefolder(folder: Path, target: Path) -> Path:
    """A flat folder of the pictures beside a `metadata.csv`."""
    lines = ["file_name,label"]
    for file, label in labelled(folder):
        name = f"{label}_{file.name}"
        (target / "imagefolder").mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target / "imagefolder" / name)
        lines.append(f"{name},{label}")
    (target / "imagefolder" / "metadata.csv").write_text("\n".join(lines))
    return target / "imagefolder"


def tfds(folder: Path, target: Path) -> Path:
    """A folder as TensorFlow Datasets prepares it, with one split."""
    found, names = labelled(folder), sorted({label for _, label in labelled(folder)})
    made = target / "tfds" / "pictures" / "1.0.0"
    records = [
        example({"image": file.read_bytes(), "label": names.index(label)}) for file, label in found
    ]
    write_records(made / "pictures-train.tfrecord-00000-of-00001", records)
    features = {"image": {"image": {}}, "label": {"classLabel": {"numClasses": str(len(names))}}}
    (made / "features.json").write_text(json.dumps({"featuresDict": {"features": features}}))
    (made / "label.labels.txt").write_text("\n".join(names))
    info = {
        "name": "pictures",
        "version": "1.0.0",
        "fileFormat": "tfrecord",
        "splits": [{"name": "train", "shardLengths": [str(len(found))]}],
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
    }
    (made / "dataset_info.json").write_text(json.dumps(info))
    return made


LAYOUTS = {
    "coco": coco,
    "imagefolder": imagefolder,
    "tfds": tfds,
    "tfrecord": tfrecord,
    "webdataset": webdataset,
    "webdataset-of-several": webdataset_shards,
    "yolo": yolo,
}
"""Of each kind what makes a source of the pictures of a folder: (folder, target) to its place."""
