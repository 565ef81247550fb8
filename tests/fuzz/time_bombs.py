"""Small files that would take minutes or gigabytes: each claims very much of something.

They are ways in like those of `ways_in`, and are made here, as none is worth keeping.
"""

import json
import shutil
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from archives import npy
from ways_in import BACKBONE, DATASET, IMPORT, PRESET, SEEDS, WayIn, bundle

MANY = 1_200_000
"""Rows: more than may be packed to nothing."""


def repeated(text, rows):
    """A column of one text, which stands in it once."""
    places = pa.array(np.zeros(rows, np.int32))
    return pa.DictionaryArray.from_arrays(places, pa.array([text]))


def parquet(name, rows, text="y" * 2000, label="a"):
    def make(folder):
        columns = {"text": repeated(text, rows), "label": repeated(label, rows)}
        pq.write_table(pa.table(columns), folder / name)
        return folder / name

    return make


def arrow(name, columns):
    def make(folder):
        table = pa.table(columns())
        packed = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(str(folder / name), table.schema, options=packed) as file:
            file.write_table(table)
        return folder / name

    return make


def views():
    """Texts that are all the same bytes: no dictionary, and a megabyte each."""
    rows = 100_000
    long = pa.array(["y" * (1 << 20)], pa.string_view())
    view = long.buffers()[1].to_pybytes()
    buffers = [None, pa.py_buffer(view * rows), *long.buffers()[2:]]
    return {
        "text": pa.Array.from_buffers(pa.string_view(), rows, buffers),
        "label": repeated("a", rows),
    }


def runs():
    label = pa.RunEndEncodedArray.from_arrays(pa.array([1_000_000], pa.int32()), pa.array(["a"]))
    return {"text": pa.array(map(str, range(1_000_000))), "label": label}


def many_rows(folder):
    target = folder / "rows.npz"
    rows = {name: np.zeros((MANY, width), np.uint8) for name, width in (("x", 4), ("y", 1))}
    np.savez_compressed(target, **rows)
    return target


def layer(number, **more):
    config = {"name": f"l{number}", "dtype": "float32", **more}
    return {"module": "keras.layers", "class_name": "ReLU", "config": config}


def keras_of(config, members=()):
    """The small model with another configuration, or with more members."""

    def make(folder):
        target = folder / "many.keras"
        with (
            zipfile.ZipFile(SEEDS / "image.keras") as old,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                is_new = name == "config.json" and config is not None
                new.writestr(name, json.dumps(config()) if is_new else old.read(name))
            for name in members:
                new.writestr(name, b"")
        return target

    return make


HUGE = {"input_dim": 10**4200, "output_dim": 10**4200}
SIDES = {"filters": 3, "kernel_size": [1 << 31] * 100_000}


def sequential(layers):
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": layers},
        "registered_name": None,
    }


def many_groups(folder):
    target = folder / "many.h5"
    with h5py.File(target, "w", libver="latest") as file:
        file.attrs["model_config"] = json.dumps(sequential([layer(0)]))
        weights = file.create_group("model_weights")
        weights["w"] = np.zeros(1, np.float32)
        for number in range(50_000):
            weights[str(number)] = weights["w"]
    return target


def many_files(folder):
    target = folder / "preset"
    shutil.copytree(SEEDS / "preset", target)
    for number in range(1_001):
        (target / f"{number}.json").write_text("{}")
    return target


def preset_with_words(name, content):
    """A preset with a file of words that is small, and of which very much would be built."""

    def make(folder):
        target = folder / "preset"
        shutil.copytree(SEEDS / "preset", target)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(content())
        return target

    return make


def many_of_hugging_face():
    return json.dumps({"model": {"vocab": dict.fromkeys(map(str, range(MANY)), 0), "merges": []}})


def many_shards(folder):
    """Each is there and listed, but for the last, of another size."""
    key = "0" * 64

    def change(members):
        names = [f"features/{key}/{number}.h5" for number in range(40_000)]
        members["bundle.json"]["shards"] = [
            {"name": name, "feature_key": key, "sha256": key, "size": 1} for name in names
        ]
        members["bundle.json"]["shards"][-1]["size"] = 2
        for name in [name for name in members if name.startswith("features/")]:
            del members[name]
        members |= dict.fromkeys(names, b"x")

    return bundle(folder, change)


def many_tags(folder):
    def change(members):
        members["bundle.json"]["backbone"]["tags"] = {f"k{n}": "v" for n in range(300_000)}

    return bundle(folder, change)


def many_members(folder):
    """Arrays that nobody asked for."""
    target, row = folder / "many.npz", npy(np.zeros(3, np.float32))
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("x.npy", npy(np.zeros((3, 2), np.float32)))
        for number in range(20_001):
            archive.writestr(f"a{number}.npy", row)
    return target


