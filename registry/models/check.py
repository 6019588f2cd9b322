"""One verdict on a version, with its evidence."""

from __future__ import annotations

from typing import Any

from django.db import models

from registry.models.base import TimeOrdered, one_of
from registry.models.model_version import ModelVersion
from registry.quoting import summary_without_cells, without_cells


class CheckName(models.TextChoices):
    """The checks, in the order in which they run."""

    SCAN = "scan"
    LOAD = "load"
    SIGNATURE = "signature"
    GOLDEN = "golden"
    COMPILE = "compile"


# Made for every version when it is registered.
FIRST_CHECKS = (CheckName.SCAN, CheckName.LOAD, CheckName.SIGNATURE, CheckName.GOLDEN)
# The runtimes some of whose models can be compiled: theirs is `compile` as well.
COMPILED_RUNTIMES = frozenset({"sklearn", "xgboost", "lightgbm", "mlflow"})


def checks_for(runtime: str) -> tuple[CheckName, ...]:
    """The checks of a version of this runtime, in order."""
    if runtime in COMPILED_RUNTIMES:
        return (*FIRST_CHECKS, CheckName.COMPILE)
    return FIRST_CHECKS


class Verdict(models.TextChoices):
    """How a check ended."""

    PENDING = "pending"
    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(TimeOrdered):
    """A verdict. ``evidence`` is JSON: figures, names, and row and column where cells are meant."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="checks")
    name = models.CharField(max_length=16, choices=CheckName.choices)
    verdict = models.CharField(max_length=16, choices=Verdict.choices, default=Verdict.PENDING)
    summary = models.TextField(blank=True)
    evidence = models.JSONField(default=dict, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta(TimeOrdered.Meta):
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["version", "name"], name="check_once_per_version"),
            one_of("name", CheckName.values, "check_name_known"),
            one_of("verdict", Verdict.values, "check_verdict_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.verdict}"

    @property
    def shown_summary(self) -> str:
        """The summary, without cells where the model hides them by now."""
        if not self.version.model.hides_cells:
            return self.summary
        return summary_without_cells(self.summary, self.evidence)

    @property
    def shown_evidence(self) -> dict[str, Any]:
        """The evidence, without cells where the model hides them by now."""
        hides = self.version.model.hides_cells
        shown: dict[str, Any] = without_cells(self.evidence) if hides else self.evidence
        return shown
