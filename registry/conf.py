"""Lazy settings of the registry: read when used, so that tests and `override_settings` work."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.core.signals import setting_changed

from registry.identities import SignOn

# How many calls, in how many seconds.
Rate = tuple[int, float]


@lru_cache(maxsize=1)
def told() -> dict[str, Any]:
    """``settings.MODELYARD``: Django takes a microsecond to find it, at every question."""
    return settings.MODELYARD


def _forget(**_: Any) -> None:
    told.cache_clear()


setting_changed.connect(_forget, dispatch_uid="registry.conf")


def _of(name: str) -> Any:
    return told()[name]


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
    def worker_concurrency(self) -> int:
        """How many processes this machine's worker has."""
        return settings.WORKER_CONCURRENCY

    @property
    def cache_bytes(self) -> int:
        """How much this machine keeps of small files that lie in a remote storage."""
        return cast(int, _of("CACHE_BYTES"))

    @property
    def max_body_bytes(self) -> int:
        """The largest JSON or CSV body."""
        return cast(int, _of("MAX_BODY_BYTES"))

    @property
    def max_binary_body_bytes(self) -> int:
        """The largest Arrow or Parquet body."""
        return cast(int, _of("MAX_BINARY_BODY_BYTES"))

    @property
    def update_backups(self) -> int:
        """How many backups of the database before an update are kept; 0: none is made."""
        return cast(int, _of("UPDATE_BACKUPS"))

    @property
    def requires_model_cards(self) -> bool:
        """Whether a guarded alias may only be asked for once the model card says everything."""
        return bool(_of("MODEL_CARD_POLICY") == "require")

    @property
    def model_file_policy(self) -> str:
        """What happens to formats that execute code: gate, approve or refuse."""
        return cast(str, _of("MODEL_FILE_POLICY"))

    @property
    def public_url(self) -> str:
        """Scheme, host and path prefix that people use, without a trailing slash; may be empty."""
        return cast(str, _of("PUBLIC_URL"))

    @property
    def redis_url(self) -> str:
        """Redis or Valkey: broker, cache, limits, and the news of changes."""
        return cast(str, _of("REDIS_URL"))

    @property
    def connection_folders(self) -> tuple[Path, ...]:
        """Below these may lie the SQLite files of connections."""
        return cast("tuple[Path, ...]", _of("CONNECTION_FOLDERS"))

    @property
    def rate_limit(self) -> Rate | None:
        """What one key may call; None for no limit."""
        return cast("Rate | None", _of("RATE_LIMIT"))

    @property
    def model_rate_limit(self) -> Rate | None:
        """What one key may score with one model; None for no limit but ``rate_limit``."""
        return cast("Rate | None", _of("MODEL_RATE_LIMIT"))

    @property
    def address_rate_limit(self) -> Rate | None:
        """What one address may call without a key; None for no limit."""
        return cast("Rate | None", _of("ADDRESS_RATE_LIMIT"))

    @property
    def outgoing_hosts(self) -> tuple[str, ...]:
        """The hosts that may be called from here; without any nothing leaves."""
        return cast("tuple[str, ...]", _of("OUTGOING_HOSTS"))

    @property
    def sends_mail(self) -> bool:
        """Whether a mail server is named; without one Django's mails go nowhere."""
        return cast(bool, _of("SENDS_MAIL"))

    @property
    def sign_on(self) -> SignOn | None:
        """The provider of single sign-on; None where it is off."""
        return cast("SignOn | None", _of("SIGN_ON"))

    @property
    def takes_passwords(self) -> bool:
        """Whether people may sign in with a password that is kept here."""
        return cast(bool, _of("PASSWORD_SIGN_IN"))

    @property
    def path_prefix(self) -> str:
        """The path of the public URL, without a slash at its end; "" for none."""
        return settings.FORCE_SCRIPT_NAME or ""

    @property
    def address(self) -> str:
        """Where people reach the service, as well as it is known outside of a request."""
        return self.public_url or f"http://{settings.HOST}:{settings.PORT}"


conf = RegistryConf()
