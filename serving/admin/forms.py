"""What people fill in to have a dataset scored, once or again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from registry.forms.base import ActionForm, JsonField
from registry.models.base import NAME_HELP
from registry.tabular import FORMATS
from serving.actions.batch_asking import HIGHEST_PRIORITY, LOWEST_PRIORITY
from serving.actions.batch_jobs import KEEP_ALL
from serving.batch.columns import OnRowError
from serving.batch.ranges import CHUNK_ROWS, COMPILED_CHUNK_ROWS, MAX_CHUNK_ROWS
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

    pointers: ClassVar[Mapping[str, str]] = {
        "source": "source_connection",
        "source/connection": "source_connection",
        "source/query": "source_query",
        "source/prefix": "source_prefix",
        "source/format": "source_format",
        "source/types": "source_types",
        "sink": "sink_connection",
        "sink/connection": "sink_connection",
        "sink/table": "sink_table",
    }

    model = forms.CharField(
        max_length=200,
        widget=_listed("known-refs", "churn"),
        help_text="A name (its champion) or an alias of it, such as churn@challenger.",
    )
    dataset = forms.CharField(
        required=False,
        max_length=200,
        widget=_listed("known-datasets", "customers"),
        help_text="A name (its newest version) or one version, such as customers@3. Left empty "
        "where the rows come from elsewhere.",
    )
    source_connection = forms.CharField(
        required=False,
        max_length=63,
        label="Connection",
        widget=_listed("known-connections", "shop"),
        help_text="A database whose rows are read once, when the job begins.",
    )
    source_query = forms.CharField(
        required=False,
        label="Query",
        widget=forms.Textarea(
            attrs={
                "class": "mono",
                "rows": 4,
                "spellcheck": "false",
                "placeholder": "select id, age, city from customers order by id",
            }
        ),
    )
    source_types = JsonField(
        required=False,
        label="Types",
        widget=forms.Textarea(attrs={"class": "mono", "rows": 2, "spellcheck": "false"}),
        help_text="What columns are where the database does not say it, as JSON: "
        '{"paid": "boolean", "day": "date"}.',
    )
    source_prefix = forms.CharField(
        required=False,
        max_length=500,
        label="Files under",
        widget=_listed("none", "inbox/2026-11/"),
        help_text="Or a folder of files of the storage, below inbox/.",
    )
    source_format = forms.ChoiceField(
        required=False,
        label="Format of the files",
        choices=[("", "as their names say"), *((key, key) for key in FORMATS)],
    )
    sink_connection = forms.CharField(
        required=False,
        max_length=63,
        label="Connection",
        widget=_listed("known-connections", "reports"),
        help_text="A database that the results are written into besides their own dataset.",
    )
    sink_table = forms.CharField(
        required=False,
        max_length=200,
        label="Table",
        widget=_listed("none", "scores"),
        help_text="It is made where there is none.",
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
        help_text=f"At most. Left empty: {CHUNK_ROWS:,}, or {COMPILED_CHUNK_ROWS:,} where the "
        "version is compiled.",
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
    source_names: tuple[str, ...] = (
        "source_connection",
        "source_query",
        "source_types",
        "source_prefix",
        "source_format",
    )
    sink_names: tuple[str, ...] = ("sink_connection", "sink_table")
    others_label = "More: comparison, version, outputs, columns, bad rows, priority"
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
        filled["compare_with"] = filled["compare_with"].strip() or None
        source = _taken(filled, "source_", self.source_names)
        sink = _taken(filled, "sink_", self.sink_names)
        return {
            **filled,
            "dataset": filled["dataset"] or None,
            "source": source,
            "sink": sink,
            "outputs": filled["outputs"] or None,
            "keep_columns": kept or KEEP_ALL,
        }

    @property
    def main_fields(self) -> list[forms.BoundField]:
        """What everybody fills in."""
        return self._fields(self.main_names)

    @property
    def groups(self) -> list[dict[str, Any]]:
        """What is seldom needed, folded away unless something is wrong or from elsewhere."""
        rows = ("Rows from elsewhere, instead of a dataset", self.source_names)
        table = ("Results into a table as well", self.sink_names)
        elsewhere = [
            _group(label, self._fields(names), is_shown=True) for label, names in (rows, table)
        ]
        return [*elsewhere, _group(self.others_label, self._fields(self.other_names))]

    def _fields(self, names: Sequence[str]) -> list[forms.BoundField]:
        return [self[name] for name in names if name in self.fields]


def _taken(filled: dict[str, Any], prefix: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Fields of the form, taken out, as one object; None where all of them are empty."""
    values = {name.removeprefix(prefix): filled.pop(name) for name in names}
    return {key: value for key, value in values.items() if value} or None


def _group(label: str, fields: list[forms.BoundField], *, is_shown: bool = False) -> dict[str, Any]:
    """A fold of a form; open where a field is wrong, or with ``is_shown`` filled in."""
    is_open = any(field.errors or (is_shown and field.value()) for field in fields)
    return {"label": label, "fields": fields, "is_open": is_open}


class ScheduleForm(JobForm):
    """A batch job and its times."""

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
    others_label = "More: overlaps, missed runs, comparison, version, outputs, columns, priority"


class ChangeScheduleForm(ScheduleForm):
    """The same, without its name, which never changes."""

    name = None  # type: ignore[assignment]  # Django's way to leave an inherited field out
