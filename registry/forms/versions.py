"""Doors: forms about a version of a model."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.formats import FORMATS
from registry.forms.base import ActionForm, JsonField, TagsField
from registry.forms.parts import PartField
from registry.models.base import NAME_HELP

_FORMATS = [("", "by its first bytes"), *((f.key, f.title) for f in FORMATS.values())]
_IN_SIGNATURE = ("inputs", "outputs", "params")


class UploadVersionForm(ActionForm):
    """A model file and what is known about it."""

    pointers = {**dict.fromkeys(_IN_SIGNATURE, "signature"), "name": "model"}

    model = forms.CharField(
        max_length=63,
        help_text=f"A model that exists, or a new name. {NAME_HELP}",
        widget=forms.TextInput(
            attrs={"list": "known-models", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    artifact = PartField(
        label="Model file",
        help_text="A fitted estimator or pipeline: skops, joblib, pickle, ONNX, a native file of "
        "XGBoost, LightGBM or CatBoost, or an MLflow folder as zip.",
    )
    example = PartField(
        label="Example rows",
        required=False,
        accept=".csv,.json,.parquet",
        help_text=(
            "A CSV, JSON or Parquet file with a few rows as they will come. The signature is found "
            "from them, and they are scored again at every load."
        ),
    )
    expected = PartField(
        label="Expected answers",
        required=False,
        accept=".json",
        help_text="What the model answered to the example rows where it was trained, as JSON.",
    )
    format = forms.ChoiceField(
        choices=_FORMATS, required=False, help_text="Only to make sure: the first bytes decide."
    )
    signature = JsonField(
        required=False,
        help_text="inputs, outputs and params as JSON. Left empty, it is inferred.",
    )
    metrics = JsonField(required=False, help_text='Numbers by name, such as {"auc": 0.91}.')
    description = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What is new in this version.",
    )
    tags = TagsField()

    @property
    def first_fields(self) -> list[Any]:
        """What nearly everybody fills in."""
        return [self[name] for name in ("model", "artifact", "example", "description")]

    @property
    def other_fields(self) -> list[Any]:
        """What is seldom needed."""
        return [self[name] for name in ("expected", "format", "signature", "metrics", "tags")]

    @property
    def has_other_errors(self) -> bool:
        """Whether the seldom needed part must be open, because something in it is wrong."""
        return any(field.errors for field in self.other_fields)


class EditVersionForm(ActionForm):
    """What may change on a version."""

    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 4}))
    metrics = JsonField(required=False)
    tags = TagsField()


class CorrectVersionForm(ActionForm):
    """The same bytes with another signature, as the next version."""

    pointers = dict.fromkeys(_IN_SIGNATURE, "signature")

    signature = JsonField(
        help_text="The whole signature as JSON. Correct it, and the same bytes are checked again.",
        widget=forms.Textarea(attrs={"class": "mono", "rows": 24, "spellcheck": "false"}),
    )
