"""What the fields of forms offer while one types: refs, datasets, connections, zones."""

from __future__ import annotations

from zoneinfo import available_timezones

from registry.models import Alias, Connection, Dataset, RegisteredModel
from registry.models.alias import CHAMPION
from registry.principals import Principal

OFFERED = 200


def offers(by: Principal) -> dict[str, list[str]]:
    """Names for the lists of a job's form."""
    return {
        "refs": _refs(by),
        "datasets": _datasets(by),
        "connections": _connections(by),
        "zones": sorted(available_timezones()),
    }


def _refs(by: Principal) -> list[str]:
    models = RegisteredModel.objects.visible_to(by).in_use()
    names = models.order_by("name").values_list("name", flat=True)
    aliases = Alias.objects.filter(model__in=models).exclude(name=CHAMPION)
    pairs = aliases.order_by("model__name", "name").values_list("model__name", "name")
    return [*names[:OFFERED], *(f"{name}@{alias}" for name, alias in pairs[:OFFERED])]


def _datasets(by: Principal) -> list[str]:
    rows = Dataset.objects.visible_to(by).filter(archived_at__isnull=True).order_by("-id")
    return list(rows.values_list("name", flat=True)[:OFFERED])


def _connections(by: Principal) -> list[str]:
    rows = Connection.objects.visible_to(by).enabled().order_by("name")
    return list(rows.values_list("name", flat=True)[:OFFERED])
