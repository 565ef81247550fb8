"""The journal of what people say of labels, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

import headstart as hs
from headstart.registry.audit.corrections import APPLIED, PENDING, SUPERSEDED, Correction


@pytest.fixture
def journal(url, tmp_path):
    workspace = hs.init(tmp_path / "zoo", url)
    yield workspace.context.corrections
    workspace.database.close()


def test_many_words_are_kept_in_their_order_and_marked_once(journal):
    given = [
        Correction("pics", f"{row}.png", f"{row:064x}", "label", ["a", 1, None][row % 3], "b")
        for row in range(1200)
    ]
    made = journal.add_all(given)
    assert [replace(one, id=0, created_at=None) for one in made] == given
    numbers = [one.id for one in made]
    assert numbers == sorted(set(numbers)) and journal.find("pics") == made[::-1]
    assert journal.mark(numbers[:2], SUPERSEDED) == 2
    assert journal.mark(numbers, APPLIED, "0" * 64) == 1198, "what is not pending is left"
    assert not journal.find("pics", (PENDING,))
    assert [one.id for one in journal.find("pics", (SUPERSEDED,))] == numbers[1::-1]
