"""Rows of numbers for heads of every task."""

import numpy as np
from sklearn.datasets import load_digits

from headstart.heads.kind import Part


def digits(rows=600):
    found = load_digits()
    return found.data[:rows].astype(np.float32), found.target[:rows]


def part(x, y, weights=None):
    return Part(x, y, weights)
