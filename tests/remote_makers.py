"""The pictures of a folder of class folders, in a bucket and on the web; files that are fetched."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from layout_makers import members, write_tar
from PIL import Image
from remote_fixtures import in_table, serve, under
from web_server import WebServer

from conftest import draw


def in_bucket(folder: Path, put: Callable[[str, bytes], None]) -> str:
    """The same folder in the bucket `photos`; `put` is the fixture `bucket`. Kind `folder`."""
    for name, content in under(folder).items():
        put(f"makers/{name}", content)
    return "s3://photos/makers/"


def on_the_web(folder: Path, server: WebServer) -> str:
    """A table of their addresses; `server` is the fixture `web`. Kind `csv`."""
    server.files["/makers.csv"] = in_table(serve(server, folder)).encode()
    return f"{server.address}/makers.csv"


def layout_in_bucket(make: Callable[..., Any], folder: Path, target: Path, put: Any) -> str:
    """What a maker of layouts writes, as it would lie in a bucket; gives the address of its
    folder.

    Args:
        make: see `layout_makers.LAYOUTS`.
        folder: class folders of pictures.
        target: a new folder for it here.
        put: the fixture `bucket`.
    """
    target.mkdir()
    made = Path(str(make(folder, target)))
    root = made if made.is_dir() else made.parent
    for path, content in under(root).items():
        moved = path == "labels.json"  # COCO's annotations lie in a folder of their own
        put(f"far/{target.name}/{'annotations/' if moved else ''}{path}", content)
    return f"s3://photos/far/{target.name}/"


def tars_of(folder: Path, ending: str = ".tar") -> dict[str, bytes]:
    """Three tars, by name."""
    found = members(folder)
    written = {}
    for number in range(3):
        path = write_tar(folder.parent / f"s-{number:03}.tar", found[number::3])
        written[f"s-{number:03}{ending}"] = path.read_bytes()
    return written


LABELS = ["cat", "dog", "owl"] * 8


def pixels(first: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(first)
    return [rng.integers(0, 255, (16, 16, 3)).astype(np.uint8) for _ in LABELS]


def pngs(first: int = 0) -> list[bytes]:
    found = []
    for one in pixels(first):
        out = io.BytesIO()
        Image.fromarray(one).save(out, "PNG")
        found.append(out.getvalue())
    return found


def tar(first: int = 0) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, (content, label) in enumerate(zip(pngs(first), LABELS, strict=True)):
            for ending, data in (("png", content), ("txt", label.encode())):
                member = tarfile.TarInfo(f"{number:03}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def table(first: int = 0) -> pa.Table:
    return pa.table({"image": pngs(first), "label": LABELS})


def parquet(first: int = 0) -> bytes:
    out = io.BytesIO()
    pq.write_table(table(first), out, row_group_size=5)
    return out.getvalue()


def arrow(first: int = 0) -> bytes:
    out = io.BytesIO()
    pyarrow.feather.write_feather(table(first), out, compression="uncompressed")
    return out.getvalue()


def npz(first: int = 0, save=np.savez) -> bytes:
    out = io.BytesIO()
    save(out, x=np.stack(pixels(first)), y=np.array(LABELS))
    return out.getvalue()


FILES = {"x.tar": tar, "x.parquet": parquet, "x.arrow": arrow, "x.feather": arrow, "x.npz": npz}


def facts(ws, name):
    return [(one.digest, one.label) for one in ws.datasets.manifest(name).samples]


def same(ws) -> bool:
    """Whether the datasets `far` and `here` have the same samples."""
    return sorted(facts(ws, "far")) == sorted(facts(ws, "here"))


def a_dozen(folder: Path) -> Path:
    """12 pictures of three classes in class folders."""
    for number in range(12):
        draw(folder / ("blue", "green", "red")[number % 3] / f"{number:02}.png", number, (20, 16))
    return folder
