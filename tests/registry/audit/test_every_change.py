"""Every route that changes something leaves exactly one event; what only looks leaves none.

The routes and the requests are those of ``tests/permissions``, where each does what it asks for, so
a new route is tried here by itself. The exceptions are listed, each with its reason.
"""

from __future__ import annotations

import pytest
from django.db import transaction

from registry.admin.event_words import WORDS
from registry.models import AuditEvent
from tests import people
from tests.permissions.asking import read, send
from tests.permissions.conftest import _made, world  # noqa: F401  (fixtures)
from tests.permissions.places import held_by, values
from tests.permissions.requests import REQUESTS, Sample
from tests.permissions.routes import all_routes
from tests.permissions.rules import Row, rows_of
from tests.permissions.table import TABLE
from tests.permissions.world import World

ROWS = rows_of(TABLE)

# They ask and change nothing.
SILENT = {
    "POST api/v1/models/<str:ref>/predict",
    "POST api/v1/models/<str:name>/versions/<int:number>/predict",
    "POST v2/repository/index",
    "POST v2/models/<str:ref>/infer",
    "POST v2/models/<str:ref>/versions/<int:number>/infer",
    "POST endpoints/<str:ref>/invocations",
    "POST admin/serving/try-it/<uuid:pk>/",
}
# They do several things, to as many objects: one event for each.
SEVERAL = {
    "POST:new api/v1/datasets": ["dataset.create", "dataset.upload"],
    "POST:new admin/registry/dataset/add/": ["dataset.create", "dataset.upload"],
    "POST:new admin/registry/modelversion/add/": ["model.create", "version.register"],
    # A stricter dataset takes what was made from it along.
    "PATCH:rules api/v1/datasets/<str:name>": ["dataset.update"] * 4,
    "POST api/v1/schedules/<str:name>/run-now": ["batch_job.create", "schedule.run_now"],
    "POST admin/serving/schedule/<uuid:pk>/run-now/": ["batch_job.create", "schedule.run_now"],
    "POST api/v1/approvals/<str:id>/approve": ["approval.approved", "version.ready"],
    "POST api/v1/approvals/<str:id>/reject": ["approval.rejected", "version.rejected"],
    "POST admin/registry/approvalrequest/<uuid:pk>/decide/": [
        "approval.rejected",
        "version.rejected",
    ],
}
# They take data, captured requests or a model file along.
TAKEN = {
    "GET api/v1/models/<str:name>/versions/<str:number>/artifact": "version.download",
    "GET api/v1/datasets/<str:name>/download": "dataset.download",
    "GET api/v1/datasets/<str:name>/versions/<str:number>/download": "dataset.download",
    "GET api/v1/batch-jobs/<str:id>/results": "batch_job.download",
    "GET api/v1/batch-jobs/<str:id>/rejects": "batch_job.download",
    "GET api/v1/audit/export": "audit.export",
    "GET api/v1/models/<str:name>/records": "record.read",
    "GET api/v1/models/<str:name>/records/<str:id>": "record.read",
    "GET admin/serving/predictionrecord/<uuid:pk>/": "record.read",
}


def events_of(both: World, row: Row) -> list[str]:
    """The actions that the request of a row leaves behind; it is undone."""
    who, route = both.named("manager everywhere"), all_routes()[row.pattern]
    cookies = who.client.cookies.copy()
    held = held_by(both, who, "own")
    sample = REQUESTS[row.key](held) if row.key in REQUESTS else Sample()
    with transaction.atomic():
        before = list(AuditEvent.objects.values_list("pk", flat=True))
        answer = send(
            who, row.method, route.path(values(route, held)), sample, is_page=route.is_page
        )
        read(answer)
        left = AuditEvent.objects.exclude(pk__in=before).order_by("id")
        actions = list(left.values_list("action", flat=True))
        transaction.set_rollback(True)
    who.client.cookies = cookies
    return actions


def is_as_it_should_be(row: Row, actions: list[str]) -> bool:
    if row.key in SEVERAL:
        return actions == SEVERAL[row.key]
    if row.key in TAKEN:
        return actions == [TAKEN[row.key]]
    if row.method == "GET" or row.key in SILENT:
        return actions == []
    return len(actions) == 1


def test_whatever_a_route_does_leaves_one_event(world: World):  # noqa: F811
    left = {row.key: events_of(world, row) for row in ROWS}

    wrong = {row.key: left[row.key] for row in ROWS if not is_as_it_should_be(row, left[row.key])}
    assert not wrong, wrong
    without_words = {action for actions in left.values() for action in actions} - WORDS.keys()
    assert not without_words


def test_the_exceptions_are_about_routes_that_are_there():
    assert {*SILENT, *SEVERAL, *TAKEN} <= {row.key for row in ROWS}


@pytest.mark.django_db
def test_who_changes_their_own_password_leaves_an_event():
    penny = people.person("penny", is_staff=True)
    words = {"new_password1": "quite-another-word-7", "new_password2": "quite-another-word-7"}

    answer = penny.session().post(
        "/admin/password_change/", {"old_password": "a-long-pass-word", **words}
    )

    assert answer["Location"] == "/admin/password_change/done/", answer.content
    event = AuditEvent.objects.get(action="user.password")
    assert (event.actor, event.object_id) == ("penny", str(penny.user.pk))
