"""Which names people may read as files of their own: everything else there is ours."""

from __future__ import annotations

INBOX = "inbox/"


def checked_prefix(prefix: str) -> str:
    """The prefix, when it lies in the inbox. Raises ValueError with words for who asked."""
    steps = prefix.split("/")
    if not prefix.startswith(INBOX) or ".." in steps or "." in steps or "\\" in prefix:
        raise ValueError(f"A prefix begins with `{INBOX}` and has no `..` in it.")
    return prefix
