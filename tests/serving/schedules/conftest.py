"""The schedules' tests: an owner with a model and a dataset."""

from __future__ import annotations

import pytest

from registry.principals import Principal
from tests.serving.batch import ledger


@pytest.fixture
def ana(db: None) -> Principal:
    """Owns the model churn and the dataset customers."""
    owner = ledger.person("ana")
    ledger.ready_version(owner)
    ledger.dataset_of(owner, ledger.people_rows(10))
    return owner
