"""Single sign-on by a real provider: who comes in, as whom, with which rights, and who does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.test import Client, override_settings

from registry.actions.entering import NOBODY
from registry.actions.sign_on import join
from registry.errors import StateConflict
from registry.identities import SignOn
from registry.models import AuditEvent, User
from registry.principals import Principal
from tests import people
from tests.services.processes import free_port
from tests.services.provider import Provider

pytestmark = pytest.mark.django_db

CALLBACK = "http://testserver/sign-in/provider/callback"
PASSWORDS = "django.contrib.auth.backends.ModelBackend"
SIGNED_ON = "registry.actions.sign_on.SignedOn"
Enter = Callable[..., Any]
# Its middleware looks through all static files when it starts: once is enough.
_HANDLER = Client().handler


def a_browser() -> Client:
    """A browser without a session."""
    client = Client()
    client.handler = _HANDLER
    return client


@pytest.fixture(scope="module")
def told(provider: Provider) -> SignOn:
    """The provider as the settings name it."""
    client_id, secret = provider.client(CALLBACK)
    return SignOn(issuer=provider.issuer, client_id=client_id, client_secret=secret, label="Ours")


def with_sign_on(told: SignOn | None, *, passwords: bool = True) -> override_settings:
    """The settings with this provider."""
    backends = [settings.AUTHENTICATION_BACKENDS[0]]
    backends += [PASSWORDS] * passwords + [SIGNED_ON] * (told is not None)
    return override_settings(
        MODELYARD={**settings.MODELYARD, "SIGN_ON": told, "PASSWORD_SIGN_IN": passwords},
        AUTHENTICATION_BACKENDS=backends,
        ALLOWED_HOSTS=["testserver"],
    )


@pytest.fixture
def is_on(told: SignOn) -> Iterator[None]:
    """Single sign-on is on, and gives no roles."""
    with with_sign_on(told):
        yield


@pytest.fixture
def enter(provider: Provider) -> Enter:
    """Somebody enters from their browser; the answer to their coming back."""

    def go(subject: str, browser: Client | None = None, query: str = "", **claims: Any) -> Any:
        if subject:
            provider.person(subject, **{"preferred_username": subject, **claims})
        browser = browser or a_browser()
        away = browser.get(f"/sign-in/provider{query}")
        assert away.status_code == 302, away.content
        return browser.get(provider.sign_in(away["Location"], subject))

    return go


def test_nothing_of_it_is_there_unless_it_is_turned_on() -> None:
    assert a_browser().get("/sign-in/provider").status_code == 404
    assert a_browser().get("/sign-in/provider/callback?code=1&state=2").status_code == 404
    assert b"/sign-in/provider" not in a_browser().get("/admin/login/").content


@pytest.mark.usefixtures("is_on")
def test_somebody_new_gets_an_account_without_a_role(enter: Enter) -> None:
    browser = a_browser()
    came = enter("nora", browser, email="nora@example.org", name="Nora Nyberg")
    assert (came.status_code, came["Location"]) == (302, "/admin/")
    nora = User.objects.get()
    assert (nora.username, nora.email, nora.last_name) == ("nora", "nora@example.org", "Nyberg")
    assert nora.is_staff
    assert not nora.is_superuser
    assert not nora.has_usable_password()
    assert not nora.groups.exists()
    page = browser.get("/admin/")
    assert page.status_code == 200
    assert b"/admin/password_change/" not in page.content


@pytest.mark.usefixtures("is_on")
def test_who_comes_again_is_the_same_whatever_they_are_called_now(enter: Enter) -> None:
    enter("nora", email="old@example.org")
    came = enter("nora", preferred_username="nora-nyberg", email="new@example.org")
    assert came.status_code == 302
    nora = User.objects.get()
    assert (nora.username, nora.email) == ("nora", "new@example.org")


@pytest.mark.usefixtures("is_on")
def test_the_way_there_proves_itself_and_the_code_is_good_for_one_browser_once(
    enter: Enter, provider: Provider
) -> None:
    browser = a_browser()
    away = browser.get("/sign-in/provider")["Location"]
    asked = parse_qs(urlsplit(away).query)
    assert asked["redirect_uri"] == [CALLBACK]
    assert asked["code_challenge_method"] == ["S256"]
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    provider.person("nora", preferred_username="nora")
    back = provider.sign_in(away, "nora")
    stolen = a_browser().get(back)
    assert (stolen.status_code, stolen.templates[0].name) == (401, "registry/not_let_in.html")
    spoilt = browser.get(f"{back}x")
    assert spoilt.status_code == 401
    away = browser.get("/sign-in/provider")["Location"]
    back = provider.sign_in(away, "nora")
    assert browser.get(back).status_code == 302
    assert browser.get(back).status_code == 401
    actions = AuditEvent.objects.order_by("at").values_list("action", flat=True)
    assert list(actions) == ["user.sign_in_refused", "user.create", "user.sign_in"]
    assert User.objects.count() == 1


@pytest.mark.usefixtures("is_on")
def test_an_account_is_not_known_by_its_name_or_its_address(enter: Enter) -> None:
    olga = people.person("olga", email="olga@example.org", is_superuser=True).user
    by_name = enter("subject-1", preferred_username="Olga")
    assert by_name.status_code == 403
    assert b"not known to be you" in by_name.content
    assert b"subject-1" in by_name.content
    by_address = enter("other", email="olga@example.org", email_verified=True)
    assert by_address.status_code == 302
    assert SocialAccount.objects.get().user != olga
    assert not User.objects.get(username="other").is_superuser


@pytest.mark.usefixtures("is_on")
def test_who_was_joined_enters_as_who_they_are_and_keeps_name_and_address(
    enter: Enter, told: SignOn
) -> None:
    marie = people.manager()
    olga = people.person("olga", email="olga@example.org").user
    join(by=marie.by, user=olga, subject="subject-1")
    assert enter("subject-1", email="else@example.org").status_code == 302
    olga.refresh_from_db()
    assert (olga.email, olga.has_usable_password()) == ("olga@example.org", True)
    with pytest.raises(StateConflict, match="enters as olga already"):
        join(by=marie.by, user=marie.user, subject="subject-1")
    event = AuditEvent.objects.get(action="user.join")
    assert (event.actor, event.object_name, event.after) == (
        "marie",
        "olga",
        {"subject": "subject-1"},
    )


def test_the_subject_of_another_provider_is_somebody_else(enter: Enter, told: SignOn) -> None:
    olga = people.person("olga").user
    with with_sign_on(replace(told, issuer="https://before.example.org")):
        join(by=Principal(olga), user=olga, subject="nora")
    with with_sign_on(told):
        enter("nora")
    assert SocialAccount.objects.get(provider=told.issuer).user.username == "nora"


def test_groups_give_a_role_and_take_it_again_and_each_change_is_written_down(
    enter: Enter, told: SignOn
) -> None:
    mapped = {"science": "publisher", "leads": "approver"}
    known = Group.objects.create(name="Football")
    with with_sign_on(replace(told, roles=mapped, staff_groups=frozenset({"science"}))):
        enter("nora", groups=["science", "leads", "canteen"])
        nora = User.objects.get()
        nora.groups.add(known)
        assert Principal(nora).global_role == "approver"
        assert nora.is_staff
        enter("nora", groups=["science"])
        assert Principal(User.objects.get()).global_role == "publisher"
        enter("nora")
        nora = User.objects.get()
        assert Principal(nora).global_role is None
        assert not nora.is_staff
        assert list(nora.groups.all()) == [known]
        enter("nora")
    assert AuditEvent.objects.filter(action="user.sign_in").count() == 4
    events = AuditEvent.objects.exclude(action="user.sign_in").order_by("at")
    assert [e.action for e in events] == ["user.create", "user.update", "user.update"]
    assert [e.actor for e in events] == ["nora"] * 3
    assert events[1].after == {"groups": ["Football", "Publishers"]}
    assert events[2].after == {"groups": ["Football"], "is_staff": False}


def test_a_superuser_keeps_what_a_superuser_has(enter: Enter, told: SignOn) -> None:
    root = people.person("root", is_superuser=True, is_staff=True).user
    with with_sign_on(replace(told, roles={"x": "viewer"}, staff_groups=frozenset({"x"}))):
        join(by=Principal(root), user=root, subject="the-root")
        assert enter("the-root").status_code == 302
    root.refresh_from_db()
    assert root.is_staff
    assert root.is_superuser


@pytest.mark.usefixtures("is_on")
def test_who_has_left_does_not_come_in(enter: Enter) -> None:
    enter("nora")
    User.objects.update(is_active=False)
    browser = a_browser()
    assert enter("nora", browser).status_code == 403
    assert browser.get("/admin/").status_code == 302
    came, refused = AuditEvent.objects.filter(action__startswith="user.sign_in").order_by("at")
    assert (came.action, came.actor, came.object_id) == ("user.sign_in", "nora", refused.object_id)
    assert came.after == refused.after == {"way": "single sign-on", "address": "127.0.0.1"}
    assert (refused.action, refused.actor) == ("user.sign_in_refused", "modelyard")
    assert refused.reason == "The account nora is not active."
    assert refused.request_id


@pytest.mark.usefixtures("is_on")
@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"preferred_username": "<script>"}, b"preferred_username"),
        ({"preferred_username": "x" * 151}, b"preferred_username"),
        ({"preferred_username": ["a"]}, b"preferred_username"),
    ],
)
def test_a_claim_that_is_no_user_name_is_named(
    enter: Enter, claims: dict[str, Any], words: bytes
) -> None:
    came = enter("nora", **claims)
    assert came.status_code == 403
    assert words in came.content
    assert not User.objects.exists()


@pytest.mark.usefixtures("is_on")
def test_who_turns_back_at_the_provider_is_told_so(enter: Enter) -> None:
    came = enter("")
    assert came.status_code == 403
    assert b"You did not sign in there." in came.content
    event = AuditEvent.objects.get()
    assert (event.action, event.object_name) == ("user.sign_in_refused", NOBODY)


@pytest.mark.usefixtures("is_on")
@pytest.mark.parametrize(
    "query", ["", "?code=1", "?code=1&state=2", "?error=server_error&state=x", "?state=%00"]
)
def test_a_made_up_way_back_leads_to_a_page_and_nowhere_else(query: str) -> None:
    answer = a_browser().get(f"/sign-in/provider/callback{query}")
    assert answer.status_code == 401
    assert "Content-Security-Policy" in answer.headers
    assert answer.templates[0].name == "registry/not_let_in.html"
    # Nobody had begun.
    assert not AuditEvent.objects.exists()


def test_a_provider_that_does_not_answer_is_said_to_be_away(told: SignOn) -> None:
    with with_sign_on(replace(told, issuer=f"http://127.0.0.1:{free_port()}")):
        answer = a_browser().get("/sign-in/provider")
    assert answer.status_code == 503
    assert b"does not answer" in answer.content


def test_a_provider_under_another_name_is_not_believed(told: SignOn) -> None:
    with with_sign_on(replace(told, issuer=told.issuer.replace("localhost", "127.0.0.1") + "/")):
        assert a_browser().get("/sign-in/provider").status_code == 302
    with with_sign_on(replace(told, issuer=told.issuer + "/.well-known/openid-configuration")):
        assert a_browser().get("/sign-in/provider").status_code == 401


@pytest.mark.usefixtures("is_on")
@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/admin/registry/registeredmodel/", "/admin/registry/registeredmodel/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
    ],
)
def test_they_come_to_the_page_that_they_wanted_and_never_to_another_site(
    enter: Enter, asked: str, goes: str
) -> None:
    assert enter("nora", query=f"?next={asked}")["Location"] == goes


@pytest.mark.usefixtures("is_on")
def test_a_page_elsewhere_begins_nothing() -> None:
    answer = a_browser().get(
        "/sign-in/provider?next=/docs", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer["Location"] == "/admin/login/?next=%2Fdocs"
    assert not Session.objects.exists()
    assert a_browser().post("/sign-in/provider").status_code == 405


@pytest.mark.usefixtures("is_on")
def test_a_session_ends_when_the_provider_is_to_be_asked_again(enter: Enter, told: SignOn) -> None:
    browser = a_browser()
    enter("nora", browser)
    assert browser.session.get_expiry_age() <= told.session_s
    assert browser.session["_auth_user_backend"] == SIGNED_ON


def test_no_claim_and_no_token_is_kept(enter: Enter, told: SignOn) -> None:
    browser = a_browser()
    with with_sign_on(told):
        enter("nora", browser, secret_hobby="chess")
        kept = [SocialAccount.objects.get().extra_data, dict(browser.session.items())]
    assert "chess" not in str(kept)
    assert "token" not in str(kept)


def test_the_page_shows_the_ways_that_there_are(told: SignOn) -> None:
    with with_sign_on(told):
        both = a_browser().get("/admin/login/?next=/admin/").content.decode()
    assert 'href="/sign-in/provider?next=%2Fadmin%2F">Sign in with Ours</a>' in both
    assert 'name="password"' in both
    with with_sign_on(told, passwords=False):
        only = a_browser().get("/admin/login/").content.decode()
    assert "Sign in with Ours" in only
    assert 'name="password"' not in only


def test_passwords_that_are_off_open_nothing_and_end_their_sessions(
    enter: Enter, told: SignOn
) -> None:
    olga = people.person("olga", is_staff=True, is_superuser=True)
    before = olga.session()
    assert before.get("/admin/").status_code == 200
    with with_sign_on(told, passwords=False):
        form = {"username": "olga", "password": "a-long-pass-word"}
        assert a_browser().post("/admin/login/", form).status_code == 403
        assert before.get("/admin/").status_code == 302
        browser = a_browser()
        enter("nora", browser)
        assert browser.get("/admin/").status_code == 200
        assert browser.get("/admin/password_change/").status_code == 403


def test_single_sign_on_that_is_turned_off_ends_its_sessions(enter: Enter, told: SignOn) -> None:
    browser = a_browser()
    with with_sign_on(told):
        enter("nora", browser)
    assert browser.get("/admin/").status_code == 302


@pytest.mark.usefixtures("is_on")
def test_who_was_somebody_else_in_this_browser_is_not_any_more(enter: Enter) -> None:
    browser = people.person("olga", is_staff=True).session()
    before = browser.session.session_key
    enter("nora", browser)
    assert browser.session.session_key != before
    assert User.objects.get(pk=browser.session["_auth_user_id"]).username == "nora"


def test_the_packages_own_pages_are_left_out() -> None:
    root = people.person("root", is_staff=True, is_superuser=True).session()
    for path in ("account/emailaddress/", "socialaccount/socialaccount/"):
        assert root.get(f"/admin/{path}").status_code == 404
    assert root.get("/accounts/login/").status_code == 404


@pytest.mark.usefixtures("is_on")
def test_an_identity_that_is_removed_lets_nobody_in_any_more(enter: Enter, told: SignOn) -> None:
    browser, boss = a_browser(), people.person("boss", is_staff=True, is_superuser=True)
    enter("nora", browser)
    nora = User.objects.get(username="nora")
    identity = SocialAccount.objects.get(user=nora)
    desk = boss.session()
    page = desk.get(f"/admin/registry/user/{nora.pk}/").content.decode()
    assert (identity.uid in page, told.issuer in page) == (True, True)
    assert urlsplit(told.issuer).netloc in desk.get("/admin/registry/user/").content.decode()

    for wrong in ("", "x", "99999", "-1"):
        desk.post(f"/admin/registry/user/{nora.pk}/part/", {"identity": wrong})
    desk.post(f"/admin/registry/user/{boss.user.pk}/part/", {"identity": identity.pk})
    assert SocialAccount.objects.filter(user=nora).exists()
    assert browser.get("/admin/").status_code == 200

    done: Any = desk.post(
        f"/admin/registry/user/{nora.pk}/part/", {"identity": identity.pk}, follow=True
    )
    assert "no longer joined" in done.content.decode()
    event = AuditEvent.objects.get(action="user.part")
    assert (event.actor, event.object_name) == ("boss", "nora")
    assert event.before == {"provider": told.issuer, "subject": identity.uid}
    assert browser.get("/admin/").status_code == 302
    assert desk.get("/admin/").status_code == 200
    refused = enter("nora")
    assert (refused.status_code, b"not known to be you" in refused.content) == (403, True)
