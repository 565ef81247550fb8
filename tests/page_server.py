"""The page behind a real server, in a thread: what no client of tests does, such as streams."""

import contextlib
import threading
import time

import uvicorn

from headstart.ui.app import create_app
from headstart.ui.server import config_of, listen
from page_client import TOKEN


@contextlib.contextmanager
def served(workspace, **options):
    """Gives the address of a page, which ends with the block."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(config_of(create_app(workspace, TOKEN, **options)))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
