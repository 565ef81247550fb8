"""What is printed at any width: dates, numbers, markers and statuses are whole, or not there."""

import io
import os
import random
import re
import shutil
import subprocess
import sys

import pytest
from rich.cells import cell_len
from rich.console import Console

import headstart as hs
from conftest import clean_environment, draw, keras
from headstart.cli.output import table
from headstart.cli.tables import fold
from headstart.registry.entities import Head

LONG = "a-backbone-with-a-long-name"


def printed(made, width):
    out = io.StringIO()
    Console(file=out, width=width).print(made)
    return out.getvalue().rstrip("\n").split("\n")


WHOLE = (
    "2026-11-25",
    "1,234,567",
    "0.912-0.934",
    "running",
    "-0.5 to 1.2",
    "| default",
    "12.3 MiB",
)
TEXTS = (
    "net",
    "mobilenet-small:1@global_average_pooling2d",
    "/a/path/to/photographs",
    "笑顔の写真",
)


@pytest.mark.parametrize("seed", range(40))
def test_no_table_breaks_what_must_be_whole_at_any_width(seed):
    chance = random.Random(seed)
    signs = [
        chance.choice(["", "~", "=", ">", "=?", ">?", "?"]) for _ in range(chance.randint(1, 9))
    ]
    columns = [f"{sign}c{number}" for number, sign in enumerate(signs)]
    rows = [
        [chance.choice(WHOLE if set(sign) & set("=>") else TEXTS) for sign in signs]
        for _ in range(chance.randint(1, 4))
    ]
    width = chance.randint(24, 140)
    lines = printed(table(None, columns, rows), width)
    assert max(map(cell_len, lines)) <= width
    told = re.search(r"No room for: ([^.]*)\.", " ".join(line.strip() for line in lines))
    missing = told[1].split(", ") if told else []
    assert all(f"?c{name[1:]}" in " ".join(columns) for name in missing)
    for row in rows:
        for number, value in enumerate(row):
            if set(signs[number]) & set("=>") and f"c{number}" not in missing:
                assert any(value in line for line in lines), (value, lines)


def test_a_table_with_room_is_as_it_is():
    lines = printed(table("Title", ("=a", ">b", "c"), [("x", 1234, ("one", "two"))]), 80)
    assert [line.rstrip() for line in lines] == [
        "Title", "a     b c", "───────────", "x 1,234 one", "        two"
    ]  # fmt: skip


def test_columns_that_may_be_missing_are_and_the_first_of_them_last():
    row = ("net", "123,456", "2026-11-25", "11 MiB", "small")
    lines = printed(table(None, ("name", ">params", "=?made", ">?size", "=?note"), [row]), 29)
    assert "2026-11-25" in lines[2] and "small" in lines[2]
    assert "No room for: size." in " ".join(lines)


def test_where_nothing_is_enough_each_row_is_a_block():
    rows = [("0123456789ab", "running", "2026-11-25"), ("ba9876543210", "done", "2026-11-26")]
    assert printed(table(None, ("=key", "=state", "=made"), rows), 24) == [
        "key   0123456789ab", "state running", "made  2026-11-25", "",
        "key   ba9876543210", "state done", "made  2026-11-26",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("made 2026-11-25", 11, ["made", "2026-11-25"]),
        ("block_15_project_BN", 12, ["block_15_", "project_BN"]),
        ("net:12@features", 8, ["net:12@", "features"]),
        ("1,234,567 rows", 9, ["1,234,567", "rows"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("", 4, [""]),
    ],
)
def test_texts_are_folded_between_words_and_behind_signs(line, width, lines):
    assert fold(line, width) == lines


@pytest.fixture(scope="module")
def with_long_names(empty, tmp_path_factory):
    """A workspace whose names are as long as those of real models and folders; to be copied."""
    place = tmp_path_factory.mktemp("long_names")
    shutil.copytree(empty, place / "zoo")
    ws = hs.open(place / "zoo")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((12, 12, 3), name="image_of_a_garden")
    x = layers.Conv2D(40, 3, padding="same", name="expanded_conv_depthwise_separable")(image)
    x = layers.BatchNormalization(name="expanded_conv_depthwise_separable_BN")(x)
    x = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)
    keras.Model(image, layers.Dense(1000, name="predictions")(x)).save(place / "net.keras")
    folder = place / "photographs-of-a-garden"
    for number in range(45):
        draw(
            folder / ("roses", "tulips", "weeds")[number % 3] / f"{number}.png", number, tint=number
        )
    ws.backbones.add(LONG, place / "net.keras", preprocess="unit", licence="LicenseRef-garden")
    ws.datasets.add("garden-photographs", folder)
    ws.extract(f"{LONG}@default,expanded_conv_depthwise_separable", "garden-photographs")
    features = ws.features(LONG, "garden-photographs")
    ws.heads.train("garden-photographs-linear", features, hs.Linear((0.01,)))
    ws.database.close()
    return place / "zoo"


