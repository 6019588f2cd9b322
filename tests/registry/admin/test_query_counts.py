"""Lists and pages cost the same number of queries for one row and for many."""

from __future__ import annotations

from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from registry.actions import models
from registry.principals import Principal
from serving.actions import batch_jobs
from tests.browser.world import GOOD_CHECKS, World, settle, uploaded
from tests.registry.admin.conftest import SignIn

PAGES = (
    "registry_registeredmodel_changelist",
    "registry_modelversion_changelist",
    "registry_dataset_changelist",
    "registry_auditevent_changelist",
    "registry_approvalrequest_changelist",
    "serving_batchjob_changelist",
    "index",
)


def more(world: World) -> None:
    by = Principal(world.owner)
    with mock.patch("registry.queue._ring"):
        for number in range(3):
            model = models.create_model(by=by, name=f"more-{number}", tags={"a": "b"})
            settle(uploaded(world.owner, model, f"more {number}".encode()), *GOOD_CHECKS)
            batch_jobs.create_job(by=by, model=model.name, dataset=str(world.table))


@pytest.mark.parametrize("name", [*PAGES, "model"])
def test_more_rows_cost_no_more_queries(world: World, signed_in: SignIn, name: str) -> None:
    client = signed_in(world.owner)
    url = (
        reverse("admin:registry_registeredmodel_change", args=[world.model.pk])
        if name == "model"
        else reverse(f"admin:{name}")
    )
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    more(world)
    if name == "model":
        with mock.patch("registry.queue._ring"):
            for number in range(3):
                settle(uploaded(world.owner, world.model, f"v{number}".encode()), *GOOD_CHECKS)
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    assert len(many) <= len(few), [q["sql"][:140] for q in many]
    assert len(many) < 40
