"""What a claim costs, and many claims at once."""

import threading
from collections import deque
from contextlib import suppress

import pytest
from sqlalchemy import event, insert

import headstart as hs
from headstart.errors import LeaseLost
from headstart.registry import leases
from headstart.registry import tables as t
from headstart.registry.leases import Lease
from headstart.storage.locks import LifeSigns

KEYS = ("a" * 64, "b" * 64)


def digests(*numbers):
    return deque(f"{number:064x}" for number in numbers)


def a_lease(ws, machine, seconds=60.0):
    """As if of a machine of its own."""
    return Lease(ws.database, seconds, LifeSigns(ws.config.root / f"signs-{machine}"))


def steps_of(ws, lease, wanted):
    """Steps of SQLite's virtual machine, in hundreds, that a claim of 64 samples takes."""
    steps = []

    def count(connection, _record):
        connection.set_progress_handler(lambda: steps.append(1), 100)  # None: go on

    event.listen(ws.database.engine, "connect", count)
    assert len(lease.claim(KEYS, wanted, 64).digests) == 64
    event.remove(ws.database.engine, "connect", count)
    return len(steps)


def test_what_a_claim_costs_does_not_grow_with_what_others_have_claimed(ws):
    """From 500 samples of another one to 20,000; what they are is not fetched to look at one."""
    costs = []
    with a_lease(ws, "one") as one, a_lease(ws, "other") as other:
        for number, claimed in enumerate((range(10_000, 10_500), range(10_500, 30_000))):
            with ws.database.writing() as connection:
                rows = [
                    {"feature_key": key, "digest": digest, "lease": other.token}
                    for key in KEYS
                    for digest in digests(*claimed)
                ]
                connection.execute(insert(t.claims), rows)
            start = 1000 * number
            costs.append(steps_of(ws, one, digests(*range(start, start + 1000))))
    assert costs[0] > 20  # it counts something
    assert costs[1] < 1.2 * costs[0]


def test_what_a_claim_costs_does_not_grow_with_how_many_others_there_are(ws):
    """From one on another machine to 300; whether those live is looked at as often as a lease is
    renewed, and those of other machines that do are not fetched."""
    costs, first_costs = [], []
    for others in (1, 299):
        with ws.database.writing() as connection:
            now = leases.clock(connection)
            row = {"owner": "elsewhere", "granted_at": now, "expires_at": now + 60}
            rows = [{**row, "token": f"{others}-{one}"} for one in range(others)]
            connection.execute(insert(t.leases), rows)
        with a_lease(ws, f"one-{others}") as one:
            start = 10_000 * others
            first_costs.append(steps_of(ws, one, digests(*range(start, start + 64))))
            costs.append(steps_of(ws, one, digests(*range(start + 100, start + 164))))
    assert costs[1] < 1.2 * costs[0]
    assert first_costs[1] < 2 * first_costs[0]


def test_what_the_dead_had_is_claimed_at_once_where_nothing_else_is_left(ws):
    """Though nobody looks for the dead at each claim."""
    with a_lease(ws, "one") as one:
        one.claim(KEYS, digests(0), 1)
        with ws.database.writing() as connection:
            row = {"token": "dead", "owner": "elsewhere", "granted_at": 0.0, "expires_at": 60.0}
            connection.execute(insert(t.leases).values(**row))
            rows = [
                {"feature_key": key, "digest": digest, "lease": "dead"}
                for key in KEYS
                for digest in digests(1, 2, 3)
            ]
            connection.execute(insert(t.claims), rows)
        wanted = digests(1, 5, 2, 6, 3, 7)
        assert sorted(one.claim(KEYS, wanted, 4).digests) == list(digests(1, 2, 5, 6))
        assert wanted == digests(3, 7)


def test_claims_behind_very_many_of_others_find_the_first_that_is_free(ws):
    with a_lease(ws, "one") as one, a_lease(ws, "other") as other:
        assert len(other.claim(KEYS, digests(*range(9000)), 9000).digests) == 9000
        wanted = digests(*range(9010))
        assert one.claim(KEYS, wanted, 4).digests == tuple(digests(9000, 9001, 9002, 9003))
        assert wanted == digests(*range(9004, 9010))


def test_a_sample_that_is_claimed_at_one_of_two_cuts_is_passed_by(ws):
    with a_lease(ws, "one") as one, a_lease(ws, "other") as other:
        other.claim(KEYS[1:], digests(1), 4)
        assert one.claim(KEYS, digests(0, 1, 2), 4).digests == tuple(digests(0, 2))
        assert other.claim(KEYS[:1], digests(1), 4).digests == tuple(digests(1))


def test_claims_in_any_order_wait_for_each_other_and_never_in_a_circle(tmp_path, url):
    """Four workers over the same samples, each from another place and with its cuts in another
    order, while leases are taken away from those that died."""
    ws = hs.init(tmp_path / "either", url)
    numbers, owner, guard = range(400), {}, threading.Lock()
    failed = []

    def work(place):
        try:
            keys = KEYS if place % 2 else KEYS[::-1]
            for turn in range(3):
                died = a_lease(ws, f"dead-{place}-{turn}", 0.01)
                died.__enter__()
                with suppress(LeaseLost):  # another may be faster than its first claim
                    died.claim(keys, digests(*numbers[350:]), 20)
                died._stop.set()
                with a_lease(ws, place) as lease:
                    wanted = digests(*numbers[100 * place :], *numbers[: 100 * place])
                    claimed = lease.claim(keys, wanted, 150)
                    with guard:
                        assert owner.keys().isdisjoint(claimed.digests)
                        owner.update(dict.fromkeys(claimed.digests, place))
                    with guard:
                        for digest in claimed.digests:
                            del owner[digest]
                    lease.give_back(claimed)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    ws.database.close()


@pytest.mark.parametrize("limit", [1, 600, 2000])
def test_a_claim_takes_as_many_as_it_may_from_the_left(ws, limit):
    with a_lease(ws, "one") as one:
        wanted = digests(*range(1500))
        assert one.claim(KEYS, wanted, limit).digests == tuple(digests(*range(1500)))[:limit]
        assert len(wanted) == max(0, 1500 - limit)