@pytest.fixture
def long_names(with_long_names, tmp_path, temporary):
    shutil.copytree(with_long_names, tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


COMMANDS = (
    ("head list",),
    ("backbone list",),
    ("backbone cuts", LONG),
    ("features list",),
    ("dataset list",),
    ("head show", "garden-photographs-linear"),
    ("head sweep", "garden-photographs", LONG, "--strengths", "0.001", "--folds", "2"),
    ("head sweeps",),
    ("rank", "garden-photographs", "--folds", "2"),
)


@pytest.mark.parametrize("columns", [80, 60])
def test_what_commands_print_of_long_names_is_whole(long_names, run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for command, *arguments in COMMANDS:
        shown = run(*command.split(), *arguments).out
        lines = shown.splitlines()
        assert max(map(cell_len, lines)) <= columns, shown
        scores = re.findall(r"[<>]?\d\.\d{3}(?: to |-)[<>]?\d\.\d{3}(?!\d)", shown)
        if command in ("head list", "head sweep", "rank"):
            assert scores, shown
        if command in ("head list", "head sweeps") and "No room for" not in shown:
            assert re.search(r"\b\d{4}-\d\d-\d\d\b", shown), shown
        if command == "backbone cuts":
            rows = [line for line in lines if re.search(r"\d( +\d+%)? +\|", line)]
            marks = [line[line.index("|") :].rstrip() for line in rows]
            assert marks == ["|", "| cached", "|", "| default cached", "|"], shown
            found = run(*command.split(), *arguments, "--json").json
            for cut in found:
                assert f"{cut['params_below']:,}" in shown
                assert cut["name"] in shown or columns < 80
        if command == "features list":
            for found in run("features", "list", "--json").json:
                assert found["feature_key"][:12] in shown
                assert re.search(rf"\b{found['rows']}\b", shown) and "float32" in shown
                assert "x".join(map(str, found["shape"])) in shown


def test_a_terminal_shows_what_a_pipe_is_given(long_names):
    """The same lines of the same width, but for their colours."""
    pty = pytest.importorskip("pty")
    environment = clean_environment(
        HEADSTART_HOME=str(long_names.config.root), COLUMNS="80", TERM="xterm", NO_COLOR="1"
    )
    start = "from headstart.cli import main; main()"
    command = [sys.executable, "-c", start, "backbone", "cuts", LONG]
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    outer, inner = pty.openpty()
    with subprocess.Popen(command, env=environment, stdout=inner, stderr=inner):
        os.close(inner)
        seen = b""
        while chunk := _read(outer):
            seen += chunk
    os.close(outer)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode()).replace("\r\n", "\n")
    assert [line.rstrip() for line in plain.splitlines()] == [
        line.rstrip() for line in piped.stdout.splitlines()
    ]


def _read(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux, where the other side was closed
        return b""


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_intervals_next_to_one_are_read_as_two_numbers(ws, run, monkeypatch, columns):
    """`0.999->0.999` is an arrow, where `above .999` was meant."""
    monkeypatch.setenv("COLUMNS", str(columns))
    known = {
        "flowers-linear": (0.8123, [0.7761, 0.8432]),
        "flowers-mlp-fine-tuned": (1.0, [0.6097, 0.9999]),
        "a": (1.0, [0.9996, 0.9999]),
        "b": (0.0, [0.0001, 0.0004]),
        "temperature": (0.0, [0.0001, 0.2]),
    }
    of = ("net:1", "global_average_pooling2d", "0" * 64, "flowers-of-the-garden", "1" * 64)
    for name, (score, ends) in known.items():
        scores = {"accuracy": score, "macro_f1": score}
        metrics = {**scores, "n_test": 1234, "intervals": dict.fromkeys(scores, ends), "groups": 31}
        head = Head(name, "linear", *of, {}, metrics, [0, 1], 0, {}, "2" * 64, 1)
        ws.context.heads.add(head)
    shown = run("head", "list").out
    assert max(map(cell_len, shown.splitlines())) <= columns
    assert "->" not in shown and "-<" not in shown
    scored = 1 if "No room for: macro F1" in shown else 2
    for interval in (
        "0.776-0.843",
        "0.610 to >0.999",
        ">0.999 to >0.999",
        "<0.001 to <0.001",
        "<0.001-0.200",
    ):
        assert shown.count(interval) == scored, shown
