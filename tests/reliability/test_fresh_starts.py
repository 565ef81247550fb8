"""Fresh processes begin with a compiled model and several workers: none may wait for ever.

Native libraries make static tables at their first call; two threads that come first together can
wait for each other. Such a hang has to be looked for in new processes: a second call never hangs.
"""

import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment, draw, network
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.worker import Worker
from headstart.extractors.watchdog import Watchdog
from headstart.storage.manifest import Sample

TIMEOUT = 30
"""Seconds: a start takes two."""
START = "import sys; from headstart.cli import main; main(sys.argv[1:])"
ENGINE_ALONE = """
import sys, threading
from pathlib import Path
import numpy as np
from headstart.extractors.engines import openvino_engine as openvino
from headstart.extractors.engines.signature import Signature, Tensor

size, threads = 4, int(sys.argv[2])
signature = Signature(
    ("image",),
    (Tensor("image", (12, 12, 3), "float32"),),
    (Tensor("out", (3,), "float32"),),
    {},
)
compiled = openvino.load_compiled(Path(sys.argv[1]).read_bytes(), "float32")
engine = openvino.OpenVINOEngine(compiled, signature, "float32", size)
together = threading.Barrier(threads)

def run():
    together.wait()
    engine.run(np.zeros((8, 12, 12, 3), np.float32))

workers = [threading.Thread(target=run) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
"""


def started(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", *map(str, arguments)],
        env=clean_environment(**environment),
        timeout=TIMEOUT,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module", params=[2, 4], ids=["two workers", "four workers"])
def compiled(request, tmp_path_factory):
    """A workspace with a compiled model and no features, and the number of workers."""
    root = tmp_path_factory.mktemp("starts")
    network().save(root / "network.keras")
    for number in range(64):
        draw(root / "pictures" / "ab"[number % 2] / f"{number}.png", number)
    ws = hs.init(root / "zoo")
    ws.backbones.add("net", root / "network.keras", preprocess="unit")
    ws.datasets.add("pics", root / "pictures")
    workers = str(request.param)
    shutil.copytree(root / "zoo", root / "empty")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HEADSTART_CORES", workers)
        ws.extract("net", "pics", settings=hs.Settings(engine="openvino"))
    compiled = root / "empty" / ws.config.compiled.name
    shutil.copytree(ws.config.compiled, compiled, dirs_exist_ok=True)
    return root / "empty", workers


@pytest.mark.parametrize("starts", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_no_fresh_extraction_hangs_on_a_compiled_model(compiled, starts, tmp_path):
    empty, workers = compiled
    for number in range(starts):
        root = tmp_path / f"{number}"
        shutil.copytree(empty, root)
        arguments = ("extract", "net", "pics", "--engine", "openvino", "--workspace", root)
        said = started(START, *arguments, HEADSTART_CORES=workers)
        assert "64 computed" in said.stdout


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("starts", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_no_fresh_engine_hangs_when_threads_come_first_together(starts, threads, tmp_path):
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([4, 12, 12, 3], np.float32, name="image")
    image.output(0).set_names({"image"})
    mean = ops.reduce_mean(image, np.array([1, 2]))
    mean.output(0).set_names({"out"})
    model = openvino.Model([mean], [image], "mean")
    content = openvino.Core().compile_model(model, "CPU").export_model()
    file = tmp_path / "mean.compiled"
    file.write_bytes(content if isinstance(content, bytes) else content.getvalue())
    for _ in range(starts):
        started(ENGINE_ALONE, file, threads)


class Watched:
    """An engine that knows how many of its calls were under way at once, call by call."""

    name, precision, lanes, call_size = "watched", "float32", 4, 2

    def __init__(self):
        self.together, self.under_way, self.lock = [], 0, threading.Lock()
        self.are_two = threading.Event()

    def run(self, batch):
        with self.lock:
            self.under_way += 1
            self.together.append(self.under_way)
            is_first = len(self.together) == 1
            if self.under_way > 1:
                self.are_two.set()
        if not is_first:
            self.are_two.wait(60)
        with self.lock:
            self.under_way -= 1
        return [np.zeros((len(batch), 1), np.float32)]


def test_the_first_task_runs_alone_and_then_all_workers_do(monkeypatch):
    monkeypatch.setenv("HEADSTART_CORES", "4")
    engine, reading = Watched(), []

    def read(sample):
        reading.append((sample.id, len(engine.together), engine.under_way))
        return np.zeros(3, np.float32)

    pipeline = Preprocessing.from_json({"steps": [{"step": "array", "shape": [3]}]})
    samples = [Sample(str(n), f"{n:064}", None, "", n) for n in range(24)]
    worker = Worker(pipeline, engine, hs.Settings(batch_size=2), False, Watchdog(60))
    tasks = worker.run(samples, read)
    assert [s.id for task in tasks for s in task.samples] == [s.id for s in samples]
    assert tasks.stop() == []
    assert max(engine.together) > 1
    later = [entry for entry in reading if entry[0] not in ("0", "1")]
    assert all(called >= 1 for _, called, _ in later)
    assert later[0][2] == 0  # the first task was over when the next was read
