"""Files that the rows of frames and of Hugging Face's datasets name: in the root, or not at all."""

import datasets
import pandas as pd
import pyarrow as pa
import pytest

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets.memory import huggingface
from headstart.notices import HeadstartWarning
from headstart.storage.keys import digest_of

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def secret(tmp_path):
    return draw(tmp_path / "own" / "secret.png", 1)


@pytest.fixture
def others(tmp_path):
    """A folder from somebody else."""
    for number in range(4):
        draw(tmp_path / "data" / f"{number}.png", number + 5)
    return tmp_path / "data"


def kept_in(ws):
    return sorted(ws.config.contents.glob("*")) if ws.config.contents.exists() else []


def frame_of(*cells):
    return pa.table({"image": pa.array(cells, FILE), "label": ["a", "b"] * (len(cells) // 2)})


def structs(folder, *others):
    named = [{"bytes": None, "path": str(path)} for path in [*sorted(folder.iterdir()), *others]]
    return frame_of(*named)


def hugging_face(table):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    return datasets.Dataset.from_dict(table.to_pydict(), features)


@pytest.mark.parametrize("make", [lambda table: table, hugging_face])
def test_a_struct_names_no_file_outside_of_the_root(ws, others, secret, make):
    data = make(structs(others, secret, secret))
    with pytest.raises(DatasetError, match=r"row 4: .*secret\.png lies outside of the root"):
        ws.datasets.add("d", data, root=others)
    assert kept_in(ws) == []
    assert ws.datasets.add("d", make(structs(others)), root=others).samples == 4
    assert ws.datasets.add("e", data).samples == 6


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_what_lies_outside_is_skipped_where_that_is_asked_for(ws, others, secret):
    data = structs(others, secret, others / "none.png")
    with pytest.warns(HeadstartWarning, match=r"row 4: .*secret\.png lies outside of the root"):
        assert ws.datasets.add("d", data, root=others, on_error="skip").samples == 4
    (kept,) = kept_in(ws)
    assert secret.read_bytes() not in kept.read_bytes()


@pytest.fixture
def on_hub(monkeypatch):
    """Lets a table stand for what the hub gives of `some/set`."""
    monkeypatch.setattr(huggingface, "_revision", lambda name: "1" * 40)

    def put(table, **features):
        given = datasets.Dataset.from_dict(table.to_pydict(), datasets.Features(features))
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: given)

    return put


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
@pytest.mark.parametrize("kind", ["struct", "empty", "text"])
def test_rows_of_the_hub_open_no_file_of_this_machine(ws, on_hub, others, secret, kind):
    empty = b"" if kind == "empty" else None
    own = {"bytes": (others / "0.png").read_bytes(), "path": None}
    if kind != "text":
        table = frame_of(own, own, {"bytes": empty, "path": str(secret)}, own)
        on_hub(table, image=datasets.Image(), label=datasets.Value("string"))
    else:
        table = pa.table({"path": [str(secret)] * 2, "label": ["a", "b"]})
        on_hub(table, path=datasets.Value("string"), label=datasets.Value("string"))
    with pytest.raises(DatasetError, match=r"row \d: names the file .*secret\.png"):
        ws.datasets.add("d", "hf:some/set")
    assert kept_in(ws) == []
    if kind != "text":
        with pytest.warns(HeadstartWarning, match=r"row 2: names the file .*secret\.png"):
            assert ws.datasets.add("d", "hf:some/set", on_error="skip").samples == 3
        assert digest_of(secret.read_bytes()) not in {
            one.digest for one in ws.datasets.manifest("d").samples
        }
    else:
        with pytest.raises(DatasetError), pytest.warns(HeadstartWarning, match="names the file"):
            ws.datasets.add("d", "hf:some/set", on_error="skip")


def test_a_list_of_dicts_has_a_root_too(ws, others, secret):
    rows = [{"image": {"bytes": b"", "path": str(secret)}, "label": name} for name in "ab"]
    with pytest.raises(DatasetError, match=r"row 0: .*secret\.png lies outside of the root"):
        ws.datasets.add("d", rows, root=others)
    assert kept_in(ws) == []


def test_addresses_in_frames_stay_what_they_are(ws):
    address = "https://127.0.0.1:9/a.png"
    cells = [{"bytes": None, "path": address}] * 2
    for frame in (pd.DataFrame({"path": [address] * 2, "label": ["a", "b"]}), frame_of(*cells)):
        with pytest.raises(DatasetError, match=rf"row 0: {address} lies outside of the root"):
            ws.datasets.add("d", frame, root="https://elsewhere.org/b")
    with pytest.raises(DatasetError, match=r"'file:///etc/x\.png' is an address of a kind"):
        ws.datasets.add("d", pd.DataFrame({"path": ["file:///etc/x.png"], "label": ["a"]}))
