"""The base of our model admins: rights from roles, list pages with words, pages of our own.

Django's model permissions are not asked: ``visible_to`` says which rows there are, and the role on
a row says what may be done with it. Nothing that is governed is ever deleted here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.db.models import Model, QuerySet
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from registry.admin.access import page_refusals, principal_of, to_page, told
from registry.forms.base import ActionForm
from registry.paging import Pages
from registry.principals import Principal

Row = TypeVar("Row", bound=Model)
Crumb = tuple[str, str]
SEARCH_MAX_CHARS = 200


class GovernedAdmin(admin.ModelAdmin[Row], Generic[Row]):
    """A list page and a page per row; ``pages`` names further views of a row."""

    nav_group: ClassVar[str] = ""
    nav_order: ClassVar[int] = 0
    nav_label: ClassVar[str] = ""
    nav_icon: ClassVar[str] = "list"
    list_intro: ClassVar[str] = ""
    search_placeholder: ClassVar[str] = "Search"
    empty_title: ClassVar[str] = "Nothing here yet"
    empty_text: ClassVar[str] = ""
    add_label: ClassVar[str] = "Add"
    add_icon: ClassVar[str] = "plus"
    # route below the row's own URL -> name of the method (request, row) -> response
    pages: ClassVar[dict[str, str]] = {}

    actions: Any = None
    list_per_page = 50
    paginator = Pages
    # One count less on every list.
    show_full_result_count = False
    preserve_filters = False

    @property
    def media(self) -> Media:
        """None of Django's scripts: the pages load what they need."""
        return Media()

    # --- rights ---------------------------------------------------------------------------------

    def visible(self, principal: Principal) -> QuerySet[Row]:
        """The rows that a principal may see."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """The rows that this person may see, newest first."""
        rows = self.visible(principal_of(request))
        ordering = self.get_ordering(request)
        return rows.order_by(*ordering) if ordering else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        """By the beginning of the text alone: SQLite refuses to search for very long ones."""
        return super().get_search_results(request, queryset, search_term[:SEARCH_MAX_CHARS])

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Every signed-in member of the staff sees the lists; what is in them depends on roles."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Rows come from ``visible``, so whoever has one may see it."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Said by each admin."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Changes happen on the pages, through actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Governed rows stay."""
        return False

    def get_inline_instances(
        self, request: HttpRequest, obj: Row | None = None
    ) -> list[InlineModelAdmin[Any, Any]]:
        """None."""
        return []

    # --- addresses ------------------------------------------------------------------------------

    def url_of(self, page: str, *args: object) -> str:
        """The address of ``changelist``, ``add``, ``change`` or one of ``pages``."""
        return reverse(f"admin:{self._url_name(page)}", args=args)

    def get_urls(self) -> list[URLPattern]:
        """List, add, the row's page, and what is below it."""
        site = self.admin_site.admin_view
        urls = [
            path("", site(self.changelist_view), name=self._url_name("changelist")),
            path("add/", site(self._refusing(self.add_page)), name=self._url_name("add")),
            path("<uuid:pk>/", site(self._on_row("row_page")), name=self._url_name("change")),
        ]
        for route, method in self.pages.items():
            name = self._url_name(route.strip("/").split("/")[0])
            urls.append(path(f"<uuid:pk>/{route}", site(self._on_row(method)), name=name))
        return urls

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _on_row(self, method: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, pk: uuid.UUID, **rest: Any) -> HttpResponse:
            with page_refusals():
                row = self.get_row(request, pk)
                answer: HttpResponse = getattr(self, method)(request, row, **rest)
                return answer

        view.__name__ = method
        return view

    def _refusing(self, page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(page)
        def view(request: HttpRequest) -> HttpResponse:
            with page_refusals():
                return page(request)

        return view

    def row_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Where the page of a row finds it; joined to what the page shows."""
        return self.visible(principal_of(request))

    def get_row(self, request: HttpRequest, pk: uuid.UUID) -> Row:
        """The row of a page; a 404 for what this person may not see."""
        row = self.row_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404(f"No {self.opts.verbose_name} {pk}")
        return row

    # --- pages ----------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with its words."""
        words = {
            "list_title": self.nav_label,
            "list_intro": self.list_intro,
            "title": self.nav_label,
            "search_placeholder": self.search_placeholder,
            "empty_title": self.empty_title,
            "empty_text": self.empty_text,
            "add_label": self.add_label,
            "add_icon": self.add_icon,
            "nav_icon": self.nav_icon,
        }
        return super().changelist_view(request, {**words, **(extra_context or {})})

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """The form that makes a row; a 404 where nothing is made by hand."""
        raise Http404

    def row_page(self, request: HttpRequest, row: Row) -> HttpResponse:
        """The page of a row."""
        raise Http404

    def crumbs(self, row: Row | None = None) -> list[Crumb]:
        """The way back: to the list, and to the row where a page lies below it."""
        trail = [(self.nav_label, self.url_of("changelist"))]
        if row is not None:
            trail.append((str(row), self.url_of("change", row.pk)))
        return trail

    def render(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """A page with the navigation around it."""
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, template, whole)

    def form_page(
        self,
        request: HttpRequest,
        form: ActionForm,
        run: Callable[[], object],
        *,
        template: str = "registry/form_page.html",
        **context: Any,
    ) -> HttpResponse:
        """Show a form; when it was sent and fits, ``run`` answers with the row or URL to see next.

        What the domain refuses comes back on the form, beside its field.
        """
        if request.method == "POST" and form.is_valid():
            done = form.run(run)
            if done is not None:
                if context.get("success"):
                    messages.success(request, context["success"])
                return self.next_page(request, done)
        return self.render(request, template, {"form": form, **context})

    def acted(
        self, request: HttpRequest, row: Row, act: Callable[[Principal], object], success: str
    ) -> HttpResponse:
        """A POST runs ``act`` and tells how it went; a GET only leads back to the row's page."""
        if request.method == "POST":
            with told(request, success):
                act(principal_of(request))
        return to_page(self.url_of("change", row.pk))

    def next_page(self, request: HttpRequest, done: object) -> HttpResponse:
        """Where a form leads: to a row's page or an address; a script that sent it is told."""
        url = self.url_of("change", done.pk) if isinstance(done, self.model) else str(done)
        if request.headers.get("X-Requested-With") == "XMLHttpRequest":
            return HttpResponse(status=204, headers={"X-Next-Page": url})
        return HttpResponseRedirect(url)
