"""Behind a proxy that ends TLS, under a path prefix: pages, redirects, cookies, links, files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import modelyard
import pytest
import requests

from tests.services.processes import free_port
from tests.services.proxy import proxy, write_certificate
from tests.services.stack import ROOT, Stack, Start, end_stack

pytestmark = pytest.mark.long

PREFIX = "/data/yard"
PASSWORD = "ten-grey-herons"
LINK = re.compile(r"""\s(?:href|src|action|hx-get|data-url)="([^"#][^"]*)\"""")
PAGES_MAX = 40


@dataclass(frozen=True)
class Site:
    """How people reach the service: through a proxy that leaves the prefix on, or takes it off."""

    stack: Stack
    url: str
    other_url: str
    certificate: Path
    key: str

    def browser(self) -> requests.Session:
        """Somebody who trusts the proxy's certificate."""
        session = requests.Session()
        session.verify = str(self.certificate)
        session.trust_env = False
        return session

    def signed_in(self) -> requests.Session:
        """The first user's browser."""
        session = self.browser()
        page = session.get(f"{self.url}/admin/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        answer = session.post(
            page.url, data={**form, "next": f"{PREFIX}/admin/"}, headers={"Referer": page.url}
        )
        assert (answer.status_code, answer.url) == (200, f"{self.url}/admin/")
        return session


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, start_ready_made: Start) -> Iterator[Site]:
    """A whole service with a public address, and its proxies."""
    port, other_port = free_port(), free_port()
    certificate = write_certificate(tmp_path_factory.mktemp("tls") / "proxy.pem")
    public = f"https://localhost:{port}{PREFIX}"
    with ExitStack() as ending:
        stack = start_ready_made(
            PUBLIC_URL=public,
            TRUSTED_PROXIES="127.0.0.1",
            MODELYARD_ADMIN_PASSWORD=PASSWORD,
        )
        ending.callback(end_stack, stack)
        upstream = int(urlsplit(stack.url).port or 0)
        ending.enter_context(proxy(port, upstream, PREFIX, certificate))
        ending.enter_context(proxy(other_port, upstream, PREFIX, certificate, takes_it_off=True))
        stack.wait_until_ready()
        other = f"https://localhost:{other_port}{PREFIX}"
        yield Site(stack, public, other, certificate, a_key(stack.home))


def a_key(home: Path) -> str:
    """A key of the first user, made on the server."""
    command = [sys.executable, str(ROOT / "manage.py"), "api_key", "create"]
    command += ["--user", "admin", "--name", "k", "--scopes", "read,score,publish"]
    env = {"PATH": os.environ["PATH"], "MODELYARD_HOME": str(home)}
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=True)
    found = re.search(r"my_[a-z0-9]{8}_[\w-]{43}", done.stdout)
    assert found, done.stdout
    return found[0]


def links_of(page: requests.Response) -> set[str]:
    """What a page loads and leads to on this site, as whole URLs without fragments."""
    found = {urljoin(page.url, unescape(link)) for link in LINK.findall(page.text)}
    here = urlsplit(page.url).netloc
    return {u.partition("#")[0] for u in found if urlsplit(u).netloc == here}


