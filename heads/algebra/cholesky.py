"""Cholesky factors by SciPy's LAPACK, without the import of all of `scipy.linalg`.

That takes as long as the fit of a small head, for two routines. They lie in one module, which
needs nothing of the others; where a version of SciPy has them elsewhere, they are had by the
documented way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType

import numpy as np
from numpy.linalg import LinAlgError

MODULE = "scipy.linalg._flapack"
ROUTINES = ("spotrf", "spotrs", "dpotrf", "dpotrs")

Factor = tuple[np.ndarray, bool]
"""A triangle, with anything in the other one, and whether it is the lower one."""


def factor_of(matrix: np.ndarray, *, lower: bool = True) -> Factor:
    """As `scipy.linalg.cho_factor` of a matrix without NaN, float32 or float64, that is lost.

    Raises:
        LinAlgError: it is not positive definite.
    """
    triangle, info = _routine("potrf", matrix)(matrix, lower=lower, overwrite_a=True, clean=False)
    if info:
        raise LinAlgError(f"the leading minor of order {info} is not positive definite")
    return triangle, lower


def solved(factor: Factor, right: np.ndarray) -> np.ndarray:
    """As `scipy.linalg.cho_solve` of right sides without NaN, shape (n,) or (n, k), which stay."""
    triangle, lower = factor
    if not right.size:
        return np.empty_like(right, np.result_type(triangle, right))
    found, info = _routine("potrs", triangle, right)(triangle, right, lower=lower)
    assert not info, f"potrs says that its argument {-info} is wrong"
    return found


@cache
def routines() -> ModuleType:
    """The module that has LAPACK's; it is loaded with a BLAS of its own."""
    try:
        return sys.modules.get(MODULE) or _alone()
    except (ImportError, OSError):
        from scipy.linalg import lapack

        return lapack


def _routine(name: str, *arrays: np.ndarray) -> Callable[..., tuple[np.ndarray, int]]:
    kind = "s" if np.result_type(*arrays) == np.float32 else "d"
    return getattr(routines(), f"{kind}{name}")


def _alone() -> ModuleType:
    """The module without the package that it is in.

    Raises:
        ImportError: it is not there, or has not what is asked of it.
    """
    import scipy  # finds the libraries that the module needs

    spec = PathFinder.find_spec(MODULE, [f"{folder}/linalg" for folder in scipy.__path__])
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no {MODULE}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if not all(hasattr(module, name) for name in ROUTINES):
        raise ImportError(f"{MODULE} has no Cholesky factors")
    return sys.modules.setdefault(MODULE, module)
