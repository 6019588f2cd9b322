"""A provider of OpenID Connect as a process of its own, with one client and people of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.services.processes import free_port, wait_until


@dataclass
class Provider:
    """The provider. A client is what it knows a service by."""

    issuer: str
    process: subprocess.Popen[bytes]

    def client(self, callback: str) -> tuple[str, str]:
        """Register a service with the address that people come back to; its id and secret."""
        body = {"redirect_uris": [callback], "token_endpoint_auth_method": "client_secret_post"}
        made = requests.post(f"{self.issuer}/oauth2/clients", json=body, timeout=10).json()
        return made["client_id"], made["client_secret"]

    def person(self, subject: str, **claims: Any) -> None:
        """What it says of somebody from now on."""
        url = f"{self.issuer}/users/{subject}"
        requests.put(url, json={"sub": subject, **claims}, timeout=10).raise_for_status()

    def sign_in(self, asked: str, subject: str) -> str:
        """Somebody signs in there, asked by the URL that they were sent to; where they go then."""
        form = {"sub": subject} if subject else {"action": "deny"}
        answer = requests.post(asked, data=form, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Started once."""
    port = free_port()
    log = tmp_path_factory.mktemp("provider") / "log"
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--require-registration"], stdout=output, stderr=output
        )
    found = Provider(f"http://localhost:{port}", process)
    try:
        wait_until(lambda: _answers(found.issuer), 60, "the provider answers", log.read_text)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def _answers(issuer: str) -> bool:
    try:
        return requests.get(f"{issuer}/.well-known/openid-configuration", timeout=5).ok
    except requests.RequestException:
        return False
