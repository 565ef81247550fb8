"""Python looks for garbage among what tests made, and not again and again through all libraries.

A look through everything takes a tenth to half a second of the processor, and `headstart features
gc` and views have one each time: it was 8 % of what tests of backbones and caches took.
"""

import gc
import itertools

ENDED = itertools.count(1)
"""Tests that have ended in this process."""
EVERY = 50
"""Tests after which what is still there is taken for lasting: libraries that were imported late,
fixtures of a file. It is looked through just before, so that no garbage lasts with it."""
MANY = 10_000
"""Objects more than before, at which Python looks through the youngest; 700 is its own number, and
a model of Keras has thousands."""


def pytest_collection_finish(session):
    gc.set_threshold(MANY, *gc.get_threshold()[1:])
    _keep()


def pytest_runtest_logfinish(nodeid, location):
    """Between two tests: none of them holds what is kept."""
    if next(ENDED) % EVERY == 0:
        _keep()


def _keep():
    gc.collect()
    gc.freeze()
