"""Each named constraint of routes, comparisons and records, broken once."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.models import ModelVersion
from serving.models import MirroredAnswer, PredictionRecord, Route, RouteTarget
from tests.serving.batch import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> ModelVersion:
    return ledger.ready_version(ledger.person("ana"))


@pytest.fixture
def route(version: ModelVersion) -> Route:
    route = Route.objects.create(model=version.model, updated_by=version.created_by)
    route.targets.create(place=0, alias="champion", weight=60)
    route.targets.create(place=1, version=version, weight=40)
    return route


def breaks(name: str) -> Any:
    """Expect the constraint of that name; SQLite names columns of unique ones instead."""
    return pytest.raises(IntegrityError, match=name)


def test_a_model_has_one_route(route: Route) -> None:
    with breaks("model_id"), transaction.atomic():
        Route.objects.create(model=route.model, updated_by=route.updated_by)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"alias": ""}, "route_target_names_one"),
        ({"weight": 101}, "route_weight_at_most_all"),
        ({"is_mirror": True}, "route_mirror_has_no_weight"),
    ],
)
def test_a_target_cannot_be(route: Route, values: dict[str, Any], constraint: str) -> None:
    with breaks(constraint), transaction.atomic():
        RouteTarget.objects.filter(alias="champion").update(**values)


def test_a_target_names_an_alias_or_a_version(route: Route, version: ModelVersion) -> None:
    with breaks("route_target_names_one"), transaction.atomic():
        RouteTarget.objects.filter(alias="champion").update(version=version)


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ({"place": 0, "alias": "other"}, "place"),
        ({"place": 2, "alias": "champion"}, "alias"),
        ({"place": 2, "version": True}, "version_id"),
    ],
)
def test_nothing_stands_twice_in_a_route(
    route: Route, version: ModelVersion, values: dict[str, Any], columns: str
) -> None:
    if "version" in values:
        values = {**values, "version": version}
    with breaks(columns), transaction.atomic():
        route.targets.create(**values)
    route.targets.create(**values, is_mirror=True)


def test_a_pair_is_compared_once_a_day(version: ModelVersion) -> None:
    pair = {"model": version.model, "served": version, "mirror": version, "day": date(2026, 3, 1)}
    MirroredAnswer.objects.create(**pair)
    with breaks("day"), transaction.atomic():
        MirroredAnswer.objects.create(**pair)
    with breaks("mirrored_differ_within_rows"), transaction.atomic():
        MirroredAnswer.objects.update(rows=1, rows_differ=2)


def test_a_record_took_no_negative_time(version: ModelVersion) -> None:
    with breaks("record_latency_not_negative"), transaction.atomic():
        PredictionRecord.objects.create(
            model=version.model,
            version=version,
            rows=1,
            latency_ms=-1,
            created_at=timezone.now(),
        )
