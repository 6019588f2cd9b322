"""Pages of versions: the list, the upload, the page of one with its checks as they happen."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from registry import roles
from registry.actions import versions
from registry.actions.compiled import pin_version
from registry.admin import version_intake
from registry.admin.access import principal_of
from registry.admin.base import GovernedAdmin
from registry.admin.uploads import streamed
from registry.admin.version_page import POLICY_WORDS, QUESTIONS, VersionPage
from registry.conf import conf
from registry.errors import DomainError
from registry.forms.versions import CorrectVersionForm, EditVersionForm, UploadVersionForm
from registry.models import ModelVersion, RegisteredModel
from registry.models.check import CheckName
from registry.principals import Principal, require
from registry.templatetags.modelyard import badge

MODELS_OFFERED = 200


@admin.register(ModelVersion)
class ModelVersionAdmin(GovernedAdmin[ModelVersion]):
    """Versions of all models that somebody sees."""

    nav_group, nav_order, nav_label, nav_icon = "Models", 2, "Versions", "versions"
    list_intro = "Every upload, with where it stands."
    empty_title = "No version yet"
    empty_text = "Upload a fitted model. Its checks run by themselves and show on its page."
    add_label, add_icon = "Upload a version", "upload"
    list_display = ("version", "state", "aliases_shown", "format_title", "uploader", "uploaded")
    list_filter = ("status", "format")
    search_fields = ("model__name", "description", "artifact__sha256")
    search_placeholder = "Model, description or sha256"
    ordering = ("-id",)
    pages = {
        "checks/": "checks_part",
        "edit/": "edit_page",
        "correct/": "correct_page",
        "archive/": "archive",
        "engine/": "pin",
    }

    # --- list -----------------------------------------------------------------------------------

    def visible(self, principal: Principal) -> QuerySet[ModelVersion]:
        """Versions of visible models, without their bulky parts."""
        rows = ModelVersion.objects.visible_to(principal)
        return (
            rows.select_related("model", "created_by")
            .prefetch_related("aliases")
            .defer("facts", "signature", "declared_signature")
        )

    def row_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        """With all that the page shows."""
        rows = ModelVersion.objects.visible_to(principal_of(request))
        return rows.select_related("model", "created_by", "artifact", "from_version__model")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Publishers of anything."""
        by = principal_of(request)
        return by.may_everywhere(roles.PUBLISHER) or bool(_publishable(by)[:1])

    @admin.display(description="Version", ordering="model__name")
    def version(self, row: ModelVersion) -> str:
        """Model and number."""
        return f"{row.model.name} {row.number}"

    @admin.display(description="State", ordering="status")
    def state(self, row: ModelVersion) -> SafeString:
        """Where it stands."""
        return badge(row.status)

    @admin.display(description="Aliases")
    def aliases_shown(self, row: ModelVersion) -> SafeString | str:
        """The aliases that point to it."""
        names = [(alias.name,) for alias in row.aliases.all()]
        if not names:
            return "—"
        inner = format_html_join(" ", '<span class="tag tag-alias">{}</span>', names)
        return format_html('<span class="tags">{}</span>', inner)

    @admin.display(description="Format", ordering="format")
    def format_title(self, row: ModelVersion) -> str:
        """The format's name."""
        return row.get_format_display()

    @admin.display(description="By", ordering="created_by__username")
    def uploader(self, row: ModelVersion) -> str:
        """Who uploaded it."""
        return row.created_by.get_username()

    @admin.display(description="Uploaded", ordering="created_at")
    def uploaded(self, row: ModelVersion) -> Any:
        """When."""
        return row.created_at

    # --- upload ---------------------------------------------------------------------------------

    @property
    def add_page(self) -> Any:
        """The upload form; its files are streamed."""
        return streamed(self._upload_page, version_intake.caps, RegisteredModel)

    def _upload_page(self, request: HttpRequest, refusal: DomainError | None) -> HttpResponse:
        by = principal_of(request)
        form = self._upload_form(request, refusal)
        return self.form_page(
            request,
            form,
            lambda: version_intake.register(by, form.cleaned_data),
            template="registry/upload_version.html",
            title="Upload a version",
            crumbs=self.crumbs(),
            submit_label="Upload",
            cancel_url=self.url_of("changelist"),
            questions=[(name, QUESTIONS[name]) for name in CheckName],
            policy_words=POLICY_WORDS[conf.model_file_policy],
            command="modelyard push model.skops \\\n  --name churn \\\n  --example rows.csv",
            known_models=_publishable(by)[:MODELS_OFFERED],
            may_create=by.may_everywhere(roles.PUBLISHER),
        )

    def _upload_form(self, request: HttpRequest, refusal: DomainError | None) -> UploadVersionForm:
        if request.method != "POST":
            return UploadVersionForm(initial={"model": request.GET.get("model", "")})
        form = UploadVersionForm(request.POST, request.FILES)
        if refusal is not None:
            form.refuse(refusal)
        return form

    # --- pages ----------------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, row: ModelVersion) -> HttpResponse:
        """All there is to know of one version."""
        page = VersionPage(request, row, principal_of(request))
        context = {"crumbs": self._trail(row), **page.context()}
        return self.render(request, "registry/version.html", context)

    def checks_part(self, request: HttpRequest, row: ModelVersion) -> HttpResponse:
        """The checks alone, asked for again and again while they run.

        Once the version is settled the whole page has changed: the browser is told to load it.
        """
        page = VersionPage(request, row, principal_of(request))
        answer = TemplateResponse(request, "registry/version_checks.html", page.checks_context())
        if not page.is_moving:
            answer["HX-Refresh"] = "true"
        return answer

    def edit_page(self, request: HttpRequest, row: ModelVersion) -> HttpResponse:
        """Description, metrics and tags."""
        by = principal_of(request)
        require(by, roles.PUBLISHER, row.model)
        initial = {name: getattr(row, name) for name in EditVersionForm.base_fields}
        form = EditVersionForm(request.POST or None, initial=initial)

        def save() -> ModelVersion:
            values = {**form.cleaned_data, "metrics": form.cleaned_data["metrics"] or {}}
            return versions.update_version(by=by, version=row, **values)

        return self.form_page(
            request,
            form,
            save,
            title=f"Edit {row}",
            crumbs=self._trail(row, inside=True),
            cancel_url=self.url_of("change", row.pk),
            success="Saved.",
        )

    def correct_page(self, request: HttpRequest, row: ModelVersion) -> HttpResponse:
        """A corrected signature makes the next version out of the same bytes."""
        by = principal_of(request)
        require(by, roles.PUBLISHER, row.model)
        initial = {"signature": row.signature or row.declared_signature}
        form = CorrectVersionForm(request.POST or None, initial=initial)
        return self.form_page(
            request,
            form,
            lambda: versions.correct_version(
                by=by, version=row, signature=form.cleaned_data["signature"]
            ),
            title="Correct the signature",
            intro=f"The bytes of {row} become a new version with this signature.",
            crumbs=self._trail(row, inside=True),
            submit_label="Make the corrected version",
            cancel_url=self.url_of("change", row.pk),
        )

    def archive(self, request: HttpRequest, row: ModelVersion) -> HttpResponse:
        """POST: take it out of use."""
        return self.acted(
            request,
            row,
            lambda by: versions.archive_version(by=by, version=row),
            f"{row} is archived.",
        )

    def pin(self, request: HttpRequest, row: ModelVersion) -> HttpResponse:
        """POST: who answers from now on."""
        engine = request.POST.get("engine", "")
        return self.acted(
            request,
            row,
            lambda by: pin_version(by=by, version=row, engine=engine),
            f"It is set who answers for {row} from now on.",
        )

    def _trail(self, row: ModelVersion, *, inside: bool = False) -> list[tuple[str, str]]:
        pages = self.admin_site._registry[RegisteredModel]
        trail: list[tuple[str, str]] = pages.crumbs(row.model)  # type: ignore[attr-defined]  # ours
        if inside:
            trail.append((f"Version {row.number}", self.url_of("change", row.pk)))
        return trail


def _publishable(by: Principal) -> QuerySet[RegisteredModel]:
    """The models that somebody may upload versions of, by name."""
    rows = RegisteredModel.objects.visible_to(by).in_use().order_by("name")
    if by.may_everywhere(roles.PUBLISHER):
        return rows
    allowed = roles.ROLES[roles.rank(roles.PUBLISHER) :]
    return rows.filter(grants__user=by.user, grants__role__in=allowed)
