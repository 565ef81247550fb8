"""A process that has all libraries loaded and forks a child for each hostile file.

A request is a line of JSON: `kind`, `seed`, `number`, and `folder`, with a new workspace `zoo`; or
`commands` instead of the first three, each the arguments of a command line, of which the last alone
may be refused: what they print is in `folder/detail`, as JSON.
The answer is one too: `outcome`, `megabytes` at the most, `seconds`, `processor` seconds. The child
makes the file itself from seed and number, does with it what a user would through the command line,
and says how that ended by its exit status. After the last request comes the most that any process
took, with those that look into files and that load models apart, in megabytes.
"""

import contextlib
import encodings
import gc
import importlib
import json
import os
import pkgutil
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import mutations
import numpy as np
from inspector import Inspector
from PIL import Image

import headstart as hs
from headstart.cli import main
from headstart.errors import SampleUnreadable
from headstart.extractors.datasets import SampleReader
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import keras, keras_hub, tensorflow
from headstart.extractors.safety import inspection
from headstart.extractors.safety.first_load import FirstLoad, server

SECONDS = 150
"""More than a first load may take (`Limits.clock_seconds`): what hangs there is ended there."""
MEMORY = 1536 << 20
"""More than the process had before."""
LARGEST_FILE = 256 << 20
ACCEPTED, REFUSED, CRASHED, WRONG, BROKEN = 0, 1, 70, 71, 72
NAMES = {ACCEPTED: "accepted", REFUSED: "refused", CRASHED: "crashed", WRONG: "wrong"}
COMMANDS = {
    "bundle": ("backbone", "import", "{}", "--name", "x"),
    "preset": ("backbone", "add", "x", "kerashub:{}"),
    "arrays": ("dataset", "add", "x", "{}"),
    "picture": ("dataset", "add", "x", "{}"),
}
RUN_AT_IMPORT = ("headstart.migrations", "headstart.__main__")
BACKBONE = ("backbone", "add", "x", "{}", "--preprocess", "array")


class Crash(Exception):
    """The command ended as none should."""


class Wrong(Exception):
    """The file was accepted, and what came of it is not what is in it."""


