"""How much drawn tests draw, and from which seed: `make test` a part, `make test-long` all of it.

`MODELYARD_LONG=1` asks for the full counts, `MODELYARD_SEED` for the same draw again.
"""

from __future__ import annotations

import os
import secrets

IS_LONG = os.environ.get("MODELYARD_LONG", "0") not in ("", "0")
FIXED_SEED = 20260131


def amount(long: int, *, short: int | None = None) -> int:
    """The full count in a long run, otherwise ``short`` or a tenth."""
    if IS_LONG:
        return long
    return long // 10 if short is None else short


def drawn_seed() -> int:
    """A seed of this run alone, unless `MODELYARD_SEED` names one."""
    named = os.environ.get("MODELYARD_SEED")
    return int(named) if named else secrets.randbelow(1 << 31)


def seed() -> int:
    """The same seed in every ordinary run, so that it fails for everybody or nobody.

    Long runs draw one: they are for finding what nobody has tried.
    """
    return drawn_seed() if IS_LONG or "MODELYARD_SEED" in os.environ else FIXED_SEED
