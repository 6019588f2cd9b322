"""From a filled-in upload form to a registered version, as REST does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from registry import roles
from registry.actions.models import create_model
from registry.actions.versions import Upload, register_version
from registry.api.table_formats import example_format
from registry.api.uploads import Part
from registry.conf import conf
from registry.errors import ModelNotFound
from registry.formats import HEAD_BYTES, sniff
from registry.models import ModelVersion, RegisteredModel
from registry.principals import Principal, find_model, require_everywhere


def caps() -> dict[str, int]:
    """The file parts of the form, and how many bytes each may have."""
    return {
        "artifact": conf.max_artifact_bytes,
        "example": conf.max_binary_body_bytes,
        "expected": conf.max_binary_body_bytes,
    }


@transaction.atomic
def register(by: Principal, filled: Mapping[str, Any]) -> ModelVersion:
    """Make the model if there is none of the name, keep the bytes, register the version."""
    model = _model_for(by, filled["model"])
    artifact = _artifact(filled["artifact"], filled["format"])
    example: Part | None = filled["example"]
    expected: Part | None = filled["expected"]
    version = register_version(
        by=by,
        model=model,
        artifact=artifact,
        example=_example(example),
        expected=expected.stored if expected else None,
        signature=filled["signature"],
        metrics=filled["metrics"],
        tags=filled["tags"],
        description=filled["description"],
    )
    for part in (filled["artifact"], example, expected):
        if part is not None:
            part.keep()
    return version


def _model_for(by: Principal, name: str) -> RegisteredModel:
    try:
        return find_model(by, name)
    except ModelNotFound:
        require_everywhere(by, roles.PUBLISHER)
        return create_model(by=by, name=name)


def _artifact(part: Part, declared: str) -> Upload:
    key = sniff(part.head(HEAD_BYTES), part.label, declared or None)
    return Upload(part.stored, key, part.label)


def _example(part: Part | None) -> Upload | None:
    return Upload(part.stored, example_format(part), part.label) if part else None
