"""Files made to harm, one for each way in: refused before Keras loads them, nothing touched."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from conftest import keras, network
from headstart.errors import ModelFileError, UnsafeModel
from headstart.extractors.backbones.sources.files import load_model
from headstart.extractors.safety.inspection import check_file, inspect_file

layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


@pytest.fixture
def canary(tmp_path) -> Path:
    """A file that must not come to be."""
    return tmp_path / "canary"


@pytest.fixture(autouse=True)
def nothing_is_touched(canary, ws, fails, request):
    yield
    assert not canary.exists()
    assert ws.backbones.list() == []
    stored = [file for file in ws.config.artifacts.rglob("*") if file.is_file()]
    assert stored == []


def edited(path: Path, change) -> Path:
    """Change the configuration of a saved model, `.keras` or `.h5`."""
    if path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            config = json.loads(file.attrs["model_config"])
            file.attrs["model_config"] = json.dumps(change(config) or config)
        return path
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    members["config.json"] = json.dumps(change(config) or config).encode()
    return zipped(path, members)


def zipped(path: Path, members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The same model in both formats; only to be copied."""
    place = tmp_path_factory.mktemp("good")
    for suffix in (".keras", ".h5"):
        network().save(place / f"model{suffix}")
    return place


@pytest.fixture
def saved(tmp_path, good):
    def save(suffix: str = ".keras") -> Path:
        return Path(shutil.copy(good / f"model{suffix}", tmp_path))

    return save


def layer_of(config, name):
    (layer,) = [item for item in config["config"]["layers"] if item["config"]["name"] == name]
    return layer


def touching(canary):
    """A function that makes the canary, as Keras writes it."""
    os.environ["CANARY"] = str(canary)
    function = lambda x: __import__("pathlib").Path(os.environ["CANARY"]).touch() or x  # noqa: E731
    function(0)
    assert canary.exists()  # it would do harm
    canary.unlink()
    with pytest.warns(UserWarning, match="includes a `lambda`"):
        return keras.saving.serialize_keras_object(function)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_layer(saved, canary, fails, suffix):
    def put(config):
        layer = layer_of(config, "dropout")
        layer["class_name"] = "Lambda"
        layer["config"] = {"name": "dropout", "function": touching(canary)}

    file = edited(saved(suffix), put)
    assert "a Lambda layer runs code that the file brings" in fails("backbone", "add", "x", file)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_two_models_deep(tmp_path, canary, fails, suffix):
    def nest(inner, name):
        x = keras.Input((4,))
        return keras.Model(x, inner(x), name=name)

    dense = layers.Dense(4, name="target")
    model = nest(nest(nest(dense, "one"), "two"), "three")
    file = tmp_path / f"model{suffix}"
    model.save(file)

    def put(config):
        text = json.dumps(config)
        assert text.count('"class_name": "Dense"') == 1
        return json.loads(text.replace('"class_name": "Dense"', '"class_name": "Lambda"'))

    message = fails("backbone", "add", "x", edited(file, put))
    assert "a Lambda layer runs code" in message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_as_an_activation(saved, canary, fails, suffix):
    def put(config):
        layer_of(config, "features")["config"]["activation"] = touching(canary)

    message = fails("backbone", "add", "x", edited(saved(suffix), put))
    assert "a function whose code the file brings" in message


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("subprocess", "Popen"),
        ("keras.utils", "get_file"),
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.saving", "load_model"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "TorchModuleWrapper"),
        ("tests.conftest", "Anything"),
    ],
)
def test_a_foreign_class_or_function_anywhere_in_the_configuration(saved, fails, module, name):
    def put(config):
        layer_of(config, "conv")["config"]["kernel_initializer"] = {
            "module": module,
            "class_name": name,
            "config": {"filepath": "/etc/passwd"},
            "registered_name": name,
        }

    message = fails("backbone", "add", "x", edited(saved(), put))
    assert "is refused" in message
    assert "--trust" in message


def test_a_function_that_is_not_keras_own(saved, fails):
    def put(config):
        layer_of(config, "features")["config"]["activation"] = {
            "module": "builtins",
            "class_name": "function",
            "config": "system",
            "registered_name": "function",
        }

    assert "the function 'system' is not one of Keras'" in fails(
        "backbone", "add", "x", edited(saved(), put)
    )


