"""The reference pages: the API's own description, and every error code with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

from registry.admin.calling import base_url
from registry.admin.compile_reasons import COMPILE_REASONS
from registry.admin.remedies import CHECK_REASONS, REMEDIES
from registry.errors import ROW_CODES, DomainError
from registry.scan.finding import REASONS as GATE_REASONS
from registry.tabular.errors import REASONS as TABLE_REASONS


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One code of the problem documents."""

    code: str
    title: str
    status: int
    meaning: str
    remedy: str


def docs(request: HttpRequest) -> HttpResponse:
    """The OpenAPI description, readable and callable."""
    context = {"title": "API reference", "schema_url": f"{base_url(request)}/api/v1/schema"}
    return _page(request, "registry/docs.html", context)


def error_codes(request: HttpRequest) -> HttpResponse:
    """Every code that an answer may have; its type URI leads here."""
    context = {
        "title": "Error codes",
        "entries": error_entries(),
        "row_codes": sorted(ROW_CODES.items()),
        "reasons": sorted(check_reasons().items()),
    }
    return _page(request, "registry/docs_errors.html", context)


def check_reasons() -> dict[str, str]:
    """Every reason of the gate, of a check, and of a refused table, with what to do."""
    plain = {
        code: f"{meaning[:1].upper()}{meaning[1:]}: {remedy}."
        for code, (meaning, remedy) in {**TABLE_REASONS, **GATE_REASONS}.items()
    }
    return {**plain, **COMPILE_REASONS, **CHECK_REASONS}


def error_entries() -> list[ErrorEntry]:
    """One entry for each code of the tree, by status and code."""
    found: dict[str, ErrorEntry] = {}
    for kind in _tree(DomainError):
        if kind.code not in found:
            meaning = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
            found[kind.code] = ErrorEntry(
                kind.code, kind.title, kind.status, meaning, REMEDIES.get(kind.code, "")
            )
    return sorted(found.values(), key=lambda entry: (entry.status, entry.code))


def _tree(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    """The leaves before their bases, so that the more exact words win."""
    for below in kind.__subclasses__():
        yield from _tree(below)
    yield kind


def _page(request: HttpRequest, template: str, context: Mapping[str, object]) -> HttpResponse:
    navigation = admin.site.each_context(request) if request.user.is_authenticated else {}
    return TemplateResponse(request, template, {**navigation, **context})


def docs_address() -> str:
    """Where the reference is, or nothing where it is not mounted."""
    try:
        return reverse("docs")
    except NoReverseMatch:
        return ""
