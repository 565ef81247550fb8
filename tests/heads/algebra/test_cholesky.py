"""Cholesky factors are those of `scipy.linalg`, and do not need it."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg

from headstart.heads.algebra import cholesky


def definite(width, kind, seed=0):
    rows = np.random.default_rng(seed).normal(size=(3 * width, width))
    return (rows.T @ rows / len(rows)).astype(kind)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("of_right", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (7,), (0,)])
def test_factors_and_solutions_are_the_same_to_the_last_bit(kind, of_right, shape, lower):
    matrix = definite(40, kind)
    right = np.random.default_rng(1).normal(size=(40, *shape)).astype(of_right)
    given = right.copy()
    factor = cholesky.factor_of(matrix.copy(), lower=lower)
    expected = scipy.linalg.cho_factor(matrix, lower=lower)
    assert factor[1] == lower and factor[0].dtype == kind
    np.testing.assert_array_equal(factor[0], expected[0])
    found = cholesky.solved(factor, right)
    assert found.shape == right.shape and found.dtype == np.result_type(kind, of_right)
    np.testing.assert_array_equal(found, scipy.linalg.cho_solve(expected, right))
    np.testing.assert_array_equal(right, given)


def test_what_is_not_positive_definite_is_refused():
    matrix = definite(5, np.float64) - 10 * np.eye(5)
    with pytest.raises(np.linalg.LinAlgError, match="minor of order 1 is not positive definite"):
        cholesky.factor_of(matrix)


ALONE = """
import sys, numpy as np
from headstart.heads.algebra import cholesky
matrix = np.diag([4.0, 9.0])
assert cholesky.solved(cholesky.factor_of(matrix.copy()), np.ones(2)).tolist() == [1 / 4, 1 / 9]
print("scipy.linalg" in sys.modules)
import scipy.linalg
assert cholesky.routines() is sys.modules[cholesky.MODULE]
assert scipy.linalg.lapack._flapack.dpotrf is not None
factor = scipy.linalg.cho_factor(matrix)
assert np.allclose(scipy.linalg.cho_solve(factor, np.ones(2)), [1 / 4, 1 / 9])
assert np.allclose(scipy.linalg.eigh(matrix)[0], [4, 9])
"""
ELSEWHERE = "from headstart.heads.algebra import cholesky; cholesky.MODULE = 'scipy.linalg._none'\n"


@pytest.mark.parametrize(("before", "loads"), [("", "False"), (ELSEWHERE, "True")])
def test_the_package_is_imported_only_where_it_hides_the_routines(before, loads):
    code = before + (ALONE if not before else ALONE.partition("import scipy.linalg")[0])
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == loads
