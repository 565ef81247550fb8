"""The one place that imports TensorFlow and Keras, quietly and with the right backend."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

from headstart.clusters.control_groups import processors
from headstart.errors import BackboneError
from headstart.values.installed import version_of

LOGGERS = ("tensorflow", "absl")
"""Of TensorFlow and of Keras: they write to standard error what they think of our calls."""


@dataclass
class _Face:
    """What whoever stands in front wants of the import, which takes seconds.

    Attributes:
        loading: told when it begins.
        silenced: loggers that say no more than errors from then on.
    """

    loading: Callable[[str], None] = lambda _line: None
    silenced: tuple[str, ...] = ()


_face = _Face()


def before_loading(say: Callable[[str], None]) -> None:
    """For a program whose standard error is its own, as the command line: say when TensorFlow is
    loaded, and let nothing but errors through of what it and Keras log."""
    _face.loading, _face.silenced = say, LOGGERS


@functools.cache
def keras() -> ModuleType:
    """The keras module, on the TensorFlow backend.

    Raises:
        BackboneError: Keras runs on another backend in this process.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "tensorflow" not in sys.modules:
        _face.loading("loading TensorFlow …")
    with warnings.catch_warnings(), _quiet_import():
        warnings.simplefilter("ignore")  # at import time, from TensorFlow's own dependencies
        import keras as module

        if module.backend.backend() == "tensorflow":
            import tensorflow

            tensorflow.config.list_physical_devices()  # looks for a GPU, and says so at length
    for name in _face.silenced:
        logging.getLogger(name).setLevel(logging.ERROR)
    if module.backend.backend() != "tensorflow":
        raise BackboneError(
            f"Keras runs on {module.backend.backend()!r}", hint="Set KERAS_BACKEND=tensorflow."
        )
    return module


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """TensorFlow 2.21 logs a dozen lines at import whatever TF_CPP_MIN_LOG_LEVEL says; whoever
    sets that variable to 0 or 1, which asks for them, gets them all."""
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") in ("0", "1"):
        yield
        return
    with quiet():
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what C++ code and loggers write to standard error, unless something fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    import tempfile  # not at once: it costs more than a listing takes, and each begins here

    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:  # whoever interrupts wants to see nothing
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def names_from_the_start() -> Iterator[None]:
    """Layers without a name of their own are numbered as in a new process.

    Otherwise cut points would be called after whatever else this process has built. Keras keeps
    the numbers in an attribute that has no public face.
    """
    keras()
    from keras.src.backend.common import global_state

    numbers = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", numbers)


def tensorflow() -> ModuleType:
    """The tensorflow module."""
    keras()
    import tensorflow as module

    return module


def keras_hub() -> ModuleType:
    """The keras_hub module.

    Raises:
        BackboneError: it is not installed.
    """
    keras()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import keras_hub as module
    except ImportError as error:
        raise BackboneError(
            "the backbone is made of KerasHub's layers, and KerasHub is not installed",
            hint="pip install 'headstart[hub]'",
        ) from error
    return module


def cores() -> int:
    """How many cores this process may use: `HEADSTART_CORES`, or all that the system gives it.

    In a container or a cluster's job, those whose time it may take.

    Raises:
        BackboneError: the variable is no whole number above 0.
    """
    asked = os.environ.get("HEADSTART_CORES")
    if asked:
        if not asked.isascii() or not asked.isdigit() or int(asked) < 1:
            raise BackboneError(
                f"HEADSTART_CORES is {asked!r}", hint="Set it to a number of cores, 1 or more."
            )
        return int(asked)
    has_own = hasattr(os, "sched_getaffinity")
    there = len(os.sched_getaffinity(0)) if has_own else os.cpu_count() or 1
    return min(there, processors() or there)


THREADS_OF = (
    "HEADSTART_CORES",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""Variables by which engines, TensorFlow and the libraries of linear algebra know how many threads
they may have; each is looked at when its library is loaded."""


def use_cores(count: int) -> None:
    """Let this process, and those that it starts, use so many cores and no more.

    For a process of which several run on one machine; to be called before anything is computed.
    """
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(THREADS_OF, str(count)))
    threadpool_limits(count)  # of what is loaded already


def versions() -> dict[str, str]:
    """Versions of what can change a number, read without importing any of it."""
    from importlib.metadata import PackageNotFoundError

    names = ("headstart", "tensorflow", "keras", "numpy", "pillow", "h5py", "scikit-learn")
    extras = ("keras-hub", "tokenizers", "soundfile", "soxr")
    found = {name: version_of(name) for name in names}
    for name in extras:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version_of(name)
    return found
