"""What a check says that has failed: a reason, a summary and evidence, out of any refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.errors import PROBLEMS_SHOWN, CheckRefused, InvalidField, ModelFailed, RowProblem
from registry.quoting import summary_without_cells, without_cells
from registry.tabular import TabularError
from serving.runtimes.isolation.errors import HostError

REFUSALS = (TabularError, CheckRefused, InvalidField, HostError, ModelFailed)


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """``evidence`` counts the problems itself where it knows of more than ``problems``."""

    reason: str
    summary: str
    problems: Sequence[RowProblem] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def shown_summary(self, *, hides_cells: bool) -> str:
        """The summary; where it would quote answers that are to be hidden, without them."""
        return summary_without_cells(self.summary, self.evidence) if hides_cells else self.summary

    def told(self, *, hides_cells: bool) -> dict[str, Any]:
        """The evidence that is kept; ``hides_cells`` leaves out what may repeat a cell."""
        shown = [p.to_json(confidential=hides_cells) for p in self.problems][:PROBLEMS_SHOWN]
        counted = {"errors": shown, "error_count": len(self.problems)} if shown else {}
        kept = without_cells(self.evidence) if hides_cells else self.evidence
        return {"reason": self.reason, **counted, **kept}


def failed_by(refusal: Exception) -> FailedCheck:
    """The words for one of ``REFUSALS``."""
    summary = str(refusal)
    if isinstance(refusal, TabularError):
        counted = {"error_count": refusal.count} if refusal.problems else {}
        evidence = {**refusal.evidence, **counted}
        return FailedCheck(refusal.reason, summary, refusal.problems, evidence)
    if isinstance(refusal, CheckRefused):
        return FailedCheck(refusal.reason, summary, refusal.problems, refusal.evidence)
    if isinstance(refusal, InvalidField):
        return FailedCheck("signature-does-not-fit", summary, (), {"pointer": refusal.pointer})
    evidence = refusal.evidence if isinstance(refusal, HostError) else {}
    return FailedCheck("model-failed", summary, (), evidence)
