"""Pages of people: users, and groups with their roles. For managers of everything."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry import roles
from registry.actions import sign_on
from registry.admin import people_changes
from registry.admin.access import page_refusals, principal_of, to_page, told
from registry.admin.base import GovernedAdmin, Row
from registry.forms.access import GroupForm, NewUserForm, PasswordForm, UserForm
from registry.models import User
from registry.principals import Principal, require_everywhere
from registry.templatetags.modelyard import QUIET, badge


class _ForManagers(GovernedAdmin[Row]):
    """Shown to managers of everything only."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Signed in, and manager of everything."""
        return super().has_module_permission(request) and self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The same."""
        return self._may(request)

    def _may(self, request: HttpRequest) -> bool:
        return principal_of(request).may_everywhere(roles.MANAGER)


@admin.register(User)
class UserAdmin(_ForManagers[User]):
    """Everybody who may sign in or hold a key."""

    nav_group, nav_order, nav_label, nav_icon = "People", 2, "Users", "user"
    list_intro = "Everybody who may sign in or hold a key. A new user has no role and sees nothing."
    add_label = "New user"
    list_display = ("username", "state", "full_name", "groups_shown", "identities", "last_login")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    search_placeholder = "Name or address"
    ordering = ("username",)
    pages = {"password/": "password_page", "part/": "part_page"}

    def visible(self, principal: Principal) -> QuerySet[User]:
        """All for managers, none for others."""
        rows = User.objects.prefetch_related("groups", "socialaccount_set")
        return rows if principal.may_everywhere(roles.MANAGER) else rows.none()

    @admin.display(description="State", ordering="is_active")
    def state(self, row: User) -> SafeString:
        """Whether they may sign in."""
        return badge("active") if row.is_active else badge("revoked", "inactive")

    @admin.display(description="Full name")
    def full_name(self, row: User) -> str:
        """First and last name."""
        return row.get_full_name() or "—"

    @admin.display(description="Single sign-on")
    def identities(self, row: Any) -> SafeString | str:
        """The providers that let them in."""
        held = sorted({identity.provider for identity in row.socialaccount_set.all()})
        return ", ".join(urlsplit(one).netloc or one for one in held) or format_html(QUIET, "none")

    @admin.display(description="Groups")
    def groups_shown(self, row: User) -> SafeString | str:
        """Where their roles on everything come from."""
        names = [group.name for group in row.groups.all()]
        if row.is_superuser:
            names.insert(0, "superuser")
        return ", ".join(names) or format_html(QUIET, "none")

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """A new user."""
        by = principal_of(request)
        require_everywhere(by, roles.MANAGER)
        form = NewUserForm(request.POST or None)
        return self.form_page(
            request,
            form,
            lambda: people_changes.create_user(by=by, **form.cleaned_data),
            title="New user",
            crumbs=self.crumbs(),
            submit_label="Make the user",
            cancel_url=self.url_of("changelist"),
        )

    def row_page(self, request: HttpRequest, row: User) -> HttpResponse:
        """Change somebody, and see what roles they have."""
        by = principal_of(request)
        names = [n for n in UserForm.base_fields if n != "groups"]
        initial = {**{n: getattr(row, n) for n in names}, "groups": row.groups.all()}
        form = UserForm(request.POST or None, initial=initial)
        return self.form_page(
            request,
            form,
            lambda: people_changes.update_user(by=by, user=row, **form.cleaned_data),
            template="registry/user.html",
            title=row.get_username(),
            crumbs=self.crumbs(),
            person=row,
            role=Principal(row).global_role,
            grants=row.grants.select_related("model", "dataset", "connection"),
            identities=sign_on.identities_of(row),
            success="Saved.",
        )

    def part_page(self, request: HttpRequest, row: User) -> HttpResponse:
        """POST: an identity of single sign-on enters as them no longer."""
        identity = request.POST.get("identity", "")
        if request.method == "POST" and identity.isascii() and identity.isdecimal():
            with told(request, "The identity is no longer joined to them, and is signed out."):
                sign_on.part(by=principal_of(request), user=row, identity_id=int(identity[:18]))
        return to_page(self.url_of("change", row.pk))

    def password_page(self, request: HttpRequest, row: User) -> HttpResponse:
        """A new password for somebody."""
        by = principal_of(request)
        form = PasswordForm(row, request.POST or None)
        return self.form_page(
            request,
            form,
            lambda: people_changes.set_password(
                by=by, user=row, password=form.cleaned_data["password"]
            ),
            title=f"New password for {row}",
            crumbs=self.crumbs(row),
            cancel_url=self.url_of("change", row.pk),
            success="The password is set.",
        )


if admin.site.is_registered(Group):
    admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(_ForManagers[Group]):
    """Groups; each may hold a role on everything."""

    nav_group, nav_order, nav_label, nav_icon = "People", 3, "Groups", "group"
    list_intro = "Members of a group have its role on every model, dataset and job."
    add_label = "New group"
    list_display = ("name", "role", "members")
    search_fields = ("name",)
    ordering = ("name",)

    def visible(self, principal: Principal) -> QuerySet[Group]:
        """All for managers, none for others."""
        rows = Group.objects.select_related("held_role").annotate(member_count=Count("user"))
        return rows if principal.may_everywhere(roles.MANAGER) else rows.none()

    def get_urls(self) -> list[URLPattern]:
        """Django's groups have plain numbers as their ids."""
        urls = super().get_urls()
        change = path(
            "<int:pk>/",
            self.admin_site.admin_view(self._on_group),
            name=self._url_name("change"),
        )
        return [change, *(u for u in urls if u.name != self._url_name("change"))]

    def _on_group(self, request: HttpRequest, pk: int) -> HttpResponse:
        with page_refusals():
            group: Any = self.get_row(request, pk)  # type: ignore[arg-type]  # a plain number
            return self._page(request, group)

    @admin.display(description="Role")
    def role(self, row: Any) -> str:
        """On everything."""
        held = getattr(row, "held_role", None)
        return held.role if held else "—"

    @admin.display(description="Members", ordering="member_count")
    def members(self, row: Any) -> int:
        """How many."""
        return int(row.member_count)

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """A new group."""
        require_everywhere(principal_of(request), roles.MANAGER)
        return self._page(request, None)

    def _page(self, request: HttpRequest, group: Group | None) -> HttpResponse:
        by = principal_of(request)
        initial = {"name": group.name, "role": self.role(group)} if group else {}
        form = GroupForm(request.POST or None, initial=initial)

        def save() -> str:
            people_changes.save_group(by=by, group=group, **form.cleaned_data)
            return self.url_of("changelist")

        return self.form_page(
            request,
            form,
            save,
            template="registry/group.html",
            title=group.name if group else "New group",
            crumbs=self.crumbs(),
            members=group.user_set.order_by("username") if group else [],
            cancel_url=self.url_of("changelist"),
            success="Saved.",
        )
