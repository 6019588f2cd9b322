"""Seals secrets that have to be read again: passwords of connections, keys that sign webhooks.

They are encrypted with a key that follows from ``SECRET_KEY``, so a copy of the database alone
gives none of them away. After a change of ``SECRET_KEY`` the old one belongs into
``SECRET_KEY_FALLBACKS``: what it has sealed can then still be read.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

_PURPOSE = b"modelyard.registry.sealing.v1"


class SealBroken(Exception):
    """It was sealed with another ``SECRET_KEY``, or altered since."""


def seal(text: str) -> str:
    """The secret as it may be kept. Two seals of the same text differ."""
    return _sealer().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret again. Raises SealBroken."""
    try:
        return _sealer().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SealBroken(
            "A secret cannot be read: it was kept under another SECRET_KEY. Enter it anew."
        ) from None


def _sealer() -> MultiFernet:
    """Seals with the first key, opens with any."""
    return MultiFernet([_fernet(k) for k in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(secret_key: str | bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derived.derive(force_bytes(secret_key))))
