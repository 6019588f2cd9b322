"""Typed readers of the environment; a wrong value stops the start with its name and the fix."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

from registry.outgoing.listed import Listed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d{1,18})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_RATE = re.compile(r"(\d{1,9})\s*/\s*(s|min|h)")
_PERIODS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
_HOST_LABELS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class SettingError(ImproperlyConfigured):
    """A variable of the environment that cannot be used: ``NAME: what is wrong. What to do.``"""

    def __init__(self, name: str, problem: str, fix: str) -> None:
        super().__init__(f"{name}: {problem} {fix}")
        self.name = name


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Where users reach the service. ``prefix`` is "" or begins, and never ends, with a slash."""

    scheme: str
    host: str
    port: int | None
    prefix: str

    @property
    def is_secure(self) -> bool:
        """Whether users come by https."""
        return self.scheme == "https"

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers write it in ``Origin``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port in (None, 443 if self.is_secure else 80)
        return f"{self.scheme}://{host}" if is_default else f"{self.scheme}://{host}:{self.port}"

    def __str__(self) -> str:
        return self.origin + self.prefix


@dataclass(frozen=True, slots=True)
class S3Store:
    """An S3-compatible store; without ``access_key`` the SDK looks for credentials by itself."""

    bucket: str
    location: str
    endpoint_url: str | None
    region: str | None
    access_key: str | None
    secret_key: str | None
    addressing_style: str

    def as_storage(self) -> dict[str, Any]:
        """As an entry of Django's ``STORAGES``."""
        return {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": self.bucket,
                "location": self.location,
                "endpoint_url": self.endpoint_url,
                "region_name": self.region,
                "access_key": self.access_key,
                "secret_key": self.secret_key,
                "client_config": self._client_config(),
                "default_acl": None,
                "querystring_auth": True,
            },
        }

    def _client_config(self) -> Any:
        """How its client asks: signed by version 4, and not for long where nobody answers."""
        from botocore.config import Config

        return Config(
            s3={"addressing_style": self.addressing_style},
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=32,
        )


