"""Pages of registered models: the list, the page of one, its aliases and who may use it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from registry import roles
from registry.actions import aliases, archiving, models
from registry.admin.access import principal_of, to_page
from registry.admin.alias_page import alias_context
from registry.admin.archived import ArchivedFilter
from registry.admin.base import GovernedAdmin
from registry.admin.card_page import card_context
from registry.admin.grants import GrantPages
from registry.admin.model_page import ModelPage
from registry.conf import conf
from registry.forms.models import (
    CardForm,
    ModelDescriptionForm,
    ModelRulesForm,
    MoveAliasForm,
    NewModelForm,
)
from registry.models import Alias, ApprovalRequest, ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION
from registry.principals import Principal, require, require_everywhere
from registry.templatetags.modelyard import QUIET, badge

VERSIONS_SHOWN = 50


@admin.register(RegisteredModel)
class RegisteredModelAdmin(GrantPages, GovernedAdmin[RegisteredModel]):
    """Governed names."""

    nav_group, nav_order, nav_label, nav_icon = "Models", 1, "Models", "model"
    list_intro = "Governed names. Each has versions, aliases that point to them, and an endpoint."
    empty_title = "No model yet"
    empty_text = (
        "A model is a name with versions. Make one, upload a fitted model file, and it can be "
        "called a moment later."
    )
    add_label = "New model"
    list_display = ("name", "champion", "newest", "tags_shown", "owner_name", "updated_at")
    search_fields = ("name", "description", "tags")
    search_placeholder = "Name, description or tag"
    list_filter = ("kind", "approval_required", ArchivedFilter)
    ordering = ("-updated_at",)
    pages = {
        "edit/": "edit_page",
        "archive/": "archive",
        "unarchive/": "unarchive",
        "card/": "card_page",
        "card-edit/": "edit_card",
        "aliases/": "move_alias",
        "alias-removal/": "remove_alias",
        "alias-history/<str:alias>/": "alias_history",
        "grants/": "set_grant",
        "grant-removal/": "remove_grant",
    }

    # --- list -----------------------------------------------------------------------------------

    def visible(self, principal: Principal) -> QuerySet[RegisteredModel]:
        """Those with any role, with what the list shows of their versions."""
        newest = ModelVersion.objects.filter(model=OuterRef("pk")).order_by("-number")
        champion = Alias.objects.filter(model=OuterRef("pk"), name=CHAMPION)
        return (
            RegisteredModel.objects.visible_to(principal)
            .select_related("owner")
            .annotate(
                newest_number=Subquery(newest.values("number")[:1]),
                newest_status=Subquery(newest.values("status")[:1]),
                champion_number=Subquery(champion.values("version__number")[:1]),
            )
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Publishers by a group."""
        return principal_of(request).may_everywhere(roles.PUBLISHER)

    @admin.display(description="Champion", ordering="champion_number")
    def champion(self, row: Any) -> str | SafeString:
        """The version that the bare name calls."""
        if row.champion_number is None:
            return format_html(QUIET, "none")
        return f"version {row.champion_number}"

    @admin.display(description="Newest version", ordering="newest_number")
    def newest(self, row: Any) -> str | SafeString:
        """Number and state of the last upload."""
        if row.newest_number is None:
            return format_html(QUIET, "no version")
        status = badge(row.newest_status)
        return format_html('<span class="row">{} {}</span>', row.newest_number, status)

    @admin.display(description="Tags")
    def tags_shown(self, row: RegisteredModel) -> SafeString | str:
        """Key and value."""
        tags = ((f"{key}: {value}",) for key, value in list(row.tags.items())[:6])
        inner = format_html_join(" ", '<span class="tag">{}</span>', tags)
        return format_html('<span class="tags">{}</span>', inner) if row.tags else "—"

    @admin.display(description="Owner", ordering="owner__username")
    def owner_name(self, row: RegisteredModel) -> str:
        """Who made it."""
        return row.owner.get_username()

    # --- pages ----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """The form for a new model."""
        by = principal_of(request)
        require_everywhere(by, roles.PUBLISHER)
        form = NewModelForm(request.POST or None)
        return self.form_page(
            request,
            form,
            lambda: models.create_model(by=by, **form.cleaned_data),
            title="New model",
            crumbs=self.crumbs(),
            submit_label="Make the model",
            cancel_url=self.url_of("changelist"),
        )

    def row_page(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """All there is to know of one model."""
        by = principal_of(request)
        return self.render(
            request, "registry/model.html", ModelPage(self.crumbs(), request, row, by).context()
        )

    def edit_page(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """Description and tags; classification and the approval rule for managers."""
        by = principal_of(request)
        require(by, roles.PUBLISHER, row)
        form_class = ModelRulesForm if by.may(roles.MANAGER, row) else ModelDescriptionForm
        initial = {name: getattr(row, name) for name in form_class.base_fields}
        form = form_class(request.POST or None, initial=initial)
        return self.form_page(
            request,
            form,
            lambda: models.update_model(by=by, model=row, **form.cleaned_data),
            title=f"Edit {row}",
            crumbs=self.crumbs(row),
            cancel_url=self.url_of("change", row.pk),
            success="Saved.",
        )

    def archive(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """POST: take it out of use."""
        return self.acted(
            request,
            row,
            lambda by: archiving.archive_model(by=by, model=row),
            f"{row} is archived: none of its versions can be called.",
        )

    def unarchive(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """POST: take it back into use."""
        return self.acted(
            request,
            row,
            lambda by: archiving.unarchive_model(by=by, model=row),
            f"{row} is in use again.",
        )

    def card_page(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """The model card, made to be printed."""
        return self.render(
            request, "registry/card.html", card_context(self.crumbs(row), request, row)
        )

    def edit_card(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """Fill in the model card."""
        by = principal_of(request)
        require(by, roles.PUBLISHER, row)
        form = CardForm(request.POST or None, initial=row.card)
        return self.form_page(
            request,
            form,
            lambda: models.update_model(by=by, model=row, card=form.cleaned_data),
            title=f"Model card of {row}",
            intro=_card_intro(),
            crumbs=self.crumbs(row),
            cancel_url=self.url_of("change", row.pk),
            success="The model card is saved.",
        )

    def move_alias(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """POST: point an alias to a version."""
        by = principal_of(request)
        if request.method == "POST":
            require(by, roles.PUBLISHER, row)
        form = MoveAliasForm(row, request.POST or None)
        done = form.run(lambda: _move(by, form)) if form.is_valid() else None
        if done is None:
            page = ModelPage(self.crumbs(), request, row, by, move_form=form)
            return self.render(request, "registry/model.html", page.context())
        messages.success(request, _moved(done))
        return to_page(self.url_of("change", row.pk))

    def remove_alias(self, request: HttpRequest, row: RegisteredModel) -> HttpResponse:
        """POST: take an alias away."""
        alias = request.POST.get("alias", "")
        return self.acted(
            request,
            row,
            lambda by: aliases.remove_alias(by=by, model=row, alias=alias),
            f"The alias “{alias}” is gone.",
        )

    def alias_history(self, request: HttpRequest, row: RegisteredModel, alias: str) -> HttpResponse:
        """Every move of one alias, and where it pointed at a moment."""
        context = {"crumbs": self.crumbs(row), **alias_context(request, row, alias)}
        return self.render(request, "registry/alias_history.html", context)


def _card_intro() -> str:
    """What the card is needed for here."""
    if conf.requires_model_cards:
        return "In Markdown. All of it is needed before a guarded alias of the model may move."
    return "In Markdown. Whoever decides about a guarded alias of the model reads it."


def _move(by: Principal, form: MoveAliasForm) -> Alias | ApprovalRequest:
    return aliases.move_alias(
        by=by,
        version=form.cleaned_data["version"],
        alias=form.cleaned_data["alias"],
        reason=form.cleaned_data["reason"],
    )


def _moved(done: Alias | ApprovalRequest) -> str:
    if isinstance(done, ApprovalRequest):
        return f"The move of “{done.alias}” waits for somebody else's approval."
    return f"“{done.name}” points to version {done.version.number} now."
