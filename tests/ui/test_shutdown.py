"""Ctrl-C ends the page, whatever it does; many who ask at once do not stop it."""

import signal
import subprocess
import sys

import httpx2
import pytest
from starlette.exceptions import HTTPException

from conftest import clean_environment
from headstart.ui.turns import Turns

COMPUTES = """
import sys, time
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from headstart.ui import server

async def forever():
    while True:
        yield "."
        await __import__("asyncio").sleep(0.1)

server.LAST_SECONDS = float(sys.argv[1])
listening = server.listen("127.0.0.1", 0)
print(listening.getsockname()[1], flush=True)
app = Starlette(routes=[
    Route("/long", lambda request: (print("begun", flush=True), time.sleep(300))),
    Route("/stream", lambda request: StreamingResponse(forever())),
])
try:
    server.EndingServer(app).run([listening])
except KeyboardInterrupt:
    pass
"""


@pytest.fixture
def running():
    made = []

    def start(seconds):
        command = [sys.executable, "-c", COMPUTES, str(seconds)]
        pipe = subprocess.PIPE
        made.append(
            subprocess.Popen(command, env=clean_environment(), stdout=pipe, stderr=pipe, text=True)
        )
        return made[0], f"http://127.0.0.1:{int(made[0].stdout.readline())}"

    yield start
    made[0].kill()
    made[0].wait()


@pytest.mark.parametrize(("seconds", "signals"), [(0.5, 1), (300, 2)])
def test_a_request_that_computes_does_not_keep_the_server_alive(running, seconds, signals):
    server, address = running(seconds)
    with httpx2.Client() as browser, pytest.raises(httpx2.ReadTimeout):
        browser.get(f"{address}/long", timeout=1)
    assert server.stdout.readline() == "begun\n"
    server.send_signal(signal.SIGINT)
    if signals == 2:
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(0.5)
        server.send_signal(signal.SIGINT)
    _, err = server.communicate(timeout=240)
    assert (server.returncode, err) == (
        130,
        "A request was still computing: it was broken off.\n",
    )


def test_a_stream_that_goes_on_ends_without_a_word(running):
    server, address = running(60)
    with (
        httpx2.Client() as browser,
        browser.stream("GET", f"{address}/stream", timeout=60) as answer,
    ):
        assert next(answer.iter_text()) == "."
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=240)
    assert (server.returncode, err) == (0, "")


def test_who_comes_when_all_turns_are_taken_is_sent_away_at_once():
    turns = Turns(2)
    with turns.take(), turns.take():
        with pytest.raises(HTTPException) as told, turns.take():
            raise AssertionError
        assert told.value.status_code == 503 and told.value.headers
    with turns.take():
        pass
