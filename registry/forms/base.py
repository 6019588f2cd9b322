"""What our forms share: errors of the domain beside their fields, JSON and tags as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django import forms
from django.forms.utils import ErrorDict

from registry import strict_json
from registry.errors import DomainError

T = TypeVar("T")
JSON_MAX_BYTES = 1 << 20


class ActionForm(forms.Form):
    """A form whose action may refuse.

    ``pointers`` maps a JSON pointer without its slash before it, or its first step, to a field.
    """

    pointers: ClassVar[Mapping[str, str]] = {}
    required_css_class = "required"

    def run(self, action: Callable[[], T]) -> T | None:
        """What the action returns; None after a refusal, which then stands on the form."""
        try:
            return action()
        except DomainError as error:
            self.add_refusal(error)
            return None

    def refuse(self, error: DomainError) -> None:
        """The body could not be read whole: only that is said, not what is missing then."""
        self.full_clean()
        self._errors = ErrorDict()
        self.add_refusal(error)

    def add_refusal(self, error: DomainError) -> None:
        """Write a refusal beside the field that it names, else above the form."""
        pointer = str(getattr(error, "pointer", ""))
        field, is_exact = self._place_of(pointer)
        if field is None or not hasattr(self, "cleaned_data"):
            self.add_error(None, str(error))
            return
        self.add_error(field, str(error) if is_exact else f"{error} (at {pointer})")

    def _place_of(self, pointer: str) -> tuple[str | None, bool]:
        """The field for a pointer or its first steps, and whether it stands for it exactly."""
        steps = pointer.lstrip("/").split("/")
        for length in range(len(steps), 0, -1):
            name = "/".join(steps[:length])
            field = self.pointers.get(name, name)
            if field in self.fields:
                return field, length == len(steps) and (length > 1 or field == name)
        return None, False


class JsonField(forms.CharField):
    """JSON as text, read by the strict parser; None when left empty."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"class": "mono", "rows": 8, "spellcheck": "false"})
        super().__init__(**{"widget": widget, "strip": True, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        """Indented when it comes from the database, as typed when it comes back."""
        if value is None or isinstance(value, str):
            return value or ""
        return json.dumps(value, indent=2, ensure_ascii=False)

    def clean(self, value: Any) -> Any:
        """The parsed JSON, or None."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return strict_json.loads(text.encode(), max_bytes=JSON_MAX_BYTES)
        except DomainError as error:
            raise forms.ValidationError(str(error)) from None


class TagsField(forms.CharField):
    """One ``key: value`` a line; an empty mapping when left empty."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"rows": 3, "placeholder": "team: risk", "spellcheck": "false"}
        widget = forms.Textarea(attrs=attrs)
        help_text = "One “key: value” a line."
        super().__init__(**{"widget": widget, "help_text": help_text, "required": False, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        """Lines when it comes from the database, as typed when it comes back."""
        if isinstance(value, Mapping):
            return "\n".join(f"{key}: {text}" for key, text in value.items())
        return value

    def clean(self, value: Any) -> Any:
        """The tags. Refuses a line without a colon and a key that comes twice."""
        tags: dict[str, str] = {}
        for number, line in enumerate(super().clean(value).splitlines(), start=1):
            key, colon, text = (part.strip() for part in line.partition(":"))
            if not line.strip():
                continue
            if not colon or not key:
                raise forms.ValidationError(f"Line {number} is no “key: value”.")
            if key in tags:
                raise forms.ValidationError(f"Line {number}: the key “{key}” comes twice.")
            tags[key] = text
        return tags


def reason_field(*, required: bool = False, placeholder: str = "") -> forms.CharField:
    """Why something is done; kept in the history."""
    widget = forms.TextInput(attrs={"placeholder": placeholder, "autocomplete": "off"})
    return forms.CharField(label="Reason", required=required, widget=widget, max_length=2000)
