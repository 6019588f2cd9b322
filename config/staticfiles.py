"""Static files under names with a hash, from the moment on that they have been collected."""

from __future__ import annotations

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedWhenCollected(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """WhiteNoise's manifest storage, which answers plain names while there is no manifest.

    Without it every page fails until somebody runs ``collectstatic``: in tests, in a shell.
    """

    manifest_strict = False

    def create_compressor(self, **options: Any) -> Compressor:
        """By gzip alone: Brotli, where some package has brought it, takes a minute longer."""
        return super().create_compressor(**options, use_brotli=False)

    def stored_name(self, name: str) -> str:
        """The hashed name, or the name itself when nothing has been collected."""
        return str(super().stored_name(name)) if self.hashed_files else name
