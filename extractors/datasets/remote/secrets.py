"""What may be a secret in an address or a setting, which would be stored with the dataset."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

SECRET = re.compile(
    r"sig$|signature|token|key|secret|credential|pass|pwd|auth|session|jwt|sas|bearer|header",
    re.IGNORECASE,
)
"""What the names of settings hold that let whoever has them in."""
NAMED = re.compile(r"(?s)(//|:).*@")
"""A name and a password before a host."""
PARAMETERS = (
    *("versionId", "version", "v", "rev", "ref", "generation", "raw", "dl", "download", "alt"),
    *("export", "id", "file", "filename", "path", "name", "page", "index", "lang", "type"),
    *("format", "fm", "auto", "fit", "crop", "width", "height", "w", "h", "size", "scale"),
    *("dpr", "q", "quality", "resize", "rotate"),
)
"""The parts of a query of which it is known that they name or shape an object. Any other may let
whoever has it in: servers call those what they like (`code`, `t`, `x`), so what is not known is
refused."""
KNOWN = frozenset(name.lower() for name in PARAMETERS)


def may_hold_secret(query: str) -> bool:
    """Whether a query has a part that is not among `PARAMETERS`, or is an address with a password.

    Args:
        query: behind the `?`, as it is written; servers part it at `&`, some at `;`.
    """
    parts = (one.partition("=") for one in re.split("[&;]", query) if one)
    return any(
        unquote_plus(name).lower() not in KNOWN or NAMED.search(unquote_plus(value))
        for name, _, value in parts
    )


def is_secret_setting(name: str, value: str) -> bool:
    """Whether a setting of a store is a secret by its name, or its value holds one: a password
    before a host, or a query that may."""
    is_named = SECRET.search(name) and not name.strip().lower().endswith("skip_signature")
    _, _, query = value.partition("?")
    return bool(is_named or NAMED.search(value)) or may_hold_secret(query)
