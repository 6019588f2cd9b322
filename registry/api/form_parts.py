"""Parts of a form: texts and files, with the cap of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.shapes import In, Text
from registry.api.uploads import Part, TextPart
from registry.conf import conf


@extend_schema_field({"type": "string"})
class FormText(Text):
    """A text part of a form; a small file with the text is taken too."""

    def to_internal_value(self, data: Any) -> str:
        """The text."""
        if isinstance(data, Part):
            return data.read().decode("utf-8", errors="replace")
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "format": "binary"})
class FilePart(serializers.Field[Any, Any, Any, Any]):
    """A file part of a form. ``max_bytes`` is asked when the form arrives.

    With ``takes_text`` a part without a file name is taken too, as the bytes of its text.
    """

    default_error_messages = {
        "required": "The file part is missing.",
        "invalid": "A part with a file name was expected.",
    }

    def __init__(
        self, *, max_bytes: Callable[[], int], takes_text: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.max_bytes = max_bytes
        self.takes_text = takes_text

    def to_internal_value(self, data: Any) -> Part | TextPart:
        """The part in its scratch file, or its text."""
        if isinstance(data, str) and self.takes_text:
            return TextPart(data)
        if not isinstance(data, Part):
            self.fail("invalid")
        return data


def form_caps(form: type[In]) -> dict[str, int]:
    """The cap in bytes of each part that may come as a file."""
    return {
        name: field.max_bytes() if isinstance(field, FilePart) else conf.max_body_bytes
        for name, field in form().fields.items()
    }
