"""The calls about who decides and where things come from: approvals, lineage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from modelyard.bodies import json_body
from modelyard.calls import Calls
from modelyard.errors import UsageError
from modelyard.refs import DatasetRef, ModelRef
from modelyard.transport import Call, path_of

KINDS = ("model", "version", "dataset", "dataset-version", "batch-job", "alias", "route")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class GovernanceCalls(Calls):
    """Approval requests and their decisions, and the lineage of everything."""

    def approvals(
        self,
        *,
        state: str | None = None,
        model: str | None = None,
        dataset: str | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        """Requests for an approval, newest first; ``state`` is pending, approved or rejected."""
        asked = {"state": state, "model": model, "dataset": dataset}
        return self._pages("/approvals", {key: value for key, value in asked.items() if value})

    def approval(self, id: str) -> Mapping[str, Any]:
        """One request with its evidence as it stands now; decided, as it was decided on."""
        answer: Mapping[str, Any] = self._transport.json(Call("GET", path_of("approvals", id)))
        return answer

    def approve(self, id: str, *, reason: str) -> Mapping[str, Any]:
        """Say yes, and let happen what was asked for.

        NotAllowed for who has asked, Conflict where it was decided or is about something else now.
        """
        return self._decide(id, "approve", reason)

    def reject(self, id: str, *, reason: str) -> Mapping[str, Any]:
        """Say no."""
        return self._decide(id, "reject", reason)

    def lineage(self, kind: str, ref: str, *, depth: int = 1) -> Mapping[str, Any]:
        """What an object was made from and what was made from it, as a graph of so many hops.

        ``kind`` is one of ``KINDS``; ``ref`` its id, or how it is named: ``churn`` (model),
        ``churn/versions/3`` (version), ``customers`` (dataset), ``customers@3`` (dataset-version).
        ``nodes`` have their ``hops``, negative towards what it came from; ``edges`` lead from
        ``parent`` to ``child``; ``is_cut`` says that there may be more.
        """
        if kind not in KINDS:
            raise UsageError(
                f"There is no lineage of {kind!r}; there is one of {', '.join(KINDS)}."
            )
        id = ref if _UUID.fullmatch(ref) else self._id_of(kind, ref)
        call = Call("GET", path_of("lineage", kind, id), {"depth": depth})
        answer: Mapping[str, Any] = self._transport.json(call)
        return answer

    def _id_of(self, kind: str, ref: str) -> str:
        return str(self._transport.json(Call("GET", _path_to(kind, ref)))["id"])

    def _decide(self, id: str, verb: str, reason: str) -> Mapping[str, Any]:
        path = path_of("approvals", id, verb)
        call = Call("POST", path, body=json_body({"reason": reason}), repeatable=False)
        answer: Mapping[str, Any] = self._transport.json(call)
        return answer


def _path_to(kind: str, ref: str) -> str:
    """Where an object that is named, not numbered, lies. UsageError for what has no name."""
    if kind == "model":
        return path_of("models", ref)
    if kind == "dataset":
        return path_of("datasets", ref)
    if kind == "version":
        named = ModelRef.parse(ref)
        if named.version is not None:
            return path_of("models", named.text, "versions", named.version)
        raise UsageError(f"{ref!r} names no version: write NAME/versions/N.")
    if kind == "dataset-version":
        rows = DatasetRef.parse(ref)
        if rows.number is not None:
            return path_of("datasets", rows.name, "versions", rows.number)
        raise UsageError(f"{ref!r} names no version: write NAME@N.")
    raise UsageError(f"A {kind} is known by its id, not by {ref!r}.")
