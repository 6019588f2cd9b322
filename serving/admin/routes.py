"""Routes on the pages: the panels of a model, and the page where its route is written."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from registry import roles
from registry.admin.access import page_refusals, principal_of, to_page, told
from registry.models import RegisteredModel
from registry.panels import PanelContent
from registry.principals import Principal, require
from serving.actions.mirrors import shown_examples
from serving.actions.routes import clear_route, route_state, set_route
from serving.admin.route_form import RouteForm
from serving.models import MirroredAnswer

COMPARISONS_SHOWN = 14


def panel(request: HttpRequest, model: RegisteredModel) -> PanelContent | None:
    """What the bare name calls; None where nothing could be said or done."""
    state = route_state(model)
    may_set = model.archived_at is None and _may_set(principal_of(request), model)
    if not state.targets and not may_set:
        return None
    context = {"model": model, "state": state, "may_set": may_set}
    return PanelContent("serving/route_panel.html", context)


def comparisons(request: HttpRequest, model: RegisteredModel) -> PanelContent | None:
    """What the mirrors showed on the last days, for publishers."""
    by = principal_of(request)
    if not by.may(roles.PUBLISHER, model):
        return None
    rows = list(MirroredAnswer.objects.of(model)[:COMPARISONS_SHOWN])
    if not rows and not route_state(model).mirrors:
        return None
    for row in rows:
        row.model = model
    examples = next((shown_examples(row) for row in rows if row.examples), [])
    context = {
        "rows": rows,
        "examples": examples if by.may(roles.MANAGER, model) else [],
    }
    return PanelContent("serving/comparisons_panel.html", context)


def capture(request: HttpRequest, model: RegisteredModel) -> PanelContent | None:
    """How much is captured, for who may read it."""
    if not principal_of(request).may(roles.MANAGER, model):
        return None
    # A search, which the list's own field shows and clears.
    query = urlencode({"q": model.name})
    records = f"{reverse('admin:serving_predictionrecord_changelist')}?{query}"
    context = {"model": model, "records_url": records}
    return PanelContent("serving/capture_panel.html", context, aside=True)


def route_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The form; POST writes the route, or shows what is wrong beside its line."""
    with page_refusals():
        by, model = _model(request, pk)
        require(by, _role(model), model)
    state = route_state(model)
    form = RouteForm(state, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.run(lambda: set_route(by=by, model=model, **form.asked()))
        if not form.errors:
            messages.success(request, f"The route of {model} is set.")
            return to_page(_page_of(model))
    context = {
        **admin.site.each_context(request),
        "title": f"Route of {model}",
        "crumbs": [
            ("Models", reverse("admin:registry_registeredmodel_changelist")),
            (model.name, _page_of(model)),
        ],
        "model": model,
        "form": form,
        "state": state,
        "submit_label": "Set the route",
        "cancel_url": _page_of(model),
    }
    return TemplateResponse(request, "serving/route_form.html", context)


def clear_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """POST: the champion answers again."""
    with page_refusals():
        by, model = _model(request, pk)
    if request.method == "POST":
        with told(request, f"The champion answers all of {model} again."):
            clear_route(by=by, model=model)
    return to_page(_page_of(model))


def _model(request: HttpRequest, pk: UUID) -> tuple[Principal, RegisteredModel]:
    by = principal_of(request)
    model = RegisteredModel.objects.visible_to(by).filter(pk=pk).first()
    if model is None:
        raise Http404
    return by, model


def _role(model: RegisteredModel) -> str:
    return roles.MANAGER if model.approval_required else roles.PUBLISHER


def _may_set(by: Principal, model: RegisteredModel) -> bool:
    return by.may(_role(model), model)


def _page_of(model: RegisteredModel) -> str:
    return reverse("admin:registry_registeredmodel_change", args=[model.pk])


_pages: Any = admin.site
_pages.add_page("serving/route/<uuid:pk>/", route_page, "serving_route")
_pages.add_page("serving/route/<uuid:pk>/clear/", clear_page, "serving_route-clear")
