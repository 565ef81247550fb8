"""`head reproduce`: what a script is told."""

import json

from sqlalchemy import select, update

from headstart.registry import tables as t


def test_a_head_that_is_trained_again_otherwise_ends_with_1_and_the_result(ready, run):
    ready.heads.train("h", ready.extract("net", "pics"))
    assert run("head", "reproduce", "h", "--json").code == 0
    with ready.database.writing() as connection:
        metrics = dict(connection.execute(select(t.heads.c.metrics)).scalar_one())
        metrics["accuracy"] += 0.1
        connection.execute(update(t.heads).values(metrics=metrics))
    ran = run("head", "reproduce", "h", "--json")
    assert ran.code == 1 and json.loads(ran.out)["agrees"] is False
    assert "head 'h' scores otherwise when it is trained again" in ran.err