def commanded(folder, *arguments):
    """Run a command; gives its exit status and standard output.

    Raises:
        Crash: it did not end with 0, nor with 1 and one clear line.
    """
    log = folder / "log"
    sys.stdout.flush()
    with log.open("w+") as out, (folder / "errors").open("w+") as errors:
        os.dup2(out.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        try:
            main([*arguments, "--workspace", str(folder / "zoo")])
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
        text = (folder / "errors").read_text(errors="replace")
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    if code and (len(lines) != 1 or "unexpected" in lines[0] or "\x1b" in text):
        raise Crash(text[-3000:])
    return code, log.read_text()


def carry_out(kind, path, folder):
    """What a user would do with the file; gives ACCEPTED or REFUSED."""
    command = [part.format(path) for part in COMMANDS.get(kind, BACKBONE)]
    code, _ = commanded(folder, *command)
    if code:
        if kind not in ("arrays", "picture") and hs.open(folder / "zoo").backbones.list():
            raise Wrong("it was refused, and is registered")
        return REFUSED
    if kind == "arrays":
        return same_rows(path, hs.open(folder / "zoo"))
    if kind == "picture":
        return decoded(hs.open(folder / "zoo"))
    code, said = commanded(folder, "backbone", "verify", "x", "--samples", "2", "--json")
    checks = json.loads(said) if said.strip().startswith("[") else []
    finite = [check for check in checks if check["difference"] is not None]  # NaN is null
    if any(not check["ok"] for check in finite):
        raise Wrong(said)
    return REFUSED if code and not checks else ACCEPTED


def samples_of(ws):
    record = ws.datasets.get("x")
    manifest = ws.datasets.manifest(record)
    return manifest.samples, SampleReader(manifest, record.options).read


def same_rows(path, ws):
    samples, read = samples_of(ws)
    with np.load(path, allow_pickle=False) as arrays:
        rows = arrays["x"]
    for sample in samples:
        found = read(sample)
        expected = rows[sample.location]
        if isinstance(found, bytes):
            found = found.decode()
        if not np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f"):
            raise Wrong(f"row {sample.location}: {found!r}, not {expected!r}")
    return ACCEPTED


def decoded(ws):
    pipeline = Preprocessing.from_json({"steps": [{"step": "decode_image"}]})
    samples, read = samples_of(ws)
    outcome = ACCEPTED
    for sample in samples:
        try:
            pixels = pipeline.prepare(read(sample))
        except SampleUnreadable:
            outcome = REFUSED
            continue
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise Wrong(f"{sample.id} gives {pixels.dtype} of shape {pixels.shape}")
    return outcome


def confined(folder):
    """Places of its own for whatever is written by the way."""
    for name in ("work", "temporary"):
        (folder / name).mkdir()
    os.chdir(folder / "work")
    os.environ["HOME"] = os.environ["TMPDIR"] = str(folder / "temporary")
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limited():
    """Limits of memory and files for this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MEMORY
    for limit, value in ((resource.RLIMIT_AS, size), (resource.RLIMIT_FSIZE, LARGEST_FILE)):
        # The soft one: processes that are started have limits of their own.
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def child(request):
    os.setpgid(0, 0)
    folder = Path(request["folder"])
    detail = folder / "detail"
    try:
        path = None if "commands" in request else mutated(folder, request)
    except BaseException:
        detail.write_text(traceback.format_exc())
        os._exit(BROKEN)
    try:
        confined(folder)
        own_server()
        if path is None:
            code = commanded_in_turn(folder, request["commands"])
        else:
            limited()
            code = carry_out(request["kind"], path, folder)
    except Wrong as error:
        detail.write_text(str(error))
        code = WRONG
    except BaseException:
        detail.write_text(traceback.format_exc())
        code = CRASHED
    os._exit(code)


def mutated(folder, request):
    (folder / "input").mkdir()
    kind = request["kind"]
    drawn = random.Random(f"{request['seed']} {kind} {request['number']}")
    return mutations.mutate(kind, drawn, folder / "input", folder / "canary")


def commanded_in_turn(folder, commands):
    said = []
    for number, arguments in enumerate(commands, start=1):
        code, out = commanded(folder, *arguments)
        said.append({"out": out, "err": (folder / "errors").read_text()})
        (folder / "detail").write_text(json.dumps(said))
        if code and number < len(commands):
            raise Wrong(f"{arguments} was refused: {said[-1]['err']}")
    return REFUSED if code else ACCEPTED


def own_server():
    """A child goes on with its parent's process that loads models apart: no other child is left."""
    server._owner = os.getpid()


def warm():
    """Have all libraries loaded, here and there.

    Nothing is computed in this process: TensorFlow's threads are not there after a fork. What is
    not imported here, each child imports again, and that is most of what a refusal takes.
    """
    keras()
    tensorflow()
    keras_hub()
    Image.init()
    import_all()
    for module in pkgutil.iter_modules(encodings.__path__, "encodings."):
        if module.name not in {"encodings.mbcs", "encodings.oem", "encodings.cp65001"}:  # Windows'
            importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as scratch:
        hs.init(Path(scratch) / "zoo").database.close()
        limits = FirstLoad().limits(0).to_json()
        server.run(
            {"task": "none", "source": "", "scratch": scratch, "limits": limits, "hub": True}
        )


def import_all():
    """Import what commands import: that was 0.11 of the 0.17 s of the processor of a refusal where
    Python may not write bytecode. Not OpenVINO, which begins threads."""
    for module in pkgutil.walk_packages(hs.__path__, "headstart."):
        if not module.name.startswith(RUN_AT_IMPORT):
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                importlib.import_module(module.name)


def attempt(request):
    """One case in a child of its own."""
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        child(request)
    handle = os.pidfd_open(process)
    is_late = not select.select([handle], [], [], request.get("seconds", SECONDS))[0]
    if is_late:
        os.killpg(process, signal.SIGKILL)
    _, status, used = os.wait4(process, 0)
    os.close(handle)
    if is_late:
        outcome = "hung"
    elif os.WIFSIGNALED(status):
        outcome = f"killed by signal {os.WTERMSIG(status)}"
    else:
        outcome = NAMES.get(os.WEXITSTATUS(status), "broken")
    return {
        "outcome": outcome,
        "megabytes": used.ru_maxrss // 1024,
        "seconds": round(time.monotonic() - began, 2),
        "processor": round(used.ru_utime + used.ru_stime, 2),
    }


def peak(looking):
    """The most that any process took, in megabytes; ends those that are left."""
    server.close()
    looking.close()
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def serve():
    looking = inspection.subprocess = Inspector(forks=True)
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    warm()
    gc.collect()
    gc.freeze()  # else each child looks through all libraries, and copies them as it does
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(attempt(json.loads(line))), file=answers, flush=True)
    print(peak(looking), file=answers, flush=True)


if __name__ == "__main__":
    serve()