@pytest.mark.parametrize("module", ["builtins", "keras.layers", "keras.activations"])
@pytest.mark.parametrize("name", ["deserialize", "get", "serialize"])
def test_a_function_of_keras_that_builds_what_it_is_told(saved, fails, module, name):
    def put(config):
        layer_of(config, "features")["config"]["activation"] = {
            "module": module,
            "class_name": "function",
            "config": name,
            "registered_name": name,
        }

    message = fails("backbone", "add", "x", edited(saved(), put))
    assert f"{name}' is not one of Keras'" in message


def test_a_function_in_the_place_of_a_class(saved, fails):
    def put(config):
        layer_of(config, "features")["config"]["activation"] = {
            "module": "keras.ops",
            "class_name": "Dense",
            "config": {},
            "registered_name": "keras_hub>upload_preset",
        }

    message = fails("backbone", "add", "x", edited(saved(), put))
    assert "upload_preset is not one of the installed KerasHub's classes" in message


def test_a_function_of_kerashub_by_its_registered_name(saved, fails):
    def put(config):
        layer_of(config, "features")["config"]["activation"] = "keras_hub>upload_preset"

    message = fails("backbone", "add", "x", edited(saved(), put))
    assert "upload_preset is not one of the installed KerasHub's classes" in message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer", "Unknown", "mine>Lambda"])
@pytest.mark.parametrize("package", ["keras_hub", "mine"])
def test_a_class_that_is_registered_as_another(saved, suffix, name, package):
    pytest.importorskip("keras_hub")

    def put(config):
        given = {"class_name": name, "registered_name": f"{package}>TransformerEncoder"}
        layer_of(config, "dropout").update(given)

    own = ["TransformerEncoder"] if package == "mine" and name != "Unknown" else []
    with pytest.raises(UnsafeModel):
        check_file(edited(saved(suffix), put), own)


@keras.saving.register_keras_serializable("mine")
class Mine(layers.Layer):
    """A user's own layer; registered here, as it might be in the process that loads it."""

    def call(self, x):
        return x


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_an_own_class(tmp_path, fails, suffix):
    x = keras.Input((4,))
    file = tmp_path / f"model{suffix}"
    keras.Model(x, layers.Dense(2)(Mine()(x))).save(file)
    message = fails("backbone", "add", "x", file)
    assert "'mine>Mine' is somebody's own" in message or "'mine>Mine' is not one of" in message


@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup", "TextVectorization"])
def test_a_vocabulary_read_from_a_file(saved, fails, name):
    def put(config):
        layer = layer_of(config, "dropout")
        layer["class_name"] = name
        layer["config"] = {"name": "dropout", "vocabulary": "/etc/passwd"}

    message = fails("backbone", "add", "x", edited(saved(), put))
    assert f"{name} reads the file '/etc/passwd'" in message


def weights_changed(saved, tmp_path, change) -> list[Path]:
    """The same change to the weights of a `.keras` and of an `.h5` file."""
    plain = saved(".h5")
    with h5py.File(plain, "a") as file:
        change(file)
    archive = saved(".keras")
    members = members_of(archive)
    inner = tmp_path / "inner.h5"
    inner.write_bytes(members["model.weights.h5"])
    with h5py.File(inner, "a") as file:
        change(file)
    members["model.weights.h5"] = inner.read_bytes()
    return [plain, zipped(archive, members)]


def test_an_external_link(saved, tmp_path, fails):
    def link(file):
        file["secret"] = h5py.ExternalLink("/etc/passwd", "/")

    for file in weights_changed(saved, tmp_path, link):
        assert "/secret is a ExternalLink to something else" in fails("backbone", "add", "x", file)


def test_a_soft_link(saved, tmp_path, fails):
    def link(file):
        file["other"] = h5py.SoftLink("/somewhere")

    for file in weights_changed(saved, tmp_path, link):
        assert "SoftLink" in fails("backbone", "add", "x", file)


def test_external_storage(saved, tmp_path, fails):
    def store(file):
        file.create_dataset("raw", (10,), "u1", external=[("/etc/passwd", 0, 10)])

    for file in weights_changed(saved, tmp_path, store):
        assert "takes its numbers from another file" in fails("backbone", "add", "x", file)


