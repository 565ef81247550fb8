"""Loggers of the library: below `headstart`, and silent unless somebody listens."""

from __future__ import annotations

import logging

ROOT = "headstart"


def logger(name: str = ROOT) -> logging.Logger:
    """A logger by the name of its module.

    A program that configures no logging hears nothing of it
    (https://docs.python.org/3/howto/logging.html#configuring-logging-for-a-library); one that does,
    such as by `logging.basicConfig(level=logging.INFO)`, hears what is changed, computed and waited
    for.
    """
    root = logging.getLogger(ROOT)
    if not any(isinstance(one, logging.NullHandler) for one in root.handlers):
        root.addHandler(logging.NullHandler())
    return logging.getLogger(name)
