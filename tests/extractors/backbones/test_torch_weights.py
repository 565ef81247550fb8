"""PyTorch's file format, read without running what is in it."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import ModelFileError
from headstart.extractors.backbones.sources import efficientnet_lite
from headstart.extractors.backbones.sources.torch_weights import read_state_dict

LITE0 = efficientnet_lite.VARIANTS["efficientnet-lite0"]


# PyTorch's file format


def test_strides_are_honoured():
    """50 of the 296 tensors are not contiguous; each value is checked against its own storage."""
    weights = read_state_dict(efficientnet_lite.weights_file(LITE0))
    assert len(weights) == 296
    stem = weights["_conv_stem.weight"]
    assert stem.shape == (32, 3, 3, 3)
    # TensorFlow's kernels, transposed without copying: memory order is height, width, in, out.
    raw = efficientnet_lite.weights_file(LITE0).read_bytes()
    assert np.ascontiguousarray(stem.transpose(2, 3, 1, 0)).tobytes() in raw
    assert np.ascontiguousarray(stem).tobytes() not in raw


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/headstart-canary"),))


def test_a_pickle_that_asks_for_code_is_refused_and_nothing_is_run(tmp_path):
    canary = Path("/tmp/headstart-canary")
    canary.unlink(missing_ok=True)
    file = tmp_path / "evil.pth"
    magic, protocol = pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)
    machine = pickle.dumps({"little_endian": True}, 2)
    for content in (
        pickle.dumps(Harmful()),
        magic + protocol + machine + pickle.dumps({"w": Harmful()}),
    ):
        file.write_bytes(content)
        with pytest.raises(ModelFileError, match="which is refused"):
            read_state_dict(file)
    assert not canary.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps(7), pickle.dumps("x")[:-1]])
def test_a_damaged_weights_file_is_an_error(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"w\.pth"):
        read_state_dict(tmp_path / "w.pth")


def test_a_truncated_weights_file_is_an_error(tmp_path):
    content = efficientnet_lite.weights_file(LITE0).read_bytes()
    for part in (0.001, 0.01, 0.5, 0.999):
        (tmp_path / "w.pth").write_bytes(content[: int(len(content) * part)])
        with pytest.raises(ModelFileError):
            read_state_dict(tmp_path / "w.pth")
