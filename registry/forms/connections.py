"""Doors: forms about connections to databases elsewhere."""

from __future__ import annotations

from django import forms

from registry.forms.base import ActionForm
from registry.models.base import NAME_HELP
from registry.models.connection import ConnectionDriver
from registry.models.registered_model import Classification

_ADDRESS = (
    "postgresql://user@host:5432/database, without the password; for SQLite the absolute path of "
    "a file below CONNECTION_FOLDERS."
)


def _secret(help_text: str) -> forms.CharField:
    # Never filled in: what is kept is not shown again.
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=False)
    return forms.CharField(
        label="Password", required=False, strip=False, widget=widget, help_text=help_text
    )


def _classification() -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=[(value, value) for value in Classification.values],
        initial=Classification.INTERNAL,
        help_text="Of the strictest results that may be written through it.",
    )


class ConnectionForm(ActionForm):
    """A new connection."""

    name = forms.CharField(max_length=63, help_text=NAME_HELP)
    driver = forms.ChoiceField(choices=ConnectionDriver.choices)
    address = forms.CharField(
        max_length=500,
        help_text=_ADDRESS,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    secret = _secret("It is kept sealed and never shown again.")
    allows_reading = forms.BooleanField(label="Queries may be read", required=False, initial=True)
    allows_writing = forms.BooleanField(label="Results may be written", required=False)
    classification = _classification()
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))


class ConnectionChangeForm(ActionForm):
    """What a manager of a connection may change."""

    address = forms.CharField(
        max_length=500,
        help_text=_ADDRESS,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    secret = _secret("Left empty, the one that is kept stays. A new address needs it again.")
    forget_secret = forms.BooleanField(label="Forget the password that is kept", required=False)
    allows_reading = forms.BooleanField(label="Queries may be read", required=False)
    allows_writing = forms.BooleanField(label="Results may be written", required=False)
    classification = _classification()
    enabled = forms.BooleanField(
        required=False, help_text="Jobs that need it fail while it is off."
    )
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))
