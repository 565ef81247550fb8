"""What is asked for ahead of those who read it: in order, and no more than there is room for."""

import threading
import time

import pytest

from headstart.extractors.daemons import NAME
from headstart.extractors.datasets.remote import objects, room
from headstart.extractors.datasets.remote.addresses import parse
from headstart.extractors.datasets.remote.ahead import ahead


def test_what_was_asked_for_ahead_is_had_also_when_nothing_more_comes():
    begun = threading.Event()

    def make(number: int) -> int:
        begun.wait(120)
        return number * 2

    gets = [get for _, get in ahead(range(50), make, lambda _: True)]  # more than there are threads
    begun.set()
    assert [get() for get in gets] == [number * 2 for number in range(50)]


@pytest.fixture
def asked(bucket, monkeypatch):
    """Asks for twelve objects of 1 MB ahead, of which three have room; gives what was read."""
    monkeypatch.setattr(room, "MOST_HELD", 3_500_000, raising=False)
    for number in range(12):
        bucket(f"{number}.bin", bytes([number]) * 1_000_000)
    reader, done = objects.Objects("s3://photos/", {}), []

    def make(number: int) -> bytes:
        content = reader.read(parse(f"s3://photos/{number}.bin"))
        done.append(number)
        return content

    return ahead(range(12), make, lambda _: True), done


def test_no_more_bytes_are_asked_for_ahead_than_there_is_room_for(asked):
    coming, done = asked
    for taken, (number, get) in enumerate(coming):
        if taken in (0, 5):
            time.sleep(1)  # all that can come has come
        assert len(done) <= taken + 3
        assert get() == bytes([number]) * 1_000_000
    assert sorted(done) == list(range(12))


def test_one_answer_that_is_larger_than_the_room_comes_alone(asked, monkeypatch):
    monkeypatch.setattr(room, "MOST_HELD", 10)
    coming, done = asked
    first, *others = [get for _, get in coming]
    while not done:
        time.sleep(0.01)
    time.sleep(1)  # all that can come has come
    assert len(done) == 1
    assert first()[0] == 0 and [get()[0] for get in others] == list(range(1, 12))


def test_answers_are_had_in_any_order(asked):
    gets = [get for _, get in asked[0]]
    assert [get()[0] for get in reversed(gets)] == list(range(11, -1, -1))


def test_no_thread_waits_for_room_where_nobody_wants_anything_more(asked):
    before = set(threading.enumerate())
    next(asked[0])
    time.sleep(1)
    mine = {one for one in threading.enumerate() if one.name.startswith(NAME)} - before
    asked[0].close()
    for thread in mine:
        thread.join(120)
    assert mine and not any(thread.is_alive() for thread in mine)
