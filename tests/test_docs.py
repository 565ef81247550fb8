"""The documentation is run, and says all there is."""

import inspect
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import click
import h5py
import numpy as np
import pytest
import yaml
from object_servers import make_bucket

from conftest import clean_environment, draw, keras
from headstart.cli import cli
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import THREADS_OF

ROOT = Path(__file__).parent.parent


def blocks(file: str, language: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def photos(tmp_path):
    for tint, name in enumerate(("daisy", "rose", "tulip")):
        for number in range(15):
            draw(tmp_path / "photos" / name / f"{number}.jpg", 100 * tint + number, (40, 50), tint)
    return tmp_path


def ran(command: list[str], folder: Path) -> str:
    environment = clean_environment(
        HEADSTART_HOME=str(folder / "home"),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_readme_work(photos, run, monkeypatch):
    """In this process: the libraries are loaded. `.ci/smoke` has processes of their own."""
    (script,) = blocks("README.md", "bash")
    monkeypatch.chdir(photos)
    out = ""
    for line in script.strip().splitlines():
        name, *words = shlex.split(line, comments=True)
        done = run(*words)
        assert (name, done.code) == ("headstart", 0), done.err
        out += done.out
    assert "zoo:efficientnet-lite0" in out
    assert "45 computed" in out
    assert (photos / "classifier.keras").exists()


def test_the_python_of_the_readme_works(photos, monkeypatch, capsys):
    (program,) = blocks("README.md", "python")
    monkeypatch.chdir(photos)
    names = {"__name__": "readme"}
    exec(program, names)
    assert "(45, 1280) 45 0" in capsys.readouterr().out
    loaded = keras.models.load_model(photos / "classifier.keras")
    files = sorted((photos / "photos").rglob("*.jpg"))
    facts = json.loads((photos / "classifier.json").read_text())  # what the comment points to
    steps = facts["preprocessing"]["steps"][: -len(facts["inside_the_model"])]
    decode = Preprocessing.from_json({"steps": steps}).prepare
    pixels = np.stack([decode(file.read_bytes()) for file in files])
    assert pixels.dtype == np.uint8
    given = loaded.predict(pixels, verbose=0)
    expected = names["head"].predict(files).probabilities
    np.testing.assert_allclose(given, expected, atol=1e-4)


def test_the_commands_of_the_page_on_engines_work(ready, run):
    (script,) = blocks("docs/engines.md", "bash")
    engines = []
    for line in script.strip().splitlines():
        words = line.split("#")[0].split()[1:]
        named = {"lite0": "net", "photos": "pics"}
        ran = run(*(named.get(word, word) for word in words), "--json")
        assert ran.code == 0, ran.err
        engines.append((ran.json["engine"], ran.json["precision"], ran.json["computed"]))
    assert engines == [
        ("openvino", "float32", 36),
        ("cache", "float32", 0),
        ("openvino", "bfloat16", 36),
    ]


def test_the_blocks_of_the_pages_on_datasets_work(photos, run, monkeypatch, capsys):
    (script,) = blocks("docs/datasets.md", "bash")
    monkeypatch.chdir(photos)
    for line in script.strip().splitlines():
        name, *words = shlex.split(line)
        done = run(*words)
        assert (name, done.code) == ("headstart", 0), done.err
    assert "samples moved to another split" in done.out
    (photos / "python").mkdir()
    monkeypatch.chdir(photos / "python")
    names = {"__name__": "datasets"}
    for page in ("docs/datasets.md", "docs/data-formats.md"):
        for program in blocks(page, "python"):
            exec(program, names)
    said = capsys.readouterr().out
    assert "stratified 50\nTrue" in said
    assert "48 boxes\n['cat', 'dog']\nimagefolder\nTrue" in said
    assert said.count("['cat', 'dog']") == 4


def test_the_block_of_the_page_on_windows_works(tmp_path, monkeypatch, capsys):
    (program,) = blocks("docs/windows.md", "python")
    monkeypatch.chdir(tmp_path)
    exec(program, {"__name__": "windows"})
    shown = capsys.readouterr().out
    for line in ("(360, 8) ['0#rows=0-64', '0#rows=32-96']", "(60, 8)", "12 0"):
        assert line in shown and f": {line}\n" in blocks("docs/windows.md", "python")[0]


@pytest.mark.slow  # a quarter of a minute; tests/jobs/test_jobs.py has its steps one by one
def test_the_blocks_of_the_page_on_many_workers_work(photos, run, monkeypatch):
    """The tale as it stands; the scripts of the schedulers as far as their worker."""
    monkeypatch.chdir(photos)
    for name in THREADS_OF:
        monkeypatch.setenv(name, "1")
    (script,) = blocks("docs/scaling.md", "bash")
    (batch,) = blocks("docs/scaling.md", "slurm")
    (manifest,) = blocks("docs/scaling.md", "yaml")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    pods = yaml.safe_load(manifest)["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pods["volumes"]
    }
    in_pod = shlex.join([*container["command"], *container["args"]])
    in_batch = os.path.expandvars(batch.strip().splitlines()[-1].removeprefix("exec "))
    subprocess.run(["bash", "-n"], input=batch, text=True, check=True)
    outs = []
    for line in [*script.strip().splitlines(), in_batch, in_pod]:
        name, *words = shlex.split(line)
        done = run(*(str(photos / "zoo") if word == "/zoo" else word for word in words))
        assert (name, done.code) == ("headstart", 0), done.err
        outs.append(done.out)
    assert "job 1 is queued: lite0 on photos" in outs[3]
    assert "job 1 is done, 45 samples computed here" in outs[4]
    assert "0 computed, 45 reused" in outs[6]
    assert outs[7:] == ["Nothing is left to do.\n"] * 2


def test_the_commands_on_files_in_a_store_work(photos, bucket, run, monkeypatch):
    (script,) = blocks("docs/remote-data.md", "sh")
    for path in sorted((photos / "photos").rglob("*.jpg")):
        bucket(f"flowers/{path.parent.name}/{path.name}", path.read_bytes())
    bucket("flowers.csv", b"path,label\nflowers/daisy/1.jpg,daisy\nflowers/rose/1.jpg,rose\n")
    monkeypatch.chdir(photos)
    for line in script.strip().splitlines():
        name, *words = shlex.split(line)
        done = run(*words)
        assert (name, done.code) == ("headstart", 0), done.err
    assert "45 samples, 45 different, from s3://photos/flowers/" in done.out


def test_the_first_commands_of_the_readme_are_exactly_two():
    first = blocks("README.md", "console")[0]
    assert [line.split("#")[0].strip() for line in first.strip().splitlines()] == [
        "make demo",
        "make test",
    ]


def test_a_shard_is_read_with_nothing_but_h5py_and_the_document(ready):
    (program,) = blocks("docs/format.md", "python")
    view = ready.extract("net", "pics")
    (path,) = ready.config.features.rglob("*.h5")
    names = {"path": path}
    exec(program, names)
    assert names["key"] == view.key
    rows = [names["row_of"][sample.digest] for sample in view.samples]
    np.testing.assert_array_equal(names["features"][rows], view.to_numpy())


def test_the_attributes_of_a_shard_are_those_of_the_document(ready):
    ready.extract("net", "pics")
    (path,) = ready.config.features.rglob("*.h5")
    text = (ROOT / "docs/format.md").read_text(encoding="utf-8")
    with h5py.File(path) as shard:
        for name in shard.attrs:
            assert f"`{name}`" in text, name
        for name in shard:
            assert f"Dataset `{name}`" in text


@pytest.mark.slow  # half a minute; tests/extractors/cache/test_store.py has its steps one by one
def test_the_tale_of_the_lost_database(photos):
    """The blocks of docs/store.md, one after the other, as a user runs them."""
    outs = [
        ran(["bash", "-euo", "pipefail", "-c", script], photos)
        for script in blocks("docs/store.md", "bash")
    ]
    before, lost, again = outs
    assert "45 computed" in before
    assert "1 registered and 0 restored, 45 rows in 1 feature set; 0 damaged" in lost
    assert "0 computed, 45 reused" in again
    assert "0 damaged shards" in again


@pytest.mark.slow  # half a minute; tests/cloud has its steps one by one
@pytest.mark.parametrize("page", ["docs/store.md", "docs/scaling.md"])
def test_the_tale_of_the_bucket(photos, s3_process, own_database, monkeypatch, page):
    """The blocks on a bucket, in docs/scaling.md by actors of Ray: the second machine has a folder
    with nothing in it and no copies."""
    if page == "docs/scaling.md":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'headstart[ray]'")
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
    make_bucket(s3_process, "zoo")
    monkeypatch.setenv("DATABASE_URL", own_database)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_process)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unspeakable")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    here, elsewhere = blocks(page, "sh")
    assert "45 computed" in ran(["bash", "-euo", "pipefail", "-c", here], photos)
    (photos / "home").rename(photos / "of the first machine")
    said = ran(["bash", "-euo", "pipefail", "-c", elsewhere], photos)
    assert "daisy" in said
    assert sorted(path.name for path in (photos / "home" / "cache").iterdir()) == ["shards"]
    assert "45 reused" in ran(["headstart", "extract", "lite0", "photos"], photos)


@pytest.mark.parametrize("page", ["docs/reliability.md", "docs/security.md"])
def test_every_promise_of_the_document_has_its_test(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"\| (test_\w+\.py)::(test_\w+) \|", text)
    assert len(named) == text.count("::test_") >= 20
    for file, test in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {test}(" in path.read_text(encoding="utf-8"), test


def nested(folder: Path) -> Path:
    """A classifier on a backbone on a Sequential of layers: two levels of nesting."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    stem = keras.Sequential(
        [
            keras.Input((32, 32, 3), name="pixels"),
            layers.Rescaling(1 / 255, name="rescaling"),
            layers.Conv2D(16, 3, strides=2, activation="relu", name="conv"),
        ],
        name="stem",
    )
    image = keras.Input((32, 32, 3), name="image")
    x = stem(image)
    y = layers.SeparableConv2D(16, 3, padding="same", name="separable")(x)
    x = layers.ReLU(name="relu")(layers.Add(name="add")([x, y]))
    backbone = keras.Model(image, x, name="backbone")
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3), name="image"),
            backbone,
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(64, activation="relu", name="features"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(10, activation="softmax", name="classes"),
        ]
    )
    model.save(folder / "nested.keras")
    return folder / "nested.keras"


PASTED = re.compile(r"(<!-- run: (.+?) -->\n```text\n)(.*?)(```)", re.DOTALL)


def test_what_is_pasted_into_the_document_is_what_the_commands_print(
    ws, run, tmp_path, monkeypatch
):
    """UPDATE_DOCS=1 pastes it anew. Digests are shown as zeros: a saved model holds the date."""
    file = ROOT / "docs/backbones.md"
    with monkeypatch.context() as patched:  # 138 M parameters, which nothing here runs
        patched.setattr("headstart.jobs.backbones.convert.free_memory", lambda: 0)
        ws.backbones.add("vgg16", "applications:VGG16?weights=none")
    monkeypatch.chdir(nested(tmp_path).parent)
    ws.backbones.add("nested", "nested.keras", licence="MIT", tags={"team": "birds"})
    text = file.read_text(encoding="utf-8")

    def paste(match: re.Match[str]) -> str:
        ran_ = run(*match[2].split())
        assert ran_.code == 0, ran_.err
        lines = re.sub(r"[0-9a-f]{64}", "0" * 64, ran_.out).splitlines()
        assert max(map(len, lines)) <= 80
        return match[1] + "".join(f"{line.rstrip()}\n" for line in lines) + match[4]

    printed = PASTED.sub(paste, text)
    assert len(PASTED.findall(text)) == 3
    if os.environ.get("UPDATE_DOCS"):
        file.write_text(printed, encoding="utf-8")
    assert printed == file.read_text(encoding="utf-8")


def test_the_preprocessing_file_of_the_document_is_valid(tmp_path):
    from headstart.extractors.preprocessing.pipeline import read_file

    (tmp_path / "p.toml").write_text(blocks("docs/preprocessing.md", "toml")[0])
    assert read_file(tmp_path / "p.toml").output_size == (224, 224, 3)


def commands(group: click.Group, path: str = "headstart") -> list[str]:
    found = []
    for name, command in group.commands.items():
        inner = isinstance(command, click.Group)
        found += commands(command, f"{path} {name}") if inner else [f"{path} {name}"]
    return found


def test_every_command_is_documented_and_every_documented_command_exists():
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(headstart [a-z -]+[a-z])", text, re.MULTILINE)
    assert sorted(rows) == sorted(commands(cli))


def test_every_option_of_a_command_has_a_help_text_or_a_default():
    def walk(group):
        for command in group.commands.values():
            if isinstance(command, click.Group):
                walk(command)
                continue
            assert command.help, command.name
            for option in command.params:
                if isinstance(option, click.Option):
                    assert option.help or option.show_default, f"{command.name} {option.name}"

    walk(cli)


def test_every_module_has_a_docstring():
    for folder in ("headstart", "registry", "storage", "extractors", "heads"):
        for file in (ROOT / folder).rglob("*.py"):
            assert file.read_text(encoding="utf-8").startswith('"""'), file


def test_the_api_reference_has_every_public_name_with_its_parameters():
    import headstart as hs

    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    for name in set(hs.__all__) - {"__version__", "HeadstartError"}:  # it has a section of its own
        assert re.search(rf"auto(class|function):: headstart\.{name}$", text, re.MULTILINE), name
        documented = inspect.getdoc(getattr(hs, name))
        assert documented, name
        parameters = inspect.signature(getattr(hs, name)).parameters
        assert len(parameters) <= 1 or re.search("Args:|Attributes:", documented), name


def test_features_that_were_computed_elsewhere_are_data(ws):
    rng = np.random.default_rng(0)
    labels = ["daisy", "rose"] * 30
    features = rng.normal(3 * (np.arange(60) % 2)[:, None], size=(60, 5)).astype(np.float32)
    given = {"ws": ws, "features": features, "labels": labels}
    for program in blocks("docs/backbones.md", "python"):
        exec(program, given)
    view, head = given["view"], given["head"]
    np.testing.assert_array_equal(view.to_numpy(), features)
    assert head.metrics["accuracy"] == 1.0
    assert [one.label for one in head.predict(features[:2])] == labels[:2]
