"""One HTTP call: the key, the attempts, the answer or the error. The only user of ``requests``."""

from __future__ import annotations

import logging
import os
import platform
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from modelyard.bodies import CHUNK_BYTES, Body
from modelyard.clock import Clock, SystemClock
from modelyard.errors import ConnectionFailed, ModelyardError, UnexpectedAnswer, UsageError
from modelyard.problems import problem_of
from modelyard.retry import RetryPolicy

DEFAULT_URL = "http://127.0.0.1:8000"
API = "/api/v1"

T = TypeVar("T")


class Writable(Protocol):
    """What a download is written to."""

    def write(self, chunk: bytes, /) -> int:
        """Take all of the bytes."""


Sink = Callable[[], AbstractContextManager[Writable]]
OnDownload = Callable[[int, int], None]

_log = logging.getLogger("modelyard")

# What requests raises when no whole answer came. Its `RequestException` also covers wrong URLs
# and headers, which no second attempt makes right.
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


@dataclass(frozen=True, slots=True)
class Call:
    """A request, without its attempts.

    ``creates`` gives the request an idempotency key, the same for all attempts, so that a retry
    after a broken connection makes nothing twice. ``repeatable`` says that doing it twice is doing
    it once, which holds for reading, for PUT and for scoring; a key makes it so for the rest.
    """

    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Body | None = None
    accept: str = "application/json"
    creates: bool = False
    repeatable: bool = True

    def headers(self) -> dict[str, str]:
        """The call's own headers, to be made once for all attempts."""
        headers = {"Accept": self.accept}
        if self.body is not None:
            headers["Content-Type"] = self.body.media_type
        if self.creates:
            headers["Idempotency-Key"] = uuid.uuid4().hex
        return headers

    def may_repeat_after(self, break_: Exception) -> bool:
        """Whether another attempt is right after the connection failed in this way."""
        if isinstance(break_, requests.exceptions.SSLError):
            return False
        # A slow scoring call is probably still running: asking again would only double the load.
        is_plain_post = self.method == "POST" and not self.creates
        if is_plain_post and isinstance(break_, requests.exceptions.ReadTimeout):
            return False
        return self.repeatable or self.creates


class _Key(AuthBase):
    """Sets the key last: a bare header would lose to a matching line in the user's ``.netrc``."""

    def __init__(self, api_key: str | None) -> None:
        self._api_key = api_key

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._api_key is not None:
            r.headers["Authorization"] = f"Bearer {self._api_key}"
        return r


