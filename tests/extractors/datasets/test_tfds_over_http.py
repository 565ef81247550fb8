"""`tfds:NAME` as TensorFlow Datasets fetches and prepares it: over HTTP, from a server here."""

import importlib.util
import subprocess
import sys

import pytest
from remote_makers import LABELS, pngs, tar

from headstart.storage.keys import digest_of

ADD = """
import sys, warnings
import tensorflow_datasets as tfds

url, data, zoo = sys.argv[1:]

class ToyFlowers(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        names = ["cat", "dog", "owl"]
        features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=names)}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, manager):
        return {"train": self._generate_examples(manager.download_and_extract(url))}

    def _generate_examples(self, folder):
        for one in sorted(folder.glob("*.png")):
            yield one.name, {"image": one, "label": one.with_suffix(".txt").read_text()}

import headstart as hs
warnings.simplefilter("ignore")
ws = hs.init(zoo)
ws.datasets.add("d", "tfds:toy_flowers", data_dir=data)
for one in ws.datasets.manifest("d").samples:
    print(one.digest, one.label, sep="\\t")
"""


@pytest.mark.slow  # it imports TensorFlow Datasets, in a process of its own
def test_what_tensorflow_datasets_fetches_and_prepares_has_the_samples_of_the_file(web, tmp_path):
    if importlib.util.find_spec("tensorflow_datasets") is None:
        pytest.skip("TensorFlow Datasets is not installed")
    (tmp_path / "data").mkdir()
    web.files["/toy.tar"] = tar()
    command = [sys.executable, "-W", "ignore", "-c", ADD, f"{web.address}/toy.tar"]
    command += [str(tmp_path / "data"), str(tmp_path / "zoo")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = sorted(tuple(line.split("\t")) for line in ran.stdout.splitlines())
    assert found == sorted(zip(map(digest_of, pngs()), LABELS, strict=True))
    assert web.asked("GET") == ["/toy.tar"]
