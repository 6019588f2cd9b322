"""The audit trail: read only."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from registry import chain, roles
from registry.actions import audit_check
from registry.actions.audit_rounds import last_checked
from registry.admin.access import principal_of
from registry.admin.base import GovernedAdmin
from registry.admin.dashboard import events_for
from registry.admin.event_words import words_of
from registry.models import AuditEvent
from registry.principals import Principal

# Checked while somebody waits for the page.
NEWEST = 500
FINDINGS_SHOWN = 5


class ActionFilter(admin.SimpleListFilter):
    """By what it is about: the first word of the action."""

    title = "about"
    parameter_name = "about"
    # Subject as it is called -> the first word of its actions.
    SUBJECTS = {
        "models": "model",
        "versions": "version",
        "aliases": "alias",
        "approvals": "approval",
        "datasets": "dataset",
        "batch jobs": "batch_job",
        "schedules": "schedule",
        "webhooks": "webhook",
        "connections": "connection",
        "API keys": "api_key",
        "grants": "grant",
        "users": "user",
        "groups": "group",
    }

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The subjects, in the order of the navigation."""
        return [(word, label) for label, word in self.SUBJECTS.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """Actions such as ``alias.move``."""
        return queryset.filter(action__startswith=f"{self.value()}.") if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(GovernedAdmin[AuditEvent]):
    """All events for a manager of everything, one's own for others."""

    nav_group, nav_order, nav_label, nav_icon = "People", 9, "Audit trail", "list"
    list_intro = "Who did what, when, to what: written with the change and never altered."
    empty_title = "Nothing has happened yet"
    empty_text = "Every change that somebody makes is written down here."
    list_display = ("action_shown", "object_shown", "actor_shown", "at", "change_shown")
    list_filter = (ActionFilter,)
    search_fields = ("object_name", "actor", "action", "request_id", "object_id")
    search_placeholder = "Object, person, action or request id"
    ordering = ("-id",)
    change_list_template = "registry/audit_events.html"

    def visible(self, principal: Principal) -> QuerySet[AuditEvent]:
        """As far as somebody may read."""
        return events_for(principal)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; for managers of everything with the state of the chain."""
        if principal_of(request).may_everywhere(roles.MANAGER):
            extra_context = {**_state_of_chain(), **(extra_context or {})}
        return super().changelist_view(request, extra_context)

    @admin.display(description="Action", ordering="action")
    def action_shown(self, row: AuditEvent) -> SafeString:
        """In words; the code on hover."""
        return format_html('<span title="{}">{}</span>', row.action, words_of(row.action))

    @admin.display(description="Object")
    def object_shown(self, row: AuditEvent) -> SafeString:
        """Kind and name."""
        kind = kind_in_words(row.object_kind)
        return format_html('{} <span class="quiet">{}</span>', row.object_name, kind)

    @admin.display(description="Who", ordering="actor")
    def actor_shown(self, row: AuditEvent) -> SafeString | str:
        """The person, and the key that they came with."""
        if not row.key_id:
            return row.actor
        return format_html('{} <span class="quiet">by key my_{}_…</span>', row.actor, row.key_id)

    @admin.display(description="Change")
    def change_shown(self, row: AuditEvent) -> SafeString | str:
        """The reason, else which fields changed."""
        if row.reason:
            return Truncator(row.reason).chars(140)
        return Truncator(", ".join((row.after or row.before or {}).keys())).chars(140) or "—"

    def row_page(self, request: HttpRequest, row: AuditEvent) -> HttpResponse:
        """One event, whole."""
        before, after = row.before or {}, row.after or {}
        names = dict.fromkeys([*before, *after])
        changes = [(name, before.get(name), after.get(name)) for name in names]
        title = f"{words_of(row.action)} {row.object_name}"
        context = {"title": title, "crumbs": self.crumbs(), "event": row, "changes": changes}
        context["kind"] = kind_in_words(row.object_kind)
        context |= _seal_of(row)
        return self.render(request, "registry/audit_event.html", context)


def kind_in_words(kind: str) -> str:
    """What an event is about: ``batchjob`` is “batch job”."""
    for app in ("registry", "serving", "auth"):
        with suppress(LookupError):
            return str(apps.get_model(app, kind)._meta.verbose_name)
    return kind


def _state_of_chain() -> dict[str, Any]:
    """How far the chain reaches, what does not hold, and when all of it was checked."""
    place, hash_ = chain.head()
    checked = last_checked()
    found = [one.text for one in audit_check.newest(NEWEST)]
    # A round's findings stand until the next one: what it saw may lie far back.
    found = list(dict.fromkeys([*found, *(checked.findings if checked else ())]))
    return {
        "chain": {"place": place, "noted": f"{place}:{hash_}", "newest": min(place, NEWEST)},
        "checked": checked,
        "findings": found[:FINDINGS_SHOWN],
        "export_url": reverse("audit-export"),
    }


def _seal_of(row: AuditEvent) -> dict[str, Any]:
    """The event's seal, and whether the two fit."""
    for event, link in chain.events_of([str(row.pk)]):
        if link is not None:
            return {"seal": link, "fits": chain.hash_of(event, link.previous) == link.hash}
    return {"seal": None}
