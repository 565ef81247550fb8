"""Real models, real files, real databases; small ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from garbage import pytest_collection_finish, pytest_runtest_logfinish
from hypothesis import HealthCheck, settings
from inspector import Inspector
from PIL import Image
from postgres_server import server
from remote_fixtures import account, bucket, one_web, own_bucket, s3, s3_process, web
from shared_conversions import converted, shared_conversions
from sqlalchemy import create_engine, text

from headstart.errors import EXITS, HeadstartError
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import keras as load_keras
from headstart.extractors.safety import inspection
from headstart.registry import listing
from headstart.storage.local_store import LocalStore
from headstart.values.showable import SCHEMA_VERSION

__all__ = [
    "account",
    "bucket",
    "converted",
    "one_web",
    "own_bucket",
    "pytest_collection_finish",
    "pytest_runtest_logfinish",
    "s3",
    "s3_process",
    "server",
    "shared_conversions",
    "web",
]
"""Fixtures and hooks that have a file of their own."""

# Keras builds, trains and saves all of this itself; its warnings are about its own insides.
keras = load_keras()

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


LONG = {
    f"tests/{line}"
    for line in (Path(__file__).parent / "long.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
}


GONE = pytest.StashKey[list[str]]()
"""What is listed as long of files that were collected, and is not in them."""


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` looks
def pytest_collection_modifyitems(config, items):
    found = {item.nodeid for item in items}
    files = {one.partition("::")[0] for one in found} if "::" not in str(config.args) else set()
    config.stash[GONE] = [one for one in LONG - found if one.partition("::")[0] in files]
    for item in items:
        if item.nodeid in LONG:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture
def gone_from_long(pytestconfig) -> list[str]:
    """See `GONE`."""
    return pytestconfig.stash[GONE]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch) -> Path:
    """A place of its own for temporary folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_inspector():
    """A process that looks into all model files of this one, instead of one each."""
    if not sys.platform.startswith("linux"):
        yield
        return
    looking = inspection.subprocess = Inspector()
    yield
    inspection.subprocess = subprocess
    looking.close()


@pytest.fixture(scope="session")
def empty(tmp_path_factory) -> Path:
    """An empty workspace; only to be copied."""
    import headstart as hs

    place = tmp_path_factory.mktemp("empty") / "zoo"
    hs.init(place).database.close()
    return place


