"""Google's and Azure's stores over emulators: the same digests, labels and features as here."""

from contextlib import suppress

import pytest
from layout_makers import members, write_tar
from remote_fixtures import under
from remote_makers import facts
from store_servers import STORES

from headstart.errors import DatasetError, NotFound

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")


@pytest.fixture(params=["gs", pytest.param("az", marks=pytest.mark.slow)])
def elsewhere(request, monkeypatch, tmp_path):
    """Address of a bucket or container, and what puts an object into it."""
    (tmp_path / "store").mkdir()
    with STORES[request.param](monkeypatch, tmp_path / "store") as found:
        yield found


def test_a_folder_and_tars_are_the_same_as_here_and_computed_once(ready, elsewhere, pictures):
    address, put = elsewhere
    for name, content in under(pictures).items():
        put(f"folder/{name}", content)
    found = members(pictures)
    for number in range(3):
        tar = write_tar(pictures.parent / f"s-{number:03}.tar", found[number::3])
        put(f"tars/{tar.name}", tar.read_bytes())
    ready.datasets.add("here", pictures)
    assert ready.extract("net", "here").report.computed == 36
    for name in ("folder/", "tars/s-{000..002}.tar", "tars/s-*.tar", "tars/"):
        with suppress(NotFound):
            ready.datasets.remove("far")
        ready.datasets.add("far", f"{address}/{name}")
        assert sorted(facts(ready, "far")) == sorted(facts(ready, "here"))
        assert ready.extract("net", "far").report.computed == 0
    before = set(ready.config.contents.iterdir())
    assert ready.datasets.refresh("far").samples == len(facts(ready, "here"))
    assert set(ready.config.contents.iterdir()) == before  # nothing changed, nothing is fetched


def test_what_is_not_there_is_said(ws, elsewhere):
    address, put = elsewhere
    put("x.tar", b"")
    with pytest.raises(DatasetError, match=f"{address}/no.tar is gone"):
        ws.datasets.add("d", f"{address}/no.tar")
    with pytest.raises(DatasetError, match=f"{address}/no/ holds no objects"):
        ws.datasets.add("d", f"{address}/no/", kind="folder")
    scheme = address.partition(":")[0]
    with pytest.raises(DatasetError, match=f"{scheme}://nobody"):
        ws.datasets.add("d", f"{scheme}://nobody/x.tar")
