"""Static files under names with a hash, from the moment on that they have been collected."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedWhenCollected(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """WhiteNoise's manifest storage, which answers plain names while there is no manifest.

    Without it every page fails until somebody runs ``collectstatic``: in tests, in a shell.
    """

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        """The hashed name, or the name itself when nothing has been collected."""
        return str(super().stored_name(name)) if self.hashed_files else name