def test_a_virtual_dataset(saved, tmp_path, fails):
    def virtual(file):
        layout = h5py.VirtualLayout((10,), "u1")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (10,))
        file.create_virtual_dataset("virtual", layout)

    for file in weights_changed(saved, tmp_path, virtual):
        assert "takes its numbers from another file" in fails("backbone", "add", "x", file)


def test_a_dataset_that_claims_more_than_the_file_can_hold(saved, tmp_path, fails):
    def claim(file):
        file.create_dataset("huge", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))

    for file in weights_changed(saved, tmp_path, claim):
        assert "its weights claim" in fails("backbone", "add", "x", file)


@pytest.mark.parametrize("name", ["../canary", "/tmp/canary", "assets/../../canary", "..\\canary"])
def test_a_member_outside_the_archive(saved, tmp_path, fails, name):
    file = saved()
    zipped(file, {**members_of(file), name: b"x"})
    assert "has a member outside itself" in fails("backbone", "add", "x", file)


def test_a_group_that_contains_itself(saved, tmp_path, fails):
    def loop(file):
        file["loop"] = file["/"]

    for file in weights_changed(saved, tmp_path, loop):
        assert "/loop is a group that stands elsewhere" in fails("backbone", "add", "x", file)


def test_a_class_in_the_place_of_a_shared_objects_number(saved, fails):
    def put(config):
        layer_of(config, "dropout")["shared_object_id"] = {
            "module": "os",
            "class_name": "system",
            "config": {},
            "registered_name": "system",
        }

    assert "is refused" in fails("backbone", "add", "x", edited(saved(), put))


def test_a_member_listed_twice_is_not_unpacked(saved, fails):
    file = saved()
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("config.json", b"{}")
    assert "a member is listed twice" in fails("backbone", "add", "x", file)


def test_a_packing_that_keras_never_uses_is_not_unpacked(saved, fails):
    file = saved()
    zipped(file, {**members_of(file), "assets/zeros": bytes(1 << 20)}, zipfile.ZIP_BZIP2)
    said = fails("backbone", "add", "x", file)
    assert "packed as Keras never does" in said
    assert said.count("damaged") == 1, "a reason within a reason is cut where the path is long"


def test_a_member_that_is_no_part_of_a_model(saved, fails):
    file = saved()
    zipped(file, {**members_of(file), "model.weights.npz": b"x"})
    assert "a member that is no part, 'model.weights.npz'" in fails("backbone", "add", "x", file)


