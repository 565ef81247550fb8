"""The list of long tests names tests that are there."""

from pathlib import Path

from conftest import LONG

ROOT = Path(__file__).parent.parent


def test_what_is_listed_as_long_is_there(gone_from_long):
    files = {one.partition("::")[0] for one in LONG}
    assert [one for one in sorted(files) if not (ROOT / one).is_file()] == []
    assert gone_from_long == []


def test_what_is_listed_is_left_out_of_the_default_tests(request):
    listed = [item for item in request.session.items if item.nodeid in LONG]
    assert all(item.get_closest_marker("slow") for item in listed)
    if request.config.getoption("markexpr") == "not slow":
        assert not listed
