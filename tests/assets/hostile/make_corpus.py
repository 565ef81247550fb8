"""Made the corpus beside this of the seeds: `python tests/assets/hostile/make_corpus.py`.

What is larger, or names a place of the machine that tests it, is built in tests/fuzz/ways_in.py.
"""

import io
import json
import os
import shutil
import struct
import sys
import zipfile
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))

import graphs
import numpy as np
from tensorflow.core.framework import function_pb2
from tensorflow.core.protobuf import saved_model_pb2

HERE = Path(__file__).parent
SEEDS, CORPUS = HERE / "seeds", HERE / "corpus"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj\u2066\x7f[red]x[/red]\r"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(canary) (w) file closefile\n"


def initialize():
    """The function writes `canary` into the current folder."""
    target = CORPUS / "initialize"
    shutil.copytree(SEEDS / "saved_model", target)
    file = target / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    (meta,) = saved.meta_graphs
    name = "__inference_extra_0"
    function = function_pb2.FunctionDef()
    function.signature.name = name
    function.signature.is_stateful = True
    function.node_def.extend(graphs.in_function(graphs.writing("canary", "write")))
    function.control_ret["write"] = "write"
    function.signature.control_output.append("write")
    meta.graph_def.library.function.append(function)
    nodes = meta.object_graph_def.nodes
    nodes.add().bare_concrete_function.concrete_function_name = name
    nodes.add().resource.device = ""
    for local in ("_initialize", "_create_resource"):
        nodes[-1].children.add(node_id=len(nodes) - 2, local_name=local)
    nodes[0].children.add(node_id=len(nodes) - 1, local_name="extra")
    file.write_bytes(saved.SerializeToString())


def with_member(source, target, name, change):
    """A copy of an archive in which one document of JSON is changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == name:
                tree = json.loads(content)
                change(tree)
                content = json.dumps(tree).encode()
            new.writestr(member, content)


def keras_file(name, change):
    """`change` gets the model's layers by their names."""

    def changed(config):
        change({layer["config"]["name"]: layer for layer in config["config"]["layers"]})

    with_member(SEEDS / "image.keras", CORPUS / name, "config.json", changed)


def large_kernel(layers):
    layers["conv"]["config"]["kernel_size"] = [20_000, 20_000]


def nested_compile_config(layers):
    config = {"name": "bomb", "input_dim": 700_000, "output_dim": 1_000}
    bomb = {"module": "keras.layers", "class_name": "Embedding", "config": config}
    layers["block"]["compile_config"] = {"optimizer": bomb}


def deserialize_activation(layers):
    layers["out"]["config"]["activation"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "deserialize",
        "registered_name": "deserialize",
    }


def bundle(name, change):
    with_member(SEEDS / "words.bundle.zip", CORPUS / name, "bundle.json", change)


def relative_key(head):
    head["shards"][0]["feature_key"] = "../../canary"


def escapes(head):
    head["backbone"] |= {"source": ESCAPES, "licence": ESCAPES, "tags": {ESCAPES: ESCAPES}}


def special_tokens():
    target = CORPUS / "special_tokens"
    target.mkdir()
    for name in ("config.json", "metadata.json", "model.weights.h5"):
        shutil.copy(SEEDS / "preset" / name, target)
    tokenizer = {
        "module": "keras_hub.src.models.whisper.whisper_tokenizer",
        "class_name": "WhisperTokenizer",
        "registered_name": "keras_hub>WhisperTokenizer",
        "config": {"name": "tokenizer", "special_tokens": "/etc/passwd"},
    }
    (target / "tokenizer.json").write_text(json.dumps(tokenizer))


def many_megapixels():
    """A black PNG of one bit a pixel, 12,000 x 12,000."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 12_000 // 8)
    data = b"".join(packer.compress(row) for _ in range(12_000)) + packer.flush()
    sizes = struct.pack(">IIBBBBB", 12_000, 12_000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", sizes), (b"IDAT", data), (b"IEND", b"")]
    with (CORPUS / "144_megapixels.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in chunks:
            file.write(struct.pack(">I", len(body)) + kind + body)
            file.write(struct.pack(">I", zlib.crc32(kind + body)))


def two_tebibytes():
    claimed, labels = io.BytesIO(), io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 39,)}
    np.lib.format.write_array_header_2_0(claimed, header)
    np.save(labels, np.arange(2))
    with zipfile.ZipFile(CORPUS / "two_tebibytes.npz", "w") as archive:
        archive.writestr("x.npy", claimed.getvalue() + bytes(64))
        archive.writestr("y.npy", labels.getvalue())


def main():
    CORPUS.mkdir(exist_ok=True)
    for name in ("initialize", "special_tokens"):
        shutil.rmtree(CORPUS / name, ignore_errors=True)
    initialize()
    keras_file("large_kernel.keras", large_kernel)
    keras_file("nested_compile_config.keras", nested_compile_config)
    keras_file("deserialize_activation.keras", deserialize_activation)
    bundle("relative_key.bundle.zip", relative_key)
    bundle("escapes.bundle.zip", escapes)
    special_tokens()
    (CORPUS / "eps.png").write_bytes(EPS)
    many_megapixels()
    two_tebibytes()


if __name__ == "__main__":
    main()
