"""`headstart ui`: an address with a token, until it is told to end."""

import re
import signal
import socket
import subprocess
import sys

import httpx2
import pytest

from conftest import clean_environment
from headstart.errors import InvalidValue
from headstart.ui.server import hosts_of, is_loopback, listen, serve


def test_the_command_serves_at_the_address_that_it_prints_until_ctrl_c(page_workspace):
    command = [sys.executable, "-m", "headstart", "ui", "--workspace", page_workspace.config.root]
    running = subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = running.stderr.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
        with httpx2.Client(timeout=60) as browser:
            assert browser.get(address).status_code == 200
            assert "Overview" in browser.get(address.partition("?")[0]).text
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=240)
    finally:
        running.kill()
    assert (running.returncode, out.strip(), err) == (0, "The page is closed.", "")


def test_a_port_that_is_taken_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidValue, match=rf"cannot listen on port {port} of 127\.0\.0\.1"):
            listen("127.0.0.1", port)
    with pytest.raises(InvalidValue, match=r"cannot listen on 192\.0\.2\.1:") as refused:
        listen("192.0.2.1", 0)
    assert "--host" in str(refused.value.hint) and "--port" not in str(refused.value.hint)


def test_which_names_the_page_may_be_called_by():
    assert hosts_of("127.0.0.1") == ("127.0.0.1", "localhost", "[::1]")
    assert hosts_of("::1")[0] == "[::1]"
    assert hosts_of("0.0.0.0", ["zoo.example.org"])[:2] == (socket.gethostname(), "zoo.example.org")
    assert [is_loopback(one) for one in ("127.0.0.1", "127.1.2.3", "localhost", "::1")] == [
        True
    ] * 4
    assert [is_loopback(one) for one in ("0.0.0.0", "10.0.0.1", "::", "1127.0.0.1")] == [False] * 4


def test_what_is_not_installed_is_said_with_the_extra_that_brings_it(ws, fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "headstart.ui.server", raising=False)
    assert "pip install 'headstart[ui]'" in fails("ui")


def test_a_proxy_with_tls_has_a_name(page_workspace):
    with pytest.raises(InvalidValue, match="--https without a --name"):
        serve(page_workspace, https=True, say=print)
