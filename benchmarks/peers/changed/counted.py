"""What the scripts of this folder share: the files, the work, and how it is counted.

Arguments: the folder of the files, the store, a file that gets a line for each piece of work, and
after how many of them the process kills itself, 0 for never.
"""

import hashlib
import os
import signal
import sys

import numpy as np

source, store, counts, fatal = *sys.argv[1:4], int(sys.argv[4])
paths = sorted(os.path.join(root, name) for root, _, names in os.walk(source) for name in names)
done = 0


def features_of(content: bytes) -> np.ndarray:
    """What stands for features: the digest of the content."""
    return np.frombuffer(hashlib.md5(content).digest(), np.uint8).astype(np.float32)


def compute(content: bytes) -> np.ndarray:
    """Features of a file's content."""
    global done
    with open(counts, "a") as file:
        file.write("1\n")
    done += 1
    if done == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return features_of(content)


def compute_path(path: str) -> np.ndarray:
    with open(path, "rb") as file:
        return compute(file.read())


def use(features) -> None:
    """All rows in the order of the files; they are those of what the files hold now."""
    held = []
    for path in paths:
        with open(path, "rb") as file:
            held.append(features_of(file.read()))
    wrong = int((np.asarray(features, np.float32) != np.stack(held)).any(axis=1).sum())
    print(wrong)
