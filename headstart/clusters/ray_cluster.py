"""The Ray cluster that this process is connected to.

Ray is imported when somebody asks for it, and is no part of the installation (extra `ray`). Its
authentication by token is left as it is: on, where a cluster is started here.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from headstart.errors import ClusterError, first_line
from headstart.values.calls import host_name

SCHEME = "ray"
STORE_BYTES = 100 << 20
"""Of the object store of a cluster that is started here: plans and reports go through it."""
TOKEN_HINT = (
    "The cluster wants a token: RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, as "
    "on its nodes; `ray get-auth-token` there prints it. RAY_ADDRESS=local starts one of your own "
    "where somebody else's runs on this machine."
)


REACH_SECONDS = 10.0
REACH_HINT = (
    "Is it up (`ray status` there), and is the address right: ray://HOST:10001, or RAY_ADDRESS="
    "HOST:6379 on one of its nodes? Ray Client says the same where the token is another one "
    "(RAY_AUTH_MODE=token, RAY_AUTH_TOKEN)."
)
START_ONE = "Start one that stays (`ray start --head`), or leave out --detach."


@dataclass(frozen=True)
class Node:
    """A machine of a cluster that is up, or a part of one.

    Attributes:
        host: its name.
        cpus: that Ray gives out there.
        gpus: likewise.
    """

    host: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class RayCluster:
    """A cluster, connected.

    Attributes:
        name: for messages.
        is_own: it was started by this process, and ends with it.
        is_remote: this process is on none of its nodes (Ray Client).
    """

    name: str
    is_own: bool
    is_remote: bool

    def nodes(self) -> list[Node]:
        """Those that are up now."""
        with understood():
            found = ray().nodes()
        return [
            Node(
                host=one["NodeManagerHostname"],
                cpus=one["Resources"].get("CPU", 0.0),
                gpus=one["Resources"].get("GPU", 0.0),
            )
            for one in found
            if one["Alive"]
        ]

    def hosts(self) -> list[str]:
        """The machines that take part, this one among them."""
        return sorted({one.host for one in self.nodes()} | {host_name()})

    def free_cpus(self) -> float:
        """Processors that Ray has not given out."""
        with understood():
            return ray().available_resources().get("CPU", 0.0)

    def room(self) -> str:
        """How many processors and GPUs there are, and how many are free, in words."""
        with understood():
            free = ray().available_resources()
        nodes = self.nodes()
        total = sum(one.cpus for one in nodes)
        told = f"{total:g} CPUs, {free.get('CPU', 0.0):g} of them free"
        if gpus := sum(one.gpus for one in nodes):
            told += f", and {gpus:g} GPUs, {free.get('GPU', 0.0):g} of them free"
        return told


def ray() -> Any:
    """The ray module.

    Raises:
        ClusterError: it is not installed.
    """
    # What it tells its makers of how it is used is left out, in processes that it starts as well.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray as module
    except ImportError as error:
        raise ClusterError(
            f"Ray is not installed ({first_line(error)})", hint="pip install 'headstart[ray]'"
        ) from None
    return module


def address_in(executor: str) -> str | None:
    """The address in `ray` or `ray://ADDRESS`, as `ray.init` takes it; None for `ray` alone.

    Raises:
        ClusterError: it is neither.
    """
    scheme, separator, address = executor.partition("://")
    if scheme != SCHEME or (separator and not address):
        raise ClusterError(
            f"no executor {executor!r}",
            hint="Give local, ray, or ray://HOST:10001 for a cluster that this machine is not of.",
        )
    if not separator:
        return None
    return address if address in ("auto", "local") else executor


def connect(address: str | None = None, *, outlasts: bool = False) -> RayCluster:
    """Connect this process to a cluster, if it is not connected yet.

    Args:
        outlasts: it is to go on when this process ends.
        address: as `ray.init` takes it. Without one that of `$RAY_ADDRESS`, else the cluster that
            runs on this machine, else one is started here, of all its processors, which ends with
            this process.

    Raises:
        ClusterError: Ray is not installed, the cluster is not reachable, is of another version, or
            wants a token; or there is none that outlasts this process.
    """
    module = ray()
    if not module.is_initialized():
        with understood(address), _sigterm_as_before():
            _connect(module, "auto" if outlasts and address is None else address)
    found = _connected(module, address)
    if outlasts and found.is_own:
        raise ClusterError(f"{found.name} ends with it, and with it the workers", hint=START_ONE)
    return found


def _connect(module: Any, address: str | None) -> None:
    from ray._private import worker

    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    # Else paragraphs about processes that died are printed at any time, behind results, too.
    worker._worker_logs_enabled = False
    named = os.environ.get("RAY_ADDRESS") if address in (None, "auto") else address
    if named not in (None, "", "auto", "local"):
        _check_answers(named)
    if address not in (None, "local"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error comes behind it
            module.init(address, **quiet)
        return
    if address is None:
        try:
            module.init("auto", **quiet)
            return
        except ConnectionError:
            if os.environ.get("RAY_ADDRESS"):
                raise  # somebody named one
    module.init("local", include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)


def _check_answers(address: str) -> None:
    """See that somebody listens at an address: Ray waits minutes for a cluster that is not there.

    Raises:
        OSError: nobody does.
    """
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()


def _connected(module: Any, address: str | None) -> RayCluster:
    from ray._private import worker  # who started a cluster, nothing public says

    node = worker._global_node
    is_own = node is not None and node.is_head()
    is_remote = module.util.client.ray.is_connected()
    if is_own:
        name = "the Ray of this process"
    elif is_remote and address is not None:
        name = f"Ray at {address}"
    else:
        name = f"Ray at {module.get_runtime_context().gcs_address}"
    return RayCluster(name, is_own, is_remote)


@contextmanager
def understood(address: str | None = None) -> Iterator[None]:
    """Make ours of what Ray raises, which is of many kinds.

    Raises:
        ClusterError: of anything.
    """
    from ray.exceptions import RayError

    where = address or os.environ.get("RAY_ADDRESS") or "this machine"
    try:
        yield
    except (RayError, RuntimeError, ValueError, OSError) as error:
        if _is_of_a_token(error):
            raise ClusterError(f"Ray at {where} refused us", hint=TOKEN_HINT) from error
        if isinstance(error, OSError):
            told = f"Ray at {where} cannot be reached ({type(error).__name__}: {_told(error)})"
            raise ClusterError(told, hint=REACH_HINT) from error
        raise ClusterError(f"Ray at {where}: {_told(error)}") from error


def _is_of_a_token(error: BaseException | None) -> bool:
    """Whether that is at the bottom of an error: Ray says it in errors of other kinds, too."""
    while error is not None:
        if "AuthenticationError" in f"{type(error).__name__}: {error}":
            return True
        error = error.__cause__ or error.__context__
    return False


def _told(error: BaseException) -> str:
    """Of an error of Ray, which may have dozens of lines, how it begins and how it ends."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"


@contextmanager
def _sigterm_as_before() -> Iterator[None]:
    """`ray.init` takes SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Callable[..., Any] | int | None = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def cores_of_each(nodes: list[Node], workers: int) -> int:
    """The most processors that each of so many workers can have, whole ones, on one node each.

    One, where there are not enough for all: who waits is told so.
    """
    for cores in range(int(max((one.cpus for one in nodes), default=1)), 1, -1):
        if sum(int(one.cpus // cores) for one in nodes) >= workers:
            return cores
    return 1
