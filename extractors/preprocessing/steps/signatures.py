"""What a sample's bytes are, where a backbone takes something else: a word for the message."""

from __future__ import annotations

from headstart.errors import SampleUnreadable

MARKS = (
    (b"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"II*\0", "a picture (TIFF)"),
    (b"MM\0*", "a picture (TIFF)"),
    (b"fLaC", "a sound (FLAC)"),
    (b"OggS", "a sound (Ogg)"),
    (b"ID3", "a sound (MP3)"),
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "an archive (ZIP, or a document in one)"),
    (b"\x1f\x8b", "an archive (gzip)"),
)
"""How files of each kind begin."""
INSIDE = {b"WAVE": "a sound (WAV)", b"WEBP": "a picture (WebP)", b"AVI ": "a video (AVI)"}
"""What a RIFF file says behind its size."""
LOOKED_AT = 512
"""Bytes by which it is told whether it is text."""
TAKEN = {"a picture": "pictures", "a sound": "sounds", "a text": "texts"}
"""What a backbone takes, and how many of it are called."""


def kind_of_bytes(content: bytes) -> str | None:
    """What a file is by its first bytes, such as `a sound (WAV)`; None where that is not known."""
    for mark, what in MARKS:
        if content.startswith(mark):
            return what
    if content.startswith(b"RIFF"):
        return INSIDE.get(content[8:12])
    if len(content) > 1 and content[0] == 0xFF and content[1] & 0xE6 == 0xE2:
        return "a sound (MP3)"  # a frame: eleven ones, layer III (ISO 11172-3)
    if content[4:8] == b"ftyp":
        return "a video or picture (MP4, HEIC, AVIF)"
    head = content[:LOOKED_AT]
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(content) <= LOOKED_AT or error.start < len(head) - 3:
            return None  # and no letter that was cut
        text = head[: error.start].decode("utf-8")
    return "a text" if text.strip() and all(c.isprintable() or c.isspace() for c in text) else None


def unlike(content: bytes, taken: str, reason: str) -> SampleUnreadable:
    """The error of a file that is not what a backbone takes.

    Args:
        content: of the file.
        taken: what it takes, one of `TAKEN`.
        reason: why it cannot be read, in words.
    """
    found = kind_of_bytes(content)
    if found is None or found.startswith(taken):
        return SampleUnreadable(reason)
    return SampleUnreadable(
        f"{reason}: it is {found}, and the backbone takes {TAKEN[taken]}",
        hint=f"Give a dataset of {TAKEN[taken]}, or a backbone for what this one holds: "
        "`headstart backbone add --preprocess` says what goes into one; --on-error skip leaves "
        "single files out.",
    )
