"""Which thing a route is about: values for its parameters, on either side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.permissions.routes import Route
from tests.permissions.rules import Row, Side, expected
from tests.permissions.world import Things, Who, World

# What the first words of a pattern name -> what its id (or pk) is the id of; the longest counts.
IDS = {
    "api/v1/batch-jobs": "queued",
    "api/v1/batch-jobs/<str:id>/retry": "failed",
    "api/v1/batch-jobs/<str:id>/results": "done",
    "api/v1/batch-jobs/<str:id>/rejects": "done",
    "api/v1/batch-jobs/<str:id>/comparison": "done",
    "api/v1/models/<str:name>/records": "record",
    "api/v1/approvals": "approval",
    "api/v1/lineage": "version",
    "api/v1/api-keys": "key",
    "api/v1/webhooks": "webhook",
    "admin/lineage": "version",
    "admin/registry/registeredmodel": "model",
    "admin/registry/registeredmodel/<uuid:pk>/unarchive/": "shelved",
    "admin/registry/modelversion": "version",
    "admin/registry/modelversion/<uuid:pk>/archive/": "spare",
    "admin/registry/approvalrequest": "approval",
    "admin/registry/dataset/": "dataset",
    "admin/registry/dataset/<uuid:pk>/unarchive/": "archived",
    "admin/registry/datasetversion": "table",
    "admin/registry/connection": "connection",
    "admin/registry/apikey": "key",
    "admin/registry/webhook": "webhook",
    "admin/registry/auditevent": "event",
    "admin/registry/user": "user",
    "admin/auth/group": "group",
    "admin/serving/batchjob": "queued",
    "admin/serving/batchjob/<uuid:pk>/comparison/": "done",
    "admin/serving/batchjob/<uuid:pk>/retry/": "failed",
    "admin/serving/schedule": "schedule",
    "admin/serving/predictionrecord": "record",
    "admin/serving/route": "model",
    "admin/serving/try-it": "version",
}
# What ``<name>`` is the name of.
NAMES = {
    "api/v1/models": "model",
    "api/v1/models/<str:name>/unarchive": "shelved",
    "api/v1/datasets": "dataset",
    "api/v1/datasets/<str:name>/unarchive": "archived",
    "api/v1/connections": "connection",
    "api/v1/schedules": "schedule",
}
# What hangs on a model, and so cannot be seen by a key that is limited to another one.
OF_MODELS = (
    "api/v1/models",
    "api/v1/batch-jobs",
    "api/v1/schedules",
    "api/v1/approvals",
    "api/v1/lineage",
    "api/v1/webhooks",
    "v2/models",
    "endpoints",
    "api/2.0/endpoints/",
)
# Who has made it decides, not a role.
OF_PEOPLE = ("key", "webhook")


def thing_of(pattern: str, table: dict[str, str]) -> str:
    """The kind that the longest beginning of a pattern stands for; empty for none."""
    starts = [start for start in table if pattern.startswith(start)]
    return table[max(starts, key=len)] if starts else ""


def is_theirs(pattern: str, side: Side, who: Who) -> bool:
    """Whether the thing of the route belongs to who asks."""
    kind = thing_of(pattern, IDS)
    return side == "own" and kind in OF_PEOPLE and getattr(who, kind) is not None


def held_by(world: World, who: Who, side: Side) -> Things:
    """The things of a side; on the own one with their own key and webhook, if they have any."""
    held = world.sides[side]
    if side == "other":
        return held
    return replace(held, key=who.key or held.key, webhook=who.webhook or held.webhook)


def values(route: Route, held: Things) -> dict[str, Any]:
    """A value for each parameter of the route."""
    kind = thing_of(route.pattern, IDS)
    key = getattr(held, kind).pk if kind else None
    found = {
        "name": getattr(held, thing_of(route.pattern, NAMES) or "model").name,
        "ref": held.model.name,
        "number": 2 if route.pattern.endswith("/archive") else 1,
        "alias": "spare",
        "user": "vera",
        "kind": "version",
        "id": key,
        "pk": key,
        "content_type_id": 1,
        "object_id": held.model.pk,
        "app_label": "registry",
        "url": "planets",
        "uidb64": "MQ",
        "token": "c0ffee-1",
    }
    return {name: found[name] for name in route.parameters}


def answer_for(row: Row, route: Route, who: Who, side: Side) -> str:
    """What the table answers to somebody on one side."""
    return expected(
        row.level,
        who.standing,
        side,
        is_page=route.is_page,
        of_model=row.pattern.startswith(OF_MODELS) or row.case == "model",
        is_theirs=is_theirs(row.pattern, side, who),
    )