@pytest.fixture
def ws(tmp_path: Path, temporary, empty):
    """An empty workspace."""
    import headstart as hs

    shutil.copytree(empty, tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


def network(seed: int = 0, classes: int = 3, size: int = 12, channels: int = 3):
    """A small image network with batch norm and dropout, its statistics not the initial ones."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    image = keras.Input((size, size, channels), name="image")
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(8, activation="relu", name="features")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Dense(classes, activation="softmax", name="final_output")(x)
    model = keras.Model(image, x)
    rng = np.random.default_rng(seed)
    bn = model.get_layer("bn")
    bn.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in bn.get_weights()])
    return model


@pytest.fixture
def model():
    return network()


@pytest.fixture(scope="session")
def with_net(tmp_path_factory) -> tuple[Path, Path]:
    """A model file, and a workspace with it as the backbone `net`; both only to be copied."""
    import headstart as hs

    place = tmp_path_factory.mktemp("with_net")
    network().save(place / "network.keras")
    ws = hs.init(place / "zoo")
    ws.backbones.add("net", place / "network.keras", preprocess="unit")
    ws.database.close()
    return place / "network.keras", place / "zoo"


WRONG = [*range(0, 240, 20)]
"""Rows of the dataset `noisy` whose labels are not right."""


@pytest.fixture(scope="session")
def with_rows(tmp_path_factory) -> Path:
    """A workspace with the features, which are the samples, of 240 rows of three classes: `rows`,
    and `noisy`, where twelve labels are wrong; only to be copied."""
    import headstart as hs

    place = tmp_path_factory.mktemp("with_rows")
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    x = (rng.normal(size=(240, 6)) + 5 * np.eye(3, 6)[y]).astype(np.float32)
    wrong = y.copy()
    wrong[WRONG] = (wrong[WRONG] + 1) % 3
    names = np.array(["a", "b", "c"])
    np.savez(place / "rows.npz", x=x, y=names[y])
    np.savez(place / "noisy.npz", x=x, y=names[wrong])
    given = keras.Input((6,))
    as_it_is = keras.layers.Rescaling(1.0, name="as_it_is")(given)
    keras.Model(given, keras.layers.Dense(2, name="out")(as_it_is)).save(place / "flat.keras")
    ws = hs.init(place / "zoo")
    ws.backbones.add("flat", place / "flat.keras", preprocess="array")
    for name in ("rows", "noisy"):
        ws.datasets.add(name, place / f"{name}.npz")
    ws.extract("flat@as_it_is", "rows", settings=hs.Settings(engine="tensorflow"))
    ws.database.close()
    return place / "zoo"


@pytest.fixture
def rows(tmp_path: Path, temporary, with_rows):
    """A copy of that workspace."""
    import headstart as hs

    shutil.copytree(with_rows, tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


@pytest.fixture
def model_file(tmp_path: Path, with_net) -> Path:
    return shutil.copy(with_net[0], tmp_path / "network.keras")


def forget_conversions(ws) -> None:
    """Leave a workspace as an old version did: no trunk of it is converted or compiled."""
    for file in ws.config.compiled.iterdir():
        file.unlink()
    with ws.database.writing() as connection:
        connection.execute(text("DELETE FROM runs WHERE kind = 'convert'"))


def draw(path: Path, seed: int, size: tuple[int, int] = (20, 16), tint: int = 0) -> Path:
    """A real picture file with content of its own."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 128, (*size, 3)).astype(np.uint8)
    pixels[..., tint % 3] += np.uint8(90)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw_classes(tmp_path / "pictures")


def draw_classes(folder: Path) -> Path:
    """A folder of three class folders with twelve PNG and JPEG files each."""
    for tint, name in enumerate(("red", "green", "blue")):
        for number in range(12):
            suffix = ".png" if number % 2 else ".jpg"
            draw(folder / name / f"{number:02}{suffix}", 100 * tint + number, tint=tint)
    return folder


@pytest.fixture
def ready(tmp_path: Path, temporary, with_net, model_file: Path, pictures: Path):
    """A workspace with a backbone `net` and a dataset `pics`."""
    import headstart as hs

    shutil.copytree(with_net[1], tmp_path / "zoo")
    ws = hs.open(tmp_path / "zoo")
    ws.datasets.add("pics", pictures)
    return ws


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Shards under `tmp_path` itself."""
    return LocalStore(tmp_path, tmp_path / "locks")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """None for the workspace's own SQLite, else the URL of an empty database."""
    return None if request.param == "sqlite" else request.getfixturevalue("own_database")


@pytest.fixture
def own_database(server, tmp_path):
    """The URL of an empty database of PostgreSQL: each workspace has one of its own."""
    address, name = server, f"zoo_{abs(hash(str(tmp_path)))}"
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return address.replace("/postgres?", f"/{name}?")


@dataclass
class Ran:
    code: int
    out: str
    err: str
    error: BaseException | None = None
    """What the command line ended with."""

    @property
    def expected(self) -> int:
        """The exit code that belongs to an error which somebody foresaw."""
        if isinstance(self.error, HeadstartError):
            return EXITS[self.error.code]
        assert isinstance(self.error, click.ClickException), self
        return EXITS["usage"] if isinstance(self.error, click.UsageError) else EXITS["failed"]

    @property
    def json(self):
        """What `--json` printed, without the version that each object begins with."""
        import json

        told = json.loads(self.out)
        if isinstance(told, dict):
            assert told.pop("schema_version") == SCHEMA_VERSION
        return told


@pytest.fixture
def run(capsys, tmp_path: Path, monkeypatch) -> Callable[..., Ran]:
    """The command line in this process, on the workspace of `ws`."""
    from headstart.cli import main

    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "zoo"))
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = int(exit_.value.code or 0)
        return Ran(code, captured.out, captured.err, exit_.value.__context__)

    return call


@pytest.fixture
def fails(run) -> Callable[..., str]:
    """A command that must fail with one line on standard error; gives the line."""

    def call(*arguments: object) -> str:
        ran = run(*arguments)
        assert ran.code == ran.expected, ran
        assert ran.out == ""
        lines = [line for line in ran.err.strip().splitlines() if line.strip()]
        assert len(lines) == 1, ran.err
        assert lines[0].startswith("error: ")
        assert "unexpected" not in lines[0]
        return lines[0]

    return call


@pytest.fixture
def files_of() -> Callable[[Path], set[str]]:
    """All files below a folder, temporary ones included."""

    def call(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    return call


def clean_environment(**more: str) -> dict[str, str]:
    """The environment for a child process."""
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **more}


def direct(ws, view, model, cut="features"):
    """What plain Keras gives for the samples of a view."""
    pipeline = Preprocessing.from_json(ws.backbones.get("net").preprocessing)
    inputs = [pipeline.prepare(Path(str(s.location)).read_bytes()) for s in view.samples]
    by_hand = keras.Model(model.inputs, model.get_layer(cut).output)
    return by_hand.predict(np.stack(inputs), verbose=0)


def rows_in(ws):
    return sum(row["rows"] for row in listing.features(ws.config))
