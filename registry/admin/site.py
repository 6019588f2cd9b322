"""The admin's site: one navigation, one dashboard, and pages that any building may add."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from registry.actions import entering
from registry.admin import dashboard, reference
from registry.admin.access import address_of, principal_of, request_id_of
from registry.conf import conf
from registry.forms.passwords import OwnPasswordForm, SignInForm
from registry.models import ApprovalRequest, User
from registry.panels import contents_of
from registry.principals import Principal

Page = Callable[..., HttpResponse]

# The groups of the navigation, in order; a model admin names one of them in ``nav_group``.
NAV_GROUPS = ("Models", "Data", "Scoring", "People")


@dataclass(frozen=True, slots=True)
class NavItem:
    """One link of the navigation. ``count`` is what waits there; 0 shows nothing."""

    label: str
    url: str
    icon: str
    is_current: bool
    count: int = 0


class ModelyardSite(AdminSite):
    """Any active staff user may sign in; what they see and may do comes from their roles."""

    site_header = "Modelyard"
    site_title = "Modelyard"
    index_title = "Overview"
    site_url = None
    enable_nav_sidebar = False
    empty_value_display = "—"
    login_form = SignInForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._pages: list[URLPattern] = []

    def add_page(self, route: str, view: Page, name: str) -> None:
        """Mount a page of its own under the admin, for signed-in staff only."""
        self._pages.append(path(route, self.admin_view(view), name=name))

    def get_urls(self) -> list[Any]:
        """The added pages, then Django's own."""
        return [*self._pages, *super().get_urls()]

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page with what the settings allow: a password, single sign-on, or both."""
        if request.method == "POST" and not conf.takes_passwords:
            raise PermissionDenied("Nobody signs in with a password here.")
        ways = {"sign_on": conf.sign_on, "takes_passwords": conf.takes_passwords}
        answer = super().login(request, {**ways, **(extra_context or {})})
        if request.method == "POST":
            _note_entry(request, answer)
        return answer

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The end of a session, written down while it is known whose."""
        if request.method == "POST" and request.user.is_authenticated:
            entering.note_sign_out(by=principal_of(request), address=address_of(request))
        return super().logout(request, extra_context)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """One's own password, where there are any."""
        if not conf.takes_passwords:
            raise PermissionDenied("Nobody signs in with a password here.")
        change = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse(f"{self.name}:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        request.current_app = self.name
        return cast(TemplateResponse, change(request))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page has: the navigation too."""
        context: dict[str, Any] = super().each_context(request)
        if context["has_permission"]:
            context["nav_groups"] = list(self._navigation(request))
            context["takes_passwords"] = conf.takes_passwords
            context["index_url"] = reverse(f"{self.name}:index")
            context["docs_url"] = reference.docs_address()
        return context

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """None: the navigation is our own, and Django's would ask for permissions on every page."""
        return []

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The dashboard: what there is, what waits, what happened."""
        context = {
            **self.each_context(request),
            "title": self.index_title,
            **dashboard.overview(principal_of(request)),
            "panels": contents_of("index", request, None),
            **(extra_context or {}),
        }
        request.current_app = self.name
        return TemplateResponse(request, "admin/index.html", context)

    def _navigation(self, request: HttpRequest) -> Iterator[tuple[str, list[NavItem]]]:
        for group in NAV_GROUPS:
            items = [item for _, item in sorted(self._items(request, group), key=lambda i: i[0])]
            if items:
                yield group, items

    def _items(self, request: HttpRequest, group: str) -> Iterator[tuple[int, NavItem]]:
        for model, admin in self._registry.items():
            if getattr(admin, "nav_group", None) != group:
                continue
            if not admin.has_module_permission(request):
                continue
            label = f"{model._meta.app_label}_{model._meta.model_name}"
            url = reverse(f"{self.name}:{label}_changelist")
            yield (
                admin.nav_order,  # type: ignore[attr-defined]  # set beside nav_group
                NavItem(
                    label=str(admin.nav_label),  # type: ignore[attr-defined]
                    url=url,
                    icon=admin.nav_icon,  # type: ignore[attr-defined]
                    is_current=request.path.startswith(url),
                    count=self._waiting(request) if model is ApprovalRequest else 0,
                ),
            )

    def _waiting(self, request: HttpRequest) -> int:
        return ApprovalRequest.objects.visible_to(principal_of(request)).pending().count()


def _note_entry(request: HttpRequest, answer: HttpResponse) -> None:
    """Write down how a sign-in with a password went. A form that was not filled in is none."""
    address, request_id = address_of(request), request_id_of(request)
    if answer.status_code == 302:
        by = Principal(cast(User, request.user), request_id=request_id)
        entering.note_sign_in(by=by, way=entering.PASSWORD, address=address)
        return
    filled = cast(TemplateResponse, answer).context_data["form"].cleaned_data  # type: ignore[index]  # the login's own
    if not ("username" in filled and "password" in filled):
        return
    name = filled["username"]
    # axes says so, and answers in place of the page.
    if getattr(request, "axes_locked_out", False):
        entering.note_lock_out(username=name, address=address, request_id=request_id)
    else:
        entering.note_refusal(
            user=entering.named(name),
            way=entering.PASSWORD,
            address=address,
            request_id=request_id,
        )
