"""What a hostile bundle tries; each is refused in one clear line and leaves nothing behind.

Every builder takes a bundle that was written by `backbone export` and changes one thing.
"""

import hashlib
import json
import shutil
import struct
import zipfile

import h5py
import pytest
from bundle_parts import with_shard

import headstart as hs

DIGEST = "0123456789abcdef" * 4


def renamed(parts, key):
    """The first shard under another feature key, its member's name too."""
    parts.shard["feature_key"] = key
    return parts


def test_the_bundle_that_is_changed_here_is_a_good_one(parts, run, tmp_path):
    hs.init(tmp_path / "zoo")
    file = parts.write(tmp_path / "again.zip")
    done = run("backbone", "import", file, "--workspace", tmp_path / "zoo", "--json")
    assert done.json == {"name": "net", "version": 1, "rows": 8}


def test_a_feature_key_that_is_a_path_writes_nowhere(parts, refused, tmp_path):
    for key in (
        str(tmp_path / "absolute"),
        "../../../outside",
        "..",
        "a/b",
        "a\\b",
        "",
        "\0" * 64,
        DIGEST.upper(),
        DIGEST + "\n",
    ):
        assert "feature_key" in refused(renamed(parts, key)), key
    assert not (tmp_path / "absolute").exists()
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.shard.update(sha256="../../x"),
        lambda p: p.shard.update(sha256=DIGEST[:-1]),
        lambda p: p.shard.update(name="/etc/passwd"),
        lambda p: p.shard.update(name="features/../../x"),
        lambda p: p.shard.update(name=f"features/{DIGEST}/x.h5"),
        lambda p: p.shard.update(size=-1),
        lambda p: p.shard.update(size=1 << 70),
        lambda p: p.shard.update(size="1"),
        lambda p: p.shard.update(size=True),
        lambda p: p.shard.update(more=1),
        lambda p: p.shard.pop("size"),
        lambda p: p.head.update(shards={}),
        lambda p: p.head.update(shards=[1]),
        lambda p: p.head.update(shards=[None]),
        lambda p: p.head.update(parts=DIGEST),
        lambda p: p.head.update(parts=["../x"]),
        lambda p: p.head.update(parts=[DIGEST]),
        lambda p: p.head.update(parts=None),
        lambda p: p.head.update(backbone=[]),
        lambda p: p.head.update(format={}),
        lambda p: p.head.update(version="1"),
        lambda p: p.head.update(version=True),
        lambda p: p.head.update(unknown=1),
        lambda p: p.head.pop("parts"),
        lambda p: p.record.update(unknown=1),
        lambda p: p.record.pop("tags"),
        lambda p: p.record.update(name="../x"),
        lambda p: p.record.update(name=7),
        lambda p: p.record.update(name=None),
        lambda p: p.record.update(source=["x"]),
        lambda p: p.record.update(source="x" * 1_000_000),
        lambda p: p.record.update(source="\ud800"),
        lambda p: p.record.update(source="a\0b"),
        lambda p: p.record.update(licence={"name": "MIT"}),
        lambda p: p.record.update(licence=["MIT"]),
        lambda p: p.record.update(licence="x" * 201),
        lambda p: p.record.update(tags=["x"]),
        lambda p: p.record.update(tags={"x": {"y": 1}}),
        lambda p: p.record.update(tags={"x": 1}),
        lambda p: p.record.update(tags={"x" * 300: "y"}),
        lambda p: p.record.update(artifact="/etc/passwd.keras"),
        lambda p: p.record.update(artifact="model.sh"),
        lambda p: p.record.update(artifact=3),
        lambda p: p.record.update(artifact_digest="0"),
        lambda p: p.record.update(artifact_digest=None),
        lambda p: p.record.update(default_cut=[]),
        lambda p: p.record.update(default_cut="no such cut"),
        lambda p: p.record.update(cuts=[]),
        lambda p: p.record.update(cuts={}),
        lambda p: p.record.update(cuts={"features": 5}),
        lambda p: p.record.update(preprocessing=None),
        lambda p: p.record.update(preprocessing=[]),
        lambda p: p.record.update(preprocessing={}),
        lambda p: p.record.update(preprocessing={"steps": {"step": "resize"}}),
        lambda p: p.record.update(preprocessing={"steps": [{"step": ["resize"]}]}),
        lambda p: p.record.update(preprocessing={"steps": [7]}),
        lambda p: p.record.update(preprocessing={"inputs": []}),
        lambda p: p.record.update(preprocessing={"inputs": {"x": 7}}),
        lambda p: p.record.update(preprocessing={"inputs": {"x": []}, "steps": []}),
        lambda p: p.record.update(
            preprocessing={"steps": [{"step": "tokenize", "tokenizer": "/etc/passwd"}]}
        ),
    ],
)
def test_every_field_of_the_head_has_its_declared_shape(parts, refused, change):
    change(parts)
    refused(parts)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"\xff\xfe",
        b"{",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        b"1" * 100_000,
        b"NaN",
    ],
)
def test_a_head_that_is_no_json_object(parts, refused, head):
    parts.raw_head = head
    assert "as a bundle" in refused(parts)


