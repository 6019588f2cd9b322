"""Pages of API keys: making one (its text is shown once), rotating, revoking."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from registry import roles
from registry.actions import access
from registry.admin.access import principal_of, to_page, told
from registry.admin.base import GovernedAdmin
from registry.admin.calling import base_url
from registry.errors import DomainError
from registry.forms.access import NewKeyForm
from registry.models import ApiKey
from registry.principals import Principal
from registry.templatetags.modelyard import badge, when


@admin.register(ApiKey)
class ApiKeyAdmin(GovernedAdmin[ApiKey]):
    """One's own keys; all of them for a manager of everything."""

    nav_group, nav_order, nav_label, nav_icon = "People", 1, "API keys", "key"
    list_intro = "Keys let programs in. Each does what its scopes and its user's roles both allow."
    empty_title = "No key yet"
    empty_text = "Make one to call models and to use the client from a notebook."
    add_label = "New key"
    list_display = ("name", "state", "owner", "scopes_shown", "reach", "last_used", "expires")
    search_fields = ("name", "public_id", "user__username")
    search_placeholder = "Name, id or user"
    ordering = ("-id",)
    pages = {"rotate/": "rotate", "revoke/": "revoke"}
    actions = ("revoke_chosen",)

    def visible(self, principal: Principal) -> QuerySet[ApiKey]:
        """One's own, or all."""
        rows = ApiKey.objects.select_related("user").prefetch_related("limited_to")
        if principal.may_everywhere(roles.MANAGER):
            return rows
        return rows.filter(user=principal.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever has any role."""
        return bool(access.roles_held(principal_of(request).user))

    # --- list -----------------------------------------------------------------------------------

    @admin.display(description="State")
    def state(self, row: ApiKey) -> SafeString:
        """Whether it opens anything."""
        return badge(state_of(row))

    @admin.display(description="User", ordering="user__username")
    def owner(self, row: ApiKey) -> str:
        """Who it stands for."""
        return row.user.get_username()

    @admin.display(description="Scopes")
    def scopes_shown(self, row: ApiKey) -> SafeString:
        """What it may do at most."""
        inner = format_html_join(" ", '<span class="tag">{}</span>', ((s,) for s in row.scopes))
        return format_html('<span class="tags">{}</span>', inner)

    @admin.display(description="Models")
    def reach(self, row: ApiKey) -> str:
        """The models it is limited to."""
        if row.all_models:
            return "all"
        return ", ".join(model.name for model in row.limited_to.all()) or "none"

    @admin.display(description="Last used", ordering="last_used_at")
    def last_used(self, row: ApiKey) -> SafeString | str:
        """Roughly: written at most once a minute."""
        return when(row.last_used_at, "never")

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, row: ApiKey) -> SafeString | str:
        """When it ends by itself."""
        return when(row.expires_at, "never")

    @admin.action(description="Revoke")
    def revoke_chosen(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        """End the chosen keys at once."""
        for key in chosen:
            with told(request, f"{key} is revoked."):
                access.revoke_api_key(by=principal_of(request), key=key)

    # --- pages ----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Make a key; its text is shown on the answer, and never again."""
        by = principal_of(request)
        form = NewKeyForm(by, access.roles_held(by.user), request.POST or None)
        if request.method == "POST" and form.is_valid():
            made = form.run(lambda: _create(by, form.cleaned_data))
            if made is not None:
                return self._shown_once(request, *made)
        context = {
            "form": form,
            "title": "New API key",
            "crumbs": self.crumbs(),
            "submit_label": "Make the key",
            "cancel_url": self.url_of("changelist"),
        }
        return self.render(request, "registry/form_page.html", context)

    def row_page(self, request: HttpRequest, row: ApiKey) -> HttpResponse:
        """What the key may do, and how to end it."""
        state = state_of(row)
        context = {
            "title": row.name,
            "crumbs": self.crumbs(),
            "key": row,
            "state": state,
            "is_live": state == "active",
            "reach": self.reach(row),
        }
        return self.render(request, "registry/api_key.html", context)

    def rotate(self, request: HttpRequest, row: ApiKey) -> HttpResponse:
        """POST: a new key with the same reach; this one ends at once."""
        if request.method != "POST":
            return to_page(self.url_of("change", row.pk))
        try:
            made = access.rotate_api_key(by=principal_of(request), key=row)
        except DomainError as error:
            with told(request):
                raise error
            return to_page(self.url_of("change", row.pk))
        return self._shown_once(request, *made)

    def revoke(self, request: HttpRequest, row: ApiKey) -> HttpResponse:
        """POST: end the key at once."""
        return self.acted(
            request, row, lambda by: access.revoke_api_key(by=by, key=row), f"{row} is revoked."
        )

    def _shown_once(self, request: HttpRequest, key: ApiKey, text: str) -> HttpResponse:
        address = f"{base_url(request)}/api/v1/me"
        context = {
            "title": "Your new key",
            "crumbs": self.crumbs(),
            "key": key,
            "text": text,
            "curl": f'curl {address} -H "Authorization: Bearer {text}"',
        }
        answer = self.render(request, "registry/new_key.html", context)
        answer["Cache-Control"] = "no-store"
        return answer


def state_of(key: ApiKey) -> str:
    """``active``, ``revoked`` or ``expired``."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= timezone.now():
        return "expired"
    return "active"


def _create(by: Principal, filled: dict[str, Any]) -> tuple[ApiKey, str]:
    days = filled["expires_in_days"]
    models = [model.name for model in filled["models"]]
    return access.create_api_key(
        by=by,
        user=by.user,
        name=filled["name"],
        scopes=filled["scopes"],
        models=models or None,
        expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
    )
