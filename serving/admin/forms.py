"""What people fill in to have a dataset scored, once or again and again."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.forms.base import ActionForm
from registry.models.base import NAME_HELP
from serving.actions.batch_asking import HIGHEST_PRIORITY, LOWEST_PRIORITY
from serving.actions.batch_jobs import KEEP_ALL
from serving.batch.columns import OnRowError
from serving.batch.ranges import CHUNK_ROWS, MAX_CHUNK_ROWS
from serving.models.schedule import Missed, Overlap
from serving.runtimes.base import KINDS

_ON_ROW_ERROR = [
    (OnRowError.REJECT.value, "goes to the rejects, the others are scored"),
    (OnRowError.FAIL.value, "fails the whole job"),
]
OVERLAP = [
    (Overlap.SKIP, "is skipped"),
    (Overlap.QUEUE, "waits for its turn"),
    (Overlap.ALLOW, "runs beside it"),
]
MISSED = [
    (Missed.SKIP, "are skipped"),
    (Missed.RUN_ONCE, "are made up for by one run"),
]


def _listed(name: str, placeholder: str) -> forms.TextInput:
    attrs = {"list": name, "autocomplete": "off", "spellcheck": "false", "placeholder": placeholder}
    return forms.TextInput(attrs=attrs)


class JobForm(ActionForm):
    """What a batch job is asked with."""

    model = forms.CharField(
        max_length=200,
        widget=_listed("known-refs", "churn"),
        help_text="A name (its champion) or an alias of it, such as churn@challenger.",
    )
    dataset = forms.CharField(
        max_length=200,
        widget=_listed("known-datasets", "customers"),
        help_text="A name (its newest version) or one version, such as customers@3.",
    )
    version = forms.IntegerField(
        required=False, min_value=1, help_text="The number of a version, in place of an alias."
    )
    outputs = forms.MultipleChoiceField(
        required=False,
        choices=[(kind, kind) for kind in KINDS],
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: the prediction, and probabilities where the model has them.",
    )
    keep_columns = forms.CharField(
        required=False,
        help_text="Columns of the dataset that the result begins with, separated by commas. "
        "Left empty: all of them.",
    )
    on_row_error = forms.ChoiceField(label="A bad row", choices=_ON_ROW_ERROR)
    chunk_rows = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_CHUNK_ROWS,
        label="Rows per chunk",
        help_text=f"Left empty: {CHUNK_ROWS:,}.",
    )

    compare_with = forms.CharField(
        required=False,
        max_length=64,
        label="Compare with",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "@champion"}),
        help_text="Another version of the model that answers the same rows: its number, or an "
        "alias such as @champion. The job then has a report of how the two differ.",
    )
    priority = forms.IntegerField(
        required=False,
        min_value=LOWEST_PRIORITY,
        max_value=HIGHEST_PRIORITY,
        help_text=f"From {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}; left empty: 0. Higher ones are "
        "worked on first; above 0 needs the role publisher.",
    )

    main_names: tuple[str, ...] = ("model", "dataset")
    other_names: tuple[str, ...] = (
        "compare_with",
        "version",
        "outputs",
        "keep_columns",
        "on_row_error",
        "chunk_rows",
        "priority",
    )

    def asked(self) -> dict[str, Any]:
        """The filled-in fields as the actions take them."""
        filled = dict(self.cleaned_data)
        kept = [name.strip() for name in filled["keep_columns"].split(",") if name.strip()]
        if "compare_with" in filled:
            filled["compare_with"] = filled["compare_with"].strip() or None
        return {**filled, "outputs": filled["outputs"] or None, "keep_columns": kept or KEEP_ALL}

    @property
    def main_fields(self) -> list[forms.BoundField]:
        """What everybody fills in."""
        return [self[name] for name in self.main_names if name in self.fields]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """What is seldom needed."""
        return [self[name] for name in self.other_names if name in self.fields]

    @property
    def has_other_errors(self) -> bool:
        """Whether the seldom needed part must be open."""
        return any(field.errors for field in self.other_fields)


class ScheduleForm(JobForm):
    """A batch job and its times."""

    # Of single jobs alone.
    compare_with = None  # type: ignore[assignment]  # Django's way to leave an inherited field out
    priority = None  # type: ignore[assignment]

    name = forms.CharField(
        max_length=63,
        help_text=f"{NAME_HELP} It never changes.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "nightly-churn"}),
    )
    cron = forms.CharField(
        max_length=200,
        initial="0 6 * * *",
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"}),
        help_text="Minute, hour, day of month, month, day of week; or @hourly @daily @weekly "
        "@monthly.",
    )
    timezone = forms.CharField(
        max_length=64, initial="UTC", widget=_listed("known-zones", "Europe/Rome")
    )
    overlap = forms.ChoiceField(
        label="A run that is due while an earlier one has not ended", choices=OVERLAP
    )
    missed = forms.ChoiceField(label="Runs that were missed while nothing ran", choices=MISSED)
    enabled = forms.BooleanField(required=False, initial=True, label="On")

    main_names = ("name", "model", "dataset", "cron", "timezone", "enabled")
    other_names = ("overlap", "missed", *JobForm.other_names)


class ChangeScheduleForm(ScheduleForm):
    """The same, without its name, which never changes."""

    name = None  # type: ignore[assignment]  # Django's way to leave an inherited field out
