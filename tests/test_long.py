"""The list of long tests names tests that are there."""

import re
from pathlib import Path

from conftest import LONG

ROOT = Path(__file__).parent.parent


def test_what_is_listed_as_long_is_there():
    gone = []
    for one in sorted(LONG):
        path, _, name = one.partition("::")
        function = re.escape(name.partition("[")[0])
        source = ROOT / path
        if not source.is_file() or not re.search(rf"^def {function}\(", source.read_text(), re.M):
            gone.append(one)
    assert not gone, f"no longer in tests/long.txt: {gone}"


def test_what_is_listed_is_left_out_of_the_default_tests(request):
    listed = [item for item in request.session.items if item.nodeid in LONG]
    assert all(item.get_closest_marker("slow") for item in listed)
    if request.config.getoption("markexpr") == "not slow":
        assert not listed
