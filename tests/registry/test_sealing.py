"""Secrets that are kept sealed: read again with the same SECRET_KEY, and with no other."""

from __future__ import annotations

from typing import Any

import pytest

from registry.sealing import SealBroken, seal, unseal

TEXT = "pass wörd %40 \0"


def test_what_is_sealed_is_read_again_and_stands_nowhere_in_the_seal() -> None:
    first, second = seal(TEXT), seal(TEXT)
    assert unseal(first) == unseal(second) == TEXT
    assert first != second
    assert "pass" not in first


def test_another_key_reads_nothing_unless_the_old_one_is_kept(settings: Any) -> None:
    sealed, old = seal(TEXT), settings.SECRET_KEY
    settings.SECRET_KEY = "another " * 10
    with pytest.raises(SealBroken, match="another SECRET_KEY"):
        unseal(sealed)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert unseal(sealed) == TEXT


@pytest.mark.parametrize("sealed", ["", "nothing", "gAAAAA=="])
def test_what_was_altered_is_refused(sealed: str) -> None:
    with pytest.raises(SealBroken):
        unseal(sealed)
