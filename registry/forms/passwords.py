"""Forms of one's own password: changed, forgotten, chosen anew."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm

from registry import request_id
from registry.actions.passwords import set_own
from registry.models import User


class SignInForm(AdminAuthenticationForm):
    """Name and password; says the same whatever was wrong."""

    error_messages = AdminAuthenticationForm.error_messages | {
        "invalid_login": "User name or password is wrong, or the account may not open these pages."
    }


class ForgottenForm(forms.Form):
    """Whose password is forgotten."""

    email = forms.EmailField(
        label="Mail address", widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )


class OwnPasswordForm(PasswordChangeForm):
    """Another password for whoever knows the present one."""

    def save(self, commit: bool = True) -> User:
        """Through the action, which writes it down."""
        return _set(self.user, self.cleaned_data, "")


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # takes none at run time
    """A password for whoever has the link."""

    def save(self, commit: bool = True) -> User:
        """Through the action, which writes it down."""
        return _set(self.user, self.cleaned_data, "a link by mail")


def _set(user: User, cleaned: dict[str, Any], reason: str) -> User:
    password = cleaned["new_password1"]
    return set_own(user=user, password=password, request_id=request_id.current.get(), reason=reason)
