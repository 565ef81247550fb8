"""The same pictures by every way in are the same samples: another package of them computes nothing.

To add a source: a maker, which writes or makes it from `Pictures`, and a line in `MAKERS`.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layout_makers import LAYOUTS, webdataset_shards
from PIL import Image
from remote_makers import in_bucket, layout_in_bucket, on_the_web

from headstart.storage.keys import digest_of

SPLITS = ("train", "train", "train", "validation", "test")


@dataclass(frozen=True)
class Pictures:
    """PNG files by content, with a class and a split each, and a folder for a source of them."""

    contents: list[bytes]
    labels: list[str]
    splits: list[str]
    root: Path

    @property
    def rows(self) -> list[tuple[bytes, str, str]]:
        return list(zip(self.contents, self.labels, self.splits, strict=True))

    def files(self) -> list[str]:
        """Each in a file of its own, beside the others."""
        folder = self.root / "files"
        folder.mkdir(exist_ok=True)
        for number, content in enumerate(self.contents):
            (folder / f"{number:03}.png").write_bytes(content)
        return [f"files/{number:03}.png" for number in range(len(self.contents))]

    def opened(self) -> list[Image.Image]:
        """As Pillow opens them."""
        opened = [Image.open(self.root / name) for name in self.files()]
        for one in opened:
            one.load()  # and lets go of the file
        return opened

    def frame(self, **columns: list[Any]) -> dict[str, list[Any]]:
        return {**columns, "label": self.labels, "split": self.splits}


def picture(seed: int, size: int) -> bytes:
    """A picture of its own for each seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 4, 3)).astype(np.uint8))
    out = io.BytesIO()
    small.resize((size, size), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def class_folder(p: Pictures) -> Any:
    for number, (content, label, _) in enumerate(p.rows):
        place = p.root / "classes" / label / f"{number:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return p.root / "classes"


def split_folders(p: Pictures) -> Any:
    for number, (content, label, split) in enumerate(p.rows):
        place = p.root / "parts" / split / label / f"{number:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return p.root / "parts"


def csv_of_paths(p: Pictures) -> Any:
    rows = zip(p.files(), p.labels, p.splits, strict=True)
    lines = ["path,label,split", *(",".join(row) for row in rows)]
    (p.root / "t.csv").write_text("\n".join(lines) + "\n")
    return p.root / "t.csv"


def list_of_bytes(p: Pictures) -> Any:
    return p.contents, p.labels


def list_of_pictures(p: Pictures) -> Any:
    return p.opened(), p.labels


def list_of_paths(p: Pictures) -> Any:
    return [p.root / name for name in p.files()], p.labels


def generator(p: Pictures) -> Any:
    return ((content, label) for content, label, _ in p.rows)


def sequence(p: Pictures) -> Any:
    opened = p.opened()

    class Torch:
        """As torchvision's ImageFolder: pictures with the numbers of `classes`."""

        classes = sorted(set(p.labels))

        def __len__(self):
            return len(p.labels)

        def __getitem__(self, number):
            return opened[number], self.classes.index(p.labels[number])

    return Torch()


def pandas_frame(p: Pictures) -> Any:
    import pandas as pd

    return pd.DataFrame(p.frame(image=p.contents))


def pandas_frame_of_paths(p: Pictures) -> Any:
    import pandas as pd

    return pd.DataFrame(p.frame(path=[str(p.root / name) for name in p.files()]))


def polars_frame(p: Pictures) -> Any:
    import polars as pl

    return pl.DataFrame(p.frame(image=p.contents))


def arrow_table(p: Pictures) -> Any:
    return pa.table(p.frame(image=p.contents))


def _hugging_face(p: Pictures, wanted: str | None = None) -> Any:
    import datasets

    names = sorted(set(p.labels))
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    rows = [one for one in p.rows if wanted in (None, one[2])]
    columns = {
        "image": [{"bytes": content, "path": None} for content, _, _ in rows],
        "label": [names.index(label) for _, label, _ in rows],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def hugging_face(p: Pictures) -> Any:
    return _hugging_face(p)


def hugging_face_splits(p: Pictures) -> Any:
    import datasets

    parts = {split: _hugging_face(p, split) for split in ("train", "validation", "test")}
    return datasets.DatasetDict(parts)


def hugging_face_folder(p: Pictures) -> Any:
    hugging_face(p).save_to_disk(p.root / "hf")
    return p.root / "hf"


def hugging_face_folder_of_splits(p: Pictures) -> Any:
    hugging_face_splits(p).save_to_disk(p.root / "hfs")
    return p.root / "hfs"


def parquet_of_bytes(p: Pictures) -> Any:
    pq.write_table(pa.table(p.frame(image=p.contents)), p.root / "b.parquet", row_group_size=7)
    return p.root / "b.parquet"


def parquet_of_paths(p: Pictures) -> Any:
    pq.write_table(pa.table(p.frame(path=p.files())), p.root / "p.parquet")
    return p.root / "p.parquet"


def parquet_of_splits(p: Pictures) -> Any:
    folder = p.root / "shards"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        rows = [one for one in p.rows if one[2] == split]
        table = pa.table({"image": [one[0] for one in rows], "label": [one[1] for one in rows]})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


def layout(name: str) -> Any:
    """Of the maker of a layout of others."""

    def make(p: Pictures) -> Any:
        target = p.root / name
        target.mkdir()
        return LAYOUTS[name](class_folder(p), target)

    return make


MAKERS = {
    # Name: (maker, whether it says the splits)
    "folder": (class_folder, False),
    "split-folders": (split_folders, True),
    "csv": (csv_of_paths, True),
    "list-of-bytes": (list_of_bytes, False),
    "list-of-pictures": (list_of_pictures, False),
    "list-of-paths": (list_of_paths, False),
    "generator": (generator, False),
    "sequence": (sequence, False),
    "pandas": (pandas_frame, True),
    "pandas-of-paths": (pandas_frame_of_paths, True),
    "polars": (polars_frame, True),
    "arrow": (arrow_table, True),
    "hugging-face": (hugging_face, False),
    "hugging-face-splits": (hugging_face_splits, True),
    "hugging-face-folder": (hugging_face_folder, False),
    "hugging-face-folder-of-splits": (hugging_face_folder_of_splits, True),
    "parquet-of-bytes": (parquet_of_bytes, True),
    "parquet-of-paths": (parquet_of_paths, True),
    "parquet-of-splits": (parquet_of_splits, True),
    **{name: (layout(name), False) for name in LAYOUTS},
}


def in_a_bucket(name: str) -> Any:
    """Of the maker of a layout of others, which lies in a bucket then: by the address of its
    folder."""

    def make(p: Pictures, bucket: Any, web: Any) -> str:
        return layout_in_bucket(LAYOUTS[name], class_folder(p), p.root / f"far-{name}", bucket)

    return make


def packed_tars_on_the_web(p: Pictures, bucket: Any, web: Any) -> str:
    (p.root / "packed").mkdir()
    webdataset_shards(class_folder(p), p.root / "packed")
    for one in (p.root / "packed").glob("*.tar"):
        web.files[f"/packed/{one.name}.gz"] = gzip.compress(one.read_bytes())
    return f"{web.address}/packed/shard-{{000..002}}.tar.gz"


def columns_on_the_web(p: Pictures, bucket: Any, web: Any) -> str:
    web.files["/b.parquet"] = parquet_of_bytes(p).read_bytes()
    return f"{web.address}/b.parquet"


FAR = {
    # Makers of (pictures, what puts into a bucket, a web server)
    "folder": lambda p, bucket, web: in_bucket(class_folder(p), bucket),
    "table": lambda p, bucket, web: on_the_web(class_folder(p), web),
    "columns": columns_on_the_web,
    "packed-tars": packed_tars_on_the_web,
    **{name: in_a_bucket(name) for name in LAYOUTS},
}


def made(root: Path, count: int) -> Pictures:
    root.mkdir(exist_ok=True)
    return Pictures(
        [picture(number, 12) for number in range(count)],
        [("cat", "dog", "owl")[number % 3] for number in range(count)],
        [SPLITS[number % 5] for number in range(count)],
        root,
    )


@pytest.fixture(params=[24, pytest.param(120, marks=pytest.mark.slow)])
def every(request, tmp_path) -> Pictures:
    return made(tmp_path / "made", request.param)


@pytest.mark.parametrize("name", MAKERS)
def test_samples_and_labels_are_the_same_whatever_they_come_in(ws, every, name):
    make, has_splits = MAKERS[name]
    ws.datasets.add("d", make(every))
    found = ws.datasets.manifest("d").samples
    wanted = sorted(
        (digest_of(content), label, split if has_splits else None)
        for content, label, split in every.rows
    )
    assert wanted == sorted(
        (one.digest, one.label, one.split if has_splits else None) for one in found
    )


def test_what_one_source_computed_no_other_computes_again(ready, tmp_path):
    computed = {}
    for name, (make, _) in MAKERS.items():
        place = made(tmp_path / name, 24)
        ready.datasets.add(name, make(place))
        computed[name] = ready.extract("net", name).report.computed
    assert computed == {name: 24 if name == "folder" else 0 for name in MAKERS}


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
@pytest.mark.parametrize("name", FAR)
def test_samples_and_labels_are_the_same_where_they_lie_far(ws, every, bucket, web, name):
    ws.datasets.add("d", FAR[name](every, bucket, web))
    found = ws.datasets.manifest("d").samples
    wanted = sorted((digest_of(content), label) for content, label, _ in every.rows)
    assert wanted == sorted((one.digest, one.label) for one in found)


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_what_lies_far_is_not_computed_again(ready, tmp_path, bucket, web):
    computed = {}
    ready.datasets.add("here", class_folder(made(tmp_path / "here", 24)))
    ready.extract("net", "here")
    for name, make in FAR.items():
        web.files.clear()
        ready.datasets.add(name, make(made(tmp_path / name, 24), bucket, web))
        report = ready.extract("net", name).report
        computed[name] = (report.samples, report.computed)
    assert computed == dict.fromkeys(FAR, (24, 0))


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_pixels_as_arrays_are_the_same_in_a_file_and_in_memory(ws, tmp_path):
    pictures = made(tmp_path / "made", 24)
    x = np.stack([np.asarray(one) for one in pictures.opened()])
    y = np.array(pictures.labels)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savez_compressed(tmp_path / "c.npz", x=x, y=y)
    sources: list[Any] = [tmp_path / "a.npz", tmp_path / "c.npz", (x, y), zip(x, y, strict=True)]
    found = []
    for number, source in enumerate(sources):
        ws.datasets.add(f"d{number}", source)
        found.append([(s.digest, s.label) for s in ws.datasets.manifest(f"d{number}").samples])
    assert found[0] == found[1] == found[2] == found[3]
