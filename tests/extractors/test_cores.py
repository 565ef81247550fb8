"""How many threads really compute in a process that was given some cores."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import clean_environment
from headstart.extractors.runtime import THREADS_OF

BUSY = """
import json, sys
from pathlib import Path
import numpy as np
from headstart.extractors.runtime import tensorflow, use_cores

use_cores(int(sys.argv[1]))
tf = tensorflow()

def of_threads():
    found = {}
    for path in Path("/proc/self/task").glob("*/stat"):
        fields = path.read_text().rpartition(")")[2].split()
        found[path.parent.name] = int(fields[11]) + int(fields[12])
    return found

def busy(work):
    before = of_threads()
    for _ in range(12):
        work()
    spent = [after - before.get(name, 0) for name, after in of_threads().items()]
    return sum(one > 0.2 * sum(spent) for one in spent)

numbers = np.random.default_rng(0).normal(size=(1200, 1200)).astype(np.float32)
tensor = tf.constant(numbers)
picture = tf.constant(numbers[:1152, :1152].reshape(9, 384, 384, 1))
kernel = tf.constant(numbers[:25, :32].reshape(5, 5, 1, 32))
print(json.dumps({
    "numpy": busy(lambda: numbers @ numbers),
    "matmul": busy(lambda: tf.linalg.matmul(tensor, tensor).numpy()),
    "conv": busy(lambda: tf.nn.conv2d(picture, kernel, 1, "SAME").numpy()),
}))
"""


@pytest.mark.slow  # it loads TensorFlow in a process of its own; test_jobs.py has `cores()`
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are seen in /proc")
def test_a_process_with_one_core_computes_in_one_thread():
    """TensorFlow and linear algebra; the engine's streams are asked for in the same number."""
    environment = {
        name: value for name, value in clean_environment().items() if name not in THREADS_OF
    }
    done = subprocess.run(
        [sys.executable, "-c", BUSY, "1"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"numpy": 1, "matmul": 1, "conv": 1}
