"""Pages outside of the admin's own tree: the reference, and what leads in without a password."""

from __future__ import annotations

from django.urls import URLPattern, path

from registry.admin import reference, sign_in

urlpatterns: list[URLPattern] = [
    path("docs", reference.docs, name="docs"),
    path("docs/errors", reference.error_codes, name="docs-errors"),
    path("sign-in/provider", sign_in.begin, name="sign-on"),
    path("sign-in/provider/callback", sign_in.callback, name="sign-on-callback"),
]