def test_a_head_as_large_as_a_model_is_not_read(parts, refused):
    parts.raw_head = b" " * (20 << 20)
    assert "bundle.json" in refused(parts)


def test_a_field_that_this_code_does_not_know_is_named(parts, refused):
    parts.record["run_this"] = "rm"
    assert "'run_this'" in refused(parts)


def test_a_member_that_is_not_listed_is_named(parts, refused):
    parts.members["extra/zeros"] = bytes(1000)
    assert "'extra/zeros'" in refused(parts)


def test_a_member_that_is_listed_and_missing_is_named(parts, refused):
    name = parts.shard["name"]
    del parts.members[name]
    assert name in refused(parts)


def test_a_part_that_the_preprocessing_does_not_need_is_refused(parts, refused):
    content = bytes(10_000)
    digest = hashlib.sha256(content).hexdigest()
    parts.head["parts"] = [digest]
    parts.members[f"parts/{digest}"] = content
    assert digest in refused(parts)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_bomb_is_not_unpacked(parts, refused, compression):
    content = bytes(200 << 20)
    parts.compression = compression if compression != zipfile.ZIP_LZMA else zipfile.ZIP_DEFLATED
    parts.members["model.keras"] = content[: 50 << 20]
    parts.record["artifact_digest"] = hashlib.sha256(content[: 50 << 20]).hexdigest()
    assert "compressed" in refused(parts)


def test_members_that_overlap_are_larger_than_their_archive(parts, refused, tmp_path):
    """Two entries of the central directory over one stored member: a bomb without compression."""
    del parts.head["shards"][1:]
    kept = parts.shard
    parts.members = {n: c for n, c in parts.members.items() if n in ("model.keras", kept["name"])}
    content = parts.write(tmp_path / "plain.zip").read_bytes()
    end = content.rindex(b"PK\x05\x06")
    at = struct.unpack("<I", content[end + 16 : end + 20])[0]
    directory = content[at:end]
    copies = 3
    tail = bytearray(content[end:])
    count = struct.unpack("<H", tail[10:12])[0] * (copies + 1)
    struct.pack_into("<HHI", tail, 8, count, count, len(directory) * (copies + 1))
    file = tmp_path / "overlap.zip"
    file.write_bytes(content[:end] + directory * copies + bytes(tail))
    assert "twice" in refused(file)


def test_a_size_that_is_not_the_member_s(parts, refused):
    parts.shard["size"] += 1
    assert parts.shard["name"] in refused(parts)


def test_a_shard_that_says_twice_the_same_name(parts, refused):
    parts.head["shards"].append(dict(parts.shard))
    assert "twice" in refused(parts)


def attribute(name, value):
    def change(file):
        if value is None:
            del file.attrs[name]
        else:
            file.attrs[name] = json.dumps(value)

    return change


def replaced(name, make):
    def change(file):
        del file[name]
        make(file, name)

    return change


