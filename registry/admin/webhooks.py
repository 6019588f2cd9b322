"""Pages of webhooks: making one (its secret is shown once), trying it, what it was sent."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from registry import roles
from registry.actions import webhooks
from registry.actions.access import roles_held
from registry.admin.access import principal_of, to_page, told
from registry.admin.base import GovernedAdmin
from registry.forms.webhooks import ChangeWebhookForm, WebhookForm
from registry.models import Webhook
from registry.principals import Principal
from registry.templatetags.modelyard import badge

DELIVERIES_SHOWN = 50


@admin.register(Webhook)
class WebhookAdmin(GovernedAdmin[Webhook]):
    """One's own webhooks; all of them for a manager of everything."""

    nav_group, nav_order, nav_label, nav_icon = "Scoring", 4, "Webhooks", "upload"
    list_intro = "Told by a signed POST when jobs end, approvals wait and aliases move."
    empty_title = "No webhook yet"
    empty_text = "Let another program know when results are there, or when somebody has to decide."
    add_label = "New webhook"
    list_display = ("target", "state_shown", "events_shown", "about", "owner_name")
    list_filter = ("enabled",)
    ordering = ("-id",)
    pages = {
        "edit/": "edit_page",
        "switch/": "switch",
        "test/": "test",
        "rotate/": "rotate",
        "delete/": "delete",
    }

    def visible(self, principal: Principal) -> QuerySet[Webhook]:
        """One's own, or all."""
        return webhooks.visible_webhooks(principal)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever scores anywhere."""
        return roles.SCORER in roles_held(principal_of(request).user)

    # --- list -----------------------------------------------------------------------------------

    @admin.display(description="Sends to")
    def target(self, row: Webhook) -> str:
        """The host; paths often are secrets."""
        return webhooks.target_of(row)

    @admin.display(description="State", ordering="enabled")
    def state_shown(self, row: Webhook) -> SafeString:
        """On, off, or switched off by itself."""
        if row.enabled:
            return badge("enabled", "on")
        return badge("failed", "switched off") if row.disabled_reason else badge("off")

    @admin.display(description="Tells when")
    def events_shown(self, row: Webhook) -> str:
        """The events, without what they have in common."""
        return ", ".join(str(event).partition(".")[2] for event in row.events)

    @admin.display(description="Model", ordering="model__name")
    def about(self, row: Webhook) -> str:
        """What it is about."""
        return row.model.name if row.model else "all"

    @admin.display(description="Owner", ordering="owner__username")
    def owner_name(self, row: Webhook) -> str:
        """Who sees what it tells."""
        return row.owner.get_username()

    # --- pages ----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Make a webhook; its secret is shown on the answer, and never again."""
        by = principal_of(request)
        form = WebhookForm(by, request.POST or None)
        if request.method == "POST" and form.is_valid():
            made = form.run(lambda: webhooks.create_webhook(by=by, **_asked(form.cleaned_data)))
            if made is not None:
                return self._shown_once(request, *made)
        context = {
            "form": form,
            "title": "New webhook",
            "crumbs": self.crumbs(),
            "submit_label": "Make the webhook",
            "cancel_url": self.url_of("changelist"),
        }
        return self.render(request, "registry/form_page.html", context)

    def edit_page(self, request: HttpRequest, row: Webhook) -> HttpResponse:
        """Change the address or the events."""
        initial = {"target_url": row.url, "events": row.events}
        form = ChangeWebhookForm(request.POST or None, initial=initial)
        return self.form_page(
            request,
            form,
            lambda: webhooks.update_webhook(
                by=principal_of(request), webhook=row, **form.cleaned_data
            ),
            title=f"Edit {row}",
            crumbs=self.crumbs(row),
            cancel_url=self.url_of("change", row.pk),
            success="Saved.",
        )

    def row_page(self, request: HttpRequest, row: Webhook) -> HttpResponse:
        """What it tells, and what it was sent."""
        context = {
            "title": webhooks.target_of(row),
            "crumbs": self.crumbs(),
            "webhook": row,
            "about": self.about(row),
            "deliveries": row.deliveries.order_by("-id")[:DELIVERIES_SHOWN],
        }
        return self.render(request, "registry/webhook.html", context)

    def switch(self, request: HttpRequest, row: Webhook) -> HttpResponse:
        """POST: on or off."""
        wanted = request.POST.get("enabled") == "on"
        return self.acted(
            request,
            row,
            lambda by: webhooks.update_webhook(by=by, webhook=row, enabled=wanted),
            f"It is {'on' if wanted else 'off'}.",
        )

    def test(self, request: HttpRequest, row: Webhook) -> HttpResponse:
        """POST: send a test."""
        return self.acted(
            request,
            row,
            lambda by: webhooks.test_webhook(by=by, webhook=row),
            "A test is on its way: what became of it stands below.",
        )

    def rotate(self, request: HttpRequest, row: Webhook) -> HttpResponse:
        """POST: sign with a new secret, which the answer shows once."""
        if request.method == "POST":
            with told(request):
                made = webhooks.rotate_secret(by=principal_of(request), webhook=row)
                return self._shown_once(request, *made)
        return to_page(self.url_of("change", row.pk))

    def delete(self, request: HttpRequest, row: Webhook) -> HttpResponse:
        """POST: take it away."""
        if request.method != "POST":
            return to_page(self.url_of("change", row.pk))
        with told(request, "The webhook is gone."):
            webhooks.delete_webhook(by=principal_of(request), webhook=row)
            return to_page(self.url_of("changelist"))
        return to_page(self.url_of("change", row.pk))

    def _shown_once(self, request: HttpRequest, row: Webhook, secret: str) -> HttpResponse:
        context = {
            "title": "The webhook's secret",
            "crumbs": self.crumbs(),
            "webhook": row,
            "secret": secret,
        }
        answer = self.render(request, "registry/new_webhook.html", context)
        answer["Cache-Control"] = "no-store"
        return answer


def _asked(filled: dict[str, Any]) -> dict[str, Any]:
    model = filled["model"]
    return filled | {"model": model.name if model else None}
