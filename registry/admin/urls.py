"""Pages outside of the admin's own tree: the reference, and what leads in without a password."""

from __future__ import annotations

from django.urls import URLPattern, path

from registry.admin import passwords, reference, sign_in

urlpatterns: list[URLPattern] = [
    path("docs", reference.docs, name="docs"),
    path("docs/errors", reference.error_codes, name="docs-errors"),
    path("sign-in/provider", sign_in.begin, name="sign-on"),
    path("sign-in/provider/callback", sign_in.callback, name="sign-on-callback"),
    path("sign-in/forgotten", passwords.forgotten, name="forgotten"),
    path("sign-in/forgotten/asked", passwords.asked, name="forgotten-asked"),
    path("sign-in/new-password", passwords.done, name="new-password-done"),
    path(
        "sign-in/new-password/<uidb64>/<token>",
        passwords.NewPassword.as_view(),
        name="new-password",
    ),
]
