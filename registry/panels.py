"""The third ladder: what the upper building adds to pages and answers of the lower one.

Ordered tables, filled when the application starts and empty for a registry that stands alone:
page panels, ``links`` (neighbours of an object in an answer) and steps of lineage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
_LINKS: dict[str, dict[str, str]] = {}
_STEPS: dict[str, list[str]] = {}


def add_panel(page: str, key: str, maker: str, *, order: int = 100) -> None:
    """Put a panel on a page. The same key again replaces it."""
    _PANELS[page, key] = Panel(page, key, order, maker)


def panels_of(page: str) -> tuple[Panel, ...]:
    """The panels of a page, in order."""
    found = (panel for panel in _PANELS.values() if panel.page == page)
    return tuple(sorted(found, key=lambda panel: (panel.order, panel.key)))


def contents_of(page: str, request: Any, subject: Any) -> list[PanelContent]:
    """What the panels of a page show of ``subject``, in order; those with nothing are left out."""
    made = (import_string(panel.maker)(request, subject) for panel in panels_of(page))
    return [content for content in made if content is not None]


def add_link(kind: str, key: str, maker: str) -> None:
    """Give every object of a kind (such as ``version``) one more neighbour under ``links``.

    ``maker`` is the dotted path of a function ``(row) -> str | None``: the neighbour's path below
    the API's root, such as ``/batch-jobs?model=churn``. It must not query. The same key again
    replaces it.
    """
    _LINKS.setdefault(kind, {})[key] = maker


def links_of(kind: str) -> dict[str, Callable[[Any], str | None]]:
    """The makers of a kind's added links, in the order in which they were added."""
    return {key: import_string(maker) for key, maker in _LINKS.get(kind, {}).items()}


def add_steps(kind: str, maker: str) -> None:
    """Add to the lineage of a kind.

    ``maker`` is the dotted path of a function ``(row, principal) -> Iterable[Branch]`` (see
    ``registry.api.lineage``); it answers with what the principal may see only.
    """
    if maker not in _STEPS.setdefault(kind, []):
        _STEPS[kind].append(maker)


def steps_of(kind: str) -> list[Callable[..., Any]]:
    """The makers of a kind's added lineage, in the order in which they were added."""
    return [import_string(maker) for maker in _STEPS.get(kind, ())]
