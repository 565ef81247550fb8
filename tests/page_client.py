"""The page of a workspace, as a browser that was let in asks for it."""

import html
import re
import time

from starlette.testclient import TestClient

from headstart.ui.app import create_app
from headstart.ui.safety import cookie_of

TOKEN = "the-token-of-these-tests"
HERE = "http://127.0.0.1:8000"


def client_of(app, token=TOKEN):
    """One that has a cookie, if a wrong one, or none; it follows nothing, and an error is 500."""
    client = TestClient(app, base_url=HERE, raise_server_exceptions=False, follow_redirects=False)
    if token is not None:
        client.cookies.set(cookie_of(TOKEN), token)
    return client


def open_page(workspace, **options):
    """One that was let in; a fault of the server is raised."""
    client = TestClient(create_app(workspace, TOKEN, **options), base_url=HERE)
    client.cookies.set(cookie_of(TOKEN), TOKEN)
    client.headers.update({"accept": "text/html", "origin": HERE})
    return client


def text_of(answer):
    """The words of a page."""
    assert answer.status_code == 200, answer.text
    plain = re.sub(r"<[^>]+>", " ", answer.text)
    return re.sub(r"\s+", " ", html.unescape(plain))


def finished(page, address, tries=6000):
    """The page behind what is done in the background."""
    for _ in range(tries):
        answer = page.get(address)
        if "refresh" not in answer.headers:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{address} still waits")
