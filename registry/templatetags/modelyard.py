"""Tags of the pages: badges, times, icons, tables of a list, evidence, model cards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.utils import lookup_field
from django.contrib.admin.views.main import ChangeList
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry.admin import event_words as words_of_events
from registry.admin import evidence as evidence_shown
from registry.admin import markdown as cards

register = template.Library()

# What a state means to a reader: the colour of its badge. The word is always there too.
TONES: dict[str, str] = {
    **dict.fromkeys(["ready", "passed", "approved", "completed", "done"], "good"),
    **dict.fromkeys(["active", "enabled", "started"], "good"),
    **dict.fromkeys(["pending", "queued", "waiting"], "wait"),
    **dict.fromkeys(["checking", "running", "leased"], "busy"),
    **dict.fromkeys(["quarantined", "warned", "completed_with_rejects"], "warn"),
    **dict.fromkeys(["expired", "paused"], "warn"),
    **dict.fromkeys(["rejected", "failed", "revoked", "suspended"], "bad"),
}
# What is not there, or matters less.
QUIET = '<span class="quiet">{}</span>'
_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (30, "day"), (12, "month"))


@register.simple_tag
def badge(state: Any, text: str = "") -> SafeString:
    """A state as a small label: colour, mark and word."""
    word = text or str(state).replace("_", " ")
    tone = TONES.get(str(state), "plain")
    return format_html('<span class="badge badge-{}">{}</span>', tone, word)


@register.simple_tag
def icon(name: str) -> SafeString:
    """A mark out of the page's own sprite; decoration only."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)


@register.simple_tag
def when(moment: datetime | None, missing: str = "—") -> SafeString | str:
    """A time relative to now; the exact one shows on hover and to machines."""
    if moment is None:
        return missing
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact(moment), ago(moment)
    )


@register.simple_tag
def moment(moment: datetime | None, missing: str = "—") -> SafeString | str:
    """A time both ways: exact, then relative."""
    if moment is None:
        return missing
    return format_html(
        '<time datetime="{}">{} <span class="quiet">({})</span></time>',
        moment.isoformat(),
        exact(moment),
        ago(moment),
    )


def exact(moment: datetime) -> str:
    """Date, time and zone of the pages: ``2026-01-31 12:00:05 UTC``."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def ago(moment: datetime) -> str:
    """``3 minutes ago``, ``in 2 hours``, ``just now``."""
    seconds = (timezone.now() - moment).total_seconds()
    count, unit = abs(seconds), "year"
    for size, name in _STEPS:
        if count < size:
            unit = name
            break
        count /= size
    whole = int(count)
    if unit == "second" and whole < 10:
        return "just now" if seconds >= 0 else "in a moment"
    text = f"{whole} {unit}{'' if whole == 1 else 's'}"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


@register.filter
def clock(moment: datetime) -> str:
    """The time of day in the zone of the pages: ``12:00:05``."""
    return f"{timezone.localtime(moment):%H:%M:%S}"


@register.filter
def markdown(text: str) -> SafeString:
    """A description written in Markdown, as clean HTML."""
    return cards.to_html(text)


def pretty(value: Any) -> str:
    """JSON to read: indented, with non-ASCII letters as they are."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def short_digest(sha256: str) -> str:
    """The first twelve digits, enough to tell digests apart by eye."""
    return sha256[:12]


@register.filter
def number(value: Any) -> str:
    """A count with thin groups (1 234 567), a float with at most six digits that matter."""
    if value is None:
        return "—"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.6g}"


@register.filter
def under(cells: Sequence[str], columns: Sequence[str]) -> list[tuple[str, str]]:
    """Each cell of a row with the heading that it stands under."""
    return list(zip(columns, cells, strict=True))


@register.inclusion_tag("registry/evidence.html")
def evidence(value: Any) -> dict[str, Any]:
    """Evidence of a check as facts, lists and tables."""
    return {"evidence": evidence_shown.readable(value)}


@register.inclusion_tag("registry/copy.html")
def copy(text: str, label: str = "Copy") -> dict[str, str]:
    """A button that copies ``text``."""
    return {"text": text, "label": label}


@register.inclusion_tag("registry/code.html")
def code(text: str, label: str = "Copy") -> dict[str, str]:
    """A block of code with a button that copies it."""
    return {"text": text, "label": label}


@register.inclusion_tag("admin/includes/rows.html", takes_context=True)
def rows(context: template.Context, cl: ChangeList) -> dict[str, Any]:
    """The table of a list page. Each cell knows its heading, so that narrow screens can stack."""
    headers = list(result_headers(cl))
    return {
        "cl": cl,
        "headers": headers,
        "rows": [_cells(cl, row, headers) for row in cl.result_list],
        "is_selectable": bool(context.get("action_form")),
    }


def _cells(cl: ChangeList, row: Any, headers: list[dict[str, Any]]) -> dict[str, Any]:
    cells = []
    for name, header in zip(cl.list_display, headers, strict=True):
        if name == "action_checkbox":
            continue
        field, _, value = lookup_field(name, row, cl.model_admin)
        if isinstance(value, datetime):
            value = when(value)
        elif field is not None and value in (None, ""):
            value = "—"
        cells.append({"name": name, "label": header["text"], "value": value})
    return {"pk": row.pk, "url": cl.url_for_result(row), "cells": cells, "name": str(row)}


@register.filter
def json_text(value: Any) -> str:
    """One value as JSON; texts without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.inclusion_tag("registry/signature.html")
def signature_tables(signature: dict[str, Any]) -> dict[str, Any]:
    """Inputs, outputs and parameters of a signature in its JSON form."""
    tables = [("Inputs", signature.get("inputs")), ("Outputs", signature.get("outputs"))]
    return {"signature": signature, "tables": tables, "json": pretty(signature)}


@register.simple_tag
def share(value: float | None) -> SafeString:
    """A bar as long as a share in 0..1; the number itself stands beside it."""
    bar = (
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="share-all" width="100" height="8"/>'
        '<rect class="share-part" width="{}" height="8"/></svg>'
    )
    return format_html(bar, f"{max(0.0, min(1.0, value or 0.0)) * 100:.2f}")


@register.filter
def event_words(action: str) -> str:
    """An action of the audit trail, such as ``version.pin``, in words."""
    return words_of_events.words_of(action)


@register.filter
def unlocalized(value: float) -> str:
    """A number as an attribute wants it: with a point, whatever the language."""
    return f"{value:g}"


@register.filter
def duration(seconds: int | None) -> str:
    """Seconds as ``45 s``, ``3 min`` or ``2 h 10 min``."""
    if seconds is None:
        return "—"
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
