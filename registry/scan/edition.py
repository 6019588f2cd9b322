"""Plain: which edition of the gate said something: the code's number and the lists' digest."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

# Goes up whenever the gate may say something else about the same bytes.
GATE_EDITION = 3
LISTS = ("skops_types.json", "pickle_globals.json")


@cache
def gate_version() -> str:
    """``<edition>-<12 hex digits over the lists>``: what a verdict and an approval are bound to."""
    digest = hashlib.sha256()
    for name in LISTS:
        listed = resources.files("registry.scan").joinpath(name)
        digest.update(listed.read_bytes() if listed.is_file() else b"")
    return f"{GATE_EDITION}-{digest.hexdigest()[:12]}"
