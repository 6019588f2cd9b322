"""Browser sessions in the database, under a digest of what the cookie says.

Django keeps the cookie's own text: who reads a backup could send it and be somebody. The digest
lets the cookie be looked up, and opens nothing by itself. The text has 165 bits, so that a plain
hash, cut to the 160 bits that the column holds, is enough.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

KEPT_CHARS = 40


def kept_key(session_key: str) -> str:
    """How the row of a session is called."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:KEPT_CHARS]


class SessionStore(db.SessionStore):
    """Django's, but for the name of the row."""

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """The row as it is written."""
        row = super().create_model_instance(data)
        row.session_key = kept_key(row.session_key)
        return row

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session, ended or not."""
        return super().exists(kept_key(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """Take a session away, this one if none is named."""
        named = session_key or self.session_key
        if named is not None:
            super().delete(kept_key(named))

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        row = None
        if self.session_key is not None:
            live = self.model.objects.filter(expire_date__gt=timezone.now())
            row = live.filter(session_key=kept_key(self.session_key)).first()
        if row is None:
            self._session_key = None
        return row
