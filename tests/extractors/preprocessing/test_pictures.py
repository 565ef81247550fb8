"""Pictures: of the formats that the docs name, of a bounded size, whatever a file is called."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, PngImagePlugin

from headstart.errors import SampleUnreadable
from headstart.extractors.datasets import IMAGE_SUFFIXES
from headstart.extractors.preprocessing.steps.images import open_image

DOCS = Path(__file__).parents[3] / "docs" / "datasets.md"
WHITE = (255, 255, 255)
NAMED = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "MPO",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
OTHERS = ("AVIF", "DDS", "ICO", "JPEG2000", "MSP", "PCX", "QOI", "SGI", "TGA", "XBM")
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'


def saved(format_: str, image: Image.Image | None = None, **more) -> bytes:
    content = io.BytesIO()
    (image or Image.new("RGB", (8, 8), (200, 100, 0))).save(content, format_, **more)
    return content.getvalue()


def shown(content: bytes) -> Image.Image:
    return open_image(content, 3, WHITE, "ignore")


def card(key: str, value: object) -> bytes:
    return f"{key:8}= {value!s:>20}".ljust(80).encode()


def fits() -> bytes:
    cards = [card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 8)]
    head = b"".join([*cards, card("NAXIS2", 8), b"END".ljust(80)])
    return head.ljust(2880) + bytes(64).ljust(2880, b"\0")


def psd() -> bytes:
    head = struct.pack(">4sH6sHIIHH", b"8BPS", 1, bytes(6), 1, 8, 8, 8, 1)
    return head + struct.pack(">IIIH", 0, 0, 0, 0) + bytes(64)


def packed(width: int, height: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(width)) for _ in range(height)) + packer.flush()


def one_colour(width: int, height: int) -> bytes:
    """A black PNG of one bit a pixel; a few kilobytes, whatever its size."""
    data = packed(1 + (width + 7) // 8, height)
    return header(width, height) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def header(width: int, height: int) -> bytes:
    sizes = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", sizes)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiled(width: int, height: int, tile: tuple[int, int]) -> bytes:
    """A TIFF of one tile, which may be much larger than the picture."""
    data = packed(*tile)
    values = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile[0], 323: tile[1]}
    start = 8 + 2 + 12 * (len(values) + 2) + 4
    entries = {**values, 324: start, 325: len(data)}
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + body + bytes(4) + data


def test_every_format_that_the_docs_name_is_read_and_no_other_is_named():
    (cell,) = re.findall(r"pictures \(([^)]*)\)", DOCS.read_text(encoding="utf-8"))
    assert set(re.findall(r"`(\.\w+)`", cell)) == IMAGE_SUFFIXES == NAMED.keys()
    for format_ in NAMED.values():
        more = {"append_images": [Image.new("RGB", (8, 8))], "save_all": True}
        assert shown(saved(format_, **(more if format_ in ("MPO", "GIF") else {}))).size == (8, 8)


@pytest.mark.parametrize("format_", OTHERS)
def test_a_format_that_the_docs_do_not_name_is_not_read(format_):
    if format_ not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow has no {format_}")
    image = Image.new("1" if format_ in ("MSP", "XBM") else "RGB", (16, 16))
    with pytest.raises(SampleUnreadable, match="not a readable image"):
        shown(saved(format_, image))


@pytest.mark.parametrize("content", [fits(), psd(), SVG, EPS], ids=["FITS", "PSD", "SVG", "EPS"])
def test_other_kinds_of_pictures_are_not_read(content):
    with pytest.raises(SampleUnreadable, match="not a readable image"):
        shown(content)


def test_an_eps_that_is_called_png_never_reaches_ghostscript(
    ready, pictures, fails, tmp_path, monkeypatch
):
    canary = tmp_path / "canary"
    programme = tmp_path / "bin" / "gs"
    programme.parent.mkdir()
    programme.write_text(f"#!/bin/sh\necho 10.0\ntouch '{canary}'\n")
    programme.chmod(0o755)
    monkeypatch.setenv("PATH", str(programme.parent), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    (pictures / "red" / "a.png").write_bytes(EPS)
    ready.datasets.refresh("pics")  # what is new is said before
    message = fails("extract", "net", "pics")
    assert "'red/a.png'" in message
    assert "not a readable image" in message
    assert not canary.exists()


def test_a_picture_of_more_than_100_megapixels_is_unreadable_by_its_header():
    with pytest.raises(SampleUnreadable, match=r"12,000 x 12,000 pixels, more than 100 megapixels"):
        shown(one_colour(12_000, 12_000))
    # It claims more than Pillow itself would take, and has nothing behind its header.
    with pytest.raises(SampleUnreadable, match="more than 100 megapixels"):
        shown(header(60_000, 60_000) + chunk(b"IDAT", b""))


def test_a_picture_of_a_little_less_is_read_without_a_warning():
    assert shown(one_colour(9_900, 9_900)).size == (9_900, 9_900)


def test_a_gif_that_claims_much_is_unreadable():
    head = b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\2\2D\1\0;"
    with pytest.raises(SampleUnreadable, match="more than 100 megapixels"):
        shown(head + frame)


def test_a_tile_that_is_larger_than_its_picture_counts_too():
    assert shown(tiled(10, 10, (16, 16))).size == (10, 10)
    with pytest.raises(SampleUnreadable, match="tiles of 12,000 x 10,000 pixels"):
        shown(tiled(10, 10, (12_000, 10_000)))


def test_texts_and_profiles_that_unpack_to_much_are_not_unpacked():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "a" * (2 << 20), zip=True)
    with pytest.raises(SampleUnreadable, match="not a readable image"):
        shown(saved("PNG", pnginfo=info))
    with pytest.raises(SampleUnreadable, match="not a readable image"):
        shown(saved("PNG", icc_profile=bytes(2 << 20)))


def test_a_large_picture_is_left_out_and_the_others_are_extracted(ready, pictures, run):
    (pictures / "red" / "large.png").write_bytes(one_colour(12_000, 12_000))
    ran = run("extract", "net", "pics", "--on-error", "skip", "--json")
    assert ran.code == 0
    (skipped,) = ran.json["skipped_samples"]
    assert skipped["id"] == "red/large.png"
    assert "more than 100 megapixels" in skipped["reason"]


def test_wide_greyscale_keeps_its_upper_bits():
    wide = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    found = np.asarray(open_image(saved("PNG", Image.fromarray(wide)), 1, WHITE, "ignore"))
    np.testing.assert_array_equal(found, np.arange(256, dtype=np.uint8).reshape(16, 16))
