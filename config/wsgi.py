"""The WSGI entry: puts each request right for Django (address, prefix, body), then hands it over.

An express lane for scoring is mounted here, in ``application``, before Django sees the request.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.body import Framing
from config.forwarded import Forwarded

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class Prefix:
    """Takes the path prefix of the public URL off, where the proxy has left it on."""

    def __init__(self, app: WsgiApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Split the path into ``SCRIPT_NAME`` and ``PATH_INFO``, then go on."""
        path = environ.get("PATH_INFO", "")
        if path == self.prefix or path.startswith(f"{self.prefix}/"):
            environ["PATH_INFO"] = path[len(self.prefix) :] or "/"
        environ["SCRIPT_NAME"] = self.prefix
        return self.app(environ, start_response)


def client_address(request: HttpRequest) -> str | None:
    """The client's address as ``Forwarded`` left it; django-axes asks for it here."""
    return request.META.get("REMOTE_ADDR") or None


def _build() -> WsgiApp:
    from django.conf import settings

    told = settings.MODELYARD
    app: WsgiApp = get_wsgi_application()

    from config.problems import as_domain_error
    from serving.api.express import Express

    # Inside of what puts a request right: the express lane sees the same as Django.
    app = Express(app, as_domain_error=as_domain_error)
    app = Framing(
        app,
        max_body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        max_form_bytes=max(told["MAX_ARTIFACT_BYTES"], told["MAX_DATASET_BYTES"]),
        folder=settings.FILE_UPLOAD_TEMP_DIR,
    )
    if settings.FORCE_SCRIPT_NAME:
        app = Prefix(app, settings.FORCE_SCRIPT_NAME)
    return Forwarded(app, told["TRUSTED_PROXIES"], told["PROXY_HEADERS"])


application = _build()
