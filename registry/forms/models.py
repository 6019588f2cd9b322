"""Doors: forms about a registered model, its aliases and the people who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms

from registry import cards
from registry.forms.base import ActionForm, TagsField, reason_field
from registry.models import ModelVersion, RegisteredModel, User
from registry.models.alias import ALIAS_HELP, CHAMPION
from registry.models.base import NAME_HELP
from registry.models.model_version import VersionStatus
from registry.models.registered_model import Classification, Kind
from registry.roles import ROLE_CHOICES


def _card_field(known: cards.CardField) -> forms.Field:
    if known.choices:
        choices = [("", "not said yet"), *((choice, choice) for choice in known.choices)]
        return forms.ChoiceField(
            label=known.label, required=False, choices=choices, help_text=known.asks
        )
    return forms.CharField(
        label=known.label,
        required=False,
        strip=False,
        max_length=cards.TEXT_MAX_CHARS,
        help_text=known.asks,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": known.example}),
    )


def _choices(choices: Any) -> list[tuple[str, str]]:
    return [(value, value) for value in choices.values]


class ModelDescriptionForm(ActionForm):
    """What a publisher may change on a model."""

    description = forms.CharField(
        required=False,
        help_text="In Markdown: what it predicts, from what, and for whom.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    tags = TagsField()


class ModelRulesForm(ModelDescriptionForm):
    """What a manager of the model may change besides."""

    classification = forms.ChoiceField(
        choices=_choices(Classification),
        initial=Classification.INTERNAL,
        help_text="Confidential and restricted: errors never repeat the cells that were received.",
    )
    approval_required = forms.BooleanField(
        required=False,
        label="Moving an alias needs somebody else's approval",
    )
    capture_percent = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=100,
        initial=0,
        label="Captured requests, percent",
        help_text="How many of a hundred requests are kept with their answers, 0 to 100, for you "
        "to look at. Of confidential and restricted models no inputs are kept, and no answers that "
        "could repeat them.",
    )

    def clean_capture_percent(self) -> int:
        """What was typed; left empty, it stays."""
        typed = self.cleaned_data["capture_percent"]
        field = self.fields["capture_percent"]
        stays = self.get_initial_for_field(field, "capture_percent")
        return int(stays if typed is None else typed)


class NewModelForm(ModelRulesForm):
    """A new name."""

    name = forms.CharField(
        max_length=63,
        help_text=f"{NAME_HELP} It is unique for everybody and never changes.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "churn"}),
    )
    kind = forms.ChoiceField(choices=_choices(Kind), initial=Kind.MODEL)

    field_order = (
        "name",
        "description",
        "tags",
        "kind",
        "classification",
        "approval_required",
        "capture_percent",
    )


class CardForm(ActionForm):
    """The fields of the model card; what is emptied goes."""

    pointers: ClassVar[Mapping[str, str]] = {f"card/{f.name}": f.name for f in cards.FIELDS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for known in cards.FIELDS:
            self.fields[known.name] = _card_field(known)


class MoveAliasForm(ActionForm):
    """Which alias points where from now on."""

    alias = forms.CharField(
        max_length=63,
        initial=CHAMPION,
        help_text=ALIAS_HELP,
        widget=forms.TextInput(attrs={"list": "known-aliases", "autocomplete": "off"}),
    )
    version = forms.ModelChoiceField(queryset=ModelVersion.objects.none(), empty_label=None)
    reason = reason_field(placeholder="Better on last month's data")

    def __init__(self, model: RegisteredModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = model.versions.filter(status=VersionStatus.READY).select_related("model")
        field = self.fields["version"]
        field.queryset = versions.order_by("-number")  # type: ignore[attr-defined]  # ModelChoice


class GrantForm(ActionForm):
    """Who has which role on one model or dataset."""

    user = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    role = forms.ChoiceField(choices=ROLE_CHOICES)

    def clean_user(self) -> User:
        """The user with this name."""
        name = self.cleaned_data["user"]
        user = User.objects.filter(username=name).first()
        if user is None:
            raise forms.ValidationError(f"There is no user “{name}”.")
        return user
