"""Doors: forms about datasets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django import forms

from registry.actions.dataset_changes import RETENTION_DAYS_MAX
from registry.forms.base import ActionForm, JsonField, TagsField, reason_field
from registry.forms.parts import PartField
from registry.models.base import NAME_HELP
from registry.models.dataset_version import Tier
from registry.models.registered_model import Classification

_TIERS = [
    (Tier.RAW, "raw: as it came from its source"),
    (Tier.CURATED, "curated: cleaned and agreed on"),
    (Tier.PRODUCT, "product: made for use by others"),
]
_RULES_EXAMPLE = '{"rows": {"min": 1}, "columns": {"age": {"max_null_share": 0.05, "min": 0}}}'
_CLASSES = [(value, value) for value in Classification.values]


class UploadDatasetForm(ActionForm):
    """A file with rows, for a new dataset or as the next version of one."""

    name = forms.CharField(
        max_length=63,
        help_text=f"A dataset that exists gets its next version; a new name makes one. {NAME_HELP}",
        widget=forms.TextInput(
            attrs={"list": "known-datasets", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    file = PartField(
        label="File",
        accept=".csv,.gz,.jsonl,.parquet",
        help_text="CSV (with a header), CSV.gz, JSON lines or Parquet.",
    )
    tier = forms.ChoiceField(choices=_TIERS, initial=Tier.RAW)
    classification = forms.ChoiceField(
        choices=_CLASSES,
        initial=Classification.INTERNAL,
        help_text="Counts for a new dataset only.",
    )
    description = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What a row is and where it comes from. Counts for a new dataset only.",
    )


class DatasetForm(ActionForm):
    """What a publisher may change on a dataset."""

    description = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 8}), help_text="In Markdown."
    )
    tags = TagsField()


class DatasetRulesForm(DatasetForm):
    """What a manager of the dataset may change besides."""

    classification = forms.ChoiceField(
        choices=_CLASSES,
        help_text="Confidential: rows are for scorers and above. Restricted: for publishers with "
        "a grant of their own. Of both, errors never repeat the cells that were received.",
    )
    retention_days = forms.IntegerField(
        label="Days to keep the rows of a version",
        required=False,
        min_value=1,
        max_value=RETENTION_DAYS_MAX,
        help_text="Older ones are erased every night; left empty, they are kept for good.",
    )
    rules = JsonField(
        label="Rules of a promotion",
        required=False,
        help_text=f"What a version must fit before it moves up a tier, as JSON: {_RULES_EXAMPLE}",
    )

    def clean_rules(self) -> object:
        """No rules when left empty."""
        return {} if self.cleaned_data["rules"] is None else self.cleaned_data["rules"]


class DatasetHoldForm(DatasetRulesForm):
    """What a manager of everything may change besides."""

    legal_hold = forms.BooleanField(
        required=False, help_text="While it is on, retention erases nothing of the dataset."
    )


class DemotionForm(ActionForm):
    """To which of the lower tiers, and why."""

    tier = forms.ChoiceField(label="Down to")
    reason = reason_field(required=True, placeholder="What turned out wrong")

    def __init__(self, *args: Any, lower: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["tier"]).choices = [(tier, tier) for tier in lower]


class PromotionForm(ActionForm):
    """Why a version should move up; which tier is next is no choice."""

    reason = reason_field(required=True, placeholder="What was done to it, and by whom")