def one_file_often(folder):
    """What `save_to_disk` writes, of which the state names the one file again and again."""
    target, schema = folder / "saved", pa.schema({"text": pa.string(), "label": pa.string()})
    target.mkdir()
    with pa.ipc.new_stream(str(target / "data.arrow"), schema) as file:
        file.write_table(pa.table({"text": ["x"], "label": ["a"]}, schema))
    state = {"_data_files": [{"filename": "data.arrow"}] * 100_000}
    (target / "state.json").write_text(json.dumps(state))
    return target


BOMBS = [
    WayIn("one file of Hugging Face, often", DATASET, "names a file twice", one_file_often),
    WayIn("equal rows of Parquet", DATASET, "have to take a byte each", parquet("r.parquet", MANY)),
    WayIn(
        "long texts of Parquet that stand there once",
        DATASET,
        "more than 100 times the whole file",
        parquet("t.parquet", 500_000),
    ),
    WayIn(
        "long labels of Parquet that stand there once",
        DATASET,
        "more than 100 times the whole file",
        parquet("l.parquet", 20_000, "y", "a" * (1 << 20)),
    ),
    WayIn(
        "equal rows of Arrow",
        DATASET,
        "have to take a byte each",
        arrow("r.arrow", lambda: {"text": repeated("y", MANY), "label": repeated("a", MANY)}),
    ),
    WayIn(
        "long texts of Arrow that stand there once",
        DATASET,
        "more than 100 times the whole file",
        arrow("t.arrow", lambda: {"text": repeated("y" * 2000, 500_000)}),
    ),
    WayIn(
        "long labels of Arrow that stand there once",
        DATASET,
        "more than 100 times the whole file",
        arrow(
            "l.arrow",
            lambda: {"text": repeated("y", 99_999), "label": repeated("a" * (1 << 20), 99_999)},
        ),
    ),
    WayIn("views of the same bytes", DATASET, "the whole file", arrow("v.arrow", views)),
    WayIn("labels packed by runs", DATASET, "is not read", arrow("e.arrow", runs)),
    WayIn("equal rows of NumPy", DATASET, "have to take a byte each", many_rows),
    WayIn("very many arrays of NumPy", DATASET, "more than 10,000", many_members),
    WayIn(
        "very many layers",
        BACKBONE,
        "more than 10,000 layers",
        keras_of(lambda: sequential([layer(n) for n in range(200_000)])),
    ),
    WayIn(
        "very many objects",
        BACKBONE,
        "more than 200,000 objects",
        keras_of(lambda: sequential([layer(0, x=[layer(n) for n in range(200_001)])])),
    ),
    WayIn(
        "very many values",
        BACKBONE,
        "more than 4,000,000 values",
        keras_of(lambda: sequential([layer(0, x=[0] * 4_000_001)])),
    ),
    WayIn(
        "very many assets",
        BACKBONE,
        "more than 10,000",
        keras_of(None, [f"assets/{n}" for n in range(10_001)]),
    ),
    WayIn("very many groups", BACKBONE, "more than 50,000 groups and weights", many_groups),
    WayIn("very many files of a preset", PRESET, "more than 1,000", many_files),
    *(
        WayIn(f"very many words, {name}", PRESET, said, preset_with_words(name, content))
        for name, said, content in (
            ("assets/tokenizer/merges.txt", "more than 1,000,000 lines", lambda: "a b\n" * MANY),
            ("assets/tokenizer/vocabulary.txt", "more than 1,000,000 lines", lambda: "a\r" * MANY),
            ("vocab.json", "more than 1,000,000 entries", lambda: f"[{'0,' * MANY}0]"),
            ("tokenizer.json", "more than 1,000,000 entries", many_of_hugging_face),
            ("tokenizer.model", "more than 16 MiB", lambda: "a" * (17 << 20)),
        )
    ),
    WayIn(
        "numbers of 4,200 digits",
        BACKBONE,
        "holds a number of 4,201 digits",
        keras_of(lambda: sequential([{**layer(0, **HUGE), "class_name": "Embedding"}])),
    ),
    WayIn(
        "a kernel of 100,000 sides",
        BACKBONE,
        "its layers would hold at least 9,223,372,036,854,775,807 numbers",
        keras_of(lambda: sequential([{**layer(0, **SIDES), "class_name": "Conv2D"}])),
    ),
    WayIn(
        "a name of 5,000,000 letters",
        BACKBONE,
        "R… (4,99",
        keras_of(lambda: sequential([{**layer(0), "class_name": "R" * 5_000_000}])),
    ),
    WayIn("very many shards", IMPORT, "it lists 2", many_shards),
    WayIn("very many tags", IMPORT, "at most 1,000", many_tags),
]