def test_pickled_objects_in_place_of_weights(saved, tmp_path, fails):
    file = saved()
    members = members_of(file)
    del members["model.weights.h5"]
    np.save(tmp_path / "w.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    members["model.weights.npz"] = (tmp_path / "w.npy").read_bytes()
    zipped(file, members)
    assert "it holds no model.weights.h5" in fails("backbone", "add", "x", file)


def test_an_archive_that_unpacks_to_far_more_than_it_is(saved, fails):
    file = saved()
    members = {**members_of(file), "assets/zeros": bytes(300 << 20)}
    zipped(file, members, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 2 << 20
    assert "it unpacks to" in fails("backbone", "add", "x", file)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_of_absurd_size(saved, fails, suffix):
    def put(config):
        layer_of(config, "features")["config"]["units"] = 1 << 30

    message = fails("backbone", "add", "x", edited(saved(suffix), put))
    assert "a layer of size 1,073,741,824, where no weight is longer than" in message


def test_a_kernel_of_absurd_size(saved, fails):
    """5.2 GB, which the file does not store."""

    def put(config):
        layer_of(config, "conv")["config"]["kernel_size"] = [20_000, 20_000]

    message = fails("backbone", "add", "x", edited(saved(), put))
    assert "('conv'(Conv2D) alone 7,200,000,000), where" in message
    assert "--max-model-bytes" in message


def embedding(rows, columns):
    config = {"name": "bomb", "input_dim": rows, "output_dim": columns}
    return {"module": "keras.layers", "class_name": "Embedding", "config": config}


@pytest.mark.parametrize("size", [(700_000, 1_000), (1_000, 700_000)])
def test_a_layer_in_how_a_model_within_the_model_was_compiled(tmp_path, fails, size):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="inner")
    inner.compile("sgd", "mse")
    x = keras.Input((4,))
    file = tmp_path / "model.keras"
    keras.Model(x, layers.Dense(2)(inner(x))).save(file)

    def put(config):
        layer_of(config, "inner")["compile_config"] = {"optimizer": embedding(*size)}

    message = fails("backbone", "add", "x", edited(file, put))
    assert "is refused" in message
    assert "700,000" in message


def test_many_layers_that_are_large_together(saved, fails):
    file = saved()

    def put(config):
        for number in range(9):
            layer = json.loads(json.dumps(layer_of(config, "features")))
            layer["config"]["name"] = layer["name"] = f"more{number}"
            layer["config"]["units"], layer["build_config"] = 8, {"input_shape": [None, 1 << 20]}
            config["config"]["layers"].append(layer)

    message = fails("backbone", "add", "x", edited(file, put))
    assert "would hold at least" in message


@pytest.mark.timeout(120)
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5", ".pb", "/saved_model.pb"])
def test_a_file_that_never_ends(tmp_path, fails, suffix):
    file = tmp_path / f"model{suffix}"
    file.parent.mkdir(exist_ok=True)
    given = file.parent if suffix.startswith("/") else file
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(file)
        message = fails("backbone", "add", "x", given)
        assert "not a file" in message or "holds no saved_model.pb" in message
        file.unlink()


def test_an_input_of_absurd_size(saved, fails):
    def put(config):
        layer_of(config, "image")["config"]["batch_shape"] = [None, 1 << 40, 1 << 40, 3]

    assert "holds the number 1,099,511,627,776" in fails(
        "backbone", "add", "x", edited(saved(), put)
    )


def test_a_configuration_nested_without_end(saved, fails):
    file = saved()
    members = members_of(file)
    members["config.json"] = b'{"a":' * 200_000 + b"1" + b"}" * 200_000
    zipped(file, members)
    assert "is refused: it cannot be read (RecursionError" in fails("backbone", "add", "x", file)


def test_a_file_that_kills_whoever_looks_is_an_error_not_a_crash(saved, monkeypatch):
    from headstart.extractors.safety import inspection

    monkeypatch.setattr(inspection.sys, "executable", "/bin/false")
    with pytest.raises(ModelFileError, match="cannot be looked into"):
        inspect_file(saved())


def test_looking_writes_nothing(saved, tmp_path, files_of):
    file = saved()
    before = files_of(tmp_path)
    check_file(file)
    assert files_of(tmp_path) == before


# Trust


class TestTrust:
    """What is refused can be allowed by who knows the file; this is recorded."""

    @pytest.fixture(autouse=True)
    def nothing_is_touched(self):
        """In place of the check above: here code is run on purpose."""

    def test_a_trusted_file_is_loaded_and_who_trusted_it_is_recorded(
        self, ws, tmp_path, run, fails
    ):
        x = keras.Input((4,))
        y = layers.Lambda(lambda v: v * 2.0, output_shape=(4,), name="twice")(x)
        keras.Model(x, layers.Dense(2)(y)).save(tmp_path / "l.keras")
        assert "--trust" in fails("backbone", "add", "x", tmp_path / "l.keras")
        ran = run("backbone", "add", "x", tmp_path / "l.keras", "--trust")
        assert "trusted" in ran.out
        backbone = ws.backbones.get("x")
        assert backbone.trust["sha256"] == backbone.artifact_digest
        assert backbone.trust["by"]
        np.savez(tmp_path / "d.npz", x=np.eye(4, dtype=np.float32), y=[0, 1, 0, 1])
        ws.datasets.add("d", tmp_path / "d.npz")
        np.testing.assert_array_equal(ws.extract("x@twice", "d").to_numpy(), 2 * np.eye(4))

    def test_nobody_trusted_an_ordinary_file(self, ws, model_file):
        assert ws.backbones.add("x", model_file, preprocess="unit").trust is None


def test_the_errors_are_of_one_family(saved):
    def put(config):
        layer_of(config, "dropout")["class_name"] = "Lambda"

    file = edited(saved(), put)
    with pytest.raises(UnsafeModel):
        load_model(file)
    assert issubclass(UnsafeModel, ModelFileError)
