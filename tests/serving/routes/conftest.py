"""The routes' tests: Olga owns churn with three versions that answer, each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry.models import Artifact, ModelVersion, RegisteredModel
from serving.actions import scoring
from serving.runtimes.base import Answer
from tests.people import Person, owner
from tests.serving.batch import ledger


@dataclass
class Shop:
    """Versions 1 (champion), 2 (challenger) and 3 of churn."""

    olga: Person
    versions: dict[int, ModelVersion] = field(default_factory=dict)

    @property
    def model(self) -> RegisteredModel:
        return RegisteredModel.objects.get(name="churn")


class HostByVersion(ledger.ObedientHost):
    """Like the obedient host; ``before_version`` is called with the id of who is to answer."""

    before_version: Callable[[str], None] = staticmethod(lambda key: None)
    keys: list[str]

    def score(self, spec: Any, *rest: Any, **more: Any) -> Answer:
        self.before_version(spec.key)
        return super().score(spec, *rest, **more)


def add_version(shop: Shop, number: int) -> ModelVersion:
    first = shop.versions[1]
    artifact = Artifact.objects.create(sha256=f"{number:064x}", format="skops", size_bytes=10)
    made = ModelVersion.objects.get(pk=first.pk)
    made.pk = None
    made._state.adding = True
    made.id = ModelVersion._meta.get_field("id").get_default()
    made.number, made.artifact = number, artifact
    made.save(force_insert=True)
    RegisteredModel.objects.filter(pk=first.model_id).update(next_number=number + 1)
    shop.versions[number] = made
    return made


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Shop:
    if not request.node.get_closest_marker("postgres"):
        request.getfixturevalue("db")
    olga = owner()
    shop = Shop(olga, {1: ledger.ready_version(olga.by)})
    add_version(shop, 2)
    add_version(shop, 3)
    shop.model.aliases.create(name="challenger", version=shop.versions[2])
    return shop


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> HostByVersion:
    obedient = HostByVersion()
    monkeypatch.setattr(scoring, "host", lambda: obedient)
    return obedient
