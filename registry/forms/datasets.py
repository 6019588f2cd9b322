"""Doors: forms about datasets."""

from __future__ import annotations

from django import forms

from registry.forms.base import ActionForm, TagsField
from registry.forms.parts import PartField
from registry.models.base import NAME_HELP
from registry.models.dataset_version import Tier
from registry.models.registered_model import Classification

_TIERS = [
    (Tier.RAW, "raw: as it came from its source"),
    (Tier.CURATED, "curated: cleaned and agreed on"),
    (Tier.PRODUCT, "product: made for use by others"),
]
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
        help_text="Confidential and restricted: errors never repeat the cells that were received.",
    )
