"""scikit-learn-intelex."""
# /// script
# dependencies = ["scikit-learn-intelex", "threadpoolctl"]
# [tool.headstart]
# ways = ["linear", "neighbours"]
# ///

from daal4py import daalinit

daalinit(1)
from sklearnex import patch_sklearn

patch_sklearn(verbose=False)

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).with_name("with_scikit_learn.py")))
