"""Doors: forms about keys, users and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)

from registry.forms.base import ActionForm
from registry.models import RegisteredModel, User
from registry.principals import Principal
from registry.roles import DEFAULT_SCOPES, ROLE_CHOICES, SCOPE_ROLES

_SCOPE_WORDS = {
    "read": "read: see models, versions, datasets and jobs",
    "score": "score: call models and run batch jobs",
    "publish": "publish: register versions, upload datasets, move aliases",
    "approve": "approve: decide approval requests",
    "admin": "admin: manage people, rules and keys, read captured requests",
}
_EXPIRIES = [("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never")]
MODELS_OFFERED = 500


class NewKeyForm(ActionForm):
    """A key for programs."""

    pointers = {"expires_at": "expires_in_days"}

    name = forms.CharField(
        max_length=100,
        help_text="Where it will be used: it helps whoever has to revoke it one day.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "nightly scoring"}),
    )
    scopes = forms.MultipleChoiceField(
        choices=list(_SCOPE_WORDS.items()),
        initial=list(DEFAULT_SCOPES),
        widget=forms.CheckboxSelectMultiple,
    )
    models = forms.ModelMultipleChoiceField(
        queryset=RegisteredModel.objects.none(),
        required=False,
        to_field_name="name",
        help_text="None chosen: all models that its user may use.",
    )
    expires_in_days = forms.ChoiceField(
        label="Expires", choices=_EXPIRIES, required=False, initial="90"
    )

    def __init__(self, by: Principal, held: frozenset[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = [s for s, role in SCOPE_ROLES.items() if role in held]
        scopes: Any = self.fields["scopes"]
        scopes.choices = [(s, words) for s, words in _SCOPE_WORDS.items() if s in usable]
        models: Any = self.fields["models"]
        models.queryset = RegisteredModel.objects.visible_to(by).order_by("name")


class UserForm(ActionForm):
    """Somebody who may sign in, and their groups."""

    username = forms.CharField(
        max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(required=False)
    first_name = forms.CharField(max_length=150, required=False)
    last_name = forms.CharField(max_length=150, required=False)
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="A group's role holds for everything. Roles on one model stand on its page.",
    )
    is_staff = forms.BooleanField(required=False, initial=True, label="May sign in to these pages")
    is_active = forms.BooleanField(
        required=False,
        initial=True,
        label="Active",
        help_text="Whoever is not active cannot sign in, and their keys open nothing.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups: Any = self.fields["groups"]
        groups.queryset = Group.objects.select_related("held_role").order_by("name")
        groups.label_from_instance = _group_label


class NewUserForm(UserForm):
    """The same, with a first password."""

    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        help_text=" ".join(password_validators_help_texts()),
    )

    field_order = ("username", "password")

    def clean_username(self) -> str:
        """A name that nobody has."""
        # As it is kept: else what looks like a name that is taken would pass for another.
        name: str = User.normalize_username(self.cleaned_data["username"])
        User.username_validator(name)
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError(f"There is a user “{name}” already.")
        return name

    def clean_password(self) -> str:
        """A password that passes the validators."""
        password: str = self.cleaned_data["password"]
        validate_password(password, User(username=self.data.get("username", "")))
        return password


class PasswordForm(ActionForm):
    """A new password for somebody."""

    password = forms.CharField(
        label="New password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        help_text=" ".join(password_validators_help_texts()),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        """A password that passes the validators."""
        password: str = self.cleaned_data["password"]
        validate_password(password, self.user)
        return password


class GroupForm(ActionForm):
    """A group and the role that its members have on everything."""

    name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(
        choices=[("", "no role"), *ROLE_CHOICES],
        required=False,
        help_text="On every model, dataset and job. Each role may do what the ones before it may.",
    )


def _group_label(group: Group) -> str:
    held = getattr(group, "held_role", None)
    return f"{group.name} ({held.role})" if held else f"{group.name} (no role)"
