"""The calls about models: push, list, read, let an alias point."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from modelyard.bodies import json_body
from modelyard.calls import Calls
from modelyard.errors import ModelyardWarning
from modelyard.pushing import Push, model_file, register, wait_for_checks
from modelyard.transport import Call, path_of
from modelyard.versions import Version

CHECKS_TIMEOUT_S = 900.0


class ModelCalls(Calls):
    """Models and their versions."""

    def push(
        self,
        estimator_or_path: Any,
        name: str,
        *,
        example: Any = None,
        expected: Mapping[str, Any] | None = None,
        format: str | None = None,
        signature: Mapping[str, Any] | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, Any] | None = None,
        source: str | None = None,
        training_dataset: str | None = None,
        wait: bool = True,
        timeout_s: float | None = CHECKS_TIMEOUT_S,
    ) -> Version:
        """Register a fitted estimator, or a model file, as the next version of ``name``.

        An estimator is saved with skops where skops can, else with joblib, and a
        ``ModelyardWarning`` says why. ``example`` (a table of typical rows, some with missing
        values where they occur; or a csv, json or parquet file) goes along as Parquet with its
        types, together with this process's own answers to it, so that a service whose libraries
        answer differently says so. ``expected`` replaces those answers.

        With ``wait`` the version comes back as ready, quarantined or rejected with its checks:
        see ``Version.raise_if_rejected()``. WaitTimedOut after ``timeout_s``.
        """
        push = Push(
            estimator_or_path,
            name,
            example,
            expected,
            format,
            signature,
            description,
            tags or {},
            metrics or {},
            source,
            training_dataset,
        )
        push.check()
        with model_file(push) as saved:
            for note in saved.notes:
                warnings.warn(note, ModelyardWarning, stacklevel=2)
            version = register(self._transport, self._progress, push, saved)
        return self.wait_for(version, timeout_s=timeout_s) if wait else version

    def wait_for(self, version: Version, *, timeout_s: float | None = CHECKS_TIMEOUT_S) -> Version:
        """Wait until a version's checks have come to an end."""
        if version.is_settled and version.checks:
            return version
        return wait_for_checks(self._transport, self._progress, version, timeout_s=timeout_s)

    def models(self, *, search: str | None = None) -> Iterator[Mapping[str, Any]]:
        """The models that this key may see, newest first."""
        return self._pages("/models", {"search": search} if search else {})

    def versions(self, name: str) -> Iterator[Version]:
        """The versions of a model, newest first."""
        for document in self._pages(path_of("models", name, "versions"), {}):
            yield Version.from_json(document, model=name)

    def version(self, name: str, number: int) -> Version:
        """One version with its checks."""
        call = Call("GET", path_of("models", name, "versions", number))
        return Version.from_json(self._transport.json(call), model=name)

    def set_alias(
        self, name: str, alias: str, version: int, *, reason: str | None = None
    ) -> Mapping[str, Any]:
        """Let an alias point to a version.

        The answer is the alias, or, where the alias is guarded, the approval request (with
        ``state`` and ``subject``) that somebody else has to decide.
        """
        body = json_body({"version": version} | ({"reason": reason} if reason else {}))
        path = path_of("models", name, "aliases", alias)
        answer: Mapping[str, Any] = self._transport.json(Call("PUT", path, body=body)) or {}
        return answer
