"""`hf:ID` as `datasets` and `huggingface_hub` fetch it: over HTTP, from a hub that runs here."""

import os
import subprocess
import sys

import pytest
from hub_server import SHA, HubServer
from remote_makers import parquet

from headstart.extractors.datasets import open_source

ADD = """
import sys, warnings
import headstart as hs
warnings.simplefilter("ignore")
ws = hs.init(sys.argv[1])
for name, source in (("all", "hf:some/flowers"), ("test", "hf:some/flowers:test")):
    ws.datasets.add(name, source)
    print(name, ws.datasets.get(name).options["origin"], sep="\\t")
    for one in ws.datasets.manifest(name).samples:
        print(name, one.digest, one.label, one.split, sep="\\t")
"""


@pytest.mark.slow  # whom to ask is settled when huggingface_hub is imported, so in a new process
def test_a_dataset_of_a_hub_has_the_samples_of_its_files(tmp_path):
    files = {
        "data/train-00000-of-00001.parquet": parquet(0),
        "data/test-00000-of-00001.parquet": parquet(1),
        "README.md": b"# Flowers\n",
    }
    wanted = {
        (entry.digest, entry.label, split)
        for split in ("train", "test")
        for entry in samples(tmp_path / f"{split}.parquet", files, split)
    }
    hub = HubServer("some/flowers", files)
    try:
        own = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hf")}
        own |= {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-c", ADD, str(tmp_path / "zoo")]
        ran = subprocess.run(
            command, env=os.environ | own, capture_output=True, text=True, timeout=300, check=False
        )
    finally:
        hub.stop()
    assert ran.returncode == 0, ran.stderr
    rows = [tuple(line.split("\t")) for line in ran.stdout.splitlines()]
    origins = {row[0]: row[1] for row in rows if len(row) == 2}
    assert origins["all"] == f"hf:some/flowers at revision {SHA}"
    found = {
        name: {row[1:] for row in rows if len(row) == 4 and row[0] == name} for name in origins
    }
    assert found["all"] == wanted
    assert {row[:2] for row in found["test"]} == {row[:2] for row in wanted if row[2] == "test"}


def samples(path, files, split):
    path.write_bytes(files[f"data/{split}-00000-of-00001.parquet"])
    return list(open_source("parquet", str(path), {}).scan())
