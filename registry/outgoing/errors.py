"""Why something was not sent, or came to nothing. Texts name the host, and never path or query.

OutgoingError
├── OutgoingRefused     by our own rules; sending it again changes nothing
└── OutgoingFailed      by the network or by the receiver; later it may do
"""

from __future__ import annotations


class OutgoingError(Exception):
    """``reason`` is a stable code, ``str()`` says what was found and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OutgoingRefused(OutgoingError):
    """``bad-url``, ``not-listed``, ``inner-address``."""


class OutgoingFailed(OutgoingError):
    """``unknown-host``, ``no-connection``, ``no-trust``, ``too-slow``, ``broken-answer``,
    ``answer-too-large``.
    """
