"""What is asked of a batch job: the bodies of requests."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.bodies.datasets import SourceJson
from registry.api.shapes import In, Json, Text, Texts, Whole
from serving.actions.batch_asking import HIGHEST_PRIORITY, LOWEST_PRIORITY
from serving.batch.columns import KEEP_ALL, OnRowError
from serving.batch.ranges import CHUNK_ROWS, COMPILED_CHUNK_ROWS, MAX_CHUNK_ROWS


@extend_schema_field(
    {"oneOf": [{"const": KEEP_ALL}, {"type": "array", "items": {"type": "string"}}]}
)
class KeepColumns(Json):
    """``"all"``, or a list of column names."""


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]})
class OtherVersion(Json):
    """The number of a version, or `@alias`."""


# Where the results are written to as well.
SINK = {
    "type": "object",
    "required": ["connection", "table"],
    "properties": {"connection": {"type": "string"}, "table": {"type": "string"}},
}


@extend_schema_field(SINK)
class SinkJson(Json):
    """A table, reached through a connection."""


class Priority(serializers.IntegerField):
    """A whole number, and nothing that looks like it."""

    default_error_messages = {"invalid": "A whole number was expected."}

    def to_internal_value(self, data: Any) -> int:
        """The number; its range is judged by the action."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class JobOptions(In):
    """Which rows, and how they are scored; schedules take the same."""

    dataset = Text(
        required=False,
        allow_null=True,
        help_text="A name for its newest version, or `name@number`; else `source`.",
    )
    source = SourceJson(  # type: ignore[assignment]  # a field, not the argument
        required=False, allow_null=True, help_text="Rows from elsewhere, instead of a dataset."
    )
    sink = SinkJson(
        required=False, allow_null=True, help_text="A table that the results go to as well."
    )
    version = Whole(required=False, allow_null=True)
    outputs = Texts(required=False, allow_null=True)
    keep_columns = KeepColumns(required=False)
    on_row_error = Text(required=False, help_text=f"One of {', '.join(OnRowError)}.")
    chunk_rows = Whole(
        required=False,
        allow_null=True,
        help_text=f"The most rows of a chunk, up to {MAX_CHUNK_ROWS:,}; when left out "
        f"{CHUNK_ROWS:,}, {COMPILED_CHUNK_ROWS:,} for a compiled version.",
    )
    priority = Priority(
        required=False,
        help_text=f"From {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}, 0 when left out; above 0 needs "
        "the role publisher.",
    )
    compare_with = OtherVersion(
        required=False,
        allow_null=True,
        help_text="Another version of the model, that answers the same rows: a number or `@alias`.",
    )


class BatchJobIn(JobOptions):
    """A dataset to be scored."""

    model = Text(help_text="A name, or `name@alias`.")
