"""The checks on a version that need its bytes opened: scan, load, signature, golden rows.

They run in a worker, which itself opens nothing: a disposable child of the model host looks at
the bytes, loads them and scores. Each verdict goes to ``record_check``, which alone decides where
the version stands. One pass:

1. claim the version (another worker that had it and died lost its lease);
2. scan: the gate looks, and what it refuses is over, whatever the policy;
3. load: the fitted object says what it is;
4. signature: declared or inferred, held against the object and every example row;
5. golden: the object's answers to the example rows are kept, and compared with the trainer's;
6. compile: where a graph can answer as the object does, the graph answers (``compile_check``).

``file_policy`` says what is asked beyond that of formats that execute code: they may be refused
before the scan, or wait for a reviewer, who then sees the evidence of all checks.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from registry import storage
from registry.actions.file_policy import FOLDERS, needs_review, policy_format, require_taken
from registry.actions.verdicts import (
    await_all_checks,
    record_check,
    record_findings,
    return_to_pending,
)
from registry.errors import CheckRefused, StateConflict, Unavailable
from registry.models import ModelVersion
from registry.models.check import COMPILED_RUNTIMES, CheckName, Verdict
from registry.scan import Finding
from registry.scan.edition import gate_version
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature
from registry.signature.validate import Validated
from serving.actions.brought import NOTHING, brought_by, without_cells
from serving.actions.compiling import compiled_here, record_compiled
from serving.actions.example_answers import answer_example, compare_with_trainer
from serving.actions.example_rows import ExampleRows
from serving.actions.failed_checks import REFUSALS, failed_by
from serving.actions.host import host
from serving.actions.library_versions import TrainedWith, other_version
from serving.runtimes.base import Answer, default_outputs
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.client import Inspection, ModelSpec

log = logging.getLogger(__name__)

LEASE_S = 900
GOLDEN_ROWS = 1_000


def check_version(version_id: uuid.UUID | str) -> None:
    """Run the checks of one version, unless somebody else does or it needs none.

    Where the model host or the storage is away, or a fault of our own ends the pass, the version
    goes back to pending and is found again by a reconciling pass, which gives up at the fifth.
    """
    if not ModelVersion.objects.claim_check(version_id, lease_s=LEASE_S):
        return
    version = ModelVersion.objects.select_related("model", "artifact").get(pk=version_id)
    try:
        _Checking(version).run()
    except Unavailable as error:
        log.warning("Checks of %s put off: %s", version, error)
        return_to_pending(version, reason=str(error))
    except StateConflict as error:
        log.warning("Checks of %s ended by somebody else: %s", version, error)
    except Exception as fault:
        # Ours, not the model's. Without this it would stand as checking until its lease ends.
        return_to_pending(version, reason=f"A fault of the service: {type(fault).__name__}.")
        raise


class _Refused(Exception):
    """A verdict has rejected or quarantined the version: nothing more to check."""


class _Checking:
    """One pass over one version; ``name`` is the check that runs now."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.name: str = CheckName.SCAN
        self.scanned: dict[str, Any] = {}
        self.brought = NOTHING
        self.trained_with: TrainedWith | None = None

    def run(self) -> None:
        """All checks in order; the first refusal ends the pass."""
        await_all_checks(self.version)
        try:
            with self._verdict(CheckName.SCAN):
                if self.version.format not in FOLDERS:
                    require_taken(self.version.format)
                artifact = self._artifact()
            with artifact, host().inspect(lambda: artifact, self._spec()) as child:
                self._scan(child)
                facts = self._load(child)
                signature, rows = self._signature(facts)
                golden = self._golden(child, facts, signature, rows)
                self._compile(child, facts, signature, golden)
        except _Refused:
            pass

    def _spec(self) -> ModelSpec:
        return ModelSpec(
            key=f"check:{self.version.pk}",
            format=self.version.format,
            runtime=self.version.runtime,
            sha256=self.version.artifact.sha256,
        )

    def _artifact(self) -> Any:
        try:
            return storage.open_verified(self.version.artifact.sha256)
        except storage.BlobMissing:
            raise CheckRefused("bytes-missing", "The bytes are no longer in the storage.") from None
        except storage.BlobDamaged as error:
            raise CheckRefused("bytes-damaged", str(error)) from None

    def _scan(self, child: Inspection) -> None:
        with self._verdict(CheckName.SCAN):
            finding = child.scan()
            evidence = scan_evidence(finding)
            self.scanned = evidence
            self.brought = brought_by(finding)
            self.trained_with = other_version(evidence)
            if finding.verdict == "failed":
                told = {key: value for key, value in evidence.items() if key != "reason"}
                refusal = CheckRefused(finding.reason or "refused", finding.summary, **told)
                raise self._with_version(refusal)
            require_taken(policy_format(self.version, evidence))
            verdict = Verdict.WARNED if finding.verdict == "warned" else Verdict.PASSED
            self._record(verdict, finding.summary, evidence)

    def _load(self, child: Inspection) -> ModelFacts:
        with self._verdict(CheckName.LOAD):
            try:
                facts = child.load()
            except CheckRefused as refusal:
                raise self._with_version(refusal) from None
            if not default_outputs(facts):
                raise CheckRefused(
                    "no-scoring-method",
                    f"{facts.estimator} has neither predict nor transform, so it cannot answer "
                    "for rows that it has not seen. Register an object that can.",
                )
            self.trained_with = other = other_version(self.scanned, facts)
            record_findings(self.version, facts=facts.to_json())
            evidence = {
                "estimator": facts.estimator,
                "libraries": dict(facts.libraries),
                "input_form": facts.input_form,
                "methods": list(facts.methods),
                **(other.evidence() if other else {}),
            }
            self._record(
                Verdict.WARNED if other and other.is_far else Verdict.PASSED,
                f"Loaded as {facts.estimator}." + (f" {other.told}" if other else ""),
                evidence,
            )
        return facts

    def _with_version(self, refusal: CheckRefused) -> CheckRefused:
        """The refusal, with the version of the trainer where that may be the cause."""
        other = self.trained_with
        return other.blamed_for(refusal) if other and other.is_far else refusal

    def _signature(self, facts: ModelFacts) -> tuple[Signature, Validated | None]:
        with self._verdict(CheckName.SIGNATURE):
            example = ExampleRows(self.version, self.brought)
            found = example.signature(facts)
            signature = found.signature
            rows = example.validated(signature)
            record_findings(self.version, signature=signature.to_json())
            self._record(
                Verdict.WARNED if any(n.is_warning for n in found.notes) else Verdict.PASSED,
                f"{_counted(len(signature.inputs), 'input')}, "
                f"{_counted(len(signature.outputs), 'output')}.",
                {
                    "declared": self.version.declared_signature is not None,
                    "example_rows": rows.n_rows if rows else 0,
                    "notes": [note.text for note in found.notes],
                },
            )
        return signature, rows

    def _golden(
        self,
        child: Inspection,
        facts: ModelFacts,
        signature: Signature,
        rows: Validated | None,
    ) -> Golden | None:
        with self._verdict(CheckName.GOLDEN):
            if rows is None or not self.version.expected_sha256:
                self._require_near_version()
            if rows is None:
                text = "No example rows were sent, so there is nothing to compare at each load."
                self._record_golden(Verdict.SKIPPED, text, {})
                return None
            inputs = rows.batch.slice(0, GOLDEN_ROWS)
            try:
                answer = answer_example(child, inputs, facts, signature)
                is_compared = self._compare_with_trainer(answer, rows.n_rows)
            except CheckRefused as refusal:
                raise self._with_version(refusal) from None
            golden = Golden(inputs, answer)
            stored = storage.put_bytes(golden.to_bytes())
            record_findings(self.version, golden_sha256=stored.sha256)
            evidence = {"rows": inputs.num_rows, "compared_with_trainer": is_compared}
            self._record_golden(Verdict.PASSED, _kept(inputs.num_rows), evidence)
        return golden

    def _compile(
        self, child: Inspection, facts: ModelFacts, signature: Signature, golden: Golden | None
    ) -> None:
        if self._is_compiled:
            record_compiled(
                self.version,
                compiled_here(child, self.version, facts, signature, golden),
                needs_review=self._needs_review(),
            )

    def _require_near_version(self) -> None:
        if self.trained_with and self.trained_with.is_far:
            raise self.trained_with.uncompared()

    def _compare_with_trainer(self, answer: Answer, example_rows: int) -> bool:
        if not self.version.expected_sha256:
            return False
        compare_with_trainer(self.version.expected_sha256, answer, example_rows)
        return True

    def _record_golden(self, verdict: str, summary: str, evidence: dict[str, Any]) -> None:
        """After the last verdict the version is ready, or waits for a reviewer."""
        is_last = not self._is_compiled
        self._record(verdict, summary, evidence, needs_review=is_last and self._needs_review())

    @property
    def _is_compiled(self) -> bool:
        return self.version.runtime in COMPILED_RUNTIMES

    def _needs_review(self) -> bool:
        return needs_review(self.version, policy_format(self.version, self.scanned))

    def _record(
        self,
        verdict: str,
        summary: str,
        evidence: dict[str, Any],
        *,
        needs_review: bool = False,
    ) -> None:
        record_check(self.version, self.name, verdict, summary, evidence, needs_review=needs_review)

    @contextmanager
    def _verdict(self, name: str) -> Iterator[None]:
        """A refusal inside becomes the failed verdict of the check ``name``."""
        self.name = name
        try:
            yield
        except REFUSALS as refusal:
            failed = failed_by(refusal)
            hides_cells = self.version.model.hides_cells
            told = failed.told(hides_cells=hides_cells)
            self._record(Verdict.FAILED, failed.shown_summary(hides_cells=hides_cells), told)
            raise _Refused from None


def scan_evidence(finding: Finding) -> dict[str, Any]:
    """The evidence of a scan as it is kept: with the reason, and with the gate that looked."""
    kept = without_cells(finding.evidence)
    return {"reason": finding.reason, "gate_version": gate_version(), **kept}


def _kept(rows: int) -> str:
    if rows == 1:
        return "1 example row was scored and is kept as a golden row."
    return f"{rows} example rows were scored and are kept as golden rows."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
