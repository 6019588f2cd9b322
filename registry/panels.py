"""The third ladder: what the upper building adds to pages and answers of the lower one.

Two ordered tables, both filled when the application starts and both empty for a registry that
stands alone: ``links`` (neighbours of an object in an answer) and page panels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a page. ``page`` is the page's key, such as ``version``; lower ``order`` first.

    ``maker`` is the dotted path of a function ``(request, subject) -> PanelContent | None``; it
    is imported on first use, so that nothing of the upper building is loaded here.
    """

    page: str
    key: str
    order: int
    maker: str


@dataclass(frozen=True, slots=True)
class PanelContent:
    """What a maker answers: a template and its context. ``aside`` is the narrow column."""

    template: str
    context: Mapping[str, Any]
    aside: bool = False


_PANELS: dict[tuple[str, str], Panel] = {}


def add_panel(page: str, key: str, maker: str, *, order: int = 100) -> None:
    """Put a panel on a page. The same key again replaces it."""
    _PANELS[page, key] = Panel(page, key, order, maker)


def panels_of(page: str) -> tuple[Panel, ...]:
    """The panels of a page, in order."""
    found = (panel for panel in _PANELS.values() if panel.page == page)
    return tuple(sorted(found, key=lambda panel: (panel.order, panel.key)))


def contents_of(page: str, request: Any, subject: Any) -> list[PanelContent]:
    """What the panels of a page have to show of ``subject``, in order; those with nothing are left out."""
    made = (import_string(panel.maker)(request, subject) for panel in panels_of(page))
    return [content for content in made if content is not None]
