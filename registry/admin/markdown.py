"""Model cards: Markdown to HTML that is safe to show. The one file here that marks HTML as safe."""

from __future__ import annotations

from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe  # noqa: TID251  # nh3 cleans it
from markdown_it import MarkdownIt

# No `style`, no `class`: the policy of the pages allows neither, and a card needs neither.
_BLOCKS = {
    "p",
    "br",
    "hr",
    "ul",
    "ol",
    "li",
    "pre",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
}
_WORDS = {"strong", "em", "del", "code", "a"}
_TABLES = {"table", "thead", "tbody", "tr", "th", "td"}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def to_html(text: str) -> SafeString:
    """A description as HTML: raw HTML in it is shown as text, foreign links carry no referrer."""
    html = _parser().render(text)
    cleaned = nh3.clean(
        html,
        tags=_BLOCKS | _WORDS | _TABLES,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(cleaned)  # noqa: S308
