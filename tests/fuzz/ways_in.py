"""Every way in that was found or thought of, as files: those of the corpus, and those made here.

A file lies in tests/assets/hostile/corpus where it is small; here it is made where it is large,
names a place of the machine, or is none (a FIFO, a device).
"""

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from archives import npy, zeros

HOSTILE = Path(__file__).parents[1] / "assets" / "hostile"
SEEDS, CORPUS = HOSTILE / "seeds", HOSTILE / "corpus"
ESCAPE = "\x1b]0;owned\x07"
DEEP = 200_000
LARGE = 1 << 30


@dataclass(frozen=True)
class WayIn:
    """A file that tries something.

    Attributes:
        name: of the file in the corpus; or of what `make` makes.
        commands: what a user would do with it, who has a backbone `net`; `{}` is the file. The
            last is refused, and what it says holds `says`; if nothing is refused, its output does.
        make: writes it into a folder under the canary's and gives its path.
        is_refused: whether it is; if not, what it holds is shown and does nothing.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    says: str
    make: Callable[[Path], Path] | None = None
    is_refused: bool = True

    def put(self, folder: Path) -> Path:
        """Have the file in a folder; its path."""
        if self.make is not None:
            return self.make(folder)
        source, target = CORPUS / self.name, folder / self.name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        return Path(copy(source, target))


BACKBONE = (("backbone", "add", "x", "{}", "--preprocess", "array"),)
IMAGE = ("backbone", "add", "x", str(SEEDS / "image.keras"), "--preprocess")
PREPROCESS = ((*IMAGE, "raw"), (*IMAGE, "{}"))
SPECIFICATIONS = ("p.json", "p.toml", "p.txt")
PRESET = (("backbone", "add", "x", "kerashub:{}"),)
IMPORT = (("backbone", "import", "{}", "--name", "x"),)
DATASET = (("dataset", "add", "x", "{}"),)
ROOTED = (("dataset", "add", "x", "{}", "--root", "{0.parent}"),)
EXTRACT = (*DATASET, ("extract", "net", "x", "--engine", "tensorflow"))
SHOW_BACKBONE = (*IMPORT, ("backbone", "list"), ("backbone", "show", "x"))
SHOW_DATASET = (*DATASET, ("dataset", "show", "x"))


def bundle(folder, change, source=SEEDS / "words.bundle.zip"):
    """A bundle whose members `change` changes, in a dictionary; its head is parsed."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["bundle.json"] = json.loads(members["bundle.json"])
    change(members)
    target = folder / "hostile.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            is_head = isinstance(content, dict)
            archive.writestr(name, json.dumps(content) if is_head else content)
    return target


def absolute_key(folder):
    def change(members):
        members["bundle.json"]["shards"][0]["feature_key"] = str(folder.parent / "canary")

    return bundle(folder, change)


def licence_that_is_a_dict(folder):
    def change(members):
        members["bundle.json"]["backbone"]["licence"] = {"name": "MIT"}

    return bundle(folder, change)


def deep_bundle(folder):
    def change(members):
        members["bundle.json"] = b"[" * DEEP + b"]" * DEEP

    return bundle(folder, change)


