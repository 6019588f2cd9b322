"""Registering a version: the form with model, example and answers, then the wait for the checks."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.answers import local_answers
from modelyard.artifacts import SavedModel, save_estimator
from modelyard.bodies import BytesSource, FilePart, FileSource, Form
from modelyard.cells import json_cell
from modelyard.errors import UsageError
from modelyard.examples import example_part
from modelyard.progress import Progress
from modelyard.transport import Call, Transport, path_of
from modelyard.versions import Version
from modelyard.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Push:
    """What is registered. ``model`` is a fitted estimator or the path of a model file."""

    model: Any
    name: str
    example: Any = None
    expected: Mapping[str, Any] | None = None
    format: str | None = None
    signature: Mapping[str, Any] | None = None
    description: str | None = None
    tags: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    training_dataset: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether the model is a path."""
        return isinstance(self.model, str | os.PathLike)

    def fields(self, format: str | None) -> dict[str, str]:
        """The form's text fields; the structured ones as JSON."""
        fields = {
            "format": format,
            "description": self.description,
            "source": self.source,
            "training_dataset": self.training_dataset,
            "signature": _json_text(self.signature),
            "tags": _json_text(self.tags),
            "metrics": _json_text(self.metrics),
        }
        return {name: text for name, text in fields.items() if text}

    def files(self, saved: SavedModel) -> list[FilePart]:
        """The form's files. The answers are those of this very process, unless given."""
        files = [FilePart("artifact", self._label(saved), FileSource(saved.path))]
        if self.example is None:
            return files
        estimator = None if self.is_file else self.model
        files.append(example_part(self.example, estimator))
        expected = self._own_answers() if self.expected is None else self.expected
        if expected is not None:
            content = json.dumps(json_cell(expected), allow_nan=False).encode()
            part = FilePart("expected", "expected.json", BytesSource(content), "application/json")
            files.append(part)
        return files

    def _own_answers(self) -> dict[str, Any] | None:
        if self.is_file or isinstance(self.example, str | os.PathLike):
            return None
        return local_answers(self.model, self.example)

    def _label(self, saved: SavedModel) -> str:
        return saved.path.name if self.is_file else f"{self.name}{saved.path.suffix}"

    def check(self) -> None:
        """UsageError for what cannot be meant, before anything is written or sent."""
        wrong = [k for k, v in self.tags.items() if not isinstance(v, str) or not k]
        if wrong:
            raise UsageError(f"The tag {wrong[0]!r} must be a text with a text.")
        if self.expected is not None and self.example is None:
            raise UsageError("Expected answers need the example rows that they answer.")


def _json_text(document: Mapping[str, Any] | None) -> str | None:
    return json.dumps(json_cell(document), allow_nan=False) if document else None


@contextmanager
def model_file(push: Push) -> Iterator[SavedModel]:
    """The model as a file: the one that the path names, or one saved for the block."""
    if push.is_file:
        yield SavedModel(Path(os.fspath(push.model)), push.format)
        return
    if not hasattr(push.model, "__dict__") and not hasattr(push.model, "SerializeToString"):
        raise UsageError(f"{type(push.model).__qualname__} is neither an estimator nor a path.")
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        yield save_estimator(push.model, Path(folder), format=push.format)


def register(transport: Transport, progress: Progress, push: Push, saved: SavedModel) -> Version:
    """Send the form. The model is made with its first version; the version is ``pending``."""
    form = Form(push.fields(saved.format), push.files(saved))
    path = path_of("models", push.name, "versions")
    with progress.step(f"Sending {push.name}", in_bytes=True) as step:
        body = form.body(step.reach)
        step.reach(0, body.source.size_bytes)
        call = Call("POST", path, {"create": "true"}, body=body, creates=True)
        document = transport.json(call)
    return Version.from_json(document, model=push.name)


def wait_for_checks(
    transport: Transport, progress: Progress, version: Version, *, timeout_s: float | None
) -> Version:
    """Wait until the checks have come to an end: ready, quarantined or rejected."""
    path = path_of("models", version.model, "versions", version.number)
    title = f"Checking {version.model} version {version.number}"
    with progress.step(title) as step:

        def look() -> Version:
            seen = Version.from_json(transport.json(Call("GET", path)), model=version.model)
            decided = sum(check.verdict != "pending" for check in seen.checks)
            step.reach(decided, len(seen.checks) or None, seen.status)
            return seen

        return wait_until(
            look,
            lambda seen: seen.is_settled,
            clock=transport.clock,
            timeout_s=timeout_s,
            subject=f"The checks of {version.model} version {version.number}",
        )
