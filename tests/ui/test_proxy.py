"""Behind a proxy with TLS the page is called by that one's name, and by HTTPS alone."""

import pytest

from headstart.errors import InvalidValue
from headstart.ui.app import create_app
from headstart.ui.routes.jobs import CountedStream
from headstart.ui.safety import cookie_of
from headstart.ui.server import hosts_of, serve
from page_client import TOKEN, client_of

NAME = "zoo.example.org"


@pytest.fixture(scope="module")
def app(page_workspace):
    return create_app(page_workspace, TOKEN, hosts=hosts_of("127.0.0.1", [NAME]), https=True)


def behind(app, origin=f"https://{NAME}", host=NAME):
    """What a proxy passes on of a browser that was let in."""
    client = client_of(app)
    client.base_url = f"http://{host}"
    client.cookies.set(cookie_of(TOKEN), TOKEN, domain=host.partition(":")[0])
    client.headers.update({"accept": "text/html", "origin": origin, "host": host})
    return client


def test_no_address_leads_out_of_https(app):
    for path, to in (("/jobs/", "/jobs"), ("/datasets/pics/", "/datasets/pics")):
        assert behind(app).get(path).headers["location"] == f"https://{NAME}{to}"
    begun = behind(app).post("/jobs/77/cancel")
    assert begun.status_code == 404, begun.text


def test_a_page_of_that_name_that_came_by_plain_http_changes_nothing(app):
    refused = behind(app, f"http://{NAME}").post("/jobs/77/cancel")
    assert refused.status_code == 403 and "Another site" in refused.text
    direct = behind(app, "http://127.0.0.1:8000", "127.0.0.1:8000").post("/jobs/77/cancel")
    assert direct.status_code == 404, "on this machine itself nobody is on the way"


def test_a_proxy_that_does_not_pass_the_name_on_is_told_so(app):
    for host in ("127.0.0.1:8000", NAME):
        refused = behind(app, f"https://{NAME}:8443", host).post("/jobs/77/cancel")
        assert refused.status_code == 403 and "pass on the Host header" in refused.text
    unknown = behind(app, host="other.example.org").get("/")
    assert unknown.status_code == 403 and "headstart ui --name NAME" in unknown.text


def test_a_stream_is_passed_on_as_it_comes():
    async def nothing():
        yield ""

    assert CountedStream(nothing(), set()).headers["x-accel-buffering"] == "no"


def test_a_port_belongs_to_the_address_and_not_to_the_name(page_workspace):
    assert hosts_of("127.0.0.1", [f"{NAME}:8443", "[::2]:8443"])[1:3] == (NAME, "[::2]")
    for name in (f"https://{NAME}/", f"{NAME}/zoo", "", "a b", f"{NAME}:", "<b>"):
        with pytest.raises(InvalidValue, match="is no name of a host"):
            serve(page_workspace, names=[name], say=print)
