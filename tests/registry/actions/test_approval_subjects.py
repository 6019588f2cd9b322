"""The table of what approval requests are about has a row for each subject that there is."""

from __future__ import annotations

from registry.actions.approval_subjects import DECISIONS
from registry.models.approval_request import ApprovalSubject


def test_every_subject_says_how_it_is_decided() -> None:
    assert set(DECISIONS) == set(ApprovalSubject)
