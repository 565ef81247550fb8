"""Names of shards: `KK/KEY/SHA256-TOKEN.h5`, relative and with `/`, as SQL rows hold them.

KEY is the feature key of the set, KK its first two digits. What lies behind a name is a store's
affair (`storage.shard_store`).
"""

from __future__ import annotations

import secrets

from headstart.paths import checked_digest

SUFFIX = ".h5"


def new_token() -> str:
    """What makes a name unique: two processes that write the same rows don't touch each other's."""
    return secrets.token_hex(4)


def new_name(feature_key: str, sha256: str, token: str) -> str:
    """The name of a shard whose bytes have this sha256.

    Raises:
        UnsafeName: the key or the sha256 is none.
    """
    return in_set(feature_key, f"{checked_digest(sha256)}-{token}{SUFFIX}")


def in_set(feature_key: str, last: str) -> str:
    """The name of what is called `last` in a feature set."""
    return f"{set_of(feature_key)}/{last}"


def set_of(feature_key: str) -> str:
    """What the names of a feature set begin with.

    Raises:
        UnsafeName: the key is no sha256.
    """
    return f"{checked_digest(feature_key)[:2]}/{feature_key}"


def last_of(name: str) -> str:
    """A shard's name within its set."""
    return name.rpartition("/")[2]


def is_in_set(name: str, feature_key: str) -> bool:
    """Whether the name is one of this feature set's."""
    return name.rpartition("/")[0] == set_of(feature_key)