def test_every_page_and_file_that_is_led_to_lies_below_the_prefix(site: Site) -> None:
    browser, waiting, seen = site.signed_in(), [f"{site.url}/admin/"], set[str]()
    kinds = set()
    while waiting and len(seen) < PAGES_MAX:
        url = waiting.pop(0)
        seen.add(url)
        answer = browser.get(url)
        assert answer.status_code == 200, (url, answer.status_code)
        kinds.add(answer.headers["Content-Type"].partition(";")[0])
        if "text/html" not in answer.headers["Content-Type"]:
            continue
        links = links_of(answer)
        assert links, url
        assert {u for u in links if not f"{u}/".startswith(f"{site.url}/")} == set(), url
        waiting += sorted(u for u in links if u not in seen and "logout" not in u)
        waiting = list(dict.fromkeys(waiting))
    assert {"text/html", "text/css", "text/javascript", "image/svg+xml"} <= kinds
    assert len(seen) > 25


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        ("/", "/admin/"),
        ("/admin/", "/admin/login/?next=/data/yard/admin/"),
        ("/admin", "/admin/"),
        ("/admin/registry/apikey/", "/admin/login/?next=/data/yard/admin/registry/apikey/"),
        ("/sign-in/provider", None),
    ],
)
def test_redirects_stay_below_the_prefix(site: Site, path: str, goes: str | None) -> None:
    answer = site.browser().get(site.url + path, allow_redirects=False)
    if goes is None:
        assert answer.status_code == 404
        return
    # A login first where somebody has to be signed in to be told of the slash.
    assert urljoin(answer.url, answer.headers["Location"]).startswith(site.url + goes[:6])
    if "next=" in goes:
        assert answer.headers["Location"] == PREFIX + goes


def test_a_proxy_that_takes_the_prefix_off_shows_the_same(site: Site) -> None:
    pages = [
        re.sub(r'value="[^"]*"', "", site.browser().get(f"{url}/admin/login/").text)
        for url in (site.url, site.other_url)
    ]
    assert pages[0] == pages[1]
    assert f'action="{PREFIX}/admin/login/"' in pages[0]


def test_cookies_are_for_this_host_and_https_alone(site: Site) -> None:
    browser = site.signed_in()
    cookies = {cookie.name: cookie for cookie in browser.cookies}
    assert set(cookies) == {"__Host-modelyard-session", "__Host-modelyard-csrf"}
    for cookie in cookies.values():
        assert cookie.secure
        assert (cookie.path, cookie.domain_specified) == ("/", False)
        rest: dict[str, Any] = vars(cookie)["_rest"]
        assert {name.lower() for name in rest} >= {"httponly", "samesite"}
    assert "max-age=31536000" in browser.get(site.url).headers["Strict-Transport-Security"]


def test_without_the_proxy_people_are_sent_to_https(site: Site) -> None:
    answer = requests.get(f"{site.stack.url}/admin/", allow_redirects=False, timeout=30)
    assert answer.status_code == 301
    assert answer.headers["Location"].startswith("https://")
    assert requests.get(f"{site.stack.url}/healthz", timeout=30).status_code == 200


def test_what_the_api_links_to_is_the_public_address(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = site.browser()
    browser.headers["Authorization"] = f"Bearer {site.key}"
    made = browser.post(f"{site.url}/api/v1/models", json={"name": "churn"})
    assert made.headers["Location"] == f"{site.url}/api/v1/models/churn"
    asked = [made.headers["Location"], f"{site.url}/api/v1/models", f"{site.url}/api/v1/me"]
    for url in asked:
        answer = browser.get(url)
        assert answer.status_code == 200
        told = re.findall(r'"(https?://[^"]+)"', answer.text)
        assert all(link.startswith(f"{site.url}/") for link in told), told
        # What others may read, and what is only posted to, is there all the same.
        assert {browser.get(link).status_code for link in told[:6]} <= {200, 403, 405}
    unknown = browser.post(f"{site.url}/api/v1/models/none/predict", json={"rows": [{}]})
    assert unknown.json()["type"] == f"{site.url}/docs/errors#model-not-found"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.certificate))
    client = modelyard.Client(site.url, api_key=site.key)
    assert [model["name"] for model in client.models()] == ["churn"]


def test_the_reference_reads_its_description_below_the_prefix(site: Site) -> None:
    browser = site.signed_in()
    page = browser.get(f"{site.url}/docs")
    assert f"{site.url}/api/v1/schema" in page.text
    told = browser.get(f"{site.url}/api/v1/schema").json()
    [server] = told["servers"]
    path = next(path for path in told["paths"] if path.endswith("/me"))
    assert server["url"] + path == f"{site.url}/api/v1/me"
