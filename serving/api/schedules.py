"""Doors: schedules, their slots, and running one at once."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.describe import describe
from registry.api.filters import searched
from registry.api.idempotency import Answer, once
from registry.api.parameters import EXPAND, PAGING, SEARCH, Parameter, ordered, ordering
from registry.api.resource import Resource, no_content
from registry.errors import ScheduleNotFound
from registry.models import RegisteredModel
from serving.actions.schedules import (
    create_schedule,
    delete_schedule,
    find_schedule,
    run_now,
    update_schedule,
)
from serving.api.batch_bodies import BatchJobOut
from serving.api.schedule_bodies import (
    ScheduleIn,
    ScheduleOut,
    SchedulePatch,
    SlotOut,
    visible_schedules,
    visible_slots,
)
from serving.models import Schedule
from serving.models.scheduled_slot import SlotState

_ORDERS = ("name", "created_at")
_MODEL = Parameter("model", "Only schedules of this model.")
_ENABLED = Parameter("enabled", "Only enabled ones, or only others.", "boolean")
_STATE = Parameter("state", "Only this state.", choices=tuple(SlotState.values))


class Schedules(Resource):
    """``/schedules``"""

    @describe(
        "schedules_list",
        "The schedules that you may see",
        answers={200: ScheduleOut},
        is_list=True,
        query=(*PAGING, SEARCH, ordering(*_ORDERS), EXPAND, _MODEL, _ENABLED),
    )
    def get(self, request: Request) -> Response:
        """One page of schedules, newest first."""
        rows = searched(visible_schedules(self.by), self.query.get("search"), "name")
        if "model" in self.query:
            rows = rows.filter(model__in=RegisteredModel.objects.named(self.query["model"]))
        if "enabled" in self.query:
            rows = rows.filter(enabled=self.query["enabled"])
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "schedule")

    @describe(
        "schedules_create",
        "Score a dataset at certain times",
        body=ScheduleIn,
        answers={201: ScheduleOut},
        is_creating=True,
        reads_rows=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Make a schedule; its first run is the first instant after now."""
        values = ScheduleIn.read(request.data)

        def work() -> Answer:
            shown = self.shown(create_schedule(by=self.by, **values), "schedule")
            return Answer(201, shown, {"Location": shown["url"]})

        return once(request, request.data, work)


class _OneSchedule(Resource):
    def schedule(self, name: str) -> Schedule:
        """The schedule of the path. Raises ScheduleNotFound."""
        # A NUL is no character of a name, and PostgreSQL will not even compare it.
        if "\0" in name:
            raise ScheduleNotFound("There is no such schedule.")
        return find_schedule(self.by, name)


class ScheduleDoor(_OneSchedule):
    """``/schedules/{name}``"""

    @describe("schedules_get", "One schedule", answers={200: ScheduleOut}, query=(EXPAND,))
    def get(self, request: Request, name: str) -> Response:
        """The schedule with its next five runs."""
        return self.one(self.schedule(name), "schedule")

    @describe(
        "schedules_update",
        "Change a schedule",
        body=SchedulePatch,
        answers={200: ScheduleOut},
        reads_rows=True,
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change what may change; what is not sent stays."""
        schedule, values = self.schedule(name), SchedulePatch.read(request.data)
        return self.one(update_schedule(by=self.by, schedule=schedule, **values), "schedule")

    @describe("schedules_delete", "Take a schedule away", answers={204: None})
    def delete(self, request: Request, name: str) -> HttpResponse:
        """Nothing of it runs any more; its jobs stay, and so does its name."""
        delete_schedule(by=self.by, schedule=self.schedule(name))
        return no_content()


class ScheduleRunNow(_OneSchedule):
    """``/schedules/{name}/run-now``"""

    @describe(
        "schedules_run_now",
        "Make the batch job of a schedule at once",
        answers={202: BatchJobOut},
        is_creating=True,
        reads_rows=True,
    )
    def post(self, request: Request, name: str) -> HttpResponse:
        """The job, which is the caller's own."""
        schedule = self.schedule(name)

        def work() -> Answer:
            shown = self.shown(run_now(by=self.by, schedule=schedule), "batch-job")
            return Answer(202, shown, {"Location": shown["url"]})

        return once(request, {}, work)


class ScheduleSlots(_OneSchedule):
    """``/schedules/{name}/slots``"""

    @describe(
        "schedules_slots",
        "The due times of a schedule and what became of them",
        answers={200: SlotOut},
        is_list=True,
        query=(*PAGING, EXPAND, _STATE),
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of slots, the latest due time first."""
        rows = visible_slots(self.by).filter(schedule=self.schedule(name))
        if "state" in self.query:
            rows = rows.filter(state=self.query["state"])
        return self.page(rows.order_by("-due"), "slot")


_SCHEDULE = "schedules/<str:name>"

urlpatterns = [
    path("schedules", Schedules.as_view()),
    path(_SCHEDULE, ScheduleDoor.as_view()),
    path(f"{_SCHEDULE}/run-now", ScheduleRunNow.as_view()),
    path(f"{_SCHEDULE}/slots", ScheduleSlots.as_view()),
]
