"""Hostile files: a seed file, changed at random places in ways that know its format.

`mutate(kind, random, folder, canary)` writes one into a folder and gives its path. All that is
drawn comes from the given generator, so that a case is known by its kind and number.
"""

import hashlib
import io
import json
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import graphs
import h5py
import numpy as np
import trees

SEEDS = Path(__file__).parents[1] / "assets" / "hostile" / "seeds"
TRIES = (1, 1, 1, 2, 3)
"""Changes a case."""


LONGEST_ATTRIBUTE = 60_000
UNWRITABLE = (OSError, ValueError, KeyError, RuntimeError, TypeError)
"""Of a file changed so much already that h5py cannot write to it."""


def mutate(kind, random, folder, canary):
    return KINDS[kind](random, folder, canary)


def flipped(content, random):
    """Some bytes changed, some cut off, or some doubled."""
    content = bytearray(content)
    how = random.choice(["flip", "flip", "flip", "cut", "double", "zero"])
    place = random.randrange(max(1, len(content)))
    if how == "cut":
        return bytes(content[:place])
    if how == "double":
        return bytes(content[:place] + content[place // 2 : place] + content[place:])
    if how == "zero":
        content[place : place + 16] = bytes(len(content[place : place + 16]))
        return bytes(content)
    for _ in range(random.choice([1, 2, 8])):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return bytes(content)


def saved_model(random, folder, canary):
    target = folder / "model"
    shutil.copytree(SEEDS / "saved_model", target)
    file = target / "saved_model.pb"
    if random.random() < 0.1:
        file = random.choice([path for path in sorted(target.rglob("*")) if path.is_file()])
        file.write_bytes(flipped(file.read_bytes(), random))
    else:
        file.write_bytes(graphs.mutated(file.read_bytes(), random, canary))
    return target


def keras_file(random, folder, canary):
    target = folder / "model.keras"
    seed = SEEDS / random.choice(["image.keras", "words.keras"])
    if random.random() < 0.15:
        target.write_bytes(flipped(seed.read_bytes(), random))
        return target
    members = members_of(seed)
    for _ in range(random.choice(TRIES)):
        name = random.choice(["config.json"] * 4 + sorted(members))
        if name.endswith(".json"):
            members[name] = trees.mutated_text(members[name], random, canary)
        elif name.endswith(".h5"):
            members[name] = weights(members[name], random, canary)
    if random.random() < 0.1:
        name = random.choice(["../escape", "/tmp/escape", "assets/x", "more.json", "config.json/x"])
        members[name] = b"x" * random.choice([1, 1 << 20])
    write_zip(target, members, random)
    return target


def h5_file(random, folder, canary):
    target = folder / "model.h5"
    seed = SEEDS / random.choice(["image.h5", "words.h5"])
    content = seed.read_bytes()
    if random.random() < 0.2:
        content = flipped(content, random)
    else:
        for _ in range(random.choice(TRIES)):
            if random.random() < 0.7:
                content = configuration(content, random, canary)
            else:
                content = weights(content, random, canary)
    target.write_bytes(content)
    return target


def configuration(content, random, canary):
    """An `.h5` whose model_config is changed."""
    held = io.BytesIO(content)
    try:
        with h5py.File(held, "a") as file:
            name = random.choice(["model_config", "model_config", "keras_version"])
            text = file.attrs[name]
            text = text.encode() if isinstance(text, str) else text
            is_model = name == "model_config"
            changed = trees.mutated_text(text, random, canary) if is_model else b"3.x"
            if len(changed) < LONGEST_ATTRIBUTE:
                file.attrs[name] = np.void(changed) if b"\x00" in changed else changed
    except UNWRITABLE:
        return flipped(content, random)
    return held.getvalue()


def weights(content, random, canary):
    """Weights of another shape, type or place; or bytes changed."""
    if random.random() < 0.3:
        return flipped(content, random)
    held = io.BytesIO(content)
    try:
        with h5py.File(held, "a") as file:
            names = []
            file.visititems(lambda name, item: names.append(name))
            name = random.choice(names)
            how = random.choice(
                ["external", "soft", "shape", "type", "text", "gone", "nan", "claim"]
            )
            weight_changes(file, name, how, canary)
    except UNWRITABLE:
        return flipped(content, random)
    return held.getvalue()


def weight_changes(file, name, how, canary):
    item = file[name]
    is_small = isinstance(item, h5py.Dataset) and item.nbytes < 1 << 24  # it may claim anything
    old = np.asarray(item[()]) if is_small else None
    old = None if old is None or old.dtype.kind not in "fiu" else old
    del file[name]
    if how == "external":
        file[name] = h5py.ExternalLink(str(canary), "/")
    elif how == "soft":
        file[name] = h5py.SoftLink("/")
    elif how == "claim":
        file.create_dataset(name, shape=(1 << 20, 1 << 14), dtype="f4", chunks=True)
    elif how == "text":
        file[name] = b"x" * 100
    elif old is not None and how in ("shape", "type", "nan"):
        changed = {
            "shape": old.reshape(-1)[:1],
            "type": old.astype("c8"),
            "nan": old * float("nan"),
        }
        file[name] = changed[how]


def bundle(random, folder, canary):
    target = folder / "model.zip"
    seed = SEEDS / "words.bundle.zip"
    if random.random() < 0.15:
        target.write_bytes(flipped(seed.read_bytes(), random))
        return target
    members = members_of(seed)
    head = members["bundle.json"]
    if random.random() < 0.3:
        model = keras_file(random, folder, canary)
        members["model.keras"] = model.read_bytes()
        model.unlink()
        known = json.loads(head)
        known["backbone"]["artifact_digest"] = hashlib.sha256(members["model.keras"]).hexdigest()
        head = json.dumps(known).encode()
    else:
        for _ in range(random.choice(TRIES)):
            head = trees.mutated_text(head, random, canary)
    members["bundle.json"] = head
    if random.random() < 0.2:
        name = random.choice(sorted(members))
        members[name] = flipped(members[name], random)
    write_zip(target, members, random)
    return target


def arrays(random, folder, canary):
    target = folder / "data.npz"
    if random.random() < 0.4:
        target.write_bytes(other_arrays(random))
        return target
    seed = SEEDS / random.choice(["arrays.npz", "words.npz"])
    if random.random() < 0.2:
        target.write_bytes(flipped(seed.read_bytes(), random))
        return target
    members = members_of(seed)
    for _ in range(random.choice(TRIES)):
        name = random.choice(sorted(members))
        members[name] = header_changed(members[name], random)
    write_zip(target, members, random)
    return target


def other_arrays(random):
    """Whole files: other types, shapes, orders and numbers of rows; most of them can be read."""
    rows = random.choice([1, 2, 6])
    shape = (rows, *random.choice([(), (4,), (4,), (2, 3), (0,), (5, 1, 2)]))
    x = np.arange(np.prod(shape)).reshape(shape).astype(random.choice(TYPES))
    if x.dtype.kind == "f" and random.random() < 0.3:
        x.flat[-1:] = random.choice([np.nan, np.inf, -0.0])
    labels = np.arange(random.choice([rows] * 5 + [rows + 1, 0]))
    held = io.BytesIO()
    save = random.choice([np.savez, np.savez_compressed])
    save(
        held,
        x=np.asarray(x, order=random.choice("CF")),
        y=labels.astype(random.choice(["<i8", "|u1", "<U2", "|S2", "<f4", "|b1"])),
        **random.choice([{}, {}, {"more": x[:1]}, {"split": np.array(["train"] * rows)}]),
    )
    return held.getvalue()


TYPES = ["<f4", ">f4", "<f2", "<f8", "|i1", "|u1", "<i8", ">u2", "|b1", "<c8", "<U3", "|S3"]

HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (6, -4), }",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (4, 6), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (6,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<U1073741824', 'fortran_order': False, 'shape': (6,), }",
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (6,), }",
    "{'descr': '<c16', 'fortran_order': False, 'shape': (6,), }",
    "{'descr': '|V8', 'fortran_order': False, 'shape': (6,), }",
    "{'descr': '<f2', 'fortran_order': False, 'shape': (6, 0, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)*999, }",
    "(" * 500,
    "__import__('os').system('x')",
    "{'descr': 7, 'fortran_order': 'no', 'shape': None, }",
]


