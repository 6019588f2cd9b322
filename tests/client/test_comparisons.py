"""Asking for a second opinion and for a place in the queue."""

from __future__ import annotations

import pytest
from modelyard import NotFound


@pytest.mark.parametrize("other", [2, "@champion"])
def test_a_job_is_asked_for_with_another_version(client, service, other):
    service.datasets["customers"] = [{"number": 1, "status": "ready"}]
    client.batch("churn@challenger", "customers@1", compare_with=other, priority=-3)
    sent = service.of("POST", "/batch-jobs")[0].json
    assert (sent["compare_with"], sent["priority"]) == (other, -3)


def test_the_report_is_read_as_it_came(client, service):
    service.datasets["customers"] = [{"number": 1, "status": "ready"}]
    job = client.batch("churn", "customers@1", compare_with=2)
    service.files[f"/batch-jobs/{job.id}/comparison"] = b'{"rows": 3, "agreement": 0.5}'
    assert job.comparison() == {"rows": 3, "agreement": 0.5}


def test_a_job_that_compares_nothing_has_no_report(client, service):
    service.datasets["customers"] = [{"number": 1, "status": "ready"}]
    job = client.batch("churn", "customers@1")
    with pytest.raises(NotFound):
        job.comparison()