class Transport:
    """Calls one service. Redirects are not followed, so the key goes nowhere else."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        clock: Clock | None = None,
        policy: RetryPolicy | None = None,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 120.0,
    ) -> None:
        self.url = base_url(url or os.environ.get("MODELYARD_URL") or DEFAULT_URL)
        self._key = _Key(_good_key(api_key or os.environ.get("MODELYARD_API_KEY") or None))
        self.clock: Clock = clock or SystemClock()
        self._policy = policy or RetryPolicy()
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = _user_agent()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def json(self, call: Call) -> Any:
        """The answer's JSON document; None for an answer without a body."""
        return self.document(call)[0]

    def document(self, call: Call) -> tuple[Any, Mapping[str, str]]:
        """The answer's JSON document and its headers."""
        return self._attempts(call, _read_document)

    def download(self, call: Call, sink: Sink, on_bytes: OnDownload) -> Mapping[str, str]:
        """Stream the answer into a sink; returns the answer's headers.

        Each attempt asks ``sink`` for an empty one; ``on_bytes`` is told how much came and the
        whole length, 0 where the service does not say it.
        """

        def read(response: requests.Response) -> Mapping[str, str]:
            total, come = int(response.headers.get("Content-Length", 0)), 0
            with sink() as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    come += len(chunk)
                    on_bytes(come, total)
            return response.headers

        return self._attempts(call, read)

    def _attempts(self, call: Call, read: Callable[[requests.Response], T]) -> T:
        """Try until an answer stands: see ``modelyard.retry`` for when another try is right."""
        headers = call.headers()
        attempt = 0
        while True:
            attempt += 1
            try:
                with self._send(call, headers) as response:
                    if response.status_code < 300:
                        return read(response)
                    reason = problem_of(response, wall=self.clock.wall())
                    pause = self._pause_after_answer(call, attempt, reason)
            except _BROKEN as exc:
                reason = ConnectionFailed(f"{self.url}: {_why(exc)}.")
                reason.__cause__ = exc
                pause = self._policy.pause_after_break(
                    attempt, repeatable=call.may_repeat_after(exc), chance=self.clock.chance()
                )
            except requests.RequestException as exc:
                raise UsageError(f"The request cannot be made: {exc}.") from exc
            if pause is None:
                raise reason
            _log.info("%s %s: %s; again in %.1f s", call.method, call.path, reason.code, pause)
            self.clock.sleep(pause)

    def _send(self, call: Call, headers: Mapping[str, str]) -> requests.Response:
        return self._session.request(
            call.method,
            self.url + API + call.path,
            params=dict(call.query),
            data=call.body.wire() if call.body is not None else None,
            headers=dict(headers),
            auth=self._key,
            timeout=self._timeouts,
            allow_redirects=False,
            stream=True,
        )

    def _pause_after_answer(self, call: Call, attempt: int, reason: ModelyardError) -> float | None:
        return self._policy.pause_after_answer(
            attempt,
            status=reason.status or 0,
            code=None if isinstance(reason, UnexpectedAnswer) else reason.code,
            retry_after_s=reason.retry_after_s,
            repeatable=call.repeatable or call.creates,
            chance=self.clock.chance(),
        )


def path_of(*segments: str | int) -> str:
    """A path of these segments, each quoted; ``@`` stays, so that refs are readable in logs."""
    texts = [str(segment) for segment in segments]
    for text in texts:
        if text in ("", ".", ".."):
            raise UsageError(f"{text!r} is no name.")
    return "".join(f"/{quote(text, safe='@')}" for text in texts)


def base_url(url: str) -> str:
    """The service's address without the API's path and a last slash. UsageError for no http URL."""
    trimmed = url.strip().rstrip("/").removesuffix(API).rstrip("/")
    parts = urlsplit(trimmed)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no address such as {DEFAULT_URL}: check MODELYARD_URL.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("The address must have no user, query or fragment: check MODELYARD_URL.")
    return trimmed


def _good_key(api_key: str | None) -> str | None:
    """The key without the line end that a file gives it. Never repeated in an error."""
    if api_key is None:
        return None
    key = api_key.strip()
    if not key or not all("!" <= character <= "~" for character in key):
        raise UsageError("The API key has characters that no key has: check MODELYARD_API_KEY.")
    return key


def _user_agent() -> str:
    try:
        version = metadata.version("modelyard-client")
    except metadata.PackageNotFoundError:  # run from a checkout
        version = "0"
    return f"modelyard-client/{version} python/{platform.python_version()}"


def _read_document(response: requests.Response) -> tuple[Any, Mapping[str, str]]:
    content = response.content
    if not content:
        return None, response.headers
    try:
        return response.json(), response.headers
    except requests.exceptions.JSONDecodeError as exc:
        kind = response.headers.get("Content-Type", "no content type")
        raise UnexpectedAnswer(
            f"{response.url} answered {response.status_code} with {kind}, where JSON was expected.",
            status=response.status_code,
        ) from exc


def _why(exc: Exception) -> str:
    """The reason in a few words; the exceptions of the HTTP library repeat each other at length."""
    if isinstance(exc, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(exc, requests.Timeout):
        return "no answer in time"
    innermost: BaseException = exc
    while inner := innermost.__cause__ or innermost.__context__:
        innermost = inner
    if isinstance(exc, requests.exceptions.SSLError):
        return f"the certificate is not trusted ({innermost})"
    text = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
    return str(text).rstrip(".")
