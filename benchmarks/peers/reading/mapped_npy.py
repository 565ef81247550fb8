"""A mapped .npy."""
# /// script
# dependencies = ["numpy"]
# ///

import numpy as np
from measured import measure, plain

mapped = np.load(plain, mmap_mode="r")
measure(lambda: np.array(mapped), lambda some: mapped[some])
