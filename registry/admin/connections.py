"""Pages of connections: the list, the form, the page of one with who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from registry import roles
from registry.actions import connections
from registry.admin.access import principal_of, to_page, told
from registry.admin.base import GovernedAdmin
from registry.admin.grants import GrantPages
from registry.forms.connections import ConnectionChangeForm, ConnectionForm
from registry.forms.models import GrantForm
from registry.models import Connection
from registry.principals import Principal, require, require_everywhere
from registry.templatetags.modelyard import badge


@admin.register(Connection)
class ConnectionAdmin(GrantPages, GovernedAdmin[Connection]):
    """Databases elsewhere."""

    nav_group, nav_order, nav_label, nav_icon = "Data", 2, "Connections", "key"
    list_intro = "Databases elsewhere that jobs read rows from and write results to."
    empty_title = "No connection yet"
    empty_text = "A manager makes one; then queries can be scored, and results written to a table."
    add_label = "Add a connection"
    list_display = ("name", "driver", "address", "state", "owner_name")
    list_filter = ("driver",)
    search_fields = ("name", "description")
    search_placeholder = "Name or description"
    ordering = ("-id",)
    pages = {
        "edit/": "edit_page",
        "test/": "test_page",
        "grants/": "set_grant",
        "grant-removal/": "remove_grant",
    }

    def visible(self, principal: Principal) -> QuerySet[Connection]:
        """With their owners."""
        return Connection.objects.visible_to(principal).select_related("owner")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Managers of everything."""
        return principal_of(request).may_everywhere(roles.MANAGER)

    @admin.display(description="State")
    def state(self, row: Connection) -> SafeString:
        """Whether it may be used."""
        return badge("enabled" if row.disabled_at is None else "disabled")

    @admin.display(description="Owner", ordering="owner__username")
    def owner_name(self, row: Connection) -> str:
        """Who made it."""
        return row.owner.get_username()

    # --- pages ----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """The form of a new one."""
        by = principal_of(request)
        require_everywhere(by, roles.MANAGER)
        form = ConnectionForm(request.POST or None)
        return self.form_page(
            request,
            form,
            lambda: connections.create_connection(by=by, **form.cleaned_data),
            title="Add a connection",
            crumbs=self.crumbs(),
            submit_label="Add",
            cancel_url=self.url_of("changelist"),
            success="Added. Try it, and say who may use it.",
        )

    def row_page(self, request: HttpRequest, row: Connection) -> HttpResponse:
        """One connection, and who may use it."""
        by = principal_of(request)
        context = {
            "title": row.name,
            "connection": row,
            "crumbs": self.crumbs(),
            "may_use": connections.may_read(by, row),
            "may_manage": by.may(roles.MANAGER, row),
            "grants": row.grants.select_related("user").order_by("user__username"),
            "grant_form": GrantForm(auto_id="grant_%s"),
        }
        return self.render(request, "registry/connection.html", context)

    def edit_page(self, request: HttpRequest, row: Connection) -> HttpResponse:
        """What may change; the password is never shown."""
        by = principal_of(request)
        require(by, roles.MANAGER, row)
        names = ("address", "allows_reading", "allows_writing", "classification", "description")
        initial = {name: getattr(row, name) for name in names}
        form = ConnectionChangeForm(
            request.POST or None, initial={**initial, "enabled": row.disabled_at is None}
        )
        return self.form_page(
            request,
            form,
            lambda: connections.update_connection(
                by=by, connection=row, **_changes(form.cleaned_data)
            ),
            title=f"Edit {row}",
            crumbs=self.crumbs(row),
            cancel_url=self.url_of("change", row.pk),
            success="Saved.",
        )

    def test_page(self, request: HttpRequest, row: Connection) -> HttpResponse:
        """POST: try it now, and say what came of it."""
        if request.method == "POST":
            with told(request):
                found = connections.test_connection(by=principal_of(request), connection=row)
                tell = messages.success if found["ok"] else messages.error
                tell(request, found["detail"])
                if found["may_write"] and not row.allows_writing:
                    messages.warning(
                        request,
                        "Its user may write to the database: one who may only read is safer.",
                    )
        return to_page(self.url_of("change", row.pk))


def _changes(filled: Mapping[str, Any]) -> dict[str, Any]:
    """The form's fields as the action takes them: no password means that it stays."""
    values = {name: filled[name] for name in filled if name not in ("secret", "forget_secret")}
    if filled["secret"] or filled["forget_secret"]:
        values["secret"] = filled["secret"]
    return values
