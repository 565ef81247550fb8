"""Identity: the same thing has one name everywhere, different things have different names."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.storage.keys import (
    canonical_json,
    digest_of_array,
    digest_of_bytes,
    feature_key,
    fingerprint,
    pack_digests,
    unpack_digests,
)


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [1.5, None]}) == b'{"a":[1.5,null],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_a_file_digest_is_what_sha256sum_prints():
    assert digest_of_bytes(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_an_array_digest_covers_dtype_and_shape_but_not_memory_layout():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert digest_of_array(array) == digest_of_array(np.asfortranarray(array))
    assert digest_of_array(array) == digest_of_array(array.astype(">f4"))
    others = [array.reshape(3, 2), array.astype(np.float64), array.view(np.int32), array + 1]
    assert len({digest_of_array(other) for other in [array, *others]}) == 5


def test_whatever_changes_a_feature_changes_its_key():
    keys = {
        feature_key("t", "p", "float32", 0),
        feature_key("u", "p", "float32", 0),
        feature_key("t", "q", "float32", 0),
        feature_key("t", "p", "bfloat16", 0),
        feature_key("t", "p", "float32", 1),
    }
    assert len(keys) == 5


def test_keys_are_the_same_on_every_machine():
    """Fixed values: a change here throws every cache away."""
    assert fingerprint("kind", {"a": 1}) == hashlib.sha256(b'kind\0{"a":1}').hexdigest()
    assert feature_key("t" * 64, "p" * 64, "float32", 0) == KNOWN_KEY


KNOWN_KEY = "2f4913b55311d61d33055cff92bf168372842ea6b319cb21e5194b39050a61cb"


@given(st.lists(st.binary(min_size=32, max_size=32)))
def test_packed_digests_come_back(digests):
    texts = [digest.hex() for digest in digests]
    assert unpack_digests(pack_digests(texts)) == texts


def test_half_a_letter_has_a_spelling_of_its_own():
    one, other = (canonical_json({"x": text}) for text in ("\ud800", "\ud801"))
    assert one != other
