"""Nobody is let in who does not show that they may, whatever they ask for."""

import re

import pytest
from starlette.routing import Route

from headstart.ui.app import create_app
from headstart.ui.safety import HEADERS
from page_client import HERE, TOKEN, client_of


@pytest.fixture(scope="module")
def app(page_workspace):
    return create_app(page_workspace, TOKEN)


def requests_of(app):
    """A request to every route, with something in the place of each part of its path."""
    for route in app.routes:
        assert isinstance(route, Route), f"{route} is no plain route: nothing is mounted"
        path = re.sub(r"\{[^}]+\}", "1", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, path


def test_every_route_is_closed_to_who_has_no_token_or_another(app):
    asked = list(requests_of(app))
    assert len(asked) > 20
    for token in (None, "", "wrong", TOKEN[:-1], TOKEN + "x"):
        for method, path in [*asked, ("GET", "/nothing/there"), ("PUT", "/"), ("OPTIONS", "/")]:
            headers = {"origin": HERE, "accept": "text/html"}
            answer = client_of(app, token).request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, token)
            assert "zoo" not in answer.text


def test_every_route_is_closed_to_who_calls_the_host_by_another_name(app):
    names = (
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8000",
        "localhost.",
        "",
        "[::2]",
    )
    for name in names:
        for method, path in requests_of(app):
            headers = {"host": name, "origin": f"http://{name}"}
            answer = client_of(app).request(method, path, headers=headers)
            assert answer.status_code == 403, (method, path, name)
            assert client_of(app, None).get(f"/?token={TOKEN}", headers=headers).status_code == 403


def test_every_change_is_refused_that_another_site_asks_for(app):
    changes = [one for one in requests_of(app) if one[0] != "GET"]
    assert len(changes) > 5
    origins = (
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1:8001",
        f"{HERE}.evil",
        "127.0.0.1:8000",
    )
    for method, path in changes:
        for origin in origins:
            headers = {} if origin is None else {"origin": origin}
            answer = client_of(app).request(method, path, headers=headers)
            assert answer.status_code == 403, (method, path, origin)


def test_pictures_and_events_are_not_given_to_other_sites(app):
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
        assert client_of(app).get("/jobs/events", headers=headers).status_code == 403
    navigation = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client_of(app).get("/", headers=navigation).status_code == 200


def test_a_read_only_page_changes_nothing(page_workspace):
    app = create_app(page_workspace, TOKEN, read_only=True)
    for method, path in requests_of(app):
        if method != "GET":
            answer = client_of(app).request(method, path, headers={"origin": HERE})
            assert answer.status_code == 403, (method, path)
    assert "read only" in client_of(app).get("/").text
    for path in ("/labels/pics", "/rank/pics", "/heads/first"):
        assert '<form method="post"' not in client_of(app).get(path).text


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_site_can_use(app):
    client = client_of(app, None)
    answer = client.get(f"/datasets/pics?label=red&token={TOKEN}")
    assert answer.status_code == 200
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said and "samesite=strict" in said and "domain" not in said
    assert TOKEN not in answer.text
    assert 'content="0;url=/datasets/pics?label=red"' in answer.text
    assert client.get("/datasets/pics").status_code == 200


def test_a_token_lets_in_by_reading_alone(app):
    answer = client_of(app, None).post(f"/jobs/1/cancel?token={TOKEN}", headers={"origin": HERE})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/a", "/%5Cevil.example", '/"><b>']
)
def test_nobody_is_sent_to_another_site(app, path):
    page = client_of(app, None).get(f"{HERE}{path}?token={TOKEN}").text
    (address,) = re.findall(r'url=([^"]*)"', page)
    assert address.startswith("/") and not address.startswith(("//", "/\\"))
    assert "<b>" not in page


def test_who_comes_from_a_link_elsewhere_is_sent_on_once(app):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = client_of(app, None).get("/heads", headers=headers)
    assert answer.status_code == 401 and 'url=/heads"' in answer.text
    again = client_of(app, None).get("/heads", headers={**headers, "sec-fetch-site": "same-origin"})
    assert again.status_code == 401 and "url=" not in again.text


def test_every_answer_has_the_headers_that_keep_it_harmless(app):
    answers = [
        client_of(app).get("/"),
        client_of(app).get("/nothing"),
        client_of(app, None).get("/"),
        client_of(app).get("/static/page.css"),
        client_of(app).post("/jobs/1/cancel", headers={"origin": HERE}),
        client_of(app).request("BREW", "/"),
    ]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy and "http" not in policy


def test_no_page_has_a_script_or_a_style_of_its_own(app):
    """The policy would forbid them, and leave the page half made."""
    for method, path in requests_of(app):
        if method == "GET" and path != "/jobs/events":
            page = client_of(app).get(path.replace("/1", "/pics"), headers={"accept": "text/html"})
            assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page.text), path
            assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", page.text), path
            assert not re.search(r"(src|href|action)=\"(?!/|#)", page.text), path


def test_the_cookie_goes_by_https_alone_where_the_page_is_reached_by_it(page_workspace, app):
    proxied = create_app(page_workspace, TOKEN, https=True)
    for page, is_secure in ((app, False), (proxied, True)):
        cookie = client_of(page, None).get(f"/?token={TOKEN}").headers["set-cookie"].lower()
        assert ("; secure" in cookie) == is_secure
        assert "httponly" in cookie and "samesite=strict" in cookie
