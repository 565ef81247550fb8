"""Models that are stored already: by an older version, or put there by hand."""

import json
import zipfile
from dataclasses import replace

import pytest

from conftest import keras, network
from headstart.backbone_model import load_graph
from headstart.errors import ArtifactDamaged, UnsafeModel
from headstart.extractors.backbones import loader
from headstart.extractors.safety.first_load import FOLDER, own_folder

layers = keras.layers


def put_by_hand(ws, tmp_path, name="stored"):
    """A backbone whose stored file brings code, as if a version without the look had added it."""
    good = ws.backbones.add(name, network(), preprocess="unit")
    file = tmp_path / "hostile.keras"
    network().save(file)
    with zipfile.ZipFile(file) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b'"Dropout"', b'"Lambda"')
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    artifact = ws.context.artifacts.put(file, ".keras")
    return replace(good, artifact_digest=artifact.digest, artifact_size=artifact.size)


def test_a_stored_model_that_brings_code_is_refused_when_it_is_loaded(ws, tmp_path):
    backbone = put_by_hand(ws, tmp_path)
    with pytest.raises(UnsafeModel, match="a Lambda layer runs code that the file brings"):
        load_graph(ws.context, backbone)


def test_a_stored_model_is_looked_into_once(ws, tmp_path, monkeypatch):
    looked = []
    real = loader.check_model
    monkeypatch.setattr(
        loader, "check_model", lambda *given, **more: looked.append(given) or real(*given, **more)
    )
    made = ws.backbones.add("made", network(), preprocess="unit")
    assert load_graph(ws.context, made).outputs
    assert load_graph(ws.context, made).outputs
    assert len(looked) == 1
    network(1).save(tmp_path / "m.keras")
    added = ws.backbones.add("added", tmp_path / "m.keras", preprocess="unit")
    load_graph(ws.context, added)  # was loaded apart when it was added
    assert len(looked) == 1


def test_that_it_was_looked_into_spares_no_first_load(ws, tmp_path):
    """A look that is kept is no verdict: those bytes, added from outside, are loaded apart."""
    made = ws.backbones.add("made", network(), preprocess="unit")
    load_graph(ws.context, made)
    own = own_folder(ws.config.root / FOLDER)
    (note,) = own.iterdir()
    assert note.name == f"{made.artifact_digest}.looked"
    ws.backbones.add("again", ws.context.artifacts.path_of(made.artifact_digest, ".keras"))
    assert {path.name for path in own.iterdir()} == {note.name, made.artifact_digest}


@pytest.mark.parametrize("change", ["other bytes", "another model of the same size"])
def test_a_stored_file_whose_bytes_are_not_those_of_its_digest_is_not_loaded(
    ws, model_file, monkeypatch, change
):
    backbone = ws.backbones.add("net", model_file, preprocess="unit")
    stored = ws.context.artifacts.path_of(backbone.artifact_digest, ".keras")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(bytes(content) if change == "another model of the same size" else b"x")
    monkeypatch.setattr(loader, "load_model", lambda *_given, **_more: pytest.fail("was loaded"))
    with pytest.raises(ArtifactDamaged):
        load_graph(ws.context, backbone)


def test_a_forged_note_of_another_file_does_not_spare_the_look(ws, tmp_path):
    backbone = put_by_hand(ws, tmp_path)
    load_graph(ws.context, ws.backbones.get("stored"))
    own = own_folder(ws.config.root / FOLDER)
    (note,) = own.iterdir()
    forged = own / f"{backbone.artifact_digest}.looked"
    forged.write_bytes(note.read_bytes())  # says the sha256 of another
    with pytest.raises(UnsafeModel):
        load_graph(ws.context, backbone)
    said = json.loads(note.read_bytes())
    forged.write_text(json.dumps({**said, "sha256": backbone.artifact_digest}))
    forged.chmod(0o660)  # somebody else may have written it
    with pytest.raises(UnsafeModel):
        load_graph(ws.context, backbone)
