"""Doors: a file of a form, as the streaming upload has left it."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.api.uploads import Part


class PartField(forms.Field):
    """A file of the form as a ``Part``; None when none was chosen."""

    widget = forms.FileInput

    def __init__(self, *, accept: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if accept:
            self.widget.attrs["accept"] = accept

    def clean(self, value: Any) -> Part | None:
        """The part. Refuses a missing one where it is required, and an empty one."""
        if not isinstance(value, Part):
            if self.required:
                raise forms.ValidationError("Choose a file.")
            return None
        if value.stored.size_bytes == 0:
            raise forms.ValidationError("The file is empty.")
        return value
