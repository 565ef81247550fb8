"""What the scripts of this folder share: `ROWS.npy STORE RESULT.json`, and what is measured.

Seconds of the processor, of the same rows in all: all in one array, some at random, and passes in
batches of 256, in order and mixed. Each once before it counts, so that files are in memory.
"""

import json
import sys
import time

import numpy as np

plain, store, result = sys.argv[1:4]
BATCH, REPEATS, RANDOM = 256, 5, 40


def rows() -> np.ndarray:
    """What is written into the store."""
    return np.load(plain, mmap_mode="r")


def measure(every, take, in_order=None, mixed=None) -> None:
    """Of functions: all rows, the rows of given numbers, and passes if there are any of its own."""
    count = len(rows())
    rng = np.random.default_rng(0)
    orders = {"in order": np.arange(count), "mixed": rng.permutation(count)}
    few = [rng.integers(0, count, BATCH) for _ in range(RANDOM)]

    def by_batches(order) -> None:
        for start in range(0, count, BATCH):
            assert len(take(order[start : start + BATCH]))

    works = {
        "all": every,
        "random": lambda: [take(some) for some in few],
        "in order": in_order or (lambda: by_batches(orders["in order"])),
        "mixed": mixed or (lambda: by_batches(orders["mixed"])),
    }
    took = {name: [] for name in works}
    for number in range(REPEATS + 1):
        for name, work in works.items():
            started = time.process_time()
            work()
            if number:
                took[name].append(time.process_time() - started)
    assert np.array_equal(take(few[0]), rows()[few[0]])
    with open(result, "w") as file:
        json.dump({name: float(np.median(each)) for name, each in took.items()}, file)