def header_changed(content, random):
    """A `.npy` whose header says something else, or whose bytes are changed."""
    if random.random() < 0.3 or content[:6] != b"\x93NUMPY":
        return flipped(content, random)
    length = struct.unpack("<H", content[8:10])[0]
    header = random.choice(HEADERS).encode().ljust(117) + b"\n"
    return content[:8] + struct.pack("<H", len(header)) + header + content[10 + length :]


def preset(random, folder, canary):
    target = folder / "preset"
    shutil.copytree(SEEDS / "preset", target)
    files = [path for path in sorted(target.rglob("*")) if path.is_file()]
    for _ in range(random.choice(TRIES)):
        file = random.choice([f for f in files if f.suffix == ".json"] * 2 + files)
        content = file.read_bytes()
        if file.suffix == ".json":
            content = trees.mutated_text(content, random, canary)
        elif file.suffix == ".h5":
            content = weights(content, random, canary)
        else:
            content = flipped(content, random)
        file.write_bytes(content)
    if random.random() < 0.05:
        random.choice(files).unlink()
    return target


def picture(random, folder, canary):
    """A folder of two classes: one good picture, and the changed one."""
    seed = random.choice(sorted(SEEDS.glob("picture.*")))
    content = seed.read_bytes()
    how = random.random()
    if seed.suffix == ".png" and how < 0.4:
        content = png_changed(content, random)
    elif how < 0.9:
        content = flipped(content, random)
    else:
        content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n"
    suffix = random.choice([seed.suffix, ".png", ".jpg"])
    for name, made in (
        (f"a/odd{suffix}", content),
        ("b/good.png", (SEEDS / "picture.png").read_bytes()),
    ):
        (folder / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / name).write_bytes(made)
    return folder / "pictures"


def png_changed(content, random):
    """Another header, with the checksum that fits."""
    width = random.choice([0, 1, 10, 12_000, 1 << 30])
    height = random.choice([0, 12, 12_000, (1 << 31) - 1])
    depth, colour = random.choice([1, 8, 16, 7]), random.choice([0, 2, 3, 4, 6, 9])
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return content[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path, members, random):
    how = random.choice([zipfile.ZIP_STORED] * 9 + [zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


KINDS = {
    "saved_model": saved_model,
    "keras": keras_file,
    "h5": h5_file,
    "bundle": bundle,
    "arrays": arrays,
    "preset": preset,
    "picture": picture,
}
