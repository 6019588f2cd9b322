"""Lazy settings of the registry: read when used, so that tests and `override_settings` work."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from django.conf import settings


def _of(name: str) -> Any:
    return settings.MODELYARD[name]


class RegistryConf:
    """What the registry is told by `config/settings.py`. Sizes are in bytes."""

    @property
    def home(self) -> Path:
        """The state folder."""
        return Path(settings.MODELYARD_HOME)

    @property
    def max_artifact_bytes(self) -> int:
        """The largest model file that is taken."""
        return cast(int, _of("MAX_ARTIFACT_BYTES"))

    @property
    def max_dataset_bytes(self) -> int:
        """The largest dataset file that is taken."""
        return cast(int, _of("MAX_DATASET_BYTES"))

    @property
    def max_body_bytes(self) -> int:
        """The largest JSON or CSV body."""
        return cast(int, _of("MAX_BODY_BYTES"))

    @property
    def max_binary_body_bytes(self) -> int:
        """The largest Arrow or Parquet body."""
        return cast(int, _of("MAX_BINARY_BODY_BYTES"))

    @property
    def model_file_policy(self) -> str:
        """What happens to formats that execute code: gate, approve or refuse."""
        return cast(str, _of("MODEL_FILE_POLICY"))

    @property
    def public_url(self) -> str:
        """Scheme, host and path prefix that people use, without a trailing slash; may be empty."""
        return cast(str, _of("PUBLIC_URL"))


conf = RegistryConf()
