"""The mail server, read from one URL: where mails go, and who they come from.

``smtp://`` speaks plainly, ``smtp+tls://`` turns to TLS by STARTTLS before anything is said, and
``smtps://`` begins with it. ``file:///folder`` writes each mail to a file, to try things out.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from config.env import PublicUrl, SettingError

_BACKENDS = "django.core.mail.backends"
_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails go. ``scheme`` is "" where no server is named: then none are sent."""

    scheme: str = ""
    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    folder: str = ""

    @property
    def is_named(self) -> bool:
        """Whether mails are sent at all."""
        return bool(self.scheme)

    @property
    def backend(self) -> str:
        """Django's ``EMAIL_BACKEND``."""
        if not self.is_named:
            return f"{_BACKENDS}.dummy.EmailBackend"
        return f"{_BACKENDS}.{'filebased' if self.folder else 'smtp'}.EmailBackend"


def server(url: str) -> MailServer:
    """What the URL names. User and password are percent-encoded where they hold ``/ + @ :``."""
    if not url:
        return MailServer()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused("the URL cannot be read.") from error
    if parts.query or parts.fragment:
        raise _refused("the URL has parameters, and none are known.")
    if parts.scheme == "file":
        if parts.netloc or not PurePosixPath(parts.path).is_absolute():
            raise _refused("the file URL names no absolute path.")
        return MailServer("file", folder=unquote(parts.path))
    if parts.scheme not in _PORTS:
        raise _refused("the URL is not smtp://, smtp+tls:// or smtps://.")
    if not parts.hostname or parts.path not in ("", "/"):
        raise _refused("the URL names no host, or more than one.")
    if bool(parts.username) != bool(parts.password):
        raise _refused("a user and a password belong together.")
    return MailServer(
        parts.scheme,
        parts.hostname,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def sender(text: str, public: PublicUrl | None) -> str:
    """Who mails come from; where nothing is said, ``modelyard@`` the host that people know."""
    host = public.host if public is not None and "." in public.host else "localhost"
    value = text or f"Modelyard <modelyard@{host}>"
    fix = "Write such as models@example.org, or Modelyard <models@example.org>."
    try:
        Address(addr_spec=parseaddr(value)[1])
    except (ValueError, IndexError) as error:
        raise SettingError("MAIL_SENDER", f"{value!r} is no address.", fix) from error
    if not parseaddr(value)[1] or not value.isprintable():
        raise SettingError("MAIL_SENDER", f"{value!r} is no address.", fix)
    return value


def _refused(problem: str) -> SettingError:
    # The URL is not repeated: a password may stand in it.
    return SettingError(
        "EMAIL_URL", problem, "Write such as smtp+tls://user:password@mail.example.org:587."
    )
