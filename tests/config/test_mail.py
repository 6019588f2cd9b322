"""The mail server's URL and the sender: what they say, and what a wrong one is told."""

from __future__ import annotations

import pytest

from config import mail
from config.env import PublicUrl, SettingError

PUBLIC = PublicUrl("https", "models.example.org", None, "")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail", mail.MailServer("smtp", "mail", 25)),
        ("smtp+tls://mail", mail.MailServer("smtp+tls", "mail", 587)),
        ("smtps://mail/", mail.MailServer("smtps", "mail", 465)),
        ("smtp://mail:2525", mail.MailServer("smtp", "mail", 2525)),
        (
            "smtp+tls://me%40example.org:p%2Fw@mail",
            mail.MailServer("smtp+tls", "mail", 587, "me@example.org", "p/w"),
        ),
        ("file:///var/spool/my%20mails", mail.MailServer("file", folder="/var/spool/my mails")),
        ("", mail.MailServer()),
    ],
)
def test_a_url_names_the_server(url: str, server: mail.MailServer) -> None:
    assert mail.server(url) == server


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://mail", "EMAIL_URL: the URL is not smtp://, smtp+tls:// or smtps://."),
        ("smtp://", "EMAIL_URL: the URL names no host"),
        ("smtp://mail/x", "EMAIL_URL: the URL names no host, or more than one"),
        ("smtp://mail:99999", "EMAIL_URL: the URL cannot be read."),
        ("smtp://user@mail", "EMAIL_URL: a user and a password belong together."),
        ("smtp://mail?tls=1", "EMAIL_URL: the URL has parameters"),
        ("file://host/x", "EMAIL_URL: the file URL names no absolute path."),
    ],
)
def test_a_wrong_url_is_told_what_is_wrong_and_never_repeated(url: str, problem: str) -> None:
    with pytest.raises(SettingError) as refused:
        mail.server(url)
    assert str(refused.value).startswith(problem)
    assert url not in str(refused.value)


@pytest.mark.parametrize(
    ("server", "backend"),
    [
        (mail.MailServer(), "dummy"),
        (mail.MailServer("smtp", "mail"), "smtp"),
        (mail.MailServer("file", folder="/tmp"), "filebased"),
    ],
)
def test_mails_go_where_the_url_says(server: mail.MailServer, backend: str) -> None:
    assert server.backend == f"django.core.mail.backends.{backend}.EmailBackend"
    assert server.is_named is (backend != "dummy")


@pytest.mark.parametrize(
    ("value", "public", "sender"),
    [
        ("", PUBLIC, "Modelyard <modelyard@models.example.org>"),
        ("", None, "Modelyard <modelyard@localhost>"),
        ("me@example.org", PUBLIC, "me@example.org"),
        ("Models of ours <me@example.org>", None, "Models of ours <me@example.org>"),
    ],
)
def test_mails_come_from_whom_the_settings_name(
    value: str, public: PublicUrl | None, sender: str
) -> None:
    assert mail.sender(value, public) == sender


@pytest.mark.parametrize("value", ["nobody", "a@b@c", "a@", "Me <", "a\nBcc: b@c.d"])
def test_a_sender_that_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="is no address"):
        mail.sender(value, None)