def with_zeros(path, name, size):
    """A stored member of zeros in an archive that is there, of which the disk holds next to none.

    Its checksum is wrong: whoever reads it has read too far already.
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"")
        member = archive.getinfo(name)
        member.file_size = member.compress_size = size
        file = archive.fp
        assert file is not None
        file.seek(archive.start_dir)
        file.truncate(archive.start_dir + size)
        archive.start_dir += size
    return path


def large_member(folder):
    return with_zeros(bundle(folder, lambda members: None), "extra/zeros", LARGE)


def large_model(folder):
    path = bundle(folder, lambda members: members.pop("model.keras"))
    return with_zeros(path, "model.keras", LARGE // 4)


def zeros_npz(folder):
    return zeros(folder / "zeros.npz", LARGE)


def deep_keras(folder):
    target = folder / "deep.keras"
    with zipfile.ZipFile(SEEDS / "image.keras") as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            is_deep = name == "config.json"
            new.writestr(name, b'{"a":' * DEEP + b"1" + b"}" * DEEP if is_deep else old.read(name))
    return target


def deep_jsonl(folder):
    target = folder / "deep.jsonl"
    target.write_text('{"text": "x", "label": "a"}\n' + "[" * DEEP + "]" * DEEP + "\n")
    return target


def broken_preset(folder):
    target = folder / "preset"
    shutil.copytree(SEEDS / "preset", target)
    (target / "config.json").write_text("{")
    return target


def preset_with(write):
    """A preset of which `write` makes the `config.json` anew."""

    def make(folder):
        target = folder / "preset"
        shutil.copytree(SEEDS / "preset", target)
        (target / "config.json").unlink()
        write(target / "config.json")
        return target

    return make


def endless(path):
    path.symlink_to("/dev/zero")


def sparse(path):
    with path.open("wb") as file:
        file.truncate(4 * LARGE)


def deep(path):
    path.write_text("[" * DEEP + "]" * DEEP)


def elsewhere(path):
    aside = path.parent.parent / "elsewhere.json"
    shutil.copy(SEEDS / "preset" / "config.json", aside)
    path.symlink_to(aside)


def pictures(folder, odd=None, name="odd.png"):
    """Two classes of a good picture each, and an odd one."""
    target = folder / "pictures"
    for label in ("a", "b"):
        (target / label).mkdir(parents=True)
        shutil.copy(SEEDS / "picture.png", target / label / "good.png")
    if odd is not None:
        shutil.copy(CORPUS / odd, target / "a" / name)
    return target


def eps(folder):
    return pictures(folder, "eps.png")


def many_megapixels(folder):
    return pictures(folder, "144_megapixels.png")


def picture_that_is_no_file(folder):
    target = pictures(folder)
    os.mkfifo(target / "a" / "odd.png")
    return target


def name_that_is_no_text(folder):
    return pictures(folder, "eps.png", os.fsdecode(b"caf\xe9.png"))


def table_that_leads_out(folder):
    (folder / "secret.txt").write_text("secret")
    target = folder / "given"
    target.mkdir()
    (target / "rows.csv").write_text("path,label\n../secret.txt,a\n/etc/hostname,b\n")
    return target / "rows.csv"


def labels_with_escapes(folder):
    target = folder / "rows.csv"
    target.write_text(f'text,label\nx,"{ESCAPE}a"\ny,"{ESCAPE}b"\n')
    return target


def fifo(name):
    def make(folder):
        os.mkfifo(folder / name)
        return folder / name

    return make


def device(name):
    def make(folder):
        (folder / name).symlink_to("/dev/zero")
        return folder / name

    return make


def endless_graph(folder):
    (folder / "model").mkdir()
    (folder / "model" / "saved_model.pb").symlink_to("/dev/zero")
    return folder / "model"


def objects_npz(folder):
    """Pickled objects, of which reading one would make the canary."""

    class Writes:
        def __reduce__(self):
            return os.mkdir, (str(folder.parent / "canary"),)

    held = io.BytesIO()
    np.save(held, np.array([Writes(), Writes()], dtype=object), allow_pickle=True)
    target = folder / "objects.npz"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("x.npy", held.getvalue())
        archive.writestr("y.npy", npy(np.arange(2)))
    return target


def exchanged_model(folder):
    """A bundle whose model is another one, of the right sha256: its cuts are not those stated."""

    def change(members):
        members["model.keras"] = (SEEDS / "image.keras").read_bytes()
        digest = hashlib.sha256(members["model.keras"]).hexdigest()
        members["bundle.json"]["backbone"]["artifact_digest"] = digest

    return bundle(folder, change)


WAYS = [
    WayIn("initialize", BACKBONE, "(WriteFile) reaches outside of the graph"),
    WayIn("large_kernel.keras", BACKBONE, "numbers ('conv'(Conv2D) alone"),
    WayIn("nested_compile_config.keras", BACKBONE, "700,000"),
    WayIn("deserialize_activation.keras", BACKBONE, "'deserialize' is not one of Keras'"),
    WayIn("special_tokens", PRESET, "WhisperTokenizer reads the file '/etc/passwd'"),
    WayIn("relative_key.bundle.zip", IMPORT, "feature_key"),
    WayIn("escapes.bundle.zip", SHOW_BACKBONE, r"\x1b]0;owned\x07", is_refused=False),
    WayIn("eps.png", EXTRACT, "not a readable image", eps),
    WayIn("144_megapixels.png", EXTRACT, "more than 100 megapixels", many_megapixels),
    WayIn("two_tebibytes.npz", DATASET, "its header says 2,199,023,255,552 bytes"),
    WayIn("cut_attributes.h5", BACKBONE, "is damaged or not a model file"),
    WayIn("absolute key", IMPORT, "feature_key", absolute_key),
    WayIn("a licence that is a dict", IMPORT, "licence", licence_that_is_a_dict),
    WayIn("a deep bundle", IMPORT, "as a bundle", deep_bundle),
    WayIn("a large member of a bundle", IMPORT, "'extra/zeros'", large_member),
    WayIn("a large model in a bundle", IMPORT, "model.keras", large_model),
    WayIn("another model in a bundle", IMPORT, "cut", exchanged_model),
    WayIn("zeros", DATASET, "more than 100 times its size in the file", zeros_npz),
    WayIn("objects", DATASET, "object arrays are refused", objects_npz),
    WayIn("a deep model", BACKBONE, "it cannot be read (RecursionError", deep_keras),
    WayIn("deep rows", DATASET, "line 2: nested too deeply", deep_jsonl),
    WayIn("a broken preset", PRESET, "config.json is damaged or not", broken_preset),
    WayIn("a FIFO in a preset", PRESET, "not a file", preset_with(os.mkfifo)),
    WayIn("a device in a preset", PRESET, "not a file", preset_with(endless)),
    WayIn("holes in a preset", PRESET, "over 4 MiB", preset_with(sparse)),
    WayIn("a deep preset", PRESET, "it cannot be read (RecursionError", preset_with(deep)),
    WayIn("a preset that leads out", PRESET, "outside of the preset", preset_with(elsewhere)),
    WayIn("a name that is no text", DATASET, r"caf\udce9", name_that_is_no_text),
    WayIn("a table that leads out", ROOTED, "secret.txt", table_that_leads_out),
    WayIn("escapes in labels", SHOW_DATASET, r"\x1b]0;owned\x07", labels_with_escapes, False),
    WayIn("a FIFO for a picture", DATASET, "not a file", picture_that_is_no_file),
    WayIn("an endless SavedModel", BACKBONE, "saved_model.pb", endless_graph),
    *(WayIn(f"a FIFO, m{s}", BACKBONE, "not a file", fifo(f"m{s}")) for s in (".keras", ".h5")),
    *(WayIn(f"a device, m{s}", BACKBONE, "not a file", device(f"m{s}")) for s in (".keras", ".h5")),
    *(WayIn(f"a FIFO, {n}", DATASET, "not a file", fifo(n)) for n in ("d.npz", "d.csv")),
    *(WayIn(f"a device, {n}", DATASET, "not a file", device(n)) for n in ("d.npz", "d.csv")),
    *(WayIn(f"a FIFO, {n}", PREPROCESS, "not a file", fifo(n)) for n in SPECIFICATIONS),
    *(WayIn(f"a device, {n}", PREPROCESS, "not a file", device(n)) for n in SPECIFICATIONS),
    WayIn("a FIFO, b.zip", IMPORT, "not a file", fifo("b.zip")),
    WayIn("a device, b.zip", IMPORT, "not a file", device("b.zip")),
]
