"""Names of features that stand side by side: what is wrong with them is said."""

import pytest

from headstart.errors import NotFound, RegistryError
from headstart.registry.references import parts_of


@pytest.mark.parametrize("given", ["net + ", " + net", "net +  + other"])
def test_an_empty_part_is_said(given):
    with pytest.raises(RegistryError, match="joined features") as caught:
        parts_of(given)
    assert "is empty" in caught.value.message and "each side of the '+'" in caught.value.hint


@pytest.mark.parametrize("given", ["net+other", "net +other"])
def test_a_plus_without_spaces_is_said(ws, given):
    with pytest.raises(NotFound) as caught:
        ws.backbones.get(given)
    assert caught.value.hint == "Put spaces around the + to join features: 'net + other'."
