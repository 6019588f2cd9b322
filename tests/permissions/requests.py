"""A request for each row of the table that does what it asks for, and how it is seen that it did.

Each is made for the things of one side. A body of bytes goes as it is, a dictionary as JSON to the
API and as a form to a page; ``is_form`` makes it a form for the API too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry.actions import sign_on
from tests import things
from tests.permissions.world import Things

JSON = "application/json"


@dataclass(frozen=True)
class Sample:
    """What is sent. ``leaves_no_event`` says that doing it changes nothing that is audited."""

    body: Any = None
    is_form: bool = False
    leaves_no_event: bool = False
    hides_quietly: bool = False
    is_judged: bool = False


Maker = Callable[[Things], Sample]
_ROWS = {"instances": [{"age": 42, "city": "Rome"}]}
_TENSORS = {
    "inputs": [
        {"name": "age", "shape": [1], "datatype": "INT64", "data": [42]},
        {"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Rome"]},
    ]
}
_RECORDS = {"dataframe_records": _ROWS["instances"]}
_NEW_DATABASE = {
    "name": "new-one",
    "driver": "postgresql",
    "address": "postgresql://a@127.0.0.1:9/b",
}
_PROMOTION = {"tier": "product", "reason": "It was cleaned."}
_DEMOTION = {"tier": "raw", "reason": "It was not clean."}
_REASON = {"reason": "It was looked at."}
_CRON = {"cron": "0 0 29 2 *"}
_PASSWORD = "quite-another-word-7"


def _same(body: Any = None, **options: Any) -> Maker:
    return lambda held: Sample(body, **options)


def _scores(body: Any) -> Maker:
    return _same(body, leaves_no_event=True)


def _job(**more: Any) -> Maker:
    return lambda held: Sample({"model": held.model.name, "dataset": held.dataset.name, **more})


def _new_model_version(name: str | None = None) -> Maker:
    return lambda held: Sample(
        {"model": name or held.model.name, "artifact": things.model_file("new")}, is_form=True
    )


def _new_table(name: str | None = None) -> Maker:
    return lambda held: Sample(
        {"name": name or held.dataset.name, "file": things.table_file(), **_RAW}, is_form=True
    )


_RAW = {"tier": "raw", "classification": "internal"}
_CORRECTED = {"signature": things.SIGNATURE}
_GRANT = {"role": "scorer"}
_SPLIT = {"targets": [{"version": 1, "weight": 90}, {"version": 2, "weight": 10}], "mirror": []}
_PERSON = {"first_name": "P", "is_staff": "on", "is_active": "on"}

_API: dict[str, Maker] = {
    "POST models/<str:ref>/predict": _scores(_ROWS),
    "POST models/<str:name>/versions/<int:number>/predict": _scores(_ROWS),
    "POST batch-jobs": _job(),
    "POST:first batch-jobs": _job(priority=5),
    "POST batch-jobs/<str:id>/cancel": _same(),
    "POST batch-jobs/<str:id>/retry": _same(),
    "POST schedules": _job(name="new-one", **_CRON),
    "PATCH schedules/<str:name>": _same({"enabled": False}),
    "DELETE schedules/<str:name>": _same(),
    "POST schedules/<str:name>/run-now": _same(),
    "POST models": _same({"name": "new-one"}),
    "PATCH models/<str:name>": _same({"description": "new"}),
    "PATCH:rules models/<str:name>": _same({"approval_required": True}),
    "POST models/<str:name>/archive": _same(),
    "POST models/<str:name>/unarchive": _same(),
    "PUT models/<str:name>/route": _same(_SPLIT),
    "DELETE models/<str:name>/route": _same(),
    "POST models/<str:name>/versions": lambda held: Sample(
        {"artifact": things.model_file("new")}, is_form=True
    ),
    "POST:correct models/<str:name>/versions": _same({"from_version": 1, **_CORRECTED}),
    "PATCH models/<str:name>/versions/<str:number>": _same({"description": "new"}),
    "POST models/<str:name>/versions/<str:number>/archive": _same(),
    "PUT models/<str:name>/aliases/<str:alias>": _same({"version": 2}),
    "DELETE models/<str:name>/aliases/<str:alias>": _same(),
    "PUT models/<str:name>/grants/<str:user>": _same(_GRANT),
    "DELETE models/<str:name>/grants/<str:user>": _same(),
    "POST approvals/<str:id>/approve": _same(_REASON),
    "POST approvals/<str:id>/reject": _same(_REASON),
    "POST datasets": _new_table(),
    "POST:new datasets": _new_table("new-one"),
    "PATCH datasets/<str:name>": _same({"description": "new"}),
    "PATCH:rules datasets/<str:name>": _same({"classification": "confidential"}),
    "POST datasets/<str:name>/archive": _same(_REASON),
    "POST datasets/<str:name>/unarchive": _same(_REASON),
    "POST datasets/<str:name>/versions/<str:number>/promote": _same(_PROMOTION),
    "POST datasets/<str:name>/versions/<str:number>/demote": _same(_DEMOTION),
    "PUT datasets/<str:name>/grants/<str:user>": _same(_GRANT),
    "DELETE datasets/<str:name>/grants/<str:user>": _same(),
    "POST connections": _same(_NEW_DATABASE),
    "PATCH connections/<str:name>": _same({"description": "new"}),
    "DELETE connections/<str:name>": _same(),
    "POST connections/<str:name>/test": _same(leaves_no_event=True),
    "PUT connections/<str:name>/grants/<str:user>": _same(_GRANT),
    "DELETE connections/<str:name>/grants/<str:user>": _same(),
    "POST api-keys": _same({"name": "new-one", "scopes": ["read"], "models": ["own-model"]}),
    "POST:for-another api-keys": _same(
        {"name": "new-one", "scopes": ["read"], "user": "own-keeper"}
    ),
    "POST api-keys/<str:id>/rotate": _same(),
    "POST api-keys/<str:id>/revoke": _same(),
    "POST webhooks": _same({"target_url": "http://127.0.0.1:9/"}),
    "POST:model webhooks": lambda held: Sample(
        {"target_url": "http://127.0.0.1:9/", "model": held.model.name}
    ),
    "PATCH webhooks/<str:id>": _same({"enabled": False}),
    "DELETE webhooks/<str:id>": _same(),
    "POST webhooks/<str:id>/test": _same(),
    "POST webhooks/<str:id>/rotate": _same(),
}  # fmt: skip

_OF_MODEL = "admin/registry/registeredmodel/"
_OF_VERSION = "admin/registry/modelversion/"
_OF_CONNECTION = "admin/registry/connection/"
_OF_DATASET = "admin/registry/dataset/"
_OF_KEY = "admin/registry/apikey/"
_OF_WEBHOOK = "admin/registry/webhook/"
_OF_JOB = "admin/serving/batchjob/"
_OF_SCHEDULE = "admin/serving/schedule/"
_ROW = "<uuid:pk>/"
_GRANTED = {"user": "vera", "role": "scorer"}
_LEAVES = {"user": "vera"}
_JOB_FORM = {"on_row_error": "reject"}
_SCHEDULE_FORM = {**_JOB_FORM, **_CRON, "timezone": "UTC", "overlap": "skip", "missed": "skip"}
_HOOK_FORM = {"target_url": "http://127.0.0.1:9/", "events": ["batch-job.failed"]}


def _signature_text() -> str:
    import json

    return json.dumps(things.SIGNATURE)


_PAGES: dict[str, Maker] = {
    "POST admin/logout/": _same(leaves_no_event=True),
    f"POST {_OF_MODEL}add/": _same(
        {"name": "new-one", "kind": "model", "classification": "internal"}
    ),
    f"POST {_OF_MODEL}{_ROW}edit/": _same({"description": "new", "classification": "internal"}),
    f"POST {_OF_MODEL}{_ROW}archive/": _same(),
    f"POST {_OF_MODEL}{_ROW}unarchive/": _same(),
    f"POST {_OF_MODEL}{_ROW}card-edit/": _same({"owner": "Olga"}),
    f"POST {_OF_MODEL}{_ROW}aliases/": lambda held: Sample(
        {"alias": "spare", "version": str(held.spare.pk)}
    ),
    f"POST {_OF_MODEL}{_ROW}alias-removal/": _same({"alias": "spare"}),
    f"POST {_OF_MODEL}{_ROW}grants/": _same(_GRANTED),
    f"POST {_OF_MODEL}{_ROW}grant-removal/": _same(_LEAVES),
    f"POST {_OF_VERSION}add/": _new_model_version(),
    f"POST:new {_OF_VERSION}add/": _new_model_version("new-one"),
    f"POST {_OF_VERSION}{_ROW}edit/": _same({"description": "new"}),
    f"POST {_OF_VERSION}{_ROW}correct/": lambda held: Sample({"signature": _signature_text()}),
    f"POST {_OF_VERSION}{_ROW}archive/": _same(),
    f"POST {_OF_VERSION}{_ROW}engine/": _same({"engine": "original"}),
    f"POST admin/registry/approvalrequest/{_ROW}decide/": _same({"decision": "reject", **_REASON}),
    f"POST {_OF_CONNECTION}add/": _same(
        {**_NEW_DATABASE, "allows_reading": "on", "classification": "internal"}
    ),
    f"POST {_OF_CONNECTION}{_ROW}edit/": _same(
        {
            "address": _NEW_DATABASE["address"],
            "classification": "internal",
            "description": "new",
            "enabled": "on",
        }
    ),
    f"POST {_OF_CONNECTION}{_ROW}test/": _same(leaves_no_event=True, is_judged=True),
    f"POST {_OF_CONNECTION}{_ROW}grants/": _same(_GRANTED),
    f"POST {_OF_CONNECTION}{_ROW}grant-removal/": _same(_LEAVES),
    f"POST {_OF_DATASET}add/": _new_table(),
    f"POST:new {_OF_DATASET}add/": _new_table("new-one"),
    f"POST {_OF_DATASET}{_ROW}edit/": _same({"description": "new", "classification": "internal"}),
    f"POST {_OF_DATASET}{_ROW}archive/": _same(_REASON),
    f"POST {_OF_DATASET}{_ROW}unarchive/": _same(_REASON),
    f"POST admin/registry/datasetversion/{_ROW}promote/": _same(_PROMOTION),
    f"POST admin/registry/datasetversion/{_ROW}demote/": _same(_DEMOTION),
    f"POST {_OF_DATASET}{_ROW}grants/": _same(_GRANTED),
    f"POST {_OF_DATASET}{_ROW}grant-removal/": _same(_LEAVES),
    f"POST {_OF_KEY}add/": _same({"name": "new-one", "scopes": ["read"]}),
    f"POST {_OF_KEY}{_ROW}rotate/": _same(),
    f"POST {_OF_KEY}{_ROW}revoke/": _same(),
    f"POST:revoke {_OF_KEY}": lambda held: Sample(
        {"action": "revoke_chosen", "_selected_action": str(held.key.pk)},
        hides_quietly=True,
    ),
    f"POST {_OF_WEBHOOK}add/": _same(_HOOK_FORM),
    f"POST {_OF_WEBHOOK}{_ROW}edit/": _same(
        {**_HOOK_FORM, "events": ["batch-job.failed", "batch-job.completed"]}
    ),
    f"POST {_OF_WEBHOOK}{_ROW}switch/": _same({"enabled": "off"}),
    f"POST {_OF_WEBHOOK}{_ROW}test/": _same(),
    f"POST {_OF_WEBHOOK}{_ROW}rotate/": _same(),
    f"POST {_OF_WEBHOOK}{_ROW}delete/": _same(),
    "POST admin/registry/user/add/": _same(
        {"username": "new-one", "password": _PASSWORD, **_PERSON}
    ),
    f"POST admin/registry/user/{_ROW}": _same({"username": "renamed", **_PERSON}),
    f"POST admin/registry/user/{_ROW}password/": _same({"password": _PASSWORD}),
    f"POST admin/registry/user/{_ROW}part/": lambda held: Sample(
        {"identity": sign_on.identities_of(held.user).get().pk}
    ),
    "POST admin/auth/group/add/": _same({"name": "new-one", "role": "viewer"}),
    "POST admin/auth/group/<int:pk>/": _same({"name": "renamed", "role": "viewer"}),
    f"POST {_OF_JOB}add/": _job(**_JOB_FORM),
    f"POST:cancel {_OF_JOB}": lambda held: Sample(
        {"action": "cancel_chosen", "_selected_action": str(held.queued.pk)},
        hides_quietly=True,
    ),
    f"POST {_OF_JOB}{_ROW}cancel/": _same(),
    f"POST {_OF_JOB}{_ROW}retry/": _same(),
    f"POST {_OF_SCHEDULE}add/": _job(name="new-one", **_SCHEDULE_FORM),
    f"POST {_OF_SCHEDULE}{_ROW}edit/": _job(**_SCHEDULE_FORM),
    f"POST {_OF_SCHEDULE}{_ROW}run-now/": _same(),
    f"POST {_OF_SCHEDULE}{_ROW}switch/": _same({"enabled": "off"}),
    f"POST {_OF_SCHEDULE}{_ROW}delete/": _same(),
    f"POST admin/serving/route/{_ROW}": _same(
        {"target0": "1", "weight0": "90", "target1": "2", "weight1": "10"}
    ),
    f"POST admin/serving/route/{_ROW}clear/": _same(),
    f"POST admin/serving/try-it/{_ROW}": _same({"in0": "42", "in1": "Rome"}, leaves_no_event=True),
}

_PROTOCOLS: dict[str, Maker] = {
    "POST v2/repository/index": _scores({}),
    "POST v2/models/<str:ref>/infer": _scores(_TENSORS),
    "POST v2/models/<str:ref>/versions/<int:number>/infer": _scores(_TENSORS),
    "POST endpoints/<str:ref>/invocations": _scores(_RECORDS),
}


def _below_api(key: str) -> str:
    method, _, pattern = key.partition(" ")
    return f"{method} api/v1/{pattern}"


REQUESTS: dict[str, Maker] = {
    **{_below_api(key): maker for key, maker in _API.items()},
    **_PROTOCOLS,
    **_PAGES,
}
