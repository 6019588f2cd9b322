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

    def models(
        self, *, search: str | None = None, archived: bool = False
    ) -> Iterator[Mapping[str, Any]]:
        """The models that this key may see, newest first; or those that are archived."""
        query = {"search": search} if search else {}
        return self._pages("/models", query | ({"archived": "true"} if archived else {}))

    def model(self, name: str) -> Mapping[str, Any]:
        """One model, with its card and what that does not say yet."""
        answer: Mapping[str, Any] = self._transport.json(Call("GET", path_of("models", name)))
        return answer

    def set_card(self, name: str, card: Mapping[str, str]) -> Mapping[str, Any]:
        """Fill fields of the model card in; the model with its ``card`` and ``card_missing``.

        What is not sent stays; an empty text takes a field away. InvalidField with its
        ``pointer`` for a field or a rating that there is not.
        """
        call = Call("PATCH", path_of("models", name), body=json_body({"card": dict(card)}))
        answer: Mapping[str, Any] = self._transport.json(call)
        return answer

    def archive_model(self, name: str) -> Mapping[str, Any]:
        """Take a model out of use: none of its versions can be called, lists leave it out."""
        return self._set_archived(path_of("models", name, "archive"))

    def unarchive_model(self, name: str) -> Mapping[str, Any]:
        """Take it back into use as it was."""
        return self._set_archived(path_of("models", name, "unarchive"))

    def versions(self, name: str) -> Iterator[Version]:
        """The versions of a model, newest first."""
        for document in self._pages(path_of("models", name, "versions"), {}):
            yield Version.from_json(document, model=name)

    def version(self, name: str, number: int) -> Version:
        """One version with its checks."""
        call = Call("GET", path_of("models", name, "versions", number))
        return Version.from_json(self._transport.json(call), model=name)

    def aliases(self, name: str) -> Iterator[Mapping[str, Any]]:
        """The aliases of a model, by name: where each points, and where it pointed before."""
        return self._pages(path_of("models", name, "aliases"), {})

    def alias_history(
        self, name: str, alias: str, *, at: str | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Every move of an alias, newest first: from, to, by, at, until and its reason.

        ``at``, a time as ``2026-11-23T14:00:00Z``, leaves the one move that was in force then.
        """
        path = path_of("models", name, "aliases", alias, "history")
        return self._pages(path, {"at": at} if at else {})

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
