"""A process that has TensorFlow loaded and forks a child for each request: kills by the hundred.

A request is a line of JSON: `arguments` of the command line; `die`, the place and the number of
the time at which the child kills itself there, or null; `user`, the number of a user and of a
group that it becomes, or null; `powerless`, whether it may write only where its user may, as root
otherwise does not; `said`, the beginning of the names of the files for its standard output and
errors, or null; `environment`, variables that it has besides. The answer is the child's process id.
Another request has `wait`, a process id; the answer is its exit status when it has ended.
"""

import contextlib
import ctypes
import encodings
import importlib
import json
import os
import pkgutil
import pwd
import signal
import sys
import tempfile
from pathlib import Path

import sqlalchemy

import headstart as hs
from headstart.extractors.run import worker
from headstart.extractors.runtime import keras, tensorflow
from headstart.registry.features import FeatureRepository
from headstart.storage import files

keras()
tensorflow()
with tempfile.TemporaryDirectory() as folder:  # what a workspace needs is imported late
    hs.init(Path(folder) / "zoo").database.close()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def counted(number):
    """Dies at the n-th call."""
    left = [number]

    def call():
        left[0] -= 1
        if left[0] == 0:
            die()

    return call


def before(owner, name, hit, when=lambda *arguments: True):
    real = getattr(owner, name)

    def call(*arguments, **more):
        if when(*arguments):
            hit()
        return real(*arguments, **more)

    setattr(owner, name, call)


def after(owner, name, hit):
    real = getattr(owner, name)

    def call(*arguments, **more):
        result = real(*arguments, **more)
        hit()
        return result

    setattr(owner, name, call)


def on_commit(hit):
    """Within the transaction of a shard's row, its statements done, its commit not."""
    real = FeatureRepository.commit_shards

    def call(*arguments, **more):
        sqlalchemy.event.listen(sqlalchemy.Engine, "commit", lambda connection: hit())
        return real(*arguments, **more)

    FeatureRepository.commit_shards = call


def at_a_statement(hit):
    """Before each SQL statement and each commit."""
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", lambda *_: hit())
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", lambda *_: hit())


UNWANTED = {
    "antigravity",
    "encodings",
    "idlelib",
    "lib2to3",
    "test",
    "this",
    "tkinter",
    "turtledemo",
}
"""What does things when it is imported, or has a window."""


def load_the_standard_library():
    """What would be imported later may lie where another user may not read."""
    for module in pkgutil.iter_modules(encodings.__path__, "encodings."):
        if module.name not in {"encodings.mbcs", "encodings.oem", "encodings.cp65001"}:  # Windows'
            importlib.import_module(module.name)
    for name in sys.stdlib_module_names - UNWANTED:
        with contextlib.suppress(ImportError):
            whole = importlib.import_module(name)
            for inner in pkgutil.iter_modules(getattr(whole, "__path__", ()), f"{name}."):
                if not inner.name.endswith(("__main__", ".test", ".tests")):
                    with contextlib.suppress(ImportError, AttributeError):  # of other systems
                        importlib.import_module(inner.name)


def is_shard(path, *_more):
    return ".h5" in path.name


def is_poisoned(samples, *_more):
    return any("poison" in sample.id for sample in samples)


POINTS = {
    "at a poison": lambda hit: before(worker, "_read_all", hit, is_poisoned),
    "before the write": lambda hit: before(
        files.Path, "open", hit, lambda path, mode="r", *_: mode == "x+b" and is_shard(path)
    ),
    "after the write": lambda hit: before(files.os, "fsync", hit),
    "after the fsync": lambda hit: before(files.Path, "replace", hit, is_shard),
    "after the rename": lambda hit: before(files, "sync_folder", hit),
    "after the folder's fsync": lambda hit: before(FeatureRepository, "commit_shards", hit),
    "before the SQL commit": on_commit,
    "at a statement": at_a_statement,
    "after the SQL commit": lambda hit: after(FeatureRepository, "commit_shards", hit),
}


def give_up_capabilities():
    """All of root's; see capset(2)."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def redirect(said):
    for number, name in ((1, "out"), (2, "err")):
        if said is None and number == 2:
            continue
        path = os.devnull if said is None else f"{said}.{name}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)


def child(request):
    os.environ.update(request["environment"])
    redirect(request["said"])
    if request["user"]:
        user, group = request["user"]
        load_the_standard_library()
        os.umask(0o002)
        os.setgroups([group])
        os.setgid(group)
        os.setuid(user)
        os.environ["HOME"] = "/nonexistent"  # root's own is not to be read
        with contextlib.suppress(KeyError):  # a number that is nobody's
            os.environ["LOGNAME"] = os.environ["USER"] = pwd.getpwuid(user).pw_name
    if request["powerless"]:
        give_up_capabilities()
    if request["die"]:
        point, number = request["die"]
        POINTS[point](counted(number))
    from headstart.cli import main

    try:
        main(request["arguments"])
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))
    os._exit(70)


def answer(number):
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve():
    answer(os.getpid())
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer(os.waitpid(request["wait"], 0)[1])
            continue
        process = os.fork()
        if process == 0:
            child(request)
        answer(process)


if __name__ == "__main__":
    serve()