class Environment:
    """Typed readers over a mapping of variables; an empty value counts as unset."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding blanks."""
        return self._variables.get(name, "").strip() or default

    def secret(self, name: str) -> str:
        """The value, or the content of the file that ``NAME_FILE`` names; "" if neither is set."""
        value, path = self.text(name), self.text(f"{name}_FILE")
        if not path:
            return value
        if value:
            raise SettingError(name, f"both {name} and {name}_FILE are set.", "Set only one.")
        try:
            content = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8 text"
            raise SettingError(
                f"{name}_FILE", f"{path} cannot be read ({reason}).", "Name a readable file."
            ) from error
        if not content:
            raise SettingError(f"{name}_FILE", f"{path} is empty.", "Write the secret into it.")
        return content

    def host(self, name: str, default: str) -> str:
        """An address, or a name of a host."""
        value = self.text(name, default)
        if not (_HOST_LABELS.fullmatch(value) or is_address(value)):
            raise SettingError(name, f"{value!r} is no host.", f"The default is {default}.")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """``1 true yes on`` or ``0 false no off``, in any case."""
        value = self.text(name).lower()
        if not value:
            return default
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
        raise SettingError(name, f"{value!r} is neither true nor false.", "Write 1 or 0.")

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"\d{1,18}", value) or not low <= int(value) <= high:
            raise SettingError(
                name, f"{value!r} is no number from {low} to {high}.", f"The default is {default}."
            )
        return int(value)

    def size_bytes(self, name: str, default: int) -> int:
        """Bytes: a whole number above 0, or one with a binary unit such as ``512MiB`` or ``2G``."""
        value = self.text(name)
        if not value:
            return default
        found = _SIZE.fullmatch(value)
        size = int(found[1]) * _UNITS[found[2].upper()] if found else 0
        if not size:
            raise SettingError(name, f"{value!r} is no size.", "Write bytes, or such as 512MiB.")
        return size

    def rate(self, name: str, default: str) -> tuple[int, float] | None:
        """Calls in a time, such as ``1000/s`` or ``600/min``, as (calls, seconds); None: off."""
        value = self.text(name, default)
        if value.lower() in _FALSE:
            return None
        found = _RATE.fullmatch(value)
        if not found or not int(found[1]):
            raise SettingError(
                name, f"{value!r} is no rate.", "Write such as 1000/s, 600/min, 5000/h, or off."
            )
        return int(found[1]), _PERIODS_S[found[2]]

    def choice(self, name: str, options: Sequence[str], default: str) -> str:
        """One of ``options``."""
        value = self.text(name, default)
        if value not in options:
            listed = ", ".join(options)
            raise SettingError(name, f"{value!r} is not known.", f"Choose one of: {listed}.")
        return value

    def zone(self, name: str, default: str) -> str:
        """The name of a time zone, such as ``Europe/Rome``."""
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError) as error:
            raise SettingError(
                name, f"{value!r} is no known time zone.", "Write one such as Europe/Rome or UTC."
            ) from error
        return value

    def folder(self, name: str, default: Path) -> Path:
        """An absolute path; a relative one counts from the folder that the process started in."""
        return Path(self.text(name, str(default))).expanduser().absolute()

    def folders(self, name: str) -> tuple[Path, ...]:
        """Absolute paths, separated by commas."""
        parts = [part.strip() for part in self.text(name).split(",") if part.strip()]
        for part in parts:
            if not Path(part).is_absolute():
                raise SettingError(
                    name, f"{part!r} is no absolute path.", "Write such as /srv/data,/srv/more."
                )
        return tuple(Path(part) for part in parts)

    def networks(self, name: str) -> tuple[Network, ...]:
        """Addresses and networks, separated by commas."""
        parts = [part.strip() for part in self.text(name).split(",") if part.strip()]
        try:
            return tuple(ipaddress.ip_network(part) for part in parts)
        except ValueError as error:
            raise SettingError(
                name, f"{error}.", "Write addresses or networks: 127.0.0.1,10.0.0.0/8."
            ) from error

    def outgoing_hosts(self, name: str) -> tuple[str, ...]:
        """Hosts, ``*.suffix``, addresses and networks, separated by commas."""
        entries = tuple(part.strip() for part in self.text(name).split(",") if part.strip())
        try:
            Listed.of(entries)
        except ValueError as error:
            raise SettingError(
                name, f"{error}.", "Write such as hooks.example.org,*.example.com,10.0.0.0/8."
            ) from error
        return entries

    def public_url(self, name: str) -> PublicUrl | None:
        """``http(s)://host[:port][/prefix]``; None if unset."""
        value = self.text(name)
        if not value:
            return None
        fix = "Write such as https://models.example.org or https://example.org/models."
        try:
            parts = urlsplit(value)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise SettingError(name, f"{value!r} is no URL ({error}).", fix) from error
        prefix = parts.path.rstrip("/")
        is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
        if parts.scheme not in ("http", "https") or not is_plain:
            raise SettingError(name, f"{value!r} is no plain http or https URL.", fix)
        if not (_HOST_LABELS.fullmatch(host) or is_address(host)) or not _PREFIX.fullmatch(prefix):
            raise SettingError(name, f"{value!r} has an unusable host or path.", fix)
        return PublicUrl(parts.scheme, host, port, prefix)

    def database(self, name: str) -> dict[str, Any] | None:
        """Django's entry of ``DATABASES`` for a ``postgres://`` or ``sqlite:///`` URL, or None."""
        url = self.secret(name)
        if not url:
            return None
        fix = "Write such as postgres://user:password@host:5432/name."
        scheme = url.partition("://")[0]
        if scheme not in ("postgres", "postgresql", "sqlite"):
            raise SettingError(name, "the URL is neither postgres:// nor sqlite:///.", fix)
        try:
            entry = dict(environ.Env.db_url_config(url))
        except (ValueError, KeyError, ImproperlyConfigured) as error:
            raise SettingError(name, "the URL cannot be read.", fix) from error
        if not entry.get("NAME"):
            raise SettingError(name, "the URL names no database.", fix)
        # The folder of a Unix socket stands there percent-encoded, as libpq has it.
        return entry | {"HOST": unquote(entry.get("HOST") or "")}

    def redis_url(self, name: str) -> str:
        """A URL as redis-py takes it (``redis rediss unix``); "" if unset."""
        url = self.secret(name)
        if url and urlsplit(url).scheme not in ("redis", "rediss", "unix"):
            raise SettingError(
                name,
                "the URL is not redis://, rediss:// or unix://.",
                "Such as redis://host:6379/0.",
            )
        return url

    def s3(self, name: str) -> S3Store | None:
        """``s3://KEY:SECRET@HOST[:PORT]/BUCKET[/PREFIX]?endpoint_url=&region=&style=``, or None.

        The endpoint is ``endpoint_url``, else ``https://HOST:PORT``, else Amazon's own. Key and
        secret are percent-encoded where they hold ``/ + @ :``.
        """
        url = self.secret(name)
        if not url:
            return None
        fix = (
            "Write s3://KEY:SECRET@HOST/BUCKET, or leave it out to keep files in the state folder."
        )
        try:
            parts = urlsplit(url)
            where = parts.netloc.rpartition("@")[2]
            bucket, _, location = parts.path.strip("/").partition("/")
            asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError as error:
            raise SettingError(name, "the URL cannot be read.", fix) from error
        unknown = sorted(asked.keys() - {"endpoint_url", "region", "style"})
        if unknown:
            raise SettingError(name, f"the parameter {unknown[0]} is unknown.", fix)
        if parts.scheme != "s3" or not bucket:
            raise SettingError(name, "no s3:// URL with a bucket.", fix)
        return S3Store(
            bucket=bucket,
            location=location,
            endpoint_url=asked.get("endpoint_url") or (f"https://{where}" if where else None),
            region=asked.get("region"),
            access_key=unquote(parts.username) if parts.username else None,
            secret_key=unquote(parts.password) if parts.password else None,
            addressing_style=asked.get("style", "path"),
        )


def is_address(host: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