@pytest.mark.parametrize(
    "change",
    [
        attribute("feature_key", "../../x"),
        attribute("feature_key", DIGEST),
        attribute("feature_key", [1]),
        attribute("cut", 7),
        attribute("cut", None),
        attribute("backbone", {"x": 1}),
        attribute("view", "x"),
        attribute("view", -1),
        attribute("precision", "float8"),
        attribute("precision", None),
        attribute("engine", None),
        attribute("engine", ["x"]),
        attribute("versions", None),
        attribute("versions", 3),
        attribute("preprocessing", None),
        attribute("preprocessing", {"steps": 5}),
        attribute("cut_fingerprint", DIGEST),
        attribute("trunk_fingerprint", DIGEST),
        attribute("trunk_fingerprint", None),
        attribute("preprocessing_fingerprint", DIGEST),
        attribute("shard_id", DIGEST),
        attribute("shard_id", None),
        attribute("storage", "int4"),
        attribute("storage", 5),
        attribute("compression", ["gzip"]),
        attribute("dtype", "object"),
        attribute("format_version", 99),
        attribute("view", float("nan")),
        lambda file: file.attrs.update(view="[" * 50_000),
        lambda file: file.attrs.update(view="no JSON"),
        lambda file: file.attrs.update(view=3),
        replaced("features", lambda file, name: file.create_group(name)),
        replaced("digests", lambda file, name: file.create_group(name)),
        replaced("features", lambda file, name: file.create_dataset(name, data=b"x")),
        replaced(
            "features",
            lambda file, name: file.create_dataset(
                name, (1 << 40, 8), "float32", chunks=(1 << 20, 8), compression="gzip"
            ),
        ),
        replaced(
            "digests",
            lambda file, name: file.create_dataset(
                name, (1 << 40, 32), "uint8", chunks=(1 << 20, 32), compression="gzip"
            ),
        ),
        replaced(
            "digests",
            lambda file, name: file.create_dataset(
                name, (4, 32), "uint8", external=[("/dev/zero", 0, 128)]
            ),
        ),
        replaced(
            "digests", lambda f, name: f.__setitem__(name, h5py.ExternalLink("/dev/null", "x"))
        ),
        replaced("digests", lambda f, name: f.__setitem__(name, h5py.SoftLink("/features"))),
    ],
)
def test_a_shard_that_is_not_what_the_bundle_says(parts, refused, change):
    refused(with_shard(parts, change))


def test_all_shards_are_looked_at_before_the_first_is_registered(parts, refused):
    parts.head["shards"].reverse()
    last = parts.head["shards"][-1]
    content = parts.members[last["name"]]
    parts.members[last["name"]] = content[:-1] + bytes([content[-1] ^ 1])
    assert "sha256" in refused(parts)


def test_what_was_there_before_a_failed_import_stays(parts, bundle, run, tmp_path, files_of):
    root = tmp_path / "zoo"
    ws = hs.init(root)
    ws.backbones.import_(bundle)
    before = files_of(root)
    content = parts.members[parts.shard["name"]]
    parts.members[parts.shard["name"]] = content[:-1] + bytes([content[-1] ^ 1])
    file = parts.write(tmp_path / "hostile.zip")
    assert run("backbone", "import", file, "--name", "other", "--workspace", root).code == 1
    assert {n for n in files_of(root) if ".db" not in n} == {n for n in before if ".db" not in n}
    assert [one.name for one in ws.backbones.list()] == ["net"]
    # What other processes of this machine left behind is none of ours.
    assert [one for one in ws.cache.find_garbage() if one.kind != "temporary"] == []


def test_a_database_that_refuses_leaves_no_file(bundle, tmp_path, files_of):
    ws = hs.init(tmp_path / "zoo")
    with ws.database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no_rows BEFORE INSERT ON shards BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(hs.HeadstartError):
        ws.backbones.import_(bundle)
    left = {name for name in files_of(ws.config.root) if not name.startswith("locks/")}
    assert {n for n in left if "headstart.db" not in n} == {"headstart.toml"}
    assert ws.backbones.list() == []
    assert ws.context.feature_sets.find_sets() == []


def test_an_import_that_ends_in_a_full_folder_leaves_no_row(bundle, tmp_path):
    ws = hs.init(tmp_path / "zoo")
    shutil.rmtree(ws.config.features)
    ws.config.features.write_text("a file where the folder should be")
    with pytest.raises(hs.HeadstartError):
        ws.backbones.import_(bundle)
    assert ws.backbones.list() == []
    assert list(ws.config.artifacts.rglob("*.keras")) == []
