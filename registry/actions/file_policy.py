"""What ``MODEL_FILE_POLICY`` asks of files whose loading executes code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.actions.releases import note_reuse, standing_approval
from registry.conf import conf
from registry.errors import CheckRefused
from registry.formats import FORMATS
from registry.models import ModelVersion

# Of these only the scan tells what is in them.
FOLDERS = ("mlflow",)


def require_taken(format: str) -> None:
    """Raises CheckRefused ``refused-by-policy`` where the server takes no such files."""
    if executes_code(format) and conf.model_file_policy == "refuse":
        raise CheckRefused(
            "refused-by-policy",
            f"This server takes no {FORMATS[format].title} files, because loading one executes "
            "code from it. Save the model with skops or export it to ONNX.",
        )


def policy_format(version: ModelVersion, scanned: Mapping[str, Any]) -> str:
    """The format that the policy goes by: of an MLflow folder that of the file in it.

    ``scanned`` is the evidence of the scan; nothing is loaded before it.
    """
    held = scanned.get("holds")
    return held if isinstance(held, str) and held in FORMATS else version.format


def needs_review(version: ModelVersion, format: str) -> bool:
    """Whether a version that has passed everything waits for a second person.

    An approval of the same bytes that still stands is used again, and that is recorded.
    """
    if not executes_code(format) or conf.model_file_policy != "approve":
        return False
    approval = standing_approval(version)
    if approval is not None:
        note_reuse(version, approval)
    return approval is None


def executes_code(format: str) -> bool:
    """Whether loading a file of this format carries out what the file says."""
    return FORMATS[format].trust == "code"
