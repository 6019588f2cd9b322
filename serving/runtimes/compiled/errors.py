"""Why a model is not compiled: the original serves it then, which is no error of the service."""

from __future__ import annotations


class NotCompiled(Exception):
    """No graph answers exactly as the original does.

    ``reason`` is a stable key in kebab-case, ``text`` a sentence for the person who reads it.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class GraphRefused(NotCompiled):
    """A graph that is not as the converters write it. It is never given to onnxruntime."""
