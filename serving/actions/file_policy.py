"""What ``MODEL_FILE_POLICY`` asks of files whose loading executes code."""

from __future__ import annotations

from registry.actions.releases import note_reuse, standing_approval
from registry.conf import conf
from registry.errors import CheckRefused
from registry.formats import FORMATS
from registry.models import ModelVersion


def require_taken(version: ModelVersion) -> None:
    """Raises CheckRefused ``refused-by-policy`` where the server takes no such files."""
    if _executes_code(version) and conf.model_file_policy == "refuse":
        raise CheckRefused(
            "refused-by-policy",
            f"This server takes no {FORMATS[version.format].title} files, because loading one "
            "executes code from it. Save the model with skops or export it to ONNX.",
        )


def needs_review(version: ModelVersion) -> bool:
    """Whether a version that has passed everything waits for a second person.

    An approval of the same bytes that still stands is used again, and that is recorded.
    """
    if not _executes_code(version) or conf.model_file_policy != "approve":
        return False
    approval = standing_approval(version)
    if approval is not None:
        note_reuse(version, approval)
    return approval is None


def _executes_code(version: ModelVersion) -> bool:
    return FORMATS[version.format].trust == "code"
