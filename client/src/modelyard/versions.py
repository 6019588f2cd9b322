"""A model version and its checks, as the service tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.errors import RowError, VersionRejected

SETTLED = frozenset({"ready", "quarantined", "rejected", "archived"})


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict (pending, passed, warned, failed, skipped) with what led to it."""

    name: str
    verdict: str
    summary: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Check:
        """Read one member of ``checks``."""
        return cls(
            name=str(document.get("name", "")),
            verdict=str(document.get("verdict", "")),
            summary=document.get("summary") or "",
            evidence=document.get("evidence") or {},
        )

    def errors(self) -> tuple[RowError, ...]:
        """The cells of the example that the evidence names, if any."""
        listed = self.evidence.get("errors")
        if not isinstance(listed, list):
            return ()
        return tuple(RowError.from_json(e) for e in listed if isinstance(e, Mapping))

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}" + (f" - {self.summary}" if self.summary else "")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a model.

    ``status`` is pending, checking, ready, quarantined, rejected or archived. ``document`` is the
    service's whole answer, for what has no attribute here.
    """

    model: str
    number: int
    status: str
    format: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    signature: Mapping[str, Any] | None = None
    checks: tuple[Check, ...] = ()
    aliases: tuple[str, ...] = ()
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, model: str) -> Version:
        """Read a version document of the model called ``model``."""
        return cls(
            model=model,
            number=int(document["number"]),
            status=str(document["status"]),
            format=document.get("format"),
            sha256=document.get("sha256"),
            size_bytes=document.get("size_bytes"),
            signature=document.get("signature"),
            checks=tuple(Check.from_json(c) for c in document.get("checks") or ()),
            aliases=tuple(_alias_names(document.get("aliases") or ())),
            description=document.get("description") or "",
            tags=document.get("tags") or {},
            metrics=document.get("metrics") or {},
            url=document.get("url"),
            document=document,
        )

    @property
    def is_settled(self) -> bool:
        """Whether the checks have come to an end."""
        return self.status in SETTLED

    @property
    def is_ready(self) -> bool:
        """Whether it answers."""
        return self.status == "ready"

    def raise_if_rejected(self) -> Version:
        """The version itself, or VersionRejected with the checks that failed."""
        if self.status != "rejected":
            return self
        failed = [check for check in self.checks if check.verdict == "failed"]
        detail = "\n  ".join(str(c) for c in failed) or "No check says why."
        errors = [error for check in failed for error in check.errors()]
        raise VersionRejected(f"{self.model} version {self.number}: {detail}", errors=errors)

    def __str__(self) -> str:
        lines = [f"{self.model} version {self.number}: {self.status}"]
        return "\n  ".join(lines + [str(check) for check in self.checks])


def _alias_names(aliases: Any) -> Iterator[str]:
    """Names out of a list of texts or of objects with a name."""
    for alias in aliases:
        yield str(alias.get("alias") or alias.get("name")) if isinstance(alias, Mapping) else alias
