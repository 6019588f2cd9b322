"""Plain: names of columns: which are allowed, and which known one was probably meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

COMPARED_CHARS = 80
NAME_SHOWN_CHARS = 200
_REFUSED = {'"': "a quote", "'": "a quote", "\\": "a backslash"}


def name_fault(name: str) -> str | None:
    """Why a column cannot have this name, or None when it can.

    Names are kept as they are (spaces, brackets, any script); what would need escaping in
    JSON, in CSV or in a log line is refused.
    """
    if not name:
        return "it is empty"
    for char in name:
        if char in _REFUSED:
            return f"it holds {_REFUSED[char]}"
        if unicodedata.category(char) == "Cc" or char in "\u2028\u2029":
            return "it holds a control character"
        if unicodedata.category(char) == "Cs":
            return "it is not valid Unicode"
    return None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``name``, None only when nothing is known.

    Case, spaces, dots and underscores count for nothing when names are otherwise the same.
    """
    names = list(known)
    folded = _folded(name)
    for candidate in names:
        if _folded(candidate) == folded:
            return candidate
    return max(names, key=lambda candidate: _likeness(folded, _folded(candidate)), default=None)


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that stands there a second time; None when each stands once."""
    met: set[str] = set()
    for name in names:
        if name in met:
            return name
        met.add(name)
    return None


def shown(name: str) -> str:
    """A name that came from outside, at most 200 characters of it."""
    if len(name) <= NAME_SHOWN_CHARS:
        return name
    return name[: NAME_SHOWN_CHARS - 1] + "…"


def pointer_token(name: str) -> str:
    """A name as one token of a JSON pointer (RFC 6901)."""
    return shown(name).replace("~", "~0").replace("/", "~1")


class NearestName:
    """``nearest`` for many names of one table, each looked up once, with bounded work.

    When the work is used up (thousands of unknown names against a wide table) it answers None.
    """

    def __init__(self, known: Sequence[str], comparisons: int = 20_000) -> None:
        self._known = known
        self._left = comparisons
        self._found: dict[str, str | None] = {}

    def __call__(self, name: str) -> str | None:
        """The known name that is most like ``name``."""
        if name not in self._found and self._left > 0:
            self._left -= len(self._known)
            self._found[name] = nearest(name, self._known)
        return self._found.get(name)


def _folded(name: str) -> str:
    # Comparing is quadratic in the length, so only the beginning counts.
    short = name[:COMPARED_CHARS].casefold()
    return "".join(char for char in short if char.isalnum()) or short


def _likeness(left: str, right: str) -> float:
    return SequenceMatcher(None, left, right, autojunk=False).ratio()
